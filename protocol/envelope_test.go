package protocol_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// receiptMessage is a message in which every field of the envelope says something.
func receiptMessage(t testing.TB) (topic string, text []byte) {
	m := messages(t)["receipt"]
	m.envelope.Subject = "X100C0001"
	return m.topic(), write(t, m.envelope, m.body, m.key)
}

// One row for each field of the envelope: the message is written again with only
// this field changed and the old signature.
func TestEveryFieldIsUnderTheSignature(t *testing.T) {
	change := map[string]struct {
		with func(e *protocol.Envelope)
		want protocol.Reason
	}{
		"Version": {func(e *protocol.Envelope) { e.Version++ }, protocol.ReasonVersion},
		"Kind":    {func(e *protocol.Envelope) { e.Kind = protocol.KindState }, protocol.ReasonSignature},
		"Site":    {func(e *protocol.Envelope) { e.Site = "samsat-bangka" }, protocol.ReasonSignature},
		"Subject": {func(e *protocol.Envelope) { e.Subject = "X100C0002" }, protocol.ReasonSignature},
		"From":    {func(e *protocol.Envelope) { e.From = agentKey(t).Public().KeyID() }, protocol.ReasonSignature},
		"To":      {func(e *protocol.Envelope) { e.To = "" }, protocol.ReasonSignature},
		"Seq":     {func(e *protocol.Envelope) { e.Seq.Counter++ }, protocol.ReasonSignature},
		"ID":      {func(e *protocol.Envelope) { e.ID = protocol.NewID() }, protocol.ReasonSignature},
		"At":      {func(e *protocol.Envelope) { e.At = nil }, protocol.ReasonSignature},
		"Body": {func(e *protocol.Envelope) {
			e.Body = bytes.Replace(e.Body, []byte(`"number":3`), []byte(`"number":4`), 1)
		}, protocol.ReasonSignature},
		"Sig": {func(e *protocol.Envelope) { e.Sig = bytes.Clone(e.Sig); e.Sig[0] ^= 1 }, protocol.ReasonSignature},
	}
	_, text := receiptMessage(t)
	whole, err := protocol.Open("", text, known(t))
	if err != nil {
		t.Fatal(err)
	}
	fields := reflect.TypeFor[protocol.Envelope]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		t.Run(name, func(t *testing.T) {
			row, found := change[name]
			if !found {
				t.Fatalf("the envelope has a field %s that no row of this test changes", name)
			}
			e := whole
			row.with(&e)
			if reflect.DeepEqual(e, whole) {
				t.Fatal("the row changed nothing")
			}
			_, err := protocol.Open("", plainJSON(t, e), known(t))
			if got := refusal(t, err); got != row.want {
				t.Errorf("Open = %v, want reason %s", err, row.want)
			}
		})
	}
	t.Run("both halves of the sequence", func(t *testing.T) {
		e := whole
		e.Seq.Life++
		if _, err := protocol.Open("", plainJSON(t, e), known(t)); refusal(t, err) != protocol.ReasonSignature {
			t.Errorf("Open with another life = %v", err)
		}
	})
	t.Run("a letter that moves from one field to the next", func(t *testing.T) {
		e := whole
		e.Site, e.Subject = e.Site[:len(e.Site)-1], string(e.Site[len(e.Site)-1:])+e.Subject
		if _, err := protocol.Open("", plainJSON(t, e), known(t)); refusal(t, err) != protocol.ReasonSignature {
			t.Errorf("Open = %v", err)
		}
	})
}

func TestEveryBitIsUnderTheSignature(t *testing.T) {
	topic, text := receiptMessage(t)
	keys := known(t)
	if _, err := protocol.Open(topic, text, keys); err != nil {
		t.Fatalf("the whole message: %v", err)
	}
	for i := range text {
		for bit := range 8 {
			text[i] ^= 1 << bit
			if _, err := protocol.Open(topic, text, keys); err == nil {
				t.Errorf("bit %d of byte %d changed (now %q) and the message passed", bit, i, text[i])
			}
			text[i] ^= 1 << bit
		}
	}
}

// Larger damage of a line or a hostile broker, from a fixed seed.
func TestDamageRefuses(t *testing.T) {
	topic, text := receiptMessage(t)
	keys := known(t)
	random := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		damaged := bytes.Clone(text)
		from := random.IntN(len(text))
		to := min(len(text), from+1+random.IntN(20))
		switch random.IntN(4) {
		case 0:
			damaged = append(damaged[:from], damaged[to:]...)
		case 1:
			damaged = append(damaged[:to], text[from:]...)
		case 2:
			for i := from; i < to; i++ {
				damaged[i] = byte(random.Uint32())
			}
		case 3:
			damaged = damaged[:from]
		}
		if bytes.Equal(damaged, text) {
			continue
		}
		if _, err := protocol.Open(topic, damaged, keys); err == nil {
			t.Fatalf("passed: %s", damaged)
		}
	}
}

// A message has one form. Each row is the same message to a JSON parser.
func TestOtherFormsOfTheSameMessageAreRefused(t *testing.T) {
	topic, text := receiptMessage(t)
	replace := func(old, new string) []byte {
		t.Helper()
		if !bytes.Contains(text, []byte(old)) {
			t.Fatalf("the message has no %s", old)
		}
		return bytes.Replace(text, []byte(old), []byte(new), 1)
	}
	for name, other := range map[string][]byte{
		"a blank":                  replace(`"v":1`, `"v": 1`),
		"a line end":               append(bytes.Clone(text), '\n'),
		"a second message":         append(bytes.Clone(text), text...),
		"a capital in a name":      replace(`"site":`, `"Site":`),
		"a field twice":            replace(`"v":1,`, `"v":1,"site":"samsat-bangka",`),
		"an unknown field":         replace(`"v":1,`, `"v":1,"x":0,`),
		"an escaped letter":        replace(`"kind":"r`, `"kind":"\u0072`),
		"another order of fields":  replace(`"v":1,"kind":"receipt"`, `"kind":"receipt","v":1`),
		"a number with a fraction": replace(`"v":1`, `"v":1.0`),
		"a time with a fraction":   replace(`31:07Z"`, `31:07.5Z"`),
		"a time in another zone":   replace(`"at":"2026-01-02T00:31:07Z"`, `"at":"2026-01-02T07:31:07+07:00"`),
		"padding bits of the sig":  lastBits(text),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := protocol.Open(topic, other, known(t)); err == nil {
				t.Errorf("passed: %s", other)
			} else if got := refusal(t, err); got != protocol.ReasonForm && got != protocol.ReasonSignature {
				t.Errorf("reason %s", got)
			}
		})
	}
}

// lastBits sets bits of the last base64 letter that no byte of the signature has.
func lastBits(text []byte) []byte {
	other := bytes.Clone(text)
	at := bytes.LastIndex(other, []byte(`=="}`)) - 1
	other[at]++
	return other
}

func TestOpenRefuses(t *testing.T) {
	m := messages(t)["receipt"]
	topic, text := receiptMessage(t)
	as := func(with func(e *protocol.Envelope)) []byte {
		e := m.envelope
		with(&e)
		return write(t, e, m.body, m.key)
	}
	stranger := fixedKey(t, "stranger")
	for _, row := range []struct {
		name, topic string
		text        []byte
		want        protocol.Reason
	}{
		{"nothing", topic, nil, protocol.ReasonForm},
		{"not JSON", topic, []byte("lost"), protocol.ReasonForm},
		{"another JSON", topic, []byte("{}"), protocol.ReasonVersion},
		{"null", topic, []byte("null"), protocol.ReasonVersion},
		{"too large", topic, append(bytes.Clone(text), make([]byte, protocol.MaxPayload)...), protocol.ReasonSize},
		{"a later version", topic, bytes.Replace(text, []byte(`"v":1`), []byte(`"v":2`), 1), protocol.ReasonVersion},
		{"another site's topic", "sidik/v1/samsat-bangka/receipt", text, protocol.ReasonTopic},
		{"another kind's topic", "sidik/v1/samsat-belitung/state", text, protocol.ReasonTopic},
		{"a topic below its own", topic + "/1", text, protocol.ReasonTopic},
		{"a topic of a later version", "sidik/v2/samsat-belitung/receipt", text, protocol.ReasonTopic},
		{"a stranger's key", topic, write(t, m.envelope, m.body, stranger), protocol.ReasonKey},
		{"a stranger who gives a known name", topic, bytes.Replace(write(t, m.envelope, m.body, stranger),
			[]byte(stranger.Public().KeyID()), []byte(hubKey(t).Public().KeyID()), 1), protocol.ReasonSignature},
		{"a site's key for another site", "sidik/v1/samsat-bangka/punches", siteSwapped(t), protocol.ReasonKey},
		{"an unknown kind", topic, as(func(e *protocol.Envelope) { e.Kind = "roster" }), protocol.ReasonTopic},
	} {
		t.Run(row.name, func(t *testing.T) {
			e, err := protocol.Open(row.topic, row.text, known(t))
			if got := refusal(t, err); got != row.want {
				t.Errorf("Open = %v, want reason %s", err, row.want)
			}
			if !reflect.DeepEqual(e, protocol.Envelope{}) {
				t.Errorf("Open left %+v behind", e)
			}
		})
	}
}

// siteSwapped is a segment that a site's agent signed for another site.
func siteSwapped(t testing.TB) []byte {
	m := messages(t)["punches"]
	m.envelope.Site = "samsat-bangka"
	return write(t, m.envelope, m.body, m.key)
}

func TestInto(t *testing.T) {
	m := messages(t)["hub"]
	for _, row := range []struct {
		name, body string
		into       any
		want       string // in the error; "" for none
	}{
		{"a good body", `{"status":"born","generation":{"id":"` + fixedHash("g").String() + `","number":1},"version":"v0"}`, &protocol.Hub{}, ""},
		{"an unknown field", `{"status":"born","mood":"good"}`, &protocol.Hub{}, "mood"},
		{"a field of another type", `{"status":7}`, &protocol.Hub{}, "status"},
		{"no key", `{"signing":[]}`, &protocol.KeyList{}, "without the root key"},
		{"a receipt without a generation", `{"epochs":[]}`, &protocol.Receipt{}, "without a generation"},
	} {
		t.Run(row.name, func(t *testing.T) {
			text := writeAs(t, m.envelope, []byte(row.body), "0000000000000000", m.key)
			e, err := protocol.Open("", text, known(t))
			if err != nil {
				t.Fatal(err)
			}
			err = e.Into(row.into)
			if row.want == "" {
				if err != nil {
					t.Errorf("Into = %v", err)
				}
				return
			}
			if got := refusal(t, err); got != protocol.ReasonBody || !strings.Contains(err.Error(), row.want) {
				t.Errorf("Into = %v, want %s with %q", err, protocol.ReasonBody, row.want)
			}
		})
	}
}

func TestSeal(t *testing.T) {
	key := hubKey(t)
	e := protocol.Envelope{Kind: protocol.KindHub, Site: protocol.HubSite, Seq: protocol.Seq{Life: 1, Counter: 1}}
	t.Run("a body that is too large is refused before it travels", func(t *testing.T) {
		if _, err := protocol.Seal(e, strings.Repeat("x", protocol.MaxPayload), key); err == nil {
			t.Error("Seal = nil")
		}
	})
	t.Run("a body that is no JSON is refused", func(t *testing.T) {
		if _, err := protocol.Seal(e, json.RawMessage("{"), key); err == nil {
			t.Error("Seal = nil")
		}
	})
	t.Run("two messages have two ids", func(t *testing.T) {
		a, err := protocol.Seal(e, protocol.Hub{}, key)
		b, err2 := protocol.Seal(e, protocol.Hub{}, key)
		if err != nil || err2 != nil || bytes.Equal(a, b) {
			t.Errorf("Seal twice = %s, %v and %s, %v", a, err, b, err2)
		}
	})
	t.Run("what is set by Seal is not the caller's to choose", func(t *testing.T) {
		forged := e
		forged.Version, forged.From, forged.ID, forged.Sig = 9, "somebody", "chosen", []byte("x")
		text, err := protocol.Seal(forged, protocol.Hub{}, key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := protocol.Open("", text, known(t)); err != nil {
			t.Errorf("Open(Seal) = %v", err)
		}
	})
	// synctest gives a clock with a zone's worth of nanoseconds in it.
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(1234567 * time.Nanosecond)
		now := time.Now().In(time.FixedZone("WIB", 7*3600))
		timed := e
		timed.At = &now
		text, err := protocol.Seal(timed, protocol.Hub{Version: "<&>\u2028"}, key)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte(`"<&>\u2028"`)) {
			t.Errorf("letters are written otherwise than the contract says: %s", text)
		}
		opened, err := protocol.Open("", text, func(protocol.SiteID, seal.KeyID) (seal.PublicKey, bool) { return key.Public(), true })
		if err != nil {
			t.Fatalf("Open(Seal) with a time of another zone and odd letters = %v", err)
		}
		if want := now.UTC().Truncate(time.Second); !opened.At.Equal(want) {
			t.Errorf("at = %s, want %s", opened.At, want)
		}
	})
}

// A look-up that answers with another key than the one asked for must not help a
// message that names a wrong sender.
func TestTheKeyMustBeTheOneThatIsNamed(t *testing.T) {
	hub, topic := hubKey(t), "sidik/v1/_/hub"
	any := func(protocol.SiteID, seal.KeyID) (seal.PublicKey, bool) { return hub.Public(), true }
	m := messages(t)["hub"]
	if _, err := protocol.Open(topic, write(t, m.envelope, m.body, hub), any); err != nil {
		t.Fatal(err)
	}
	text := writeFrom(t, m.envelope, plainJSON(t, m.body), "0000000000000000", "00112233aabbccdd", hub)
	if _, err := protocol.Open(topic, text, any); refusal(t, err) != protocol.ReasonSignature {
		t.Errorf("Open = %v, want %s", err, protocol.ReasonSignature)
	}
}

func TestReasonOf(t *testing.T) {
	_, err := protocol.Open("", nil, known(t))
	if got := protocol.ReasonOf(errors.Join(errors.New("outer"), err)); got != protocol.ReasonForm {
		t.Errorf("ReasonOf a wrapped refusal = %s", got)
	}
	refused := &protocol.Refusal{Reason: protocol.ReasonReplay}
	if got := protocol.ReasonOf(refused); got != protocol.ReasonReplay || refused.Error() != "message refused: replay" {
		t.Errorf("ReasonOf(%v) = %s", refused, got)
	}
}

func TestOrder(t *testing.T) {
	// Everything an agent says in two lives and two connections, in order; the will
	// of a connection is told last of it.
	seq := func(life uint64, connection, n uint32) protocol.Seq {
		return protocol.Seq{Life: life, Counter: protocol.ConnectionCounter(connection, n)}
	}
	order := []protocol.Seq{
		seq(1, 1, 0), seq(1, 1, 1), seq(1, 1, 4_000_000_000), seq(1, 1, protocol.WillMessage),
		seq(1, 2, 1), seq(1, 2, protocol.WillMessage), seq(1, 4_000_000_000, 1),
		seq(2, 1, 1), seq(2, 1, protocol.WillMessage),
	}
	for i, a := range order {
		for j, b := range order {
			if got, want := a.Less(b), i < j; got != want {
				t.Errorf("%s.Less(%s) = %v, want %v", a, b, got, want)
			}
		}
	}
}

func refusal(t testing.TB, err error) protocol.Reason {
	t.Helper()
	var r *protocol.Refusal
	if !errors.As(err, &r) {
		t.Fatalf("err = %v, want a refusal", err)
	}
	return r.Reason
}
