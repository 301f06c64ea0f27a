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
		err := p.Campaigns.Visit(r.Context(), p.by(form, "campaign plan", string(v.Standing.Serial)), v.Campaign.N, v.Standing.ID,
			roster.Date(form.Get("day")), form.Text("visitor"))
		if err == nil {
			p.Done(w, r, v.Path(), "notice-planned")
			return nil
		}
		if !v.refused(form, err) {
			return err
		}
	}
	return p.showVisit(w, r, v, http.StatusUnprocessableEntity)
}

func (p *Pages) showVisit(w http.ResponseWriter, r *http.Request, v progressView, code int) error {
	return p.Show(w, r, shell.Frame{Title: v.Text("title-visit"), Section: "campaigns", Code: code},
		shell.Part{Name: "visit", Data: func() (any, error) { return v, nil }})
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
	form, err := p.Posted(w, r)
	if err != nil {
		return err
	}
	v, err := p.one(r)
	if err != nil {
		return err
	}
	v.Form = form
	signer := func(who string) report.Signer {
		return report.Signer{Name: form.Text(who + "-name"), NIP: form.Text(who + "-nip"), Position: form.Text(who + "-position")}
	}
	paper := campaign.Paper{Number: form.Text("number"), Place: form.Text("place"), Day: roster.Date(form.Get("day")),
		Agency: signer("agency"), Office: signer("office")}
	if form.Good() {
		_, fresh, err := p.Campaigns.Sign(r.Context(), p.by(form, "campaign sign", string(v.Standing.Serial)), v.Campaign.N, v.Standing.ID, paper)
		if err == nil {
			notice := "notice-signed"
			if !fresh {
				notice = "notice-signed-before"
			}
			p.Done(w, r, v.Path(), notice)
			return nil
		}
		if !v.refused(form, err) {
			return err
		}
	}
	return p.showMinutes(w, r, v, http.StatusUnprocessableEntity)
}

func (p *Pages) showMinutes(w http.ResponseWriter, r *http.Request, v progressView, code int) error {
	return p.Show(w, r, shell.Frame{Title: v.Text("title-minutes"), Section: "campaigns", Code: code},
		shell.Part{Name: "minutes", Data: func() (any, error) { return v, nil }})
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
