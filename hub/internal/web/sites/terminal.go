package sites

import (
	"slices"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// terminalView is one terminal: what its agent said of it and what the hub holds.
type terminalView struct {
	protocol.Terminal                    // zero but for Serial when no agent told of it
	Reported          bool               // an agent told of it
	Registered        bool               // its punches count
	Health            string             // ok, failing, unread, silent, unknown: code of the catalogue after "terminal-"
	Until             protocol.LocalTime // data sampai: the newest time that the hub holds
	Ahead             bool               // that time lies in the future
	Sightings         int64
	Level             string // of the log: ok, high or full
	Drift             string // of the clock: ok, off or wrong
}

// terminals brings together what a site's agent says and what the hub holds of its
// terminals, by serial number. wall is now, as a right terminal would show it.
func terminals(standing Standing, st reported, held []store.Terminal, wall time.Time) []terminalView {
	var views []terminalView
	for _, t := range st.Terminals {
		views = append(views, terminalView{Terminal: t, Reported: true})
	}
	for _, h := range held {
		i := slices.IndexFunc(views, func(v terminalView) bool { return v.Serial == h.Serial })
		if i < 0 {
			views = append(views, terminalView{Terminal: protocol.Terminal{Serial: h.Serial, Offset: protocol.OffsetUnknown}})
			i = len(views) - 1
		}
		views[i].Registered, views[i].Until, views[i].Sightings = !h.Registered.IsZero(), h.Last, h.Sightings
	}
	for i := range views {
		views[i].judge(standing, wall)
	}
	slices.SortFunc(views, func(a, b terminalView) int { return strings.Compare(string(a.Serial), string(b.Serial)) })
	return views
}

func (v *terminalView) judge(s Standing, wall time.Time) {
	if until, ok := v.Until.Wall(); ok {
		v.Ahead = until.After(wall.Add(10 * time.Minute))
	}
	switch {
	case !s.Sees():
		v.Health = "unknown"
	case !v.Reported:
		v.Health = "silent"
	case v.LastError != "":
		v.Health = "failing"
	case v.LastRead == nil:
		v.Health = "unread"
	default:
		v.Health = "ok"
	}
	v.Level = shell.Level(v.Logs)
	v.Drift = drift(v.Offset)
}

// drift says how wrong a terminal's clock is, in the steps in which people notice.
func drift(o protocol.Offset) string {
	if o == protocol.OffsetUnknown {
		return "unknown"
	}
	switch d := (time.Duration(o) * time.Second).Abs(); {
	case d <= time.Minute:
		return "ok"
	case d <= 5*time.Minute:
		return "off"
	}
	return "wrong"
}
