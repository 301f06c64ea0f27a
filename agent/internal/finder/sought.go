package finder

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Terminal is one that the office is configured to have.
type Terminal struct {
	Serial protocol.Serial
	Place  terminal.Place  // as configured; without an address: find it
	Keys   func() []uint32 // communication keys that it may have, offered where it is looked for; nil: none
}

func (t Terminal) keys() []uint32 {
	if t.Keys == nil {
		return []uint32{0}
	}
	return t.Keys()
}

// When a terminal is looked for.
const (
	patience  = time.Minute // of silence, which a restart or a loose cable may well take
	firstWait = time.Minute // after a look that did not find it; then twice as long each time
	longWait  = time.Hour
)

// Sought is one terminal of the office, wherever it is: the Locator of its driver. Its
// methods may be called by anybody at any time.
type Sought struct {
	Terminal
	f *Finder

	// Guarded by f.mu.
	met      terminal.Place // where it answered last in this run of the agent; zero: nowhere
	found    terminal.Place // where a look found it last, perhaps before this run; zero: nowhere
	down     time.Time      // since when it answers nowhere; zero: it answers, or nobody asked yet
	stranger bool           // another terminal answers in its place
	tries    int            // looks in vain since it was met
	again    time.Time      // not looked for before
	lost     time.Time      // the last look in vain; zero: none since it was met or found
}

// Places are where it may be: where it answered last, where it should be, where it was
// found before. A place at which another of ours answers now is none of them: asking
// there again and again would throw that one's driver out.
func (s *Sought) Places() []terminal.Place {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	return s.places()
}

func (s *Sought) places() (list []terminal.Place) {
	for _, p := range []terminal.Place{s.met, s.Place, s.found} {
		if p.Address != "" && !slices.Contains(list, p) && !s.f.taken(p.Address, s) {
			list = append(list, p)
		}
	}
	return list
}

// taken tells whether a terminal of ours other than s answers at an address. The caller
// holds f.mu.
func (f *Finder) taken(address string, s *Sought) bool {
	return slices.ContainsFunc(f.sought, func(other *Sought) bool {
		return other != s && other.met.Address == address && other.down.IsZero()
	})
}

// Met says that it answered there.
func (s *Sought) Met(at terminal.Place) {
	s.f.mu.Lock()
	news := s.met != at || !s.lost.IsZero()
	s.met, s.down, s.stranger, s.tries, s.again, s.lost = at, time.Time{}, false, 0, time.Time{}, time.Time{}
	s.f.mu.Unlock()
	if news {
		s.f.o.Changed()
	}
}

// Missed says that it answered nowhere.
func (s *Sought) Missed(err error) {
	s.f.mu.Lock()
	if s.down.IsZero() {
		s.down = time.Now()
	}
	_, s.stranger = errors.AsType[*terminal.StrangerError](err)
	s.f.mu.Unlock()
	s.f.signal()
}

// Address is where it is as far as anybody knows, for people; empty: nobody does.
func (s *Sought) Address() string {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if places := s.places(); len(places) > 0 {
		return places[0].Address
	}
	return s.Place.Address
}

// due says from when on it is to be looked for, if at all: at once where nobody knows a
// place or somebody else is there, and after a while of silence otherwise. The caller
// holds f.mu.
func (s *Sought) due() (from time.Time, wanted bool) {
	switch {
	case len(s.places()) == 0:
	case s.down.IsZero():
		return time.Time{}, false
	case s.stranger:
		from = s.down
	default:
		from = s.down.Add(patience)
	}
	if s.again.After(from) {
		from = s.again
	}
	return from, true
}

// missed is the end of a look that did not find it. The caller holds f.mu.
func (s *Sought) missed(now time.Time) {
	wait := min(firstWait<<min(s.tries, 16), longWait)
	s.tries++
	s.lost, s.again = now, now.Add(wait-wait/10+rand.N(wait/5))
}
