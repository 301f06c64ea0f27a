package whereabouts_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// dueSince asks the rule day by day, which is right and slow.
func dueSince(s placement.Snapshot, e placement.EmployeeID, t placement.TerminalID, comes bool) (since roster.Date) {
	today := roster.DateOf(now)
	for back := range 400 {
		day := today.Add(-back)
		if belongs, _ := placement.On(s, day).Why(e, t); belongs != comes {
			return since
		}
		since = day
	}
	if comes {
		return since
	}
	return ""
}

// TestDueSinceIsWhatTheRuleSaysOfEachDay: only days on which something may change are
// looked at, and no other day would say anything else.
func TestDueSinceIsWhatTheRuleSaysOfEachDay(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("province ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			p := newProvince(t, t.TempDir()+"/hub.db")
			near := func() roster.Date { return roster.DateOf(now).Add(r.IntN(460) - 420) }
			employees := 25
			for range employees {
				p.person([]string{"a", "b"}[r.IntN(2)], near().Add(-30), roster.Forever)
			}
			p.edit(func(d *directory.Draft) (failed error) {
				a, _ := d.UnitByCode("a", "2020-01-01")
				b, _ := d.UnitByCode("b", "2020-01-01")
				section, err := d.AddUnit("2020-01-01", "s", "Seksi", placement.Section)
				failed = errors.Join(failed, err,
					d.Set(directory.AboutUnit, int64(section.ID), directory.UnitParent, "2020-01-01", fmt.Sprint(a.ID)),
					d.Set(directory.AboutUnit, int64(section.ID), directory.UnitParent, near(), fmt.Sprint(b.ID)),
					d.Set(directory.AboutUnit, int64(a.ID), directory.UnitMerged, near(), fmt.Sprint(b.ID)),
					d.Set(directory.AboutUnit, int64(b.ID), directory.UnitGrace, near(), "9"),
					d.Set(directory.AboutUnit, int64(b.ID), directory.UnitPrepare, near(), "14"))
				for id := range d.Employees {
					from := near()
					switch r.IntN(4) {
					case 0:
						failed = errors.Join(failed, d.Set(directory.AboutEmployee, int64(id), directory.EmployeeStatus, from, string(placement.Leave)),
							d.Set(directory.AboutEmployee, int64(id), directory.EmployeeStatus, from.Add(r.IntN(60)+1), string(placement.Active)))
					case 1:
						d.Grant(placement.Grant{Employee: id, Terminal: 1, Privilege: roster.Administrator, Period: placement.Period{From: from, To: from.Add(40)}})
					default:
						_, err := d.Place(directory.Placement{Placement: placement.Placement{Employee: id, Unit: []placement.UnitID{a.ID, b.ID, section.ID}[r.IntN(3)],
							Kind: placement.Lent, Period: placement.Period{From: from, To: from.Add(r.IntN(90) + 1)}}}, false)
						failed = errors.Join(failed, err)
					}
				}
				return failed
			})
			reg, err := p.directory.Register(t.Context())
			ok(t, err)
			s := reg.Snapshot(placement.Settings{PrepareDays: 3, GraceDays: 2})
			today := placement.On(s, roster.DateOf(now))
			for i, at := range p.terminals { // who belongs there is not, who does not is
				terminal, _ := reg.TerminalBy(at.Site, at.Serial)
				should := roster.Roster{Serial: at.Serial, Mode: roster.Enforce}
				p.held[at.Serial] = []roster.Held{}
				for _, e := range directory.Sorted(reg.Employees) {
					if on, _ := today.Why(e.ID, terminal.ID); on {
						should.Entries = append(should.Entries, wanting(e.PINText()))
					} else {
						p.held[at.Serial] = append(p.held[at.Serial], user(uint16(e.ID), e.PINText()))
					}
				}
				p.rosters[at.Serial] = should
				p.terminals[i].Reported = now
			}
			seen := 0
			for e := range reg.Employees {
				places, err := p.where().Of(t.Context(), e, now)
				ok(t, err)
				for _, place := range places {
					if place.Open == nil {
						t.Errorf("nothing is open for %d at %s", e, place.Serial)
						continue
					}
					seen++
					if want := dueSince(s, e, place.Terminal, place.Should); place.Open.Since != want {
						t.Errorf("%s of %d at %s is due since %q, want %q", place.Open.Act, e, place.Serial, place.Open.Since, want)
					}
				}
			}
			if seen != 2*employees {
				t.Errorf("%d places were compared, want %d", seen, 2*employees)
			}
		})
	}
}
