package web

import (
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

func TestStanding(t *testing.T) {
	now := time.Date(2026, 1, 6, 1, 15, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	long := ago(24 * time.Hour)
	for _, row := range []struct {
		name             string
		status           protocol.Status
		heard, listening time.Time
		want             Standing
	}{
		{"a ready agent that spoke", protocol.StatusReady, ago(time.Minute), long, Ready},
		{"a ready agent one interval late", protocol.StatusReady, ago(2 * time.Minute), long, Ready},
		{"a ready agent in silence", protocol.StatusReady, ago(4 * time.Minute), long, Missing},
		{"silence before the hub listened is no sign", protocol.StatusReady, ago(time.Hour), ago(time.Minute), Ready},
		{"a will is a hint", protocol.StatusLost, ago(time.Minute), long, Interrupted},
		{"a will and silence", protocol.StatusLost, ago(4 * time.Minute), long, Missing},
		{"an agent that starts", protocol.StatusInit, ago(time.Second), long, Starting},
		{"an agent that never finished starting", protocol.StatusInit, ago(time.Hour), long, Missing},
		{"sleep is not silence", protocol.StatusSleeping, ago(12 * time.Hour), long, Sleeping},
		{"neither is being switched off", protocol.StatusDisconnected, ago(72 * time.Hour), long, Stopped},
		{"never heard", "", time.Time{}, long, Unheard},
		{"the hub hears nobody", protocol.StatusReady, ago(time.Second), time.Time{}, Unknown},
		{"nor does it know of a break", protocol.StatusLost, ago(time.Hour), time.Time{}, Unknown},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := standing(row.status, row.heard, row.listening, now); got != row.want {
				t.Errorf("standing = %s, want %s", got, row.want)
			}
		})
	}
}

func TestLevelAndDrift(t *testing.T) {
	for _, row := range []struct {
		fill protocol.Fill
		want string
	}{{protocol.Fill{Used: 79_999, Capacity: 100_000}, "ok"}, {protocol.Fill{Used: 80_000, Capacity: 100_000}, "high"},
		{protocol.Fill{Used: 95_000, Capacity: 100_000}, "full"}, {protocol.Fill{Used: 5}, "ok"}} {
		if got := level(row.fill); got != row.want {
			t.Errorf("level(%v) = %s, want %s", row.fill, got, row.want)
		}
	}
	for offset, want := range map[protocol.Offset]string{0: "ok", -60: "ok", 61: "off", -300: "off", 301: "wrong", -2_000_000_000: "wrong", protocol.OffsetUnknown: "unknown"} {
		if got := drift(offset); got != want {
			t.Errorf("drift(%d) = %s, want %s", offset, got, want)
		}
	}
}

func TestOwnPath(t *testing.T) {
	for back, want := range map[string]string{
		"/": "/", "/punches?pin=1&site=a": "/punches?pin=1&site=a", "/sites/a": "/sites/a", "": "/",
		"https://example.org/": "/", "//example.org/": "/", "/\\example.org": "/", `\\example.org`: "/", "javascript:alert(1)": "/",
		"punches": "/", "///example.org": "/", "/%0d%0aSet-Cookie:x": "/", "/%5cexample.org": "/", "/%2f/example.org": "/",
	} {
		if got := ownPath(back); got != want {
			t.Errorf("ownPath(%q) = %q, want %q", back, got, want)
		}
	}
}

func TestInert(t *testing.T) {
	for text, want := range map[string]string{"100017": "100017", "=1+1": "'=1+1", "+62": "'+62", "-5": "'-5", "@SUM": "'@SUM", "\tx": "'\tx", "\rx": "'\rx", "": "", "slot:7": "slot:7"} {
		if got := inert(text); got != want {
			t.Errorf("inert(%q) = %q, want %q", text, got, want)
		}
	}
}
