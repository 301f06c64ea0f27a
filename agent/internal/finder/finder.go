// Package finder finds the office's terminals by their serial numbers on the local
// network, when an address changed or was never given.
//
// It knows where terminals were and asks who is where. It must not know what they hold,
// and reads nothing of any of them but the serial number: what is not configured is
// somebody else's, told and left alone.
//
// Beware: most terminals serve one client at a time. A place at which one of ours answers
// is never asked, or its own driver would be thrown out.
package finder

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Options are the parts of a Finder.
type Options struct {
	Dir       string // where found places are kept
	Terminals []Terminal
	Look      bool                         // false: known places are used and nothing is looked for
	Subnets   []netip.Prefix               // where to look; none: in the subnets of this machine
	Ports     []uint16                     // none: 4370
	Found     func(serial protocol.Serial) // a terminal was found; its driver tries it next
	Changed   func()                       // Conditions may say something new
	Log       *slog.Logger
}

// Finder keeps where the terminals of an office are.
type Finder struct {
	o     Options
	woken chan struct{}
	turn  chan struct{} // holds a token while somebody looks
	ask   asker         // nil: by the network

	mu     sync.Mutex // guards what follows, and the state of each Sought
	sought []*Sought
	others []Answer       // that are not configured, as of the last look
	looked []netip.Prefix // in the last look
}

// lull is the least time between two looks.
const lull = 30 * time.Second

// Open reads where terminals were found before. Nothing is asked yet.
func Open(o Options) *Finder {
	f := &Finder{o: o, woken: make(chan struct{}, 1), turn: make(chan struct{}, 1)}
	kept, err := Remembered(o.Dir)
	if err != nil {
		o.Log.Error("where terminals were found before cannot be read; they are looked for again", "error", err)
	}
	for _, t := range o.Terminals {
		f.sought = append(f.sought, &Sought{Terminal: t, f: f, found: kept[t.Serial]})
	}
	return f
}

// Sought is the terminal with a serial number, nil if none is configured.
func (f *Finder) Sought(serial protocol.Serial) *Sought {
	for _, s := range f.sought {
		if s.Serial == serial {
			return s
		}
	}
	return nil
}

// Run looks for terminals that are missing, until ctx ends.
func (f *Finder) Run(ctx context.Context) error {
	if !f.o.Look {
		<-ctx.Done()
		return nil
	}
	var last time.Time
	for ctx.Err() == nil {
		next, wanted := f.next()
		if earliest := last.Add(lull); next.Before(earliest) {
			next = earliest
		}
		if wanted && !time.Now().Before(next) {
			f.look(ctx)
			last = time.Now()
			continue
		}
		f.wait(ctx, next, wanted)
	}
	return nil
}

// wait ends when it may be time to look: at next, if anything is wanted, or when a
// terminal was missed. What is wanted may have changed meanwhile.
func (f *Finder) wait(ctx context.Context, next time.Time, wanted bool) {
	var due <-chan time.Time
	if wanted {
		timer := time.NewTimer(time.Until(next))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
	case <-f.woken:
	case <-due:
	}
}

// Ensure looks once for a terminal of which nobody knows a place.
func (f *Finder) Ensure(ctx context.Context, serial protocol.Serial) {
	if s := f.Sought(serial); s != nil && f.o.Look && len(s.Places()) == 0 {
		f.look(ctx)
	}
}

// next says when to look next, if anything is missing.
func (f *Finder) next() (at time.Time, wanted bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.sought {
		if from, missing := s.due(); missing && (!wanted || from.Before(at)) {
			at, wanted = from, true
		}
	}
	return at, wanted
}

// look looks once for all that are missing.
func (f *Finder) look(ctx context.Context) {
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		return
	}
	scan := Scan{Subnets: f.o.Subnets}
	if len(scan.Subnets) == 0 {
		var err error
		if scan, err = Local(); err != nil {
			f.o.Log.Warn("look for terminals", "error", err)
		}
	}
	scan.Ports, scan.ask = f.o.Ports, f.ask
	var wanted []protocol.Serial
	scan.Keys, scan.Avoid, wanted = f.terms(ctx)
	f.o.Log.Info("looking for terminals", "terminals", wanted, "subnets", scan.Subnets)
	var others []Answer
	err := scan.Look(ctx, func(a Answer) {
		if s := f.Sought(a.Serial); s != nil {
			f.take(s, a.Place)
		} else {
			others = append(others, a)
		}
	})
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		f.o.Log.Warn("look for terminals", "error", err)
	}
	slices.SortFunc(others, func(a, b Answer) int { return cmp.Compare(a.Address, b.Address) })
	f.mu.Lock()
	now := time.Now()
	f.others, f.looked = others, scan.Subnets
	for _, s := range f.sought {
		if from, missing := s.due(); missing && !from.After(now) {
			s.missed(now)
		}
	}
	f.mu.Unlock()
	f.o.Changed()
}

// terms are the keys of the terminals that are missing, and the places that are left in
// peace because one of ours answers there.
func (f *Finder) terms(ctx context.Context) (keys []uint32, avoid map[string]bool, wanted []protocol.Serial) {
	var answering []string
	f.mu.Lock()
	for _, s := range f.sought {
		if _, missing := s.due(); missing {
			wanted = append(wanted, s.Serial)
			for _, key := range s.keys() {
				if !slices.Contains(keys, key) {
					keys = append(keys, key)
				}
			}
		} else if s.met.Address != "" {
			answering = append(answering, s.met.Address)
		}
	}
	f.mu.Unlock()
	avoid = map[string]bool{}
	for _, address := range answering {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			continue // the configuration has refused it
		}
		at, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", host) // an address is its own name
		if err != nil {
			f.o.Log.Warn("look up where a terminal is", "address", address, "error", err)
		}
		for _, a := range at {
			avoid[net.JoinHostPort(a.Unmap().String(), port)] = true
		}
	}
	return keys, avoid, wanted
}

// take keeps where a terminal was found. One that is configured to be asked over UDP is
// asked so wherever it is.
func (f *Finder) take(s *Sought, at terminal.Place) {
	if s.Place.Network == "udp" {
		at.Network = "udp"
	}
	f.mu.Lock()
	if _, missing := s.due(); !missing {
		f.mu.Unlock()
		return // it answers elsewhere, or a look has found it a moment ago
	}
	fresh := s.found != at
	s.found, s.down, s.stranger, s.lost = at, time.Time{}, false, time.Time{}
	kept := map[protocol.Serial]terminal.Place{}
	for _, s := range f.sought {
		if s.found.Address != "" {
			kept[s.Serial] = s.found
		}
	}
	f.mu.Unlock()
	f.o.Log.Info("terminal found", "terminal", s.Serial, "address", at.Address, "network", at.Network)
	if fresh {
		if err := remember(f.o.Dir, kept); err != nil {
			f.o.Log.Error("keep where the terminal was found", "terminal", s.Serial, "error", err)
		}
	}
	f.o.Found(s.Serial)
}

// signal lets Run look at the time anew.
func (f *Finder) signal() {
	select {
	case f.woken <- struct{}{}:
	default:
	}
}
