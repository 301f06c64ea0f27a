package protocol_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// bodies makes values of a message by reflection, so that a field added later is
// filled too. What has a text form of its own gets a value that has one.
func bodies[T any](t testing.TB) *rapid.Generator[T] {
	keys := []seal.PublicKey{agentKey(t).Public(), hubKey(t).Public()}
	sealing := []seal.SealingPublic{sealingKey(t).Public()}
	custom := func(draw func(t *rapid.T) any) *rapid.Generator[any] { return rapid.Custom(draw) }
	return rapid.MakeCustom[T](rapid.MakeConfig{Types: map[reflect.Type]*rapid.Generator[any]{
		reflect.TypeFor[seal.PublicKey](): custom(func(t *rapid.T) any { return rapid.SampledFrom(keys).Draw(t, "key") }),
		reflect.TypeFor[time.Time](): custom(func(t *rapid.T) any {
			return time.Unix(rapid.Int64Range(0, 1<<34).Draw(t, "seconds"), 0).UTC()
		}),
		reflect.TypeFor[json.RawMessage](): custom(func(t *rapid.T) any {
			return rapid.SampledFrom([]json.RawMessage{json.RawMessage("null"), json.RawMessage(`{"v":1}`)}).Draw(t, "raw")
		}),
		reflect.TypeFor[map[string]string](): custom(func(t *rapid.T) any {
			return rapid.MapOfN(text(0, 5), text(0, 5), 1, 3).Draw(t, "args") // an empty one is left out
		}),
		reflect.TypeFor[seal.SealingPublic](): custom(func(t *rapid.T) any { return rapid.SampledFrom(sealing).Draw(t, "sealing key") }),
		reflect.TypeFor[protocol.ClaimCode](): custom(func(t *rapid.T) any {
			code, err := protocol.ParseClaimCode(rapid.StringMatching("[0-9A-HJKMNP-TV-Z]{12}").Draw(t, "code"))
			if err != nil {
				t.Fatal(err)
			}
			return code
		}),
		reflect.TypeFor[[][]byte](): custom(func(t *rapid.T) any { // an empty list is left out
			return rapid.SampledFrom([][][]byte{nil, {{1}}}).Draw(t, "authorities")
		}),
		reflect.TypeFor[[]seal.PublicKey](): custom(func(t *rapid.T) any {
			return rapid.SampledFrom([][]seal.PublicKey{nil, keys}).Draw(t, "release keys")
		}),
		reflect.TypeFor[[]seal.SealingPublic](): custom(func(t *rapid.T) any { // an empty list is left out
			return rapid.SampledFrom([][]seal.SealingPublic{nil, sealing}).Draw(t, "sealing keys")
		}),
		reflect.TypeFor[[]protocol.Hash](): custom(func(t *rapid.T) any { // an empty list may be left out
			return rapid.SampledFrom([][]protocol.Hash{nil, {{1}}, {{1}, {2}}}).Draw(t, "hashes")
		}),
		reflect.TypeFor[[]protocol.HeldRoster](): custom(func(t *rapid.T) any { // an empty list is left out
			return rapid.SampledFrom([][]protocol.HeldRoster{nil, {{Serial: "T1"}}, {{Serial: "T1", Order: protocol.Seq{Life: 1, Counter: 2}}, {}}}).Draw(t, "rosters")
		}),
		reflect.TypeFor[seal.Box](): custom(func(t *rapid.T) any {
			return seal.Box{Suite: seal.Suite, To: fixedBox().To, Data: rapid.SliceOfN(rapid.Byte(), 1, 9).Draw(t, "sealed")}
		}),
		reflect.TypeFor[[]byte](): custom(func(t *rapid.T) any { return rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "bytes") }),
	}})
}

func roundTrip[T any](t *testing.T) {
	t.Helper()
	t.Run(reflect.TypeFor[T]().Name(), func(t *testing.T) {
		generator := bodies[T](t)
		rapid.Check(t, func(t *rapid.T) {
			want := generator.Draw(t, "body")
			text, err := json.Marshal(want)
			if err != nil {
				t.Fatal(err)
			}
			var got T
			if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("through JSON = %+v, %v\nwant %+v\n%s", got, err, want, text)
			}
		})
	})
}

func TestMessagesKeepEveryField(t *testing.T) {
	roundTrip[protocol.State](t)
	roundTrip[protocol.Segment](t)
	roundTrip[protocol.Receipt](t)
	roundTrip[protocol.Hub](t)
	roundTrip[protocol.KeyList](t)
	roundTrip[protocol.Claim](t)
	roundTrip[protocol.Renewal](t)
	roundTrip[protocol.Grant](t)
	roundTrip[protocol.Roster](t)
	roundTrip[protocol.Part](t)
	roundTrip[protocol.Inventory](t)
	roundTrip[protocol.Templates](t)
	roundTrip[protocol.Results](t)
	roundTrip[protocol.Job](t)
	roundTrip[protocol.Progress](t)
	roundTrip[protocol.Diagnosis](t)
	roundTrip[protocol.Release](t)
	roundTrip[protocol.ReleaseState](t)
	roundTrip[protocol.Seq](t)
}

func TestStateCheck(t *testing.T) {
	good := messages(t)["state"].body.(protocol.State)
	for _, row := range []struct {
		name   string
		change func(s *protocol.State)
		want   string
	}{
		{"as written", func(s *protocol.State) {}, ""},
		{"init", func(s *protocol.State) { s.Status = protocol.StatusInit }, ""},
		{"sleeping", func(s *protocol.State) { s.Status = protocol.StatusSleeping }, ""},
		{"disconnected", func(s *protocol.State) { s.Status = protocol.StatusDisconnected }, ""},
		{"lost", func(s *protocol.State) { s.Status = protocol.StatusLost }, ""},
		{"no status", func(s *protocol.State) { s.Status = "" }, "status"},
		{"an unknown status", func(s *protocol.State) { s.Status = "tired" }, "tired"},
		{"no key", func(s *protocol.State) { s.Key = seal.PublicKey{} }, "key"},
		{"a flood of conditions", func(s *protocol.State) { s.Conditions = make([]protocol.Condition, 257) }, "conditions"},
		{"a flood of terminals", func(s *protocol.State) { s.Terminals = make([]protocol.Terminal, 65) }, "terminals"},
		{"a stage of a release that there is not", func(s *protocol.State) { s.Release = &protocol.ReleaseState{Stage: "baked"} }, "baked"},
		{"a reason of a novel's length", func(s *protocol.State) {
			s.Release = &protocol.ReleaseState{Stage: protocol.ReleaseRefused, Reason: strings.Repeat("x", 65)}
		}, "more than"},
		{"a flood of rosters", func(s *protocol.State) { s.Rosters = make([]protocol.HeldRoster, 65) }, "terminals"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := good
			row.change(&s)
			checkSays(t, s.Check(), row.want)
		})
	}
}

func TestReceipt(t *testing.T) {
	good := messages(t)["receipt"].body.(protocol.Receipt)
	for _, row := range []struct {
		name   string
		change func(r *protocol.Receipt)
		want   string
	}{
		{"as written", func(r *protocol.Receipt) {}, ""},
		{"nothing stored yet", func(r *protocol.Receipt) { r.Epochs = nil }, ""},
		{"generation 0", func(r *protocol.Receipt) { r.Generation.Number = 0 }, "generation"},
		{"a generation without id", func(r *protocol.Receipt) { r.Generation.ID = protocol.Hash{} }, "generation"},
		{"too many epochs", func(r *protocol.Receipt) { r.Epochs = make([]protocol.EpochStore, protocol.MaxReceiptEpochs+1) }, "epochs"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := good
			row.change(&r)
			checkSays(t, r.Check(), row.want)
		})
	}
	if e, ok := good.Of(fixedHash("older epoch")); !ok || e.Fork != 9 {
		t.Errorf("Of(older epoch) = %+v, %v", e, ok)
	}
	if e, ok := good.Of(fixedHash("another")); ok {
		t.Errorf("Of(an epoch it does not name) = %+v", e)
	}
}

func TestKeyListCheck(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(k *protocol.KeyList)
		want   string
	}{
		{"as written", func(k *protocol.KeyList) {}, ""},
		{"no root", func(k *protocol.KeyList) { k.Root = seal.PublicKey{} }, "root"},
		{"no signing key", func(k *protocol.KeyList) { k.Signing = nil }, "without a signing key"},
		{"an empty signing key", func(k *protocol.KeyList) { k.Signing = append(k.Signing, protocol.HubKey{}) }, "empty signing key"},
		{"no sealing key", func(k *protocol.KeyList) { k.Sealing = nil }, "sealing key"},
		{"sixteen signing keys", func(k *protocol.KeyList) { k.Signing = slices.Repeat(k.Signing[:1], 16) }, ""},
		{"a flood of signing keys", func(k *protocol.KeyList) { k.Signing = slices.Repeat(k.Signing[:1], 17) }, "more than 16"},
		{"a flood of authorities", func(k *protocol.KeyList) { k.Authorities = make([][]byte, 17) }, "more than 16"},
		{"a flood of release keys", func(k *protocol.KeyList) { k.Release = make([]seal.PublicKey, 17) }, "more than 16"},
	} {
		t.Run(row.name, func(t *testing.T) {
			list := keyList(t)
			row.change(&list)
			checkSays(t, list.Check(), row.want)
		})
	}
}

func TestEnrolmentChecks(t *testing.T) {
	claim := messages(t)["claim"].body.(protocol.Claim)
	grant := messages(t)["grant"].body.(protocol.Grant)
	for _, row := range []struct {
		name   string
		change func(c *protocol.Claim)
		want   string
	}{
		{"as written", func(c *protocol.Claim) {}, ""},
		{"no key", func(c *protocol.Claim) { c.Key = seal.PublicKey{} }, "key"},
		{"no TLS key", func(c *protocol.Claim) { c.TLS = nil }, "certificate"},
		{"a giant TLS key", func(c *protocol.Claim) { c.TLS = make([]byte, 513) }, "certificate"},
		{"a serial that is none", func(c *protocol.Claim) { c.Terminals = []protocol.Serial{"a/b"} }, "serial"},
		{"a flood of terminals", func(c *protocol.Claim) { c.Terminals = slices.Repeat(c.Terminals, 65) }, "65 terminals"},
	} {
		t.Run("claim with "+row.name, func(t *testing.T) {
			c := claim
			row.change(&c)
			checkSays(t, c.Check(), row.want)
		})
	}
	for _, row := range []struct {
		name   string
		change func(g *protocol.Grant)
		want   string
	}{
		{"as written", func(g *protocol.Grant) {}, ""},
		{"no certificate", func(g *protocol.Grant) { g.Certificate = nil }, "certificate"},
		{"no broker", func(g *protocol.Grant) { g.Brokers = nil }, "broker"},
		{"a renewal after its end", func(g *protocol.Grant) { g.Renew = g.Until }, "renew"},
	} {
		t.Run("grant with "+row.name, func(t *testing.T) {
			g := grant
			row.change(&g)
			checkSays(t, g.Check(), row.want)
		})
	}
}

func TestClaimCode(t *testing.T) {
	for range 100 {
		c := protocol.NewClaimCode()
		for _, typed := range []string{c.Text(), strings.ToLower(c.Text()), " " + strings.ReplaceAll(c.Text(), "-", " ") + "\n",
			strings.NewReplacer("0", "O", "1", "l").Replace(c.Text())} {
			got, err := protocol.ParseClaimCode(typed)
			if err != nil || got.Text() != c.Text() || got.Hash() != c.Hash() {
				t.Fatalf("ParseClaimCode(%q) = %v, %v, want the code that was typed", typed, got.Text(), err)
			}
		}
		holder := struct{ code protocol.ClaimCode }{c}
		for _, shown := range []string{fmt.Sprint(c), fmt.Sprintf("%v %+v %#v %s %q", c, c, c, c, c), fmt.Sprintf("%v %+v %#v", holder, holder, holder)} {
			if strings.Contains(shown, c.Text()) || strings.Contains(shown, strings.ReplaceAll(c.Text(), "-", "")) {
				t.Fatalf("printing shows the code: %s", shown)
			}
		}
	}
	for _, text := range []string{"", "K7QM-2XWD-9RT", "K7QM-2XWD-9RTAA", "K7QM-2XWD-9RTU", "K7QM_2XWD_9RTA"} {
		if c, err := protocol.ParseClaimCode(text); !errors.Is(err, protocol.ErrClaimCode) || !c.IsZero() {
			t.Errorf("ParseClaimCode(%q) = %q, %v, want ErrClaimCode", text, c.Text(), err)
		}
	}
	var c protocol.ClaimCode
	if err := c.UnmarshalText([]byte("k7qm-2xwd-9rta")); err == nil {
		t.Error("a message may write a code in two forms")
	}
}

func checkSays(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("Check = %v, want %q in it", err, want)
	}
}
