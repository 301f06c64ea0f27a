package campaigns

import (
	"net/http"
	"slices"
	"strings"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/decision"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/survey"
	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// foundView is the data of found.html: all terminals with what was found.
type foundView struct {
	speech
	Rows []foundRow
}

type foundRow struct {
	survey.Terminal
	Open, Decided, Kept int
}

// found lists all terminals, those with the most to decide first.
func (p *Pages) found(w http.ResponseWriter, r *http.Request) error {
	v := foundView{speech: p.speech(r)}
	seen, err := p.Survey.Look(r.Context(), v.Today, func(t *directory.Terminal) bool { return v.Scope.Terminal(t.Site, t.Serial) })
	if err != nil {
		return err
	}
	judged, err := p.Decisions.Judge(r.Context(), seen)
	if err != nil {
		return err
	}
	for i, t := range seen.Terminals {
		row := foundRow{Terminal: t}
		for _, j := range judged[i] {
			switch {
			case j.Decision == nil:
				row.Open++
			case j.Accepted():
				row.Kept++
			default:
				row.Decided++
			}
		}
		v.Rows = append(v.Rows, row)
	}
	slices.SortStableFunc(v.Rows, func(a, b foundRow) int { return b.Open - a.Open })
	return p.Show(w, r, shell.Frame{Title: v.Text("title-found"), Section: "findings"},
		shell.Still("found", v))
}

// findingsView is the data of findings.html and decide.html.
type findingsView struct {
	speech
	survey.Terminal
	All     []decision.Judged
	History []decision.Decision // of findings that are gone, the newest first
	Units   []unit

	Finding decision.Judged // of decide.html
	Form    *shell.Form
}

// unit is one that somebody can be placed at.
type unit struct{ Code, Name string }

// Path is where the terminal's findings are.
func (v findingsView) Path() string { return "/findings/" + string(v.Site) + "/" + string(v.Serial) }

// Undecided counts the findings that nobody has decided.
func (v findingsView) Undecided() (n int) {
	for _, j := range v.All {
		if j.Decision == nil {
			n++
		}
	}
	return n
}

// Classes are those of which something is undecided.
func (v findingsView) Classes() (classes []validate.Class) {
	for _, j := range v.All {
		if j.Decision == nil && !slices.Contains(classes, j.Class) {
			classes = append(classes, j.Class)
		}
	}
	return classes
}

// Effect is what an act would lead to now.
func (v findingsView) Effect(a validate.Act) string {
	return v.Name("effect", decision.Foresee(v.Mode, v.Finding.Finding, decision.Choice{Act: a}))
}

// Offers tells whether an act is among those that are proposed.
func (v findingsView) Offers(a string) bool { return slices.Contains(v.Finding.Acts, validate.Act(a)) }

// NeedsEmployee tells that an act has to be told whom it means.
func (v findingsView) NeedsEmployee() bool {
	return v.Offers("map-pin") && v.Finding.Other == "" || v.Offers("grant") && v.Finding.PIN == ""
}

// OffersRight tells that a right may be corrected on either side: at the terminal, or in
// the register.
func (v findingsView) OffersRight() bool { return v.Offers("grant") && v.Finding.PIN != "" }

// may tells whether the reader may make a choice about a finding: one that changes the
// register is not an office's.
func (v findingsView) may(f validate.Finding, ch decision.Choice) bool {
	return v.May(string(account.Register)) || decision.Foresee(v.Mode, f, ch) != decision.InRegister
}

// Acts are those of the finding that the reader may choose.
func (v findingsView) Acts() []validate.Act {
	return slices.DeleteFunc(slices.Clone(v.Finding.Acts), func(a validate.Act) bool { return !v.may(v.Finding.Finding, decision.Choice{Act: a}) })
}

// Named are the fingers that the finding names.
func (v findingsView) Named() string {
	names := make([]string, len(v.Finding.Fingers))
	for i, n := range v.Finding.Fingers {
		names[i] = v.Name("finger", n)
	}
	return strings.Join(names, ", ")
}

// look is the terminal that the address names, with its findings.
func (p *Pages) look(r *http.Request) (v findingsView, err error) {
	v.speech = p.speech(r)
	site, serial := protocol.SiteID(r.PathValue("site")), protocol.Serial(r.PathValue("serial"))
	seen, err := p.Survey.Look(r.Context(), v.Today, func(t *directory.Terminal) bool { return t.Site == site && t.Serial == serial })
	if err != nil {
		return v, err
	}
	if len(seen.Terminals) == 0 {
		return v, shell.NotFound("no-terminal")
	}
	judged, err := p.Decisions.Judge(r.Context(), seen)
	if err != nil {
		return v, err
	}
	v.Terminal, v.All = seen.Terminals[0], judged[0]
	for _, u := range directory.Sorted(seen.Register.Units) {
		if v.Scope.Unit(u.ID) {
			v.Units = append(v.Units, unit{u.At(directory.UnitCode, v.Today), u.At(directory.UnitName, v.Today)})
		}
	}
	slices.SortFunc(v.Units, func(a, b unit) int { return strings.Compare(a.Name, b.Name) })
	return v, nil
}

// findings shows what was found at one terminal, and what came of earlier decisions.
func (p *Pages) findings(w http.ResponseWriter, r *http.Request) error {
	v, err := p.look(r)
	if err != nil {
		return err
	}
	v.Form = p.Form(r)
	return p.showFindings(w, r, v, http.StatusOK)
}

// decideClass decides about all undecided findings of a class as is proposed first.
func (p *Pages) decideClass(w http.ResponseWriter, r *http.Request) error {
	form, err := p.Posted(w, r)
	if err != nil {
		return err
	}
	v, err := p.look(r)
	if err != nil {
		return err
	}
	v.Form = form
	for _, j := range v.All {
		if !form.Good() || j.Decision != nil || string(j.Class) != form.Get("class") {
			continue
		}
		if !v.may(j.Finding, decision.Choice{Act: j.Acts[0]}) {
			form.Refuse("form", v.Text("register-only"))
			continue
		}
		_, err := p.Decisions.Decide(r.Context(), p.by(form, "finding decide", string(v.Serial)+" "+j.ID()), v.Terminal, j.Named, decision.Choice{})
		if err != nil && !v.refused(form, err) {
			return err
		}
	}
	if form.Good() {
		p.Done(w, r, v.Path(), "notice-class")
		return nil
	}
	return p.showFindings(w, r, v, http.StatusUnprocessableEntity)
}

func (p *Pages) showFindings(w http.ResponseWriter, r *http.Request, v findingsView, code int) error {
	decisions, err := p.Decisions.Of(r.Context(), v.ID)
	if err != nil {
		return err
	}
	for _, d := range slices.Backward(decisions) {
		if !d.Closed.IsZero() {
			v.History = append(v.History, d)
		}
	}
	return p.Show(w, r, shell.Frame{Title: v.Text("title-findings", "serial", v.Serial), Section: "findings", Code: code},
		shell.Still("findings", v))
}

// theFinding is the one that the address names; false where it is gone.
func (p *Pages) theFinding(r *http.Request) (v findingsView, found bool, err error) {
	if v, err = p.look(r); err != nil {
		return v, false, err
	}
	i := slices.IndexFunc(v.All, func(j decision.Judged) bool { return j.ID() == r.PathValue("finding") })
	if i < 0 {
		return v, false, nil
	}
	v.Finding = v.All[i]
	return v, true, nil
}

// askDecision shows one finding with its evidence, and what may be done.
func (p *Pages) askDecision(w http.ResponseWriter, r *http.Request) error {
	v, found, err := p.theFinding(r)
	if err != nil {
		return err
	}
	if !found {
		p.Done(w, r, v.Path(), "notice-gone")
		return nil
	}
	v.Form = p.Form(r)
	return p.showDecision(w, r, v, http.StatusOK)
}

// decide keeps what somebody decided about the finding that was shown.
func (p *Pages) decide(w http.ResponseWriter, r *http.Request) error {
	form, err := p.Posted(w, r)
	if err != nil {
		return err
	}
	v, found, err := p.theFinding(r)
	if err != nil {
		return err
	}
	if !found {
		p.Done(w, r, v.Path(), "notice-gone")
		return nil
	}
	v.Form = form
	choice := decision.Choice{Act: validate.Act(form.Get("act")), Reason: form.Text("reason"), Employee: form.Text("employee"),
		Unit: form.Text("unit"), SK: form.Text("sk"), Privilege: roster.Privilege(form.Get("privilege"))}
	if choice.Act == "" {
		form.Refuse("form", v.Text("choose-act"))
	} else if !v.may(v.Finding.Finding, choice) {
		form.Refuse("form", v.Text("register-only"))
	}
	if form.Good() {
		effect, err := p.Decisions.Decide(r.Context(), p.by(form, "finding decide", string(v.Serial)+" "+v.Finding.ID()), v.Terminal, v.Finding.Named, choice)
		if err == nil {
			p.Done(w, r, v.Path(), "notice-"+string(effect))
			return nil
		}
		if !v.refused(form, err) {
			return err
		}
	}
	return p.showDecision(w, r, v, http.StatusUnprocessableEntity)
}

func (p *Pages) showDecision(w http.ResponseWriter, r *http.Request, v findingsView, code int) error {
	return p.Show(w, r, shell.Frame{Title: v.Text("title-decide"), Section: "findings", Code: code},
		shell.Still("decide", v))
}
