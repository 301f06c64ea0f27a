package broker

import (
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

// What may be told of clients that are refused within a minute.
const (
	tellEvery      = time.Minute
	maxAddresses   = 256 // further ones are counted together
	maxReasons     = 8   // of one address; further ones are counted
	maxReason      = 300 // bytes of a reason, which may quote what a client sent
	restOfTheWorld = "further addresses"
)

// strangers tells whom the broker refused and why, and of whom it warns: each reason of
// each address once, and after a minute how often again. Whoever knocks all night does not
// fill the disk.
type strangers struct {
	log *slog.Logger

	mu sync.Mutex // guards what follows
	by map[string]*refused
}

// refused is what one address was refused for.
type refused struct {
	since   time.Time
	again   map[string]int // by reason, beyond the first time
	further int            // of reasons for which there was no room
}

func newStrangers(log *slog.Logger) *strangers {
	return &strangers{log: log, by: map[string]*refused{}}
}

// say tells a refusal, or counts it.
func (s *strangers) say(from netip.Addr, reason string) {
	s.tell("the broker refuses a client", from, reason)
}

// warn tells what the broker found strange in a client that it does not refuse, or counts it.
func (s *strangers) warn(from netip.Addr, reason string) {
	s.tell("the broker warns of a client", from, reason)
}

func (s *strangers) tell(message string, from netip.Addr, reason string) {
	if len(reason) > maxReason {
		reason = reason[:maxReason] + "…"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	address := network(from)
	r := s.by[address]
	if r == nil && len(s.by) >= maxAddresses {
		address = restOfTheWorld
		r = s.by[address]
	}
	if r == nil {
		r = &refused{since: time.Now(), again: map[string]int{}}
		s.by[address] = r
	}
	if _, told := r.again[reason]; told {
		r.again[reason]++
		return
	}
	if len(r.again) >= maxReasons {
		r.further++
		return
	}
	r.again[reason] = 0
	s.log.Warn(message, "from", address, "reason", reason)
}

// sweep tells how often what was told a minute ago happened again.
func (s *strangers) sweep(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for address, r := range s.by {
		if now.Sub(r.since) < tellEvery {
			continue
		}
		for reason, times := range r.again {
			if times > 0 {
				s.log.Warn("of a client of the broker again", "from", address, "reason", reason, "times", times)
			}
		}
		if r.further > 0 {
			s.log.Warn("of a client of the broker for further reasons", "from", address, "times", r.further)
		}
		delete(s.by, address)
	}
}

// network is the address by which a client is counted: of IPv6 the network, because one
// machine has as many addresses as it likes.
func network(from netip.Addr) string {
	from = from.Unmap().WithZone("")
	if from.Is6() && !from.IsLoopback() {
		if p, err := from.Prefix(64); err == nil {
			return p.String()
		}
	}
	return from.String()
}
