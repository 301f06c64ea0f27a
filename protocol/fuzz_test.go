package protocol_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// goldenMessages are the seeds. A folder without them fails the test.
func goldenMessages(t testing.TB) (texts [][]byte) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(goldenFolder(protocol.Version), "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden message found (%v)", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, bytes.TrimSuffix(text, []byte("\n")))
	}
	return texts
}

// What is parsed is written back the same, by the second writer of these tests.
func FuzzParse(f *testing.F) {
	for _, text := range goldenMessages(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := protocol.Parse("", text)
		if err != nil {
			if !reflect.DeepEqual(e, protocol.Envelope{}) {
				t.Errorf("a refused message left %+v behind", e)
			}
			return
		}
		body := e.Body
		e.Body = []byte("0")
		head, tail, _ := bytes.Cut(plainJSON(t, e), []byte(`"body":0`))
		back := append(append(append(append([]byte{}, head...), `"body":`...), body...), tail...)
		if !bytes.Equal(back, text) {
			t.Errorf("written back: %s\nparsed:       %s", back, text)
		}
		for _, into := range []any{&protocol.State{}, &protocol.Segment{}, &protocol.Receipt{}, &protocol.Hub{}, &protocol.KeyList{},
			&protocol.Job{}, &protocol.Progress{}, &protocol.Diagnosis{}, &protocol.Roster{}, &protocol.Inventory{}, &protocol.Results{}, &protocol.Templates{}, &protocol.Claim{}, &protocol.Renewal{}, &protocol.Grant{}, &protocol.Release{}, &protocol.Config{}} {
			e.Body = body
			if err := e.Into(into); err != nil && protocol.ReasonOf(err) != protocol.ReasonBody {
				t.Errorf("Into(%T) = %v, want a refusal of the body", into, err)
			}
		}
	})
}

func FuzzParseCanonical(f *testing.F) {
	for _, r := range records() {
		f.Add(r.AppendCanonical(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := protocol.ParseCanonical(b)
		if err != nil {
			return
		}
		if back := r.AppendCanonical(nil); !bytes.Equal(back, b) {
			t.Errorf("written back: %x\nparsed:       %x", back, b)
		}
		if wall, ok := r.Time.Wall(); ok && protocol.NewLocalTime(wall) != r.Time {
			t.Errorf("time %q is read as %s", r.Time, wall)
		}
	})
}

func FuzzParseTopic(f *testing.F) {
	for _, m := range messages(f) {
		f.Add(m.topic())
	}
	f.Fuzz(func(t *testing.T, text string) {
		topic, err := protocol.ParseTopic(text)
		if err == nil && topic.String() != text {
			t.Errorf("ParseTopic(%q) = %+v, written back %q", text, topic, topic)
		}
		if err != nil && topic != (protocol.Topic{}) {
			t.Errorf("a refused topic left %+v behind", topic)
		}
	})
}

// What is read as a manifest is small, and is written back the same.
func FuzzManifest(f *testing.F) {
	signed := signedManifest(f)
	file, err := signed.Append(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(signed.Manifest))
	f.Add(file)
	f.Fuzz(func(t *testing.T, text []byte) {
		if m, err := protocol.ParseManifest(text); err == nil {
			if back := plainJSON(t, m); !bytes.Equal(back, text) || len(m.Files) > 3 {
				t.Errorf("written back: %s\nparsed:       %s", back, text)
			}
		}
		s, err := protocol.ParseSignedManifest(text)
		if err != nil {
			return
		}
		if m, err := s.Open([]seal.PublicKey{fixedKey(t, "release").Public()}); err == nil && !bytes.Equal(plainJSON(t, m), s.Manifest) {
			t.Errorf("a manifest that was never signed is opened: %s", s.Manifest)
		}
	})
}

func FuzzParseEdition(f *testing.F) {
	for _, text := range []string{"v1.2.3", "v1.2.3-rc.1", "v0.0.1-a-b.0", "v01.2.3"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if e, err := protocol.ParseEdition(text); err == nil && e.String() != text {
			t.Errorf("ParseEdition(%q) is written back %q", text, e)
		}
	})
}
