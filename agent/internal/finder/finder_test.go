package finder

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// silence is a network on which nobody answers. It counts.
type silence struct {
	long time.Duration // until an address is given up

	mu        sync.Mutex // guards what follows
	now, most int
	asked     map[string]int
}

func (s *silence) ask(ctx context.Context, address string, _ []uint32) (Answer, bool) {
	s.mu.Lock()
	s.now++
	s.most = max(s.most, s.now)
	s.asked[address]++
	s.mu.Unlock()
	select {
	case <-time.After(s.long):
	case <-ctx.Done():
	}
	s.mu.Lock()
	s.now--
	s.mu.Unlock()
	return Answer{}, false
}

func TestSilentSubnetIsAskedPolitely(t *testing.T) {
	for _, c := range []struct {
		name   string
		subnet string
		long   time.Duration // an address is silent
		end    time.Duration // the caller's patience; 0: endless
		asked  int
		want   error
	}{
		{"each of 254 addresses once", "192.168.1.0/24", byTCP + 3*byUDP, 0, 254, nil},
		{"at the end of the caller no more", "192.168.1.0/24", byTCP, time.Second, atOnce, context.DeadlineExceeded},
		{"at the end of its time no more", "10.0.0.0/22", time.Minute, 0, 5 * atOnce, errLate},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if c.end > 0 {
					limited, cancel := context.WithTimeout(ctx, c.end)
					defer cancel()
					ctx = limited
				}
				s := &silence{long: c.long, asked: map[string]int{}}
				scan := Scan{Subnets: []netip.Prefix{netip.MustParsePrefix(c.subnet)}, ask: s.ask}
				err := scan.Look(ctx, func(a Answer) { t.Errorf("%s answered", a.Address) })
				if !errors.Is(err, c.want) {
					t.Errorf("Look = %v, want %v", err, c.want)
				}
				if len(s.asked) < c.asked || len(s.asked) > c.asked+atOnce || c.want == nil && len(s.asked) != c.asked {
					t.Errorf("%d addresses were asked, want %d", len(s.asked), c.asked)
				}
				for address, times := range s.asked {
					if times != 1 {
						t.Errorf("%s was asked %d times", address, times)
					}
				}
				if s.most > atOnce || s.now != 0 {
					t.Errorf("%d addresses were asked at one time, %d still are", s.most, s.now)
				}
			})
		})
	}
}

// lan is an office network in a bubble: who is at which address.
type lan struct {
	mu    sync.Mutex // guards what follows
	at    map[string]protocol.Serial
	looks []time.Duration // when each look began, after the start
	asked map[string]int
	began time.Time
	first string // address of each look's first question
}

func (l *lan) ask(_ context.Context, address string, _ []uint32) (Answer, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked[address]++
	if address == l.first {
		l.looks = append(l.looks, time.Since(l.began))
	}
	serial, there := l.at[address]
	return Answer{terminal.Place{Address: address, Network: "tcp"}, serial}, there
}

func (l *lan) put(address string, serial protocol.Serial) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at[address] = serial
}

// started is a finder that runs on a lan until the test ends.
func started(t *testing.T, dir string, l *lan, found chan<- protocol.Serial, list ...Terminal) *Finder {
	t.Helper()
	f := Open(Options{Dir: dir, Terminals: list, Look: true, Subnets: []netip.Prefix{netip.MustParsePrefix("192.168.1.0/24")},
		Found: func(s protocol.Serial) { found <- s }, Changed: func() {}, Log: slog.New(slog.DiscardHandler)})
	f.ask = l.ask
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	synctest.Wait()
	return f
}

func newLAN() *lan {
	return &lan{at: map[string]protocol.Serial{}, asked: map[string]int{}, began: time.Now(), first: "192.168.1.1:4370"}
}

func codes(f *Finder) (list []string) {
	for _, c := range f.Conditions() {
		list = append(list, c.Code+" "+c.Subject)
	}
	return list
}

func place(address string) terminal.Place { return terminal.Place{Address: address, Network: "tcp"} }

func TestTerminalWithoutAnAddressIsFoundAtOnceAndKept(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l, found := newLAN(), make(chan protocol.Serial, 9)
		l.put("192.168.1.201:4370", "DEMO1")
		f := started(t, dir, l, found, Terminal{Serial: "DEMO1", Place: terminal.Place{Network: "tcp"}})
		if got := <-found; got != "DEMO1" || f.Sought("DEMO1").Address() != "192.168.1.201:4370" {
			t.Errorf("found %s at %s", got, f.Sought("DEMO1").Address())
		}
		f.Sought("DEMO1").Met(place("192.168.1.201:4370"))
		time.Sleep(24 * time.Hour)
		if len(l.looks) != 1 || len(codes(f)) != 0 {
			t.Errorf("looked %v, conditions %v", l.looks, codes(f))
		}
	})
	synctest.Test(t, func(t *testing.T) { // the next start
		l := newLAN()
		f := started(t, dir, l, nil, Terminal{Serial: "DEMO1", Place: terminal.Place{Network: "tcp"}})
		if got := f.Sought("DEMO1").Places(); !slices.Equal(got, []terminal.Place{place("192.168.1.201:4370")}) {
			t.Errorf("Places = %v", got)
		}
		time.Sleep(time.Hour)
		if len(l.looks) != 0 {
			t.Errorf("looked at %v for a terminal of which a place is known", l.looks)
		}
	})
}

func TestDamagedFileOfPlacesIsSetAside(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, file), []byte(`{"DEMO1":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if places, err := Remembered(dir); err == nil || places != nil {
		t.Errorf("Remembered = %v, %v", places, err)
	}
	if places, err := Remembered(dir); err != nil || places != nil {
		t.Errorf("a second time: %v, %v", places, err)
	}
}

func TestLooksForWhatIsMissingLessAndLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, found := newLAN(), make(chan protocol.Serial, 9)
		f := started(t, t.TempDir(), l, found, Terminal{Serial: "DEMO1", Place: place("192.168.1.201:4370")})
		s := f.Sought("DEMO1")
		s.Met(place("192.168.1.201:4370"))
		time.Sleep(time.Hour)
		if len(l.looks) != 0 {
			t.Fatalf("looked at %v for a terminal that answers", l.looks)
		}
		l.began = time.Now()
		s.Missed(terminal.ErrUnreachable)
		time.Sleep(30 * time.Second)
		s.Met(place("192.168.1.201:4370")) // it had only restarted
		time.Sleep(time.Hour)
		if len(l.looks) != 0 {
			t.Fatalf("looked at %v for a terminal that restarted", l.looks)
		}
		l.began = time.Now()
		for range 24 * 60 { // a day without it
			s.Missed(terminal.ErrUnreachable)
			time.Sleep(time.Minute)
		}
		if n := len(l.looks); n < 24 || n > 36 || l.looks[0] < patience || l.looks[0] > 2*patience {
			t.Errorf("looked %d times within a day: %v", n, l.looks)
		}
		for i := 2; i < len(l.looks); i++ {
			if l.looks[i]-l.looks[i-1] > longWait*3/2 {
				t.Errorf("waited from %s to %s", l.looks[i-1], l.looks[i])
			}
		}
		if got := codes(f); !slices.Equal(got, []string{"terminal-not-found DEMO1"}) {
			t.Errorf("conditions %v", got)
		}
		l.put("192.168.1.77:4370", "DEMO1")
		if <-found; !slices.Equal(s.Places(), []terminal.Place{place("192.168.1.201:4370"), place("192.168.1.77:4370")}) {
			t.Errorf("Places = %v", s.Places())
		}
		s.Met(place("192.168.1.77:4370"))
		if got := codes(f); !slices.Equal(got, []string{"terminal-moved DEMO1"}) || s.Address() != "192.168.1.77:4370" {
			t.Errorf("conditions %v, address %s", got, s.Address())
		}
	})
}

func TestStrangerInItsPlaceIsNotWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, found := newLAN(), make(chan protocol.Serial, 9)
		f := started(t, t.TempDir(), l, found,
			Terminal{Serial: "DEMO1", Place: place("192.168.1.201:4370")}, Terminal{Serial: "DEMO2", Place: place("192.168.1.202:4370")})
		l.put("192.168.1.201:4370", "OTHER9")
		l.put("192.168.1.202:4370", "DEMO2")
		l.put("192.168.1.210:4370", "DEMO1")
		l.put("192.168.1.230:4370", "")
		f.Sought("DEMO2").Met(place("192.168.1.202:4370"))
		f.Sought("DEMO1").Missed(&terminal.StrangerError{Want: "DEMO1", Got: "OTHER9"})
		if got := <-found; got != "DEMO1" || time.Since(l.began) > time.Second {
			t.Errorf("found %s after %s", got, time.Since(l.began))
		}
		f.Sought("DEMO1").Met(place("192.168.1.210:4370"))
		synctest.Wait()
		if l.asked["192.168.1.202:4370"] != 0 {
			t.Error("a terminal that answers us was disturbed")
		}
		if got := codes(f); !slices.Equal(got, []string{"terminal-moved DEMO1", "terminal-foreign OTHER9"}) {
			t.Errorf("conditions %v", got)
		}
	})
}

// Two terminals of ours changed places, and one of them is off.
func TestPlaceOfAnotherOfOursIsNotTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, found := newLAN(), make(chan protocol.Serial, 9)
		l.put("192.168.1.201:4370", "DEMO2")
		f := started(t, t.TempDir(), l, found,
			Terminal{Serial: "DEMO1", Place: place("192.168.1.201:4370")}, Terminal{Serial: "DEMO2", Place: place("192.168.1.202:4370")})
		one, two := f.Sought("DEMO1"), f.Sought("DEMO2")
		two.Met(place("192.168.1.201:4370"))
		one.Missed(&terminal.StrangerError{Want: "DEMO1", Got: "DEMO2"})
		synctest.Wait()
		if got := one.Places(); len(got) != 0 || l.asked["192.168.1.201:4370"] != 0 || one.Address() != "192.168.1.201:4370" {
			t.Errorf("Places = %v, shown at %q; the other was asked %d times", got, one.Address(), l.asked["192.168.1.201:4370"])
		}
		two.Missed(terminal.ErrUnreachable)
		if got := one.Places(); len(got) != 1 {
			t.Errorf("Places = %v once nobody answers there", got)
		}
	})
}

func TestKeyThatWeDoNotHaveIsToldWhileSomethingIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN()
		l.put("192.168.1.230:4370", "")
		f := started(t, t.TempDir(), l, nil, Terminal{Serial: "DEMO1"})
		time.Sleep(time.Second)
		if got := codes(f); !slices.Equal(got, []string{"terminal-not-found DEMO1", "terminal-locked 192.168.1.230:4370"}) {
			t.Errorf("conditions %v", got)
		}
	})
}

func TestTerminalOfUDPIsFoundForUDP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, found := newLAN(), make(chan protocol.Serial, 9)
		l.put("192.168.1.5:4370", "DEMO1")
		f := started(t, t.TempDir(), l, found, Terminal{Serial: "DEMO1", Place: terminal.Place{Network: "udp"}})
		<-found
		if got := f.Sought("DEMO1").Places(); len(got) != 1 || got[0].Network != "udp" {
			t.Errorf("Places = %v", got)
		}
	})
}

func TestWithoutLookingKnownPlacesAreUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := Open(Options{Dir: t.TempDir(), Terminals: []Terminal{{Serial: "DEMO1", Place: place("192.168.1.201:4370")}},
			Changed: func() {}, Log: slog.New(slog.DiscardHandler)})
		f.ask = func(_ context.Context, address string, _ []uint32) (Answer, bool) {
			t.Errorf("%s was asked", address)
			return Answer{}, false
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- f.Run(ctx) }()
		f.Sought("DEMO1").Missed(terminal.ErrUnreachable)
		f.Ensure(ctx, "DEMO1")
		time.Sleep(time.Hour)
		stop()
		if err := <-ended; err != nil || f.Sought("DEMO1").Address() != "192.168.1.201:4370" {
			t.Errorf("Run = %v, address %s", err, f.Sought("DEMO1").Address())
		}
	})
}
