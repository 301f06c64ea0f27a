package errand

import (
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

func TestWhenAClockMayBeSet(t *testing.T) {
	// wall is a time of that day as the terminals' walls show it.
	wall := func(hour, minute, second int) time.Time {
		return time.Date(2026, 1, 20, hour, minute, second, 0, time.UTC).Add(-protocol.Zone)
	}
	for _, row := range []struct {
		name   string
		change func(s *situation)
		want   string
	}{
		{"slow by 61 s", func(s *situation) {}, ""},
		{"fast by 61 s", func(s *situation) { s.offset = 61 }, ""},
		{"slow by as much as it may be", func(s *situation) { s.offset = -60 }, protocol.ClockRight},
		{"fast by as much as it may be", func(s *situation) { s.offset = 60 }, protocol.ClockRight},
		{"the agent does not know the time", func(s *situation) { s.sure = false }, protocol.ClockUnsure},
		{"the agent does not know it, and a person insists", func(s *situation) { s.sure, s.force = false, true }, protocol.ClockUnsure},
		{"the terminal tells no time", func(s *situation) { s.offset = protocol.OffsetUnknown }, protocol.ClockSilent},
		{"in rush hours", func(s *situation) { s.calm = false }, protocol.ClockRush},
		{"in rush hours, and a person insists", func(s *situation) { s.calm, s.force = false, true }, protocol.ClockRush},
		{"just before midnight", func(s *situation) { s.now = wall(23, 55, 1) }, protocol.ClockMidnight},
		{"long enough before midnight", func(s *situation) { s.now = wall(23, 55, 0); s.offset = -61 }, ""},
		{"at midnight", func(s *situation) { s.now = wall(0, 0, 0) }, protocol.ClockMidnight},
		{"just after midnight", func(s *situation) { s.now = wall(0, 4, 59); s.offset = 7200 }, protocol.ClockMidnight},
		{"long enough after midnight", func(s *situation) { s.now = wall(0, 5, 0); s.offset = 61 }, ""},
		{"near the terminal's own midnight", func(s *situation) { s.offset = 12*3600 - 100 }, protocol.ClockMidnight},
		{"just after the terminal's own midnight", func(s *situation) { s.offset = 12*3600 + 100; s.force = true }, protocol.ClockMidnight},
		{"on the terminal's yesterday", func(s *situation) { s.offset = -86400 }, ""},
		{"with a punch of a second ago", func(s *situation) { s.newest = "2026-01-20T11:59:59" }, ""},
		{"with a punch of this second", func(s *situation) { s.newest = "2026-01-20T12:00:00" }, ""},
		{"back over a punch", func(s *situation) { s.offset = 300; s.newest = "2026-01-20T12:00:01" }, protocol.ClockBackwards},
		{"back over a punch, and a person insists", func(s *situation) { s.offset = 300; s.newest = "2026-01-20T12:00:01"; s.force = true }, ""},
		{"forward to before a punch", func(s *situation) { s.newest = "2027-01-01T00:00:00" }, protocol.ClockBackwards},
		{"after punches whose times name no date", func(s *situation) { s.newest = "zk:1" }, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := situation{now: wall(12, 0, 0), sure: true, offset: -61, calm: true, off: time.Minute}
			row.change(&s)
			if got := s.judge(); got != row.want {
				t.Errorf("judge = %q, want %q", got, row.want)
			}
		})
	}
}
