// Package clock says what time it is, as far as an agent can know. A Raspberry Pi has no
// battery: until the network has set its clock, only a lower bound of the time is known,
// the greatest of when the program was built, what was written down last, and the newest
// time that the hub or the root has signed, plus what went by since.
//
// It knows the kernel's clock and one file. It must not know what hangs on the time.
//
// Beware: a lower bound proves that something has expired. It never proves that something
// has begun.
package clock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/durable"
)

// file holds the newest time that is certain to have been.
const file = "clock"

// keepEvery is how often it is written: seldom, to spare the SD card.
const keepEvery = time.Hour

// Options say what the clock begins with. Kernel may be nil: the kernel's word.
type Options struct {
	Dir    string
	Built  time.Time // when the program was built; zero: not known
	Kernel func() protocol.ClockState
	Logger *slog.Logger
}

// Clock is safe for concurrent use.
type Clock struct {
	path   string
	kernel func() protocol.ClockState
	log    *slog.Logger

	mu    sync.Mutex // guards what follows
	bound time.Time  // it was at least this,
	asof  time.Time  // at this moment; its monotonic part counts on when somebody sets the system's clock
}

// Open reads what was written down last. A file that cannot be read as a time is none.
func Open(o Options) (*Clock, error) {
	c := &Clock{path: filepath.Join(o.Dir, file), kernel: o.Kernel, log: o.Logger}
	if c.kernel == nil {
		c.kernel = Kernel
	}
	c.raise(o.Built)
	text, err := os.ReadFile(c.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read clock: %w", err)
	}
	if kept, err := time.Parse(time.RFC3339, string(text)); err == nil {
		c.raise(kept)
	}
	return c, nil
}

// State is whether the clock is synchronised.
func (c *Clock) State() protocol.ClockState { return c.kernel() }

// Now is the time, or the lower bound of it where synchronised is false.
func (c *Clock) Now() (t time.Time, synchronised bool) {
	if c.kernel() == protocol.ClockSynchronised {
		return time.Now(), true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now(), false
}

// now is the lower bound; the caller holds mu.
func (c *Clock) now() time.Time { return c.bound.Add(time.Since(c.asof)) }

// Heard takes a time that somebody trusted has signed.
func (c *Clock) Heard(at time.Time) { c.raise(at) }

func (c *Clock) raise(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asof.IsZero() || c.now().Before(at) {
		c.bound, c.asof = at, time.Now()
	}
}

// Run writes the time down now and then, and at the end, until ctx ends. That it cannot
// is no reason to stop: the bound is then lower after the next start.
func (c *Clock) Run(ctx context.Context) error {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		c.keep()
		select {
		case <-ctx.Done():
			c.keep()
			return nil
		case <-tick.C:
		}
	}
}

func (c *Clock) keep() {
	now, _ := c.Now()
	c.raise(now)
	if err := durable.Write(c.path, []byte(now.UTC().Format(time.RFC3339))); err != nil {
		c.log.Warn("the time is not written down", "error", err)
	}
}
