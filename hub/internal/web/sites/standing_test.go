package sites

import (
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
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
		if got := shell.Level(row.fill); got != row.want {
			t.Errorf("Level(%v) = %s, want %s", row.fill, got, row.want)
		}
	}
	for offset, want := range map[protocol.Offset]string{0: "ok", -60: "ok", 61: "off", -300: "off", 301: "wrong", -2_000_000_000: "wrong", protocol.OffsetUnknown: "unknown"} {
		if got := drift(offset); got != want {
			t.Errorf("drift(%d) = %s, want %s", offset, got, want)
		}
	}
}

// TestEveryPutTogetherCodeIsThere holds the codes that no reading of the text finds.
func TestEveryPutTogetherCodeIsThere(t *testing.T) {
	catalogue := phrase.New()
	var codes []string
	for _, s := range []Standing{Ready, Starting, Sleeping, Stopped, Interrupted, Missing, Unheard, Unknown, Absent} {
		codes = append(codes, "standing-"+string(s), "standing-"+string(s)+"-text")
	}
	for _, list := range []struct{ before, after string }{
		{"terminal-", "ok failing unread silent unknown"}, {"notice-", "missing interrupted unheard"}, {"severity-", "error warning info"},
		{"proof-", "count repeat"}, {"clock-", "synchronised held"}, {"step-", "read buffered sent stored proven"},
		{"flag-", "impossible-time future-time clock-off unknown-pin contradiction not-placed no-unit enrolment"}, {"filter-", "today yesterday week"},
	} {
		for _, after := range strings.Fields(list.after) {
			codes = append(codes, list.before+after)
		}
	}
	for _, code := range codes {
		if !catalogue.Has("page." + code) {
			t.Errorf("page.%s has no sentence", code)
		}
	}
}
