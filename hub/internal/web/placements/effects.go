package placements

import (
	"context"
	"errors"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/effect"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/rosters"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/people"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// How far ahead a preview looks: a year, and somewhat beyond the last day of which the
// form speaks, but two years at most.
const (
	aheadUsual  = 365
	aheadBeyond = 60
	aheadMost   = 730
)

// effectsView is the data of effects.html, a part of every form that was looked at.
type effectsView struct {
	people.Speech
	Last       roster.Date // of the look ahead
	Beyond     bool        // the form speaks of later days
	Effects    []effectRow
	Nowhere    bool // no terminal carries the employee at any time
	Fingerless bool
}

// effectRow is what happens at one terminal, in words.
type effectRow struct {
	Site   protocol.SiteID
	Serial protocol.Serial
	Unit   string    // that is responsible for the terminal
	Comes  *stepView // onto the roster; nil: not by this change
	Goes   *stepView // from the roster
	Stays  []string  // the days on the roster, where nothing changes
}

// stepView is one day on which a roster changes.
type stepView struct {
	When    string
	Why     []string
	Blocked []string
	Unknown bool // what the terminal holds nobody knows
}

// effects reckons what a change of the register will do on terminals.
func (p *Pages) effects(ctx context.Context, v changeView, before, after *directory.Register, last roster.Date) (*effectsView, error) {
	best, err := p.Vault.Best(ctx)
	if err != nil {
		return nil, err
	}
	out := &effectsView{Speech: v.Speech, Fingerless: true, Last: max(v.Today.Add(aheadUsual), last.Add(aheadBeyond))}
	if most := v.Today.Add(aheadMost); out.Last > most {
		out.Last, out.Beyond = most, last > most
	}
	for _, h := range best {
		out.Fingerless = out.Fingerless && h.Employee != int64(v.ID)
	}
	var failed error
	effects := effect.Of(effect.Question{
		Before: rosters.Snapshot(before, p.Settings, best), After: rosters.Snapshot(after, p.Settings, best),
		Employee: v.ID, PIN: v.PINText(), First: v.Today, Last: out.Last,
		Held: func(t placement.TerminalID) (roster.Inventory, []roster.Keep, bool) {
			inventory, kept, known, err := p.held(ctx, after.Terminals[t])
			failed = errors.Join(failed, err)
			return inventory, kept, known
		},
	})
	if failed != nil {
		return nil, failed
	}
	out.Nowhere = true
	for _, e := range effects {
		t := after.Terminals[e.Terminal]
		row := effectRow{Site: t.Site, Serial: t.Serial, Comes: v.step("comes", e.Comes, true), Goes: v.step("goes", e.Goes, false)}
		if e.Same() {
			row.Stays = v.spans(e.Stays, out.Last)
		}
		for _, s := range directory.Sorted(after.Servings) {
			if s.Terminal == t.ID && s.Responsible && s.Holds(v.Today) {
				row.Unit = v.Unit(s.Unit)
			}
		}
		out.Nowhere = out.Nowhere && len(e.Stays) == 0
		out.Effects = append(out.Effects, row)
	}
	return out, nil
}

// held is what a terminal holds as far as is known, and what was accepted there.
func (p *Pages) held(ctx context.Context, t *directory.Terminal) (roster.Inventory, []roster.Keep, bool, error) {
	inventory, err := p.Holding.Inventory(ctx, t.Site, t.Serial)
	if errors.Is(err, holding.ErrNone) {
		return roster.Inventory{}, nil, false, nil
	}
	if err != nil {
		return roster.Inventory{}, nil, false, err
	}
	_, issued, err := p.Holding.Roster(ctx, t.Site, t.Serial)
	if err != nil && !errors.Is(err, holding.ErrNone) {
		return roster.Inventory{}, nil, false, err
	}
	return inventory.Inventory, issued.Keep, true, nil
}

// step puts a step into words; on tells whether it brings the employee onto the roster.
func (v changeView) step(what string, s effect.Step, on bool) *stepView {
	if s.Day == "" {
		return nil
	}
	out := &stepView{When: v.Text(what+"-on", "day", v.Day(s.Day)), Unknown: s.Unknown}
	if s.Day == v.Today {
		out.When = v.Text(what + "-today")
	}
	for _, r := range telling(s.Reasons, on) {
		out.Why = append(out.Why, v.Text("because-"+string(r.Code), "unit", v.Unit(r.Unit), "from", v.Day(r.From), "to", v.Until(r.To)))
	}
	for _, b := range s.Blocked {
		out.Blocked = append(out.Blocked, v.Text("blocked", "act", v.Words().Act(string(b.Act), b.Finger), "reason", v.Words().Reason(string(b.Reason))))
	}
	return out
}

// telling are the reasons that explain a step: all that put somebody there, or the one
// that took them away last.
func telling(reasons []placement.Reason, on bool) (told []placement.Reason) {
	for _, r := range reasons {
		switch {
		case on && r.Code.Puts(), !on && r.Code == placement.NotActive:
			told = append(told, r)
		}
	}
	if on || len(told) > 0 {
		return told
	}
	for _, r := range reasons {
		if r.Code == placement.Over && (len(told) == 0 || told[0].To < r.To) {
			told = []placement.Reason{r}
		}
	}
	return told
}

// spans are the days on a roster as far as one looked ahead.
func (v changeView) spans(periods []placement.Period, last roster.Date) (spans []string) {
	for _, p := range periods {
		switch from, to := v.Day(p.From), v.Day(p.To); {
		case p.From <= v.Today && p.To >= last:
			spans = append(spans, v.Text("stays"))
		case p.To >= last:
			spans = append(spans, v.Text("stays-from", "from", from))
		case p.From <= v.Today:
			spans = append(spans, v.Text("stays-to", "to", to))
		default:
			spans = append(spans, v.Text("stays-between", "from", from, "to", to))
		}
	}
	return spans
}
