// Package release brings the agent to the version that the agency ordered: it keeps the
// newest order, fetches the program, has it tried, and, being that program, proves itself
// or goes back.
//
// It knows orders, the hub's door and the plan of package launch. It must not know MQTT,
// terminals or how the process is started.
//
// Beware: an order is the hub's word, a program is the release key's. Neither counts
// without the other, so that whoever has the hub's keys can still run nothing here that
// the agency did not sign.
package release

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/launch"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
	"github.com/bkpsdmd-babel/sidik/systemd/pulse"
)

// ErrReplace ends the agent: the service manager starts the program that the plan names.
var ErrReplace = errors.New("another version of this program is to be started")

// Keyring is what is needed of the agent's keys.
type Keyring interface {
	Trust() trust.Document
	Client(role trust.Role) *tls.Config
}

// Options are the parts of a Release; all but the intervals are needed.
type Options struct {
	Data    string // folder of the agent's data
	Hub     string // https://HOST:PORT of the hub's door; empty: there is none
	Version string // of this program
	Arch    protocol.Arch
	// Packaged is the version of the packaged program, and Launched the digest of this one
	// where it is a release's; zero: this is the packaged one.
	Packaged string
	Launched protocol.Hash
	Keyring  Keyring
	Read     func() bool // a terminal was read since this start
	Heard    func() bool // the hub is heard now
	Changed  func()      // State may say something new
	// Reach reports whether the hub's door takes a connection; nil: by trying.
	Reach func(ctx context.Context) bool
	Log   *slog.Logger
	Alive *pulse.Loop // has a trial's signs of life; may be nil

	Every    time.Duration // between two looks; default 2 s
	Settle   time.Duration // for which a terminal is given time to be read before this program is replaced; default 5 min
	RetryMin time.Duration // between attempts to fetch; 5 s doubling to RetryMax, 10 min
	RetryMax time.Duration
	MinFree  int64 // bytes that a program leaves free on the disk; default 100 MB
}

// maxSpoiled is how often a program is fetched that comes otherwise than it was signed:
// the first time it may be the card.
const maxSpoiled = 2

// Release is made by Open and run once.
type Release struct {
	o      Options
	folder launch.Folder
	wake   chan struct{} // capacity 1: another order came
	got    int64         // bytes that were fetched; Run's own, as is the next
	whole  protocol.Hash // the program that is known to be here

	mu      sync.Mutex // guards what follows
	order   order
	plan    launch.Plan
	spoiled int           // how often the program came otherwise than it was signed
	trouble launch.Reason // what keeps the program from being fetched
}

// Open reads what was ordered, and what the plan of programs is.
func Open(o Options) (*Release, error) {
	if o.Every == 0 {
		o.Every = 2 * time.Second
	}
	if o.Settle == 0 {
		o.Settle = 5 * time.Minute
	}
	if o.RetryMin == 0 {
		o.RetryMin = 5 * time.Second
	}
	if o.RetryMax == 0 {
		o.RetryMax = 10 * time.Minute
	}
	if o.MinFree == 0 {
		o.MinFree = 100 << 20
	}
	if o.Reach == nil {
		o.Reach = reach(o.Hub)
	}
	r := &Release{o: o, folder: launch.In(o.Data), wake: make(chan struct{}, 1)}
	if err := os.MkdirAll(r.folder.Path(""), 0o700); err != nil {
		return nil, fmt.Errorf("make folder of programs: %w", err)
	}
	// Whatever is wrong here, the agent runs: the broker has the order again.
	var failed, unread error
	r.order, failed = readOrder(r.folder.Path(orderFile))
	r.plan, unread = r.folder.Plan()
	if err := errors.Join(failed, unread); err != nil {
		o.Log.Error("what is known of releases cannot be read", "error", err)
	}
	return r, nil
}

// trying reports whether this program has to prove itself.
func (r *Release) trying() bool {
	return r.plan.Trying != nil && r.plan.Trying.SHA256 == r.o.Launched
}

// Run proves this program where it is tried, then carries out orders, until ctx ends. It
// returns ErrReplace when another program is to be started.
func (r *Release) Run(ctx context.Context) error {
	begun, wait := time.Now(), r.o.RetryMin
	tick := time.NewTicker(r.o.Every)
	defer tick.Stop()
	r.o.Alive.Rest()
	if r.trying() {
		if err := r.prove(ctx, tick, begun); err != nil || ctx.Err() != nil {
			return err
		}
	}
	if err := r.clean(); err != nil {
		r.o.Log.Warn("programs of before stay", "error", err)
	}
	next := begun
	for {
		if now := time.Now(); !now.Before(next) {
			before := r.got
			done, err := r.carryOut(ctx, begun)
			if done || r.got > before { // a line that breaks at each piece still gets there
				wait = r.o.RetryMin
			}
			switch {
			case ctx.Err() != nil:
				return nil
			case errors.Is(err, ErrReplace):
				return err
			case err != nil:
				r.o.Log.Warn("the ordered release is not here yet", "error", err)
				next, wait = time.Now().Add(wait+rand.N(wait/4+1)), min(2*wait, r.o.RetryMax)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
			next, wait = time.Now(), r.o.RetryMin
		case <-tick.C:
		}
	}
}

// carryOut does the next step of the newest order. done is true when nothing is left of
// it for now.
func (r *Release) carryOut(ctx context.Context, begun time.Time) (done bool, err error) {
	w := r.judge()
	if w.reason != "" || w.runs || w.order.none() {
		r.stand("")
		return true, nil
	}
	program := launch.Program{SHA256: w.file.SHA256, Version: w.version, Over: r.o.Packaged, Order: w.order.Seq}
	if err := r.fetch(ctx, w.file); err != nil {
		if errors.Is(err, launch.ErrProgram) {
			if r.spoiled++; r.spoiled >= maxSpoiled {
				return true, errors.Join(err, r.keep(r.plan.Reject(program, launch.Damaged)))
			}
		}
		if ctx.Err() == nil {
			r.stand(reasonOf(err))
		}
		return false, err
	}
	r.stand("")
	// What this program can do is what the next one has to show; so it is given the time
	// to do it. For the hub it waits as long as that takes: a version that never had to
	// hear it could not be taken back from afar.
	if !r.o.Heard() || !r.o.Read() && time.Since(begun) < r.o.Settle {
		return false, nil
	}
	needs := launch.Needs{Terminal: r.o.Read(), Hub: true}
	if err := r.keep(r.plan.Try(program, needs)); err != nil {
		return false, err
	}
	r.o.Log.Info("another version of this program is tried", "version", w.version.String(), "after", r.o.Version)
	return true, ErrReplace
}

// keep writes a plan and follows it.
func (r *Release) keep(p launch.Plan) error {
	if err := r.folder.Keep(p); err != nil {
		return err
	}
	r.mu.Lock()
	r.plan = p
	r.mu.Unlock()
	r.o.Changed()
	return nil
}

// stand notes what keeps the program from being fetched.
func (r *Release) stand(trouble launch.Reason) {
	r.mu.Lock()
	other := r.trouble != trouble
	r.trouble = trouble
	r.mu.Unlock()
	if other {
		r.o.Changed()
	}
}

// clean removes programs that nothing needs.
func (r *Release) clean() error {
	w := r.judge()
	r.mu.Lock()
	plan := r.plan
	r.mu.Unlock()
	wanted := []protocol.Hash{r.o.Launched}
	if w.reason == "" && !w.order.none() {
		wanted = append(wanted, w.file.SHA256)
	}
	return r.folder.Clean(plan, wanted...)
}
