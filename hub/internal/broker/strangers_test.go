package broker

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func lines(log *bytes.Buffer) (told []string) {
	for line := range strings.Lines(log.String()) {
		told = append(told, strings.TrimSpace(line))
	}
	log.Reset()
	return told
}

func TestEachReasonOfEachAddressIsToldOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := newStrangers(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == "time" || a.Key == "level" {
				return slog.Attr{}
			}
			return a
		}})))
		one, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("::ffff:192.0.2.2")
		for range 100 {
			s.say(one, "expired")
			s.say(other, "expired")
		}
		s.say(one, "revoked")
		want := []string{
			`msg="the broker refuses a client" from=192.0.2.1 reason=expired`,
			`msg="the broker refuses a client" from=192.0.2.2 reason=expired`,
			`msg="the broker refuses a client" from=192.0.2.1 reason=revoked`,
		}
		if got := lines(&log); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("told %q, want %q", got, want)
		}
		time.Sleep(59 * time.Second)
		s.sweep(time.Now())
		if got := lines(&log); len(got) != 0 {
			t.Errorf("before a minute is over: %q", got)
		}
		time.Sleep(time.Second)
		s.sweep(time.Now())
		got := strings.Join(lines(&log), "\n")
		for _, address := range []string{"192.0.2.1", "192.0.2.2"} {
			if want := `msg="of a client of the broker again" from=` + address + ` reason=expired times=99`; !strings.Contains(got, want) {
				t.Errorf("told %q, want %q", got, want)
			}
		}
		s.say(one, "expired")
		if got := lines(&log); len(got) != 1 {
			t.Errorf("in the next minute: %q", got)
		}
	})
}

// Whatever strangers do, in a minute they make no more than a few thousand lines, of a
// few hundred bytes each, and the memory for them.
func TestStrangersDoNotFillTheDisk(t *testing.T) {
	var log bytes.Buffer
	s := newStrangers(slog.New(slog.NewTextHandler(&log, nil)))
	for n := range 300 {
		for reason := range 20 {
			s.say(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), fmt.Sprintf("%d %s", reason, strings.Repeat("x", 100_000)))
		}
	}
	s.sweep(time.Now().Add(tellEvery))
	if got, most := len(lines(&log)), (maxAddresses+1)*(2*maxReasons+1); got > most || got < maxAddresses {
		t.Errorf("%d lines, want at most %d", got, most)
	}
	if len(s.by) != 0 {
		t.Errorf("%d addresses are kept", len(s.by))
	}
	for _, from := range []string{"2001:db8:1:2::1", "2001:db8:1:2:ffff::9"} { // one network
		s.say(netip.MustParseAddr(from), "expired")
	}
	if got := lines(&log); len(got) != 1 || !strings.Contains(got[0], "2001:db8:1:2::/64") {
		t.Errorf("one network of IPv6: %q", got)
	}
}
