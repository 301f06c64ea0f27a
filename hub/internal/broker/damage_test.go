package broker_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/broker"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
)

// use does what the hub needs of a broker: a retained message is kept, renewed
// and cleared, and a subscription gets it. It returns which retained messages were
// there before.
func use(ctx context.Context, url string) (before map[string]string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	before = map[string]string{}
	o := mqtt.Options{Brokers: []string{url}, ClientID: "hub", Subscribe: []string{"sidik/v1/#"}, BackoffMin: time.Millisecond, BackoffMax: 10 * time.Millisecond}
	result := errFailed
	mqtt.Run(ctx, o, func(serving context.Context, c *mqtt.Conn) error {
		const topic = "sidik/v1/_/hub"
		for _, text := range []string{"born", ""} {
			if err := c.Publish(serving, mqtt.Message{Topic: topic, Payload: []byte(text), Retained: true}); err != nil {
				return err
			}
			for {
				m, open := <-c.Messages()
				if !open {
					return errFailed
				}
				if m.Topic == topic && !m.Retained && string(m.Payload) == text {
					break
				}
				if m.Retained && m.Topic != topic {
					before[m.Topic] = string(m.Payload)
				}
			}
		}
		result = nil
		cancel()
		return nil
	})
	return before, result
}

var errFailed = errors.New("the broker does not do its work")

// publishRetained leaves n retained messages at a broker.
func publishRetained(t testing.TB, url string, n int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	mqtt.Run(ctx, mqtt.Options{Brokers: []string{url}, ClientID: "hub"}, func(serving context.Context, c *mqtt.Conn) error {
		defer cancel()
		for i := range n {
			m := mqtt.Message{Topic: fmt.Sprintf("sidik/v1/site-%d/state", i), Payload: fmt.Appendf(nil, "state of %d", i), Retained: true}
			if err := c.Publish(serving, m); err != nil {
				t.Errorf("publish: %v", err)
			}
		}
		return nil
	})
}

func TestDamagedFolderDoesNotStopTheHub(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "broker")
	e := start(t, whole)
	publishRetained(t, e.running.URL(), 20)
	e.Stop()
	var files []string
	filepath.WalkDir(whole, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(whole, path)
			files = append(files, rel)
		}
		return err
	})
	if len(files) < 10 {
		t.Fatalf("%d files in the broker's folder: %q", len(files), files)
	}
	random := rand.New(rand.NewPCG(1, 2))
	damages := []struct {
		name string
		do   func(b []byte) []byte // nil: the file is removed
	}{
		{"gone", nil},
		{"empty", func([]byte) []byte { return nil }},
		{"cut in half", func(b []byte) []byte { return b[:len(b)/2] }},
		{"only zeros", func(b []byte) []byte { return make([]byte, len(b)) }},
		{"only noise", func(b []byte) []byte {
			for i := range b {
				b[i] = byte(random.Uint32())
			}
			return b
		}},
		{"with one bit flipped", func(b []byte) []byte {
			if len(b) > 0 {
				b[random.IntN(len(b))] ^= 1 << random.IntN(8)
			}
			return b
		}},
	}
	for n, file := range files {
		for m, damage := range damages {
			if os.Getenv("SIDIK_SOAK") == "" && m != n%len(damages) && !strings.Contains(file, "rmsgs/msgs") {
				continue // every file once, the retained messages in every way
			}
			t.Run(file+" "+damage.name, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "broker")
				if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(dir, file)
				b, err := os.ReadFile(path)
				switch {
				case err != nil:
				case damage.do == nil:
					err = os.Remove(path)
				default:
					err = os.WriteFile(path, damage.do(b), 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
				works(t, dir)
			})
		}
	}
}

// works starts a broker on a folder, uses it, and says how many retained messages
// it still had and where it put a folder that it could not read.
func works(t *testing.T, dir string) (before int, aside string) {
	t.Helper()
	b, err := broker.Start(t.Context(), broker.Options{Dir: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	messages, err := use(t.Context(), b.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d retained messages, aside %q", len(messages), b.MovedAside())
	return len(messages), b.MovedAside()
}

func TestFolderThatTheEngineCannotOpenIsPutAsideAndKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "broker")
	if err := os.WriteFile(dir, []byte("not a folder"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, aside := works(t, dir)
	if b, err := os.ReadFile(aside); err != nil || string(b) != "not a folder" {
		t.Errorf("aside is %q: %q, %v", aside, b, err)
	}
}

func TestFolderThatVanishedIsMadeAnew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "broker")
	if n, aside := works(t, dir); n != 0 || aside != "" {
		t.Errorf("%d retained messages, aside %q", n, aside)
	}
}

func TestRetainedMessagesOutliveTheBroker(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "broker")
	e := start(t, dir)
	publishRetained(t, e.running.URL(), 20)
	e.Stop()
	if n, aside := works(t, dir); n != 20 || aside != "" {
		t.Errorf("%d of 20 retained messages after a restart, aside %q", n, aside)
	}
}

func TestAddressesThatAreRefused(t *testing.T) {
	for _, test := range []struct{ listen, sentence string }{
		{"0.0.0.0:1883", "only loopback"},
		{"[::]:1883", "only loopback"},
		{"192.0.2.1:1883", "only loopback"},
		{":1883", "only loopback"},
		{"hub.example:1883", "want an IP address and a port"},
		{"127.0.0.1", "want an IP address and a port"},
		{"127.0.0.1:99999", "want an IP address and a port"},
	} {
		t.Run(test.listen, func(t *testing.T) {
			b, err := broker.Start(t.Context(), broker.Options{Dir: t.TempDir(), Listen: test.listen})
			if err == nil {
				b.Close()
				t.Fatal("started")
			}
			if !strings.Contains(err.Error(), test.sentence) {
				t.Errorf("%v, want a sentence with %q", err, test.sentence)
			}
		})
	}
}

func TestTakenAddressIsAnErrorAndLeavesTheFolderAlone(t *testing.T) {
	first := start(t, t.TempDir())
	second := filepath.Join(t.TempDir(), "broker")
	if err := os.Mkdir(second, 0o700); err != nil {
		t.Fatal(err)
	}
	b, err := broker.Start(t.Context(), broker.Options{Dir: second, Listen: first.options.Listen})
	if err == nil {
		b.Close()
		t.Fatal("started on a taken address")
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("%v, want address in use", err)
	}
	if _, err := os.Stat(second); err != nil {
		t.Errorf("the folder: %v", err)
	}
}
