package campaigns

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/bkpsdmd-babel/sidik/hub/internal/campaign"
	"github.com/bkpsdmd-babel/sidik/hub/internal/report"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// askVisit shows the form that plans who goes to a terminal, and when.
func (p *Pages) askVisit(w http.ResponseWriter, r *http.Request) error {
	v, err := p.one(r)
	if err != nil {
		return err
	}
	v.Form = p.Form(r)
	v.Form.Set("day", string(v.Standing.Line.Planned))
	v.Form.Set("visitor", v.Standing.Line.Officer)
	return p.showVisit(w, r, v, http.StatusOK)
}

func (p *Pages) visit(w http.ResponseWriter, r *http.Request) error {
	return p.change(w, r, p.showVisit, func(v progressView) (string, error) {
		return "notice-planned", p.Campaigns.Visit(r.Context(), p.by(v.Form, "campaign plan", string(v.Standing.Serial)), v.Campaign.N, v.Standing.ID,
			roster.Date(v.Form.Get("day")), v.Form.Text("visitor"))
	})
}

// change takes a form about one terminal of a campaign: do makes the change and names
// the notice, and what it refuses is shown on the form again.
func (p *Pages) change(w http.ResponseWriter, r *http.Request,
	show func(http.ResponseWriter, *http.Request, progressView, int) error, do func(v progressView) (notice string, err error)) error {
	form, err := p.Posted(w, r)
	if err != nil {
		return err
	}
	v, err := p.one(r)
	if err != nil {
		return err
	}
	v.Form = form
	if form.Good() {
		notice, err := do(v)
		if err == nil {
			p.Done(w, r, v.Path(), notice)
			return nil
		}
		if !v.refused(form, err) {
			return err
		}
	}
	return show(w, r, v, http.StatusUnprocessableEntity)
}

func (p *Pages) showVisit(w http.ResponseWriter, r *http.Request, v progressView, code int) error {
	return p.Show(w, r, shell.Frame{Title: v.Text("title-visit"), Section: "campaigns", Code: code},
		shell.Still("visit", v))
}

// askMinutes shows the form by which a terminal's validation is signed.
func (p *Pages) askMinutes(w http.ResponseWriter, r *http.Request) error {
	v, err := p.one(r)
	if err != nil {
		return err
	}
	v.Form = p.Form(r)
	v.Form.Set("day", string(v.Today))
	return p.showMinutes(w, r, v, http.StatusOK)
}

// sign freezes the minutes, as the command does.
func (p *Pages) sign(w http.ResponseWriter, r *http.Request) error {
	return p.change(w, r, p.showMinutes, func(v progressView) (notice string, err error) {
		signer := func(who string) report.Signer {
			return report.Signer{Name: v.Form.Text(who + "-name"), NIP: v.Form.Text(who + "-nip"), Position: v.Form.Text(who + "-position")}
		}
		paper := campaign.Paper{Number: v.Form.Text("number"), Place: v.Form.Text("place"), Day: roster.Date(v.Form.Get("day")),
			Agency: signer("agency"), Office: signer("office")}
		_, fresh, err := p.Campaigns.Sign(r.Context(), p.by(v.Form, "campaign sign", string(v.Standing.Serial)), v.Campaign.N, v.Standing.ID, paper)
		if fresh {
			return "notice-signed", err
		}
		return "notice-signed-before", err
	})
}

func (p *Pages) showMinutes(w http.ResponseWriter, r *http.Request, v progressView, code int) error {
	return p.Show(w, r, shell.Frame{Title: v.Text("title-minutes"), Section: "campaigns", Code: code},
		shell.Still("minutes", v))
}

func (p *Pages) minutesPDF(w http.ResponseWriter, r *http.Request) error {
	v, err := p.one(r)
	if err != nil {
		return err
	}
	if v.Standing.Minutes == nil {
		return shell.NotFound("no-minutes")
	}
	text, err := p.paper.MinutesPDF(v.Standing.Minutes.Minutes, v.Standing.Minutes.Digest)
	return send(w, "application/pdf", fmt.Sprintf("berita-acara-%d-%s.pdf", v.Campaign.N, v.Standing.Serial), text, err)
}

func (p *Pages) summaryPDF(w http.ResponseWriter, r *http.Request) error {
	v, err := p.read(r)
	if err != nil {
		return err
	}
	text, err := v.Words().SummaryPDF(v.Summary)
	return send(w, "application/pdf", fmt.Sprintf("kampanye-%d.pdf", v.Campaign.N), text, err)
}

func (p *Pages) summarySheet(w http.ResponseWriter, r *http.Request) error {
	v, err := p.read(r)
	if err != nil {
		return err
	}
	text, err := v.Words().SummarySheet(v.Summary)
	return send(w, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", fmt.Sprintf("kampanye-%d.xlsx", v.Campaign.N), text, err)
}

// send answers with a document to keep.
func send(w http.ResponseWriter, kind, name string, text []byte, err error) error {
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	if _, err := w.Write(text); err != nil {
		return fmt.Errorf("send document: %w", err)
	}
	return nil
}
