package job_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/agent/internal/job"
	"github.com/bkpsdmd-babel/sidik/agent/internal/outbox"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal/zkdriver"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	site   protocol.SiteID = "bkpsdmd"
	serial protocol.Serial = "ENROL1"
	ani                    = "100001"
	budi                   = "100002"
)

const patience = 20 * time.Second

// office is the part of an agent that does jobs, at a simulated terminal, and the hub's
// side of it by hand.
type office struct {
	t        *testing.T
	dir      string
	terminal *zktest.Terminal
	driver   *zkdriver.Driver
	hub      seal.SealingKey
	holdings *holdings
	jobs     *job.Jobs
	out      *outbox.Outbox
	stop     func()
	longest  time.Duration

	mu      sync.Mutex // guards what follows
	trusted bool       // the agent's clock
	clock   time.Time  // of agent and hub; it does not go by itself
	calm    bool

	said      map[protocol.Seq][]protocol.Progress
	templates []protocol.SealedTemplate
}

// holdings stands in for the part that keeps terminals at their rosters.
type holdings struct {
	mu     sync.Mutex
	last   uint16
	known  bool
	named  []string
	looked int
}

func (h *holdings) TakeSlot(_ protocol.Serial, seen uint16) (uint16, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last = max(h.last, seen); h.last == 1<<16-1 {
		return 0, errors.New("no slot left")
	}
	h.last++
	return h.last, nil
}

func (h *holdings) Names(_ protocol.Serial, pin string) (named, known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Contains(h.named, pin), h.known
}

func (h *holdings) Look(protocol.Serial) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.looked++
}

// newOffice is an agent that runs, and a terminal with ten strangers, which may be of
// another kind than usual.
func newOffice(t *testing.T, kinds ...func(p *zktest.Profile, c *zkdriver.Config)) *office {
	t.Helper()
	profile, err := zktest.ProfileByName("tft-new")
	ok(t, err)
	config := zkdriver.Config{Serial: serial, Network: "tcp", Timeout: 2 * time.Second, Patience: 2 * time.Second}
	for _, kind := range kinds {
		kind(&profile, &config)
	}
	sim, err := zktest.New(zktest.Config{Profile: profile, Serial: string(serial), EnrolByHand: true,
		Clock: func() time.Time { return protocol.Wall(time.Now()) }})
	ok(t, err)
	t.Cleanup(func() { ok(t, sim.Close()) })
	ok(t, sim.Fill(10, 0, 0))
	address, err := sim.Listen("127.0.0.1:0", false)
	ok(t, err)
	hub, err := seal.GenerateSealingKey()
	ok(t, err)
	o := &office{t: t, dir: t.TempDir(), terminal: sim, hub: hub, holdings: &holdings{known: true}, trusted: true, calm: true,
		clock: time.Date(2026, 1, 20, 5, 0, 0, 0, time.UTC), said: map[protocol.Seq][]protocol.Progress{}}
	config.Address = address.String()
	o.driver = zkdriver.New(config)
	t.Cleanup(func() { _ = o.driver.Close() })
	o.start()
	return o
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start begins the agent's part; a second time is a restart.
func (o *office) start() {
	o.t.Helper()
	if o.stop != nil {
		o.stop()
	}
	var err error
	o.out, err = outbox.Open(outbox.Options{Site: site, Dir: o.dir, Changed: func() { o.jobs.Wake() }})
	ok(o.t, err)
	o.jobs, err = job.New(job.Options{Dir: o.dir, Terminals: []job.Terminal{{Serial: serial, Keeper: o.driver}}, Out: o.out, Holdings: o.holdings,
		Now: o.now, Calm: o.isCalm, Logger: slog.New(slog.DiscardHandler), Every: 20 * time.Millisecond, Longest: o.longest})
	ok(o.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = o.jobs.Run(ctx) })
	var once sync.Once
	o.stop = func() { once.Do(func() { cancel(); running.Wait() }) }
	o.t.Cleanup(o.stop)
	o.out.SetKey(o.hub.Public())
	o.out.Again() // a connection began
}

func (o *office) now() *time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.trusted {
		return nil
	}
	now := o.clock
	return &now
}

func (o *office) isCalm(time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.calm
}

// set changes something that agent and hub look at.
func (o *office) set(change func()) {
	o.mu.Lock()
	change()
	o.mu.Unlock()
}

// capture is a job for half an hour.
func (o *office) capture(pin string, finger uint8) protocol.Job {
	return protocol.Job{Kind: protocol.JobCapture, Serial: serial, PIN: pin, Finger: finger, Expires: o.clock.Add(30 * time.Minute)}
}

func number(n uint64) protocol.Seq { return protocol.Seq{Life: 3, Counter: n} }

// send says a job as the uplink hands it over.
func (o *office) send(n protocol.Seq, j protocol.Job) error {
	o.t.Helper()
	text, err := json.Marshal(j)
	ok(o.t, err)
	o.mu.Lock()
	at := o.clock
	o.mu.Unlock()
	return o.jobs.TakeJob(protocol.Envelope{Kind: protocol.KindJobs, Site: site, Seq: n, At: &at, Body: text})
}

// refused expects a message to change nothing.
func (o *office) refused(n protocol.Seq, j protocol.Job, want protocol.Reason) {
	o.t.Helper()
	if err := o.send(n, j); protocol.ReasonOf(err) != want {
		o.t.Errorf("job %s: %v, want refused: %s", n, err, want)
	}
}

// hear takes in what the agent says until it has said something that is wanted.
func (o *office) hear(what string, wanted func() bool) {
	o.t.Helper()
	deadline := time.After(patience)
	for !wanted() {
		_, body, found := o.out.Next()
		switch body := body.(type) {
		case protocol.Progress:
			ok(o.t, body.Check())
			o.said[body.Job] = append(o.said[body.Job], body)
		case protocol.Templates:
			ok(o.t, body.Check())
			o.templates = append(o.templates, body.Items...)
		}
		if found {
			continue
		}
		select {
		case <-o.out.Outgoing():
		case <-deadline:
			o.t.Fatalf("the agent never said %s; it said %+v and %d templates", what, o.said, len(o.templates))
		}
	}
}

// ends waits for what became of a job.
func (o *office) ends(n protocol.Seq, want protocol.Ending) protocol.Progress {
	o.t.Helper()
	var last protocol.Progress
	o.hear("what became of job "+n.String(), func() bool {
		for _, p := range o.said[n] {
			last = p
		}
		return last.Ended != ""
	})
	if last.Ended != want {
		o.t.Errorf("job %s ended %q (%s), want %q", n, last.Ended, last.Reason, want)
	}
	return last
}

// asks waits until the terminal asks for a finger.
func (o *office) asks(pin string, finger uint8) {
	o.t.Helper()
	o.eventually("the terminal asks "+pin, func() bool {
		p, f, asked := o.terminal.Asked()
		return asked && p == pin && f == finger
	})
}

func (o *office) eventually(what string, so func() bool) {
	o.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-deadline:
			o.t.Fatalf("it never came to pass that %s", what)
		}
	}
}

// places puts a finger on the sensor three times.
func (o *office) places(n int) {
	o.t.Helper()
	for range 3 {
		ok(o.t, o.terminal.PlaceFinger(template(n), true))
	}
}

// arrives opens what came for a job, as the hub does, and confirms it.
func (o *office) arrives(n protocol.Seq, pin string, finger uint8, want int) {
	o.t.Helper()
	var item protocol.SealedTemplate
	o.hear("the template of job "+n.String(), func() bool {
		i := slices.IndexFunc(o.templates, func(t protocol.SealedTemplate) bool { return t.Job == n })
		if i >= 0 {
			item = o.templates[i]
		}
		return i >= 0
	})
	plain, err := o.hub.Open(protocol.TemplatePurpose(protocol.KindTemplatesUp, site, serial, pin, finger, 10, item.Digest), item.Box)
	if err != nil || !bytes.Equal(plain, template(want)) || item.PIN != pin || item.Finger != finger {
		o.t.Errorf("the template of job %s: %d bytes of PIN %s, finger %d, %v", n, len(plain), item.PIN, item.Finger, err)
	}
	ok(o.t, o.out.Confirm([]protocol.Hash{item.Digest}))
}

// people are the PINs at the terminal but the strangers', who were there before.
func (o *office) people() (pins []string) {
	for _, u := range o.terminal.Users() {
		if u.UID > 10 {
			pins = append(pins, u.PIN)
		}
	}
	return pins
}

// empties waits until only the strangers are at the terminal, and it is well.
func (o *office) empties() {
	o.t.Helper()
	o.eventually("the terminal is left as it was", func() bool { return len(o.people()) == 0 && o.terminal.Enabled() })
	if _, _, asked := o.terminal.Asked(); asked {
		o.t.Error("the terminal still asks for a finger")
	}
}

// asked is how often the terminal was made to ask for a finger.
func (o *office) asked() int { return o.terminal.Requests(zk.CmdStartEnroll) }

// template is the n-th finger of these tests: of nobody, in the form of algorithm 10.
func template(n int) []byte {
	b := append([]byte{0x4d, 0x98}, "SS21\x00\x00\x00\x00"...)
	b = append(b, bytes.Repeat([]byte{byte(n + 1)}, 500)...)
	b[8], b[9] = byte(len(b)>>8), byte(len(b))
	return b
}
