package rosters_test

import (
	"context"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/decision"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/rosters"
	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// decisions are what somebody accepted at a terminal.
type decisions struct {
	mu       sync.Mutex
	n        int64
	accepted map[placement.TerminalID][]validate.Finding
}

func (d *decisions) Version(context.Context) (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.n, nil
}

func (d *decisions) Accepted(context.Context, roster.Date) (map[placement.TerminalID][]validate.Finding, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.accepted, nil
}

func (d *decisions) set(accepted map[placement.TerminalID][]validate.Finding) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.n++
	d.accepted = accepted
}

var _ rosters.Decisions = (*decision.Decisions)(nil)

// A roster leaves alone what was accepted, from the next look at the decisions on, and
// no longer than it is.
func TestRosterKeepsWhatIsAccepted(t *testing.T) {
	each(t, func(p *province) {
		// Somebody whom the register does not know is on the agency's terminal.
		var terminal placement.TerminalID
		p.edit(func(d *directory.Draft) error {
			for _, one := range d.Terminals {
				if one.Site == agency {
					terminal = one.ID
				}
			}
			return nil
		})
		reg, err := p.directory.Register(t.Context())
		ok(t, err)
		c, _ := validate.Know(reg.Snapshot(placement.Usual()), "2026-01-20", nil, func(placement.TerminalID, string) placement.EmployeeID { return 0 }).
			Case(terminal, roster.Inventory{Serial: serial(agency), Users: []roster.Held{{Slot: 1, PIN: "77", Name: []byte("TAMU"), Privilege: roster.User}}})
		var guest validate.Finding
		for _, f := range validate.Find(c) {
			if f.Class == validate.Unknown {
				guest = f
			}
		}
		said := &decisions{}
		r := p.with(said)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { ok(t, r.Run(ctx)) })
		defer running.Wait()
		defer stop()
		waitFor := func(counter uint64, want []roster.Keep) {
			t.Helper()
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for deadline := time.Now().Add(20 * time.Second); ; <-tick.C {
				v, held, err := p.holding.Roster(t.Context(), agency, serial(agency))
				if err == nil && v.Order.Counter == counter && reflect.DeepEqual(held.Keep, want) {
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("roster %s keeps %+v (%v), want number %d with %+v", v.Order, held.Keep, err, counter, want)
				}
			}
		}
		waitFor(1, nil)
		said.set(map[placement.TerminalID][]validate.Finding{terminal: {guest}})
		waitFor(2, []roster.Keep{{PIN: "77", User: true}})
		said.set(nil)
		waitFor(3, nil)
	})
}
