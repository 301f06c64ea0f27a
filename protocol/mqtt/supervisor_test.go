package mqtt

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

func TestWaitIsRandomBelowADoublingBound(t *testing.T) {
	o, _ := Options{}.complete()
	for attempt, bound := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 90, 90, 90} {
		bound *= time.Second
		longest := time.Duration(0)
		for range 2000 {
			s := supervisor{o: o, attempts: attempt}
			longest = max(longest, s.wait(errors.New("lost")))
			if s.attempts != attempt+1 {
				t.Fatalf("attempts = %d after %d", s.attempts, attempt)
			}
		}
		if longest >= bound || longest < bound*9/10 {
			t.Errorf("attempt %d: longest of 2000 waits is %v, want just below %v", attempt, longest, bound)
		}
	}
	for _, err := range []error{ErrDenied, ErrRefused} {
		for range 2000 {
			s := supervisor{o: o}
			if w := s.wait(err); w < 45*time.Second || w >= 90*time.Second {
				t.Fatalf("wait after %v is %v, want 45 s to 90 s", err, w)
			}
		}
	}
	s := supervisor{o: o, attempts: 1 << 20}
	if w := s.wait(nil); w >= 90*time.Second {
		t.Errorf("after a million attempts the wait is %v", w)
	}
}

func TestThirdEarlyLossWithinAMinuteIsATakenClientID(t *testing.T) {
	byBroker := fmt.Errorf("%w: %w", ErrLost, io.EOF)
	byLine := fmt.Errorf("%w: %w", ErrLost, errors.New("pingresp not received, disconnecting"))
	for _, test := range []struct {
		outcome  string
		err      error
		lasted   time.Duration // of each connection
		between  time.Duration // end to next beginning
		notified bool          // at the fourth loss
	}{
		{"quick losses", byBroker, time.Second, time.Second, true},
		{"a line that is cut", byLine, time.Second, time.Second, false},
		{"losses far apart", byBroker, time.Second, 40 * time.Second, false},
		{"connections that lasted", byBroker, 61 * time.Second, 0, false},
	} {
		t.Run(test.outcome, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, _ := Options{}.complete()
				s := supervisor{o: o}
				var err error
				for n := range 4 {
					s.up = time.Now()
					time.Sleep(test.lasted)
					err = s.flapping(test.err)
					if n < 2 && errors.Is(err, ErrTaken) {
						t.Fatalf("taken after %d losses", n+1)
					}
					time.Sleep(test.between)
				}
				if errors.Is(err, ErrTaken) != test.notified || !errors.Is(err, ErrLost) {
					t.Errorf("fourth loss: %v, want taken: %v", err, test.notified)
				}
			})
		})
	}
}
