package finder

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// Port is where terminals listen unless somebody changed it.
const Port = 4370

// The pace of a look. With these a silent subnet of 254 addresses takes half a minute and
// brings its switch less than twenty packets a second.
const (
	atOnce   = 32                     // addresses that are asked at one time
	byTCP    = 2 * time.Second        // longest silence of an address
	byUDP    = 500 * time.Millisecond // the same; over UDP each question is sent three times
	lookTime = 5 * time.Minute        // for one look as a whole
)

// errLate says that a look came to its end before it had asked all addresses.
var errLate = errors.New("not all addresses could be asked in time")

// Scan is one look through subnets.
type Scan struct {
	Subnets []netip.Prefix
	Ports   []uint16 // none: 4370
	Keys    []uint32 // communication keys, for terminals that ask for one; none: 0
	// Avoid are HOST:PORT that are not asked: most terminals serve one client, and whoever
	// is served there would be thrown out.
	Avoid map[string]bool

	own []netip.Addr
	ask asker // nil: by the network
}

// asker asks one address who is there.
type asker func(ctx context.Context, address string, keys []uint32) (a Answer, there bool)

// Answer is a terminal that was there.
type Answer struct {
	terminal.Place
	Serial protocol.Serial // empty: it wants a communication key that is none of ours
}

// Look asks every address who is there, and tells the terminals among them, one at a
// time. Of a terminal its serial number is read and nothing else; nothing is changed.
func (s Scan) Look(ctx context.Context, tell func(Answer)) error {
	if s.ask == nil {
		s.ask = askSerial
	}
	if len(s.Ports) == 0 {
		s.Ports = []uint16{Port}
	}
	if len(s.Keys) == 0 {
		s.Keys = []uint32{0}
	}
	limited, cancel := context.WithTimeoutCause(ctx, lookTime, errLate)
	defer cancel()
	addresses, answers := make(chan string), make(chan Answer)
	var askers sync.WaitGroup
	for range atOnce {
		askers.Go(func() {
			for address := range addresses {
				if a, there := s.ask(limited, address, s.Keys); there {
					answers <- a
				}
			}
		})
	}
	askers.Go(func() {
		defer close(addresses)
		for _, port := range s.Ports {
			for _, host := range hosts(s.Subnets, s.own) {
				address := net.JoinHostPort(host.String(), strconv.Itoa(int(port)))
				if s.Avoid[address] {
					continue
				}
				select {
				case addresses <- address:
				case <-limited.Done():
					return
				}
			}
		}
	})
	go func() { // it ends because the loop below takes all answers
		askers.Wait()
		close(answers)
	}()
	for a := range answers {
		tell(a)
	}
	return context.Cause(limited)
}

// askSerial asks one address, over TCP first and then over UDP, unless it is plain that
// nobody is there or that it is no terminal.
func askSerial(ctx context.Context, address string, keys []uint32) (Answer, bool) {
	for _, place := range []terminal.Place{{Address: address, Network: "tcp"}, {Address: address, Network: "udp"}} {
		serial, err := askWith(ctx, place, keys)
		switch {
		case err == nil:
			return Answer{place, serial}, true
		case errors.Is(err, zk.ErrKey):
			return Answer{Place: place}, true
		case ctx.Err() != nil, errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, zk.ErrMagic),
			errors.Is(err, zk.ErrAccessPanel), errors.Is(err, protocol.ErrSerial):
			return Answer{}, false
		}
	}
	return Answer{}, false
}

// askWith tries the keys one after the other, as long as the terminal wants another.
func askWith(ctx context.Context, place terminal.Place, keys []uint32) (serial protocol.Serial, err error) {
	timeout := byTCP
	if place.Network == "udp" {
		timeout = byUDP
	}
	for _, key := range keys {
		var told string
		told, err = zk.AskSerial(ctx, zk.Options{Address: place.Address, Network: place.Network, CommKey: key, Timeout: timeout})
		if err == nil {
			return protocol.ParseSerial(told)
		}
		if !errors.Is(err, zk.ErrKey) {
			break
		}
	}
	return "", fmt.Errorf("ask who is at %s: %w", place.Address, err)
}

// Local is a Scan of the subnets of this machine.
func Local() (Scan, error) {
	subnets, own, err := local()
	return Scan{Subnets: subnets, own: own}, err
}
