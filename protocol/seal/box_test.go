package seal_test

import (
	"bytes"
	"crypto/hpke"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

func newSealingKey(t testing.TB) seal.SealingKey {
	t.Helper()
	k, err := seal.GenerateSealingKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// finger is the purpose of one finger of one person at one terminal.
func finger() seal.Purpose {
	return seal.For("template").With("site", "samsat-belitung").With("terminal", "A1").With("pin", "100001").With("finger", "6")
}

func mustSeal(t testing.TB, to seal.SealingPublic, p seal.Purpose, plain []byte) seal.Box {
	t.Helper()
	box, err := to.Seal(p, plain)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func TestBoxOpensForItsKeyAndPurposeOnly(t *testing.T) {
	key, other := newSealingKey(t), newSealingKey(t)
	plain := []byte("a finger")
	box := mustSeal(t, key.Public(), finger(), plain)
	with := func(change func(b *seal.Box)) seal.Box {
		b := box
		b.Data = bytes.Clone(b.Data)
		change(&b)
		return b
	}
	for _, row := range []struct {
		name    string
		key     seal.SealingKey
		purpose seal.Purpose
		box     seal.Box
		opens   bool
	}{
		{"its key and purpose open it", key, finger(), box, true},
		{"another key is refused", other, finger(), box, false},
		{"another key under the first one's name is refused", other, finger(), with(func(b *seal.Box) { b.To = other.Public().KeyID() }), false},
		{"no key is refused", seal.SealingKey{}, finger(), box, false},
		{"another kind is refused", key, seal.For("roster").With("site", "samsat-belitung").With("terminal", "A1").With("pin", "100001").With("finger", "6"), box, false},
		{"another PIN is refused", key, seal.For("template").With("site", "samsat-belitung").With("terminal", "A1").With("pin", "100002").With("finger", "6"), box, false},
		{"a field less is refused", key, seal.For("template").With("site", "samsat-belitung").With("terminal", "A1").With("pin", "100001"), box, false},
		{"a field more is refused", key, finger().With("digest", ""), box, false},
		{"another order is refused", key, seal.For("template").With("terminal", "A1").With("site", "samsat-belitung").With("pin", "100001").With("finger", "6"), box, false},
		{"a border moved between fields is refused", key, seal.For("template").With("site", "samsat-belitung").With("terminal", "A1").With("pin", "10000").With("1finger", "6"), box, false},
		{"another suite is refused", key, finger(), with(func(b *seal.Box) { b.Suite = "0020.0001.0003" }), false},
		{"a box without content is refused", key, finger(), with(func(b *seal.Box) { b.Data = nil }), false},
		{"a cut box is refused", key, finger(), with(func(b *seal.Box) { b.Data = b.Data[:len(b.Data)-1] }), false},
		{"a longer box is refused", key, finger(), with(func(b *seal.Box) { b.Data = append(b.Data, 0) }), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := row.key.Open(row.purpose, row.box)
			if row.opens {
				if err != nil || !bytes.Equal(got, plain) {
					t.Errorf("Open = %q, %v, want %q", got, err, plain)
				}
				return
			}
			if !errors.Is(err, seal.ErrBox) || got != nil {
				t.Errorf("Open = %q, %v, want ErrBox", got, err)
			}
			if strings.Contains(err.Error(), "a finger") || strings.Contains(err.Error(), "100001") {
				t.Errorf("the error tells content or purpose: %v", err)
			}
		})
	}
}

// A purpose that differs in one field, wherever and however, is another purpose.
func TestPurposeThatDiffersInOneFieldIsRefused(t *testing.T) {
	key := newSealingKey(t)
	rapid.Check(t, func(t *rapid.T) {
		fields := rapid.SliceOfN(rapid.StringN(0, 12, 40), 2, 12).Draw(t, "texts")
		fields = fields[:len(fields)/2*2]
		build := func(kind string, fields []string) seal.Purpose {
			p := seal.For(kind)
			for i := 0; i < len(fields); i += 2 {
				p = p.With(fields[i], fields[i+1])
			}
			return p
		}
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		box, err := key.Public().Seal(build("template", fields), plain)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := key.Open(build("template", fields), box); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("Open with the same purpose = %x, %v", got, err)
		}
		changed := slices.Clone(fields)
		i := rapid.IntRange(0, len(fields)-1).Draw(t, "which")
		changed[i] = rapid.StringN(0, 12, 40).Filter(func(s string) bool { return s != fields[i] }).Draw(t, "instead")
		if _, err := key.Open(build("template", changed), box); !errors.Is(err, seal.ErrBox) {
			t.Fatalf("Open with text %d changed = %v, want ErrBox", i, err)
		}
	})
}

// A purpose handed to two callers who each add a field must not mix them up.
func TestPurposesBranch(t *testing.T) {
	key := newSealingKey(t)
	for n := range 6 { // whatever room append left behind the fields
		base := seal.For("template")
		for i := range n {
			base = base.With("field", fmt.Sprint(i))
		}
		left, right := base.With("pin", "1"), base.With("pin", "2")
		if _, err := key.Open(left, mustSeal(t, key.Public(), right, nil)); !errors.Is(err, seal.ErrBox) {
			t.Errorf("after %d fields: two branches are one purpose (%v)", n, err)
		}
	}
}

func TestEveryBitOfABoxCounts(t *testing.T) {
	key := newSealingKey(t)
	box := mustSeal(t, key.Public(), finger(), []byte("template"))
	step := 1
	if testing.Short() {
		step = 13 // meets every place within a byte and every part of the box
	}
	for bit := 0; bit < len(box.Data)*8; bit += step {
		flipped := box
		flipped.Data = bytes.Clone(box.Data)
		flipped.Data[bit/8] ^= 1 << (bit % 8)
		if _, err := key.Open(finger(), flipped); !errors.Is(err, seal.ErrBox) {
			t.Fatalf("bit %d flipped: %v, want ErrBox", bit, err)
		}
	}
}

func TestBoxSize(t *testing.T) {
	key := newSealingKey(t)
	for _, n := range []int{0, 1, 1024, 160 << 10} {
		box := mustSeal(t, key.Public(), finger(), make([]byte, n))
		if len(box.Data) != n+seal.Overhead {
			t.Errorf("%d bytes become %d, want %d", n, len(box.Data), n+seal.Overhead)
		}
		text, err := json.Marshal(box)
		if err != nil {
			t.Fatal(err)
		}
		if want := 60 + (n+seal.Overhead+2)/3*4; len(text) != want {
			t.Errorf("%d bytes become %d in JSON, want %d", n, len(text), want)
		}
	}
}

func TestTwoBoxesOfOneContentDiffer(t *testing.T) {
	key := newSealingKey(t)
	a, b := mustSeal(t, key.Public(), finger(), []byte("same")), mustSeal(t, key.Public(), finger(), []byte("same"))
	if bytes.Equal(a.Data[:32], b.Data[:32]) || bytes.Equal(a.Data[1120:], b.Data[1120:]) {
		t.Error("two boxes of one content can be told to be the same")
	}
}

func TestSealRefuses(t *testing.T) {
	if _, err := (seal.SealingPublic{}).Seal(finger(), nil); !errors.Is(err, seal.ErrSealingPublic) {
		t.Errorf("Seal to no key = %v, want ErrSealingPublic", err)
	}
	if _, err := newSealingKey(t).Public().Seal(seal.Purpose{}, nil); err == nil {
		t.Error("Seal for no purpose succeeded")
	}
}

var update = flag.Bool("update", false, "write the golden box, where there is none")

// goldenBox is a box of version 1 with all that opens it.
type goldenBox struct {
	Seed    []byte     `json:"seed"`
	Public  string     `json:"public"`
	Kind    string     `json:"kind"`
	Fields  [][]string `json:"fields"`
	Content string     `json:"content"`
	Box     seal.Box   `json:"box"`
}

// What was sealed once must open for ever: the vault's copies and what lies on
// sticks is older than the program that opens it. The box was written with -update
// and a seed of 32 counted bytes; nobody's key.
func TestGoldenBoxOpensForEver(t *testing.T) {
	path := filepath.Join("testdata", "box.json")
	if *update {
		writeGolden(t, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var g goldenBox
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	key := sealingKeyFromSeed(t, g.Seed)
	if got := key.Public().String(); got != g.Public {
		t.Errorf("public half = %.20s…, want %.20s…", got, g.Public)
	}
	p := seal.For(g.Kind)
	for _, f := range g.Fields {
		p = p.With(f[0], f[1])
	}
	if got, err := key.Open(p, g.Box); err != nil || string(got) != g.Content {
		t.Errorf("Open = %q, %v, want %q", got, err, g.Content)
	}

	// The same with nothing of ours but the rule: a program in another language opens
	// a box by HPKE when it writes info and aad so.
	prefixed := func(texts ...string) (b []byte) {
		for _, s := range texts {
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
		}
		return b
	}
	private, err := hpke.MLKEM768X25519().NewPrivateKey(g.Seed)
	if err != nil {
		t.Fatal(err)
	}
	r, err := hpke.NewRecipient(g.Box.Data[:1120], private, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), prefixed("sidik/v1/seal", g.Kind))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Open(prefixed(slices.Concat(g.Fields...)...), g.Box.Data[1120:]); err != nil || string(got) != g.Content {
		t.Errorf("HPKE alone: Open = %q, %v, want %q", got, err, g.Content)
	}
	if g.Box.Suite != fmt.Sprintf("%04x.%04x.%04x", hpke.MLKEM768X25519().ID(), hpke.HKDFSHA256().ID(), hpke.ChaCha20Poly1305().ID()) {
		t.Errorf("suite = %s, which are not the numbers of the algorithms", g.Box.Suite)
	}
}

func writeGolden(t *testing.T, path string) {
	t.Helper()
	g := goldenBox{
		Kind:    "template",
		Fields:  [][]string{{"site", "samsat-belitung"}, {"terminal", "A8N5230560123"}, {"pin", "100001"}, {"finger", "6"}, {"digest", ""}},
		Content: "golden content of no finger",
	}
	for i := range 32 {
		g.Seed = append(g.Seed, byte(i))
	}
	key := sealingKeyFromSeed(t, g.Seed)
	p := seal.For(g.Kind)
	for _, f := range g.Fields {
		p = p.With(f[0], f[1])
	}
	g.Public, g.Box = key.Public().String(), mustSeal(t, key.Public(), p, []byte(g.Content))
	text, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		t.Fatalf("a golden box is written once: %v", err)
	}
	if _, err := f.Write(append(text, '\n')); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestBoxHasOneForm(t *testing.T) {
	box := mustSeal(t, newSealingKey(t).Public(), finger(), []byte("x"))
	text, err := json.Marshal(box)
	if err != nil {
		t.Fatal(err)
	}
	var back seal.Box
	if err := json.Unmarshal(text, &back); err != nil || back.To != box.To || back.Suite != box.Suite || !bytes.Equal(back.Data, box.Data) {
		t.Fatalf("the box does not survive JSON: %v", err)
	}
	for _, row := range []struct{ name, from, to string }{
		{"blanks", `{"suite"`, `{ "suite"`},
		{"a field more", `{"suite"`, `{"x":1,"suite"`},
		{"a field twice", `{"suite"`, `{"suite":"","suite"`},
		{"a name in capitals", `"suite"`, `"Suite"`},
		{"another base64", `","data":"`, `","data":"\n`},
		{"an escape", `"647a.`, `"\u003647a.`},
		{"a key id in capitals", string(box.To), strings.Repeat("A", 16)},
		{"a key id cut off", string(box.To), string(box.To[:15])},
		{"no key id", string(box.To), ""},
		{"null", string(text), "null"},
		{"a list", string(text), "[]"},
	} {
		t.Run(row.name+" refused", func(t *testing.T) {
			changed := strings.Replace(string(text), row.from, row.to, 1)
			if changed == string(text) {
				t.Fatal("nothing was changed")
			}
			var got seal.Box
			if err := got.UnmarshalJSON([]byte(changed)); !errors.Is(err, seal.ErrBox) || got.Data != nil {
				t.Errorf("UnmarshalJSON = %v, want ErrBox and nothing left behind", err)
			}
		})
	}
}

func FuzzBox(f *testing.F) {
	text, err := os.ReadFile(filepath.Join("testdata", "box.json"))
	if err != nil {
		f.Fatal(err)
	}
	var g struct{ Box json.RawMessage }
	if err := json.Unmarshal(text, &g); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(g.Box))
	f.Add([]byte(`{"suite":"647a.0001.0003","to":"0123456789abcdef","data":"AAAA"}`))
	key := newSealingKey(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		var box seal.Box
		if err := box.UnmarshalJSON(text); err != nil {
			return
		}
		if again, err := json.Marshal(box); err != nil || !bytes.Equal(again, text) {
			t.Errorf("%s is read and written as %s", text, again)
		}
		if _, err := key.Open(finger(), box); !errors.Is(err, seal.ErrBox) {
			t.Errorf("a box of nobody opens: %v", err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	to, template := newSealingKey(b).Public(), make([]byte, 1200)
	for b.Loop() {
		mustSeal(b, to, finger(), template)
	}
}

func BenchmarkOpen(b *testing.B) {
	key := newSealingKey(b)
	box := mustSeal(b, key.Public(), finger(), make([]byte, 1200))
	for b.Loop() {
		if _, err := key.Open(finger(), box); err != nil {
			b.Fatal(err)
		}
	}
}
