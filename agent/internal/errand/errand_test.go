package errand_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/agent/internal/errand"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const serial protocol.Serial = "DEMO1"

var errRestart = errors.New("restart")

// office is the part of an agent that does errands, and the hub's side of it by hand.
type office struct {
	t    *testing.T
	dir  string
	made *errand.Errands

	mu        sync.Mutex // guards what follows
	said      []protocol.Progress
	diagnosed []protocol.Seq
	reads     int
	read      func(ctx context.Context) error
}

func (o *office) Progress(p protocol.Progress) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := p.Check(); err != nil {
		o.t.Errorf("said %+v: %v", p, err)
	}
	o.said = append(o.said, p)
}

func (o *office) Diagnosis(job protocol.Seq, report []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(report) == 0 || len(report) > protocol.MaxWhole {
		o.t.Errorf("a diagnosis of %d bytes", len(report))
	}
	o.diagnosed = append(o.diagnosed, job)
	return nil
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{t: t, dir: t.TempDir(), read: func(context.Context) error { return nil }}
	o.open()
	return o
}

// open is a start of the agent.
func (o *office) open() {
	o.t.Helper()
	made, err := errand.New(errand.Options{
		Dir: o.dir, Terminals: []errand.Terminal{{Serial: serial, Keeper: nobody{}}}, Out: o,
		Read: func(ctx context.Context, _ protocol.Serial) (protocol.ErrandResult, error) {
			o.mu.Lock()
			o.reads++
			read := o.read
			o.mu.Unlock()
			return protocol.ErrandResult{Rows: 5, New: 2}, read(ctx)
		},
		Newest:  func(protocol.Serial) protocol.LocalTime { return "" },
		Report:  func(context.Context) protocol.DiagnosisReport { return protocol.DiagnosisReport{Version: "test"} },
		Restart: errRestart, Now: func() (time.Time, bool) { return time.Now(), true },
		Calm: func(time.Time) bool { return true }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		o.t.Fatal(err)
	}
	o.made = made
}

// nobody is a terminal that cannot be reached.
type nobody struct{}

func (nobody) Hold(context.Context, func(context.Context, terminal.Session) error) error {
	return terminal.ErrUnreachable
}

// ask is what the hub says.
func (o *office) ask(n uint64, kind protocol.JobKind, of protocol.Serial) error {
	return o.asks(protocol.Seq{Life: 1, Counter: n}, protocol.Job{Kind: kind, Serial: of, Expires: time.Now().Add(time.Minute)})
}

func (o *office) asks(n protocol.Seq, job protocol.Job) error {
	o.t.Helper()
	text, err := json.Marshal(job)
	if err != nil {
		o.t.Fatal(err)
	}
	at := time.Now()
	return o.made.TakeJob(protocol.Envelope{Kind: protocol.KindJobs, Site: "demo", Seq: n, At: &at, Body: text})
}

func (o *office) take(n uint64, kind protocol.JobKind, of protocol.Serial) {
	o.t.Helper()
	if err := o.ask(n, kind, of); err != nil {
		o.t.Fatalf("errand %d: %v", n, err)
	}
}

// works runs the agent until it has nothing to do, or wants to start anew.
func (o *office) works() (err error) {
	ctx, stop := context.WithCancel(o.t.Context())
	done := make(chan error, 1)
	go func() { done <- o.made.Run(ctx) }()
	synctest.Wait()
	stop()
	return <-done
}

// last is what was said of an errand last.
func (o *office) last(n uint64) (p protocol.Progress) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, said := range o.said {
		if said.Job.Counter == n {
			p = said
		}
	}
	return p
}

func (o *office) ended(n uint64, want protocol.Ending) {
	o.t.Helper()
	if got := o.last(n).Ended; got != want {
		o.t.Errorf("errand %d ended %q, want %q", n, got, want)
	}
}

func refusal(err error) protocol.Reason {
	r, _ := errors.AsType[*protocol.Refusal](err)
	if r == nil {
		return ""
	}
	return r.Reason
}

func TestAnErrandIsDoneOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		o.take(1, protocol.JobRead, serial)
		o.take(1, protocol.JobRead, serial) // said again before it began
		if err := o.works(); err != nil {
			t.Fatal(err)
		}
		o.ended(1, protocol.EndedDone)
		if r := o.last(1).Result; r == nil || *r != (protocol.ErrandResult{Rows: 5, New: 2}) {
			t.Errorf("result %+v", r)
		}
		for range 2 { // and after a restart
			said := len(o.said)
			o.take(1, protocol.JobRead, serial)
			_ = o.works()
			if o.ended(1, protocol.EndedDone); len(o.said) != said+1 || o.reads != 1 {
				t.Errorf("asked again: %d words, %d reads", len(o.said)-said, o.reads)
			}
			o.open()
		}
		if err := o.ask(1, protocol.JobRestart, ""); refusal(err) != protocol.ReasonReplay {
			t.Errorf("another errand under a known number: %v", err)
		}
	})
}

// A restart is on disk as done before the agent ends: asked again it answers, and does
// not start anew once more.
func TestARestartIsNoLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		o.take(1, protocol.JobRestart, "")
		if err := o.works(); !errors.Is(err, errRestart) {
			t.Fatalf("Run = %v", err)
		}
		o.open() // whatever was said got lost
		o.said = nil
		o.take(1, protocol.JobRestart, "")
		if err := o.works(); err != nil {
			t.Fatalf("Run after the restart = %v", err)
		}
		o.ended(1, protocol.EndedDone)
	})
}

// What the disk does not take is not begun, and a restart least of all.
func TestNothingBeginsWithoutTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		if err := os.RemoveAll(o.dir); err != nil {
			t.Fatal(err)
		}
		o.take(1, protocol.JobRestart, "")
		o.take(2, protocol.JobRead, serial)
		if err := o.works(); err != nil || o.reads != 0 || len(o.said) != 0 {
			t.Errorf("Run = %v, %d reads, said %+v", err, o.reads, o.said)
		}
	})
}

// An agent that is killed in the middle does not begin anew, and says so.
func TestAKilledAgentWasInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		var copied []byte
		o.read = func(context.Context) error { // what the disk has at this moment
			var err error
			copied, err = os.ReadFile(filepath.Join(o.dir, "errands.json"))
			return err
		}
		o.take(1, protocol.JobRead, serial)
		_ = o.works()
		if err := os.WriteFile(filepath.Join(o.dir, "errands.json"), copied, 0o600); err != nil {
			t.Fatal(err)
		}
		o.open()
		o.take(1, protocol.JobRead, serial)
		_ = o.works()
		if o.ended(1, protocol.EndedInterrupted); o.reads != 1 {
			t.Errorf("%d reads", o.reads)
		}
	})
}

func TestADiagnosisIsSaidAgainWhileItIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		o.take(1, protocol.JobDiagnose, "")
		_ = o.works()
		o.take(1, protocol.JobDiagnose, "")
		if want := []protocol.Seq{{Life: 1, Counter: 1}, {Life: 1, Counter: 1}}; !slices.Equal(o.diagnosed, want) {
			t.Errorf("diagnosed %v", o.diagnosed)
		}
		o.open()
		o.take(1, protocol.JobDiagnose, "")
		if o.ended(1, protocol.EndedInterrupted); len(o.diagnosed) != 2 {
			t.Errorf("diagnosed %v", o.diagnosed)
		}
	})
}

func TestWhatCannotBeDoneIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		o.take(1, protocol.JobRead, "OTHER1")
		o.take(2, protocol.JobClock, serial)
		o.take(3, "dance", "")
		_ = o.works()
		o.ended(1, protocol.EndedElsewhere)
		o.ended(2, protocol.EndedUnreachable)
		o.ended(3, protocol.EndedUnknown)

		o.read = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		o.take(4, protocol.JobRead, serial)
		o.take(5, protocol.JobRestart, "")
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- o.made.Run(ctx) }()
		time.Sleep(2 * time.Minute) // of the bubble: their time is over
		synctest.Wait()
		stop()
		if err := <-done; err != nil {
			t.Errorf("an expired restart: %v", err)
		}
		o.ended(4, protocol.EndedExpired)
		o.ended(5, protocol.EndedExpired)

		for name, err := range map[string]error{
			"expired":     o.asks(protocol.Seq{Life: 1, Counter: 6}, protocol.Job{Kind: protocol.JobRestart, Expires: time.Now()}),
			"former life": o.asks(protocol.Seq{Life: 0, Counter: 9}, protocol.Job{Kind: protocol.JobRestart, Expires: time.Now().Add(time.Minute)}),
		} {
			if refusal(err) != protocol.ReasonReplay {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := o.asks(protocol.Seq{Life: 1, Counter: 7}, protocol.Job{Kind: protocol.JobRestart, Serial: serial, Expires: time.Now().Add(time.Hour)}); refusal(err) != protocol.ReasonBody {
			t.Errorf("a restart of a terminal: %v", err)
		}
	})
}

func TestADamagedLedgerBeginsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		for _, text := range []string{"{", `{"entries":[null]}`} {
			if err := os.WriteFile(filepath.Join(o.dir, "errands.json"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			o.open()
			if err := o.ask(1, protocol.JobRestart, ""); refusal(err) != protocol.ReasonReceiver {
				t.Errorf("over %q: %v", text, err)
			}
		}
	})
}

// What is forgotten is over, for ever.
func TestTheLedgerIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		for n := range uint64(70) {
			o.take(n+1, protocol.JobRead, serial)
			_ = o.works()
		}
		o.open()
		if err := o.ask(1, protocol.JobRead, serial); refusal(err) != protocol.ReasonReplay {
			t.Errorf("a forgotten errand: %v", err)
		}
		o.take(70, protocol.JobRead, serial)
		if o.ended(70, protocol.EndedDone); o.reads != 70 {
			t.Errorf("%d reads", o.reads)
		}
	})
}
