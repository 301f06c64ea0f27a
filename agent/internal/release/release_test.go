package release_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/agent/internal/launch"
	"github.com/bkpsdmd-babel/sidik/agent/internal/release"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newKey(t testing.TB) seal.SigningKey {
	t.Helper()
	k, err := seal.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func edition(t testing.TB, s string) protocol.Edition {
	t.Helper()
	e, err := protocol.ParseEdition(s)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// site is an agent's part for releases, and the hub's door that it asks.
type site struct {
	o      release.Options
	key    seal.SigningKey // of releases
	doc    trust.Document
	server *httptest.Server
	news   chan struct{} // capacity 1: the state may be another, or the hub was asked

	mu       sync.Mutex // guards what follows
	programs map[string][]byte
	asked    []string // ranges
	cut      int      // so many answers break off in the middle
	heard    bool
	read     bool
	reach    bool
}

func (s *site) Trust() trust.Document { return s.doc }

func (s *site) Client(trust.Role) *tls.Config {
	return s.server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
}

func (s *site) tell() {
	select {
	case s.news <- struct{}{}:
	default: // one is waiting already
	}
}

// wait returns when something is so.
func (s *site) wait(t testing.TB, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !so() {
		select {
		case <-s.news:
		case <-ctx.Done():
			t.Fatal("what was waited for did not come")
		}
	}
}

func (s *site) set(change func(s *site)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *site) get(what func(s *site) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return what(s)
}

// newSite returns a site that runs v1.1.0, the packaged one, reads its terminal and hears
// its hub.
func newSite(t *testing.T) *site {
	s := &site{key: newKey(t), programs: map[string][]byte{}, news: make(chan struct{}, 1), heard: true, read: true, reach: true}
	root, sealing := newKey(t), protocol.KeyList{}
	k, err := seal.GenerateSealingKey()
	if err != nil {
		t.Fatal(err)
	}
	sealing.Signing, sealing.Sealing = []protocol.HubKey{{Key: newKey(t).Public()}}, []seal.SealingPublic{k.Public()}
	sealing.Release = []seal.PublicKey{s.key.Public()}
	message, err := trust.Sign(root, 1, time.Now(), sealing)
	if err == nil {
		s.doc, err = trust.Open(root.Public().Fingerprint(), message)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.server = httptest.NewTLSServer(http.HandlerFunc(s.answer))
	t.Cleanup(s.server.Close)
	s.o = release.Options{
		Data: t.TempDir(), Hub: s.server.URL, Version: "v1.1.0", Packaged: "v1.1.0", Arch: protocol.ArchARM64, Keyring: s,
		Read: func() bool { return s.get(func(s *site) bool { return s.read }) }, Heard: func() bool { return s.get(func(s *site) bool { return s.heard }) },
		Reach:   func(context.Context) bool { return s.get(func(s *site) bool { return s.reach }) },
		Changed: s.tell, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Every: time.Millisecond, Settle: time.Hour, RetryMin: time.Millisecond, RetryMax: 2 * time.Millisecond,
	}
	return s
}

func (s *site) answer(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.Header.Get("Range"))
	defer s.tell()
	text, found := s.programs[strings.TrimPrefix(r.URL.Path, protocol.PathRelease)]
	cut := s.cut > 0
	if cut {
		s.cut--
	}
	s.mu.Unlock()
	if !found {
		http.NotFound(w, r)
		return
	}
	if !cut {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
		return
	}
	var from, to int
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); err != nil {
		http.Error(w, "no", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(text)))
	w.Header().Set("Content-Length", fmt.Sprint(to-from+1))
	w.WriteHeader(http.StatusPartialContent)
	w.Write(text[from : from+(to-from)/2])
	panic(http.ErrAbortHandler)
}

// offer puts a program at the hub and returns the order to run it.
func (s *site) offer(t testing.TB, version string, counter uint64, text []byte, change ...func(r *protocol.Release)) protocol.Envelope {
	t.Helper()
	sum := protocol.Hash(sha256.Sum256(text))
	s.set(func(s *site) { s.programs[sum.String()] = text })
	signed, err := protocol.SignManifest(protocol.Manifest{Version: edition(t, version), Built: time.Unix(1_767_000_000, 0).UTC(),
		Files: []protocol.ReleaseFile{{Arch: protocol.ArchARM64, Size: int64(len(text)), SHA256: sum}}}, s.key)
	if err != nil {
		t.Fatal(err)
	}
	body := protocol.Release{SignedManifest: signed}
	for _, c := range change {
		c(&body)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return protocol.Envelope{Kind: protocol.KindRelease, Site: "samsat", Seq: protocol.Seq{Life: 1, Counter: counter}, Body: raw}
}

// begin opens the part as one start of the agent does.
func (s *site) begin(t testing.TB) *release.Release {
	t.Helper()
	r, err := release.Open(s.o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// run runs it to its end, which must come.
func run(t testing.TB, r *release.Release) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return r.Run(ctx)
}

// until runs it until its state is as wanted.
func (s *site) until(t testing.TB, r *release.Release, want func(*protocol.ReleaseState) bool) protocol.ReleaseState {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	defer running.Wait()
	defer cancel()
	s.wait(t, func() bool { return want(r.State()) })
	return *r.State()
}

func (s *site) plan(t testing.TB) launch.Plan {
	t.Helper()
	p, err := launch.In(s.o.Data).Plan()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func program() []byte { return bytes.Repeat([]byte("a program of more than two pieces "), 20_000) }

// From an order to another program, and that one's proof.
func TestOrderIsCarriedOut(t *testing.T) {
	s, text := newSite(t), program()
	r := s.begin(t)
	if r.State() != nil || r.Conditions() != nil {
		t.Errorf("without an order the state is %+v", r.State())
	}
	e := s.offer(t, "v1.2.0", 5, text)
	if err := r.TakeRelease(e); err != nil {
		t.Fatal(err)
	}
	if st := r.State(); st.Stage != protocol.ReleaseFetching || st.Version != "v1.2.0" || st.Order != e.Seq {
		t.Errorf("the state is %+v", st)
	}
	if err := run(t, r); !errors.Is(err, release.ErrReplace) {
		t.Fatalf("Run = %v, want ErrReplace", err)
	}
	plan := s.plan(t)
	if plan.Trying == nil || plan.Trying.Version != edition(t, "v1.2.0") || plan.Needs != (launch.Needs{Terminal: true, Hub: true}) || plan.Trying.Over != "v1.1.0" {
		t.Fatalf("the plan is %+v", plan)
	}
	if got, err := os.ReadFile(launch.In(s.o.Data).Program(plan.Trying.SHA256)); err != nil || !bytes.Equal(got, text) {
		t.Errorf("the program is another one (%v)", err)
	}

	s.o.Version, s.o.Launched = "v1.2.0", plan.Trying.SHA256
	s.set(func(s *site) { s.heard = false })
	r = s.begin(t)
	if st := r.State(); st.Stage != protocol.ReleaseTrying {
		t.Errorf("the state of a trial is %+v", st)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	s.set(func(s *site) { s.heard = true })
	s.wait(t, func() bool { return r.State().Stage == protocol.ReleaseRunning })
	cancel()
	running.Wait()
	if p := s.plan(t); p.Trying != nil || p.Current == nil || p.Current.Version != edition(t, "v1.2.0") {
		t.Errorf("the plan is %+v", p)
	}
	if r.Conditions() != nil {
		t.Errorf("conditions %+v", r.Conditions())
	}
	// The order again, as the broker has it at each connection, asks for nothing.
	if err := r.TakeRelease(e); err != nil {
		t.Errorf("the same order again: %v", err)
	}
	older := s.offer(t, "v1.0.0", 4, text, func(r *protocol.Release) { r.Downgrade = true })
	if err := r.TakeRelease(older); protocol.ReasonOf(err) != protocol.ReasonReplay {
		t.Errorf("an older order: %v, want a replay", err)
	}
	r = s.begin(t) // also after a start
	if err := r.TakeRelease(older); protocol.ReasonOf(err) != protocol.ReasonReplay {
		t.Errorf("an older order after a start: %v, want a replay", err)
	}
}

func TestWhatIsRefused(t *testing.T) {
	for _, row := range []struct {
		name, version, reason string
		change                func(s *site)
		order                 func(t *testing.T, s *site) func(r *protocol.Release)
		stage                 protocol.ReleaseStage
	}{
		{name: "another key's", version: "v1.2.0", reason: "signature", stage: protocol.ReleaseRefused, change: func(s *site) { s.key = newKey(t) }},
		{name: "a manifest that was changed", version: "v1.2.0", reason: "signature", stage: protocol.ReleaseRefused, order: func(*testing.T, *site) func(*protocol.Release) {
			return func(r *protocol.Release) {
				r.Manifest = bytes.Replace(r.Manifest, []byte("v1.2.0"), []byte("v1.2.1"), 1)
			}
		}},
		{name: "a version below", version: "v1.0.9", reason: "lower", stage: protocol.ReleaseRefused},
		{name: "a processor that it has no program for", version: "v1.2.0", reason: "arch", stage: protocol.ReleaseRefused, change: func(s *site) { s.o.Arch = protocol.ArchARMv6 }},
		{name: "an agent without a door", version: "v1.2.0", reason: "no-door", stage: protocol.ReleaseRefused, change: func(s *site) { s.o.Hub = "" }},
		{name: "a disk that is too full", version: "v1.2.0", reason: "no-room", stage: protocol.ReleaseFetching, change: func(s *site) { s.o.MinFree = 1 << 60 }},
		{name: "a program that the hub does not give", version: "v1.2.0", reason: "not-given", stage: protocol.ReleaseFetching, order: func(_ *testing.T, s *site) func(*protocol.Release) {
			return func(*protocol.Release) { s.set(func(s *site) { clear(s.programs) }) }
		}},
		{name: "a program that is another one", version: "v1.2.0", reason: "damaged", stage: protocol.ReleaseRefused, order: func(_ *testing.T, s *site) func(*protocol.Release) {
			return func(*protocol.Release) {
				s.set(func(s *site) {
					for name, text := range s.programs {
						s.programs[name] = bytes.ToUpper(text)
					}
				})
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newSite(t)
			if row.change != nil {
				row.change(s)
			}
			change := func(*protocol.Release) {}
			if row.order != nil {
				change = row.order(t, s)
			}
			e := s.offer(t, row.version, 5, program(), change)
			r := s.begin(t)
			if err := r.TakeRelease(e); err != nil {
				t.Fatal(err)
			}
			st := s.until(t, r, func(st *protocol.ReleaseState) bool { return st.Reason == row.reason })
			if st.Stage != row.stage {
				t.Errorf("the stage is %q, want %q", st.Stage, row.stage)
			}
			if c := r.Conditions(); len(c) != 1 || c[0].Code != "release-refused-"+row.reason || c[0].Args["version"] == "" {
				t.Errorf("conditions %+v", c)
			}
			if p := s.plan(t); p.Trying != nil || p.Current != nil {
				t.Errorf("the plan is %+v", p)
			}
		})
	}
}

// A version below is run when somebody said so.
func TestDowngradeByOrder(t *testing.T) {
	s := newSite(t)
	r := s.begin(t)
	if err := r.TakeRelease(s.offer(t, "v1.0.0", 5, program(), func(r *protocol.Release) { r.Downgrade = true })); err != nil {
		t.Fatal(err)
	}
	if err := run(t, r); !errors.Is(err, release.ErrReplace) || s.plan(t).Trying == nil {
		t.Errorf("Run = %v, plan %+v", err, s.plan(t))
	}
}

// Each byte is asked for once, whatever breaks in between, also over a start.
func TestDownloadGoesOnWhereItBroke(t *testing.T) {
	s, text := newSite(t), program()
	s.set(func(s *site) { s.cut = 2 })
	r := s.begin(t)
	if err := r.TakeRelease(s.offer(t, "v1.2.0", 5, text)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var first sync.WaitGroup
	first.Go(func() {
		if err := r.Run(ctx); err != nil && !errors.Is(err, release.ErrReplace) {
			t.Errorf("Run = %v", err)
		}
	})
	s.wait(t, func() bool { return s.get(func(s *site) bool { return len(s.asked) > 0 }) })
	cancel() // in the middle of the download
	first.Wait()
	if err := run(t, s.begin(t)); !errors.Is(err, release.ErrReplace) {
		t.Fatalf("Run = %v", err)
	}
	next, given := 0, 0
	for _, asked := range s.asked {
		var from, to int
		if _, err := fmt.Sscanf(asked, "bytes=%d-%d", &from, &to); err != nil {
			t.Fatal(err)
		}
		if from < next { // what was asked for and broke off is asked for from where it broke
			given -= next - from
		}
		given, next = given+to-from+1, to+1
	}
	if given != len(text) || next != len(text) || len(s.asked) < 4 {
		t.Errorf("%d bytes were fetched of %d, by %q", given, len(text), s.asked)
	}
}

// A line that breaks at each piece is not left alone for longer and longer.
func TestALineThatAlwaysBreaksGetsThere(t *testing.T) {
	s := newSite(t)
	s.o.RetryMax = time.Hour
	s.set(func(s *site) { s.cut = 18 })
	r := s.begin(t)
	if err := r.TakeRelease(s.offer(t, "v1.2.0", 5, program())); err != nil {
		t.Fatal(err)
	}
	if err := run(t, r); !errors.Is(err, release.ErrReplace) {
		t.Errorf("Run = %v, after %d questions", err, len(s.asked))
	}
}
