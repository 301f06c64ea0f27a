package report

import (
	"strconv"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// MinutesPDF is the Berita Acara Validasi of a terminal, for two people to sign. The
// digest of what was frozen stands on each of its pages.
func (w Words) MinutesPDF(m Minutes, digest protocol.Hash) ([]byte, error) {
	p := newPaper(false, w.say("minutes-title", nil)+" "+m.Number)
	w.letterhead(p)
	p.face(bold, 13)
	p.centred(marginSide, p.width-marginSide, w.say("minutes-title", nil))
	p.face(regular, textSize)
	p.centred(marginSide, p.width-marginSide, w.say("minutes-number", phrase.Args{"number": m.Number}))
	p.y += lineHeight
	p.text(marginSide, w.say("minutes-opening", phrase.Args{"weekday": w.weekday(m.Day), "day": w.Day(m.Day), "place": m.Place}))
	p.y += 4
	w.party(p, "1.", m.Agency, w.say("minutes-first", nil))
	w.party(p, "2.", m.Office, w.say("minutes-second", phrase.Args{"unit": m.Terminal.Unit}))
	p.text(marginSide, w.say("minutes-about", phrase.Args{"campaign": m.Campaign.Name, "from": w.Day(m.Campaign.From), "to": w.Day(m.Campaign.To)}))
	p.y += 4
	for _, pair := range [][2]string{
		{"terminal-unit", m.Terminal.Unit},
		{"terminal-site", string(m.Terminal.Site)},
		{"terminal-serial", string(m.Terminal.Serial)},
		{"terminal-read", w.Moment(m.Terminal.Read)},
		{"terminal-users", strconv.Itoa(m.Terminal.Users)},
		{"terminal-fingers", strconv.Itoa(m.Terminal.Fingers)},
		{"terminal-administrators", strconv.Itoa(m.Terminal.Administrators)},
		{"terminal-placed", strconv.Itoa(m.Terminal.Placed)},
	} {
		p.pair(marginSide+14, marginSide+210, w.say(pair[0], nil), pair[1])
	}
	p.y += 6
	w.result(p, m)
	p.y += lineHeight / 2
	p.room(13 * lineHeight) // no signature stands on a page by itself
	p.text(marginSide, w.say("minutes-closing", nil))
	w.signatures(p, m)
	return p.bytes(func(page, of int) (left, right string) {
		return w.say("minutes-digest", phrase.Args{"digest": digest}), w.say("page", phrase.Args{"page": page, "of": of})
	})
}

// letterhead is the agency's, as on all of its papers.
func (w Words) letterhead(p *paper) {
	p.face(bold, 11.5)
	p.centred(marginSide, p.width-marginSide, w.say("head-government", nil))
	p.face(bold, 12.5)
	p.centred(marginSide, p.width-marginSide, w.say("head-agency", nil))
	p.y += 4
	p.rule(2)
	p.y += 3
	p.rule(0.5)
	p.y += 16
}

func (w Words) party(p *paper, number string, s Signer, role string) {
	p.room(5 * lineHeight)
	p.put(marginSide, p.y, number)
	p.pair(marginSide+14, marginSide+80, w.say("signer-name", nil), s.Name)
	if s.NIP != "" {
		p.pair(marginSide+14, marginSide+80, w.say("signer-nip", nil), spaced(s.NIP))
	}
	p.pair(marginSide+14, marginSide+80, w.say("signer-position", nil), s.Position)
	p.text(marginSide+14, role)
	p.y += 4
}

// result is what was found and decided.
func (w Words) result(p *paper, m Minutes) {
	if len(m.Rows) == 0 {
		p.text(marginSide, w.say("minutes-nothing", nil))
		return
	}
	p.text(marginSide, w.say("minutes-found", phrase.Args{"findings": len(m.Rows)}))
	p.y += 4
	rows := make([][]string, len(m.Rows))
	classes := []string{}
	for i, r := range m.Rows {
		decided := w.Act(r.Act)
		if r.Reason != "" {
			decided += ": " + r.Reason
		}
		rows[i] = []string{strconv.Itoa(i + 1), string(r.Class), w.Finding(r.Named), decided, w.came(r)}
		if class := string(r.Class) + ": " + w.Class(r.Class); i == 0 || classes[len(classes)-1] != class {
			classes = append(classes, class)
		}
	}
	p.face(regular, 9)
	width := p.width - 2*marginSide
	p.table([]column{{w.say("column-number", nil), 26}, {w.say("column-class", nil), 30}, {w.say("column-finding", nil), width - 26 - 30 - 118 - 88},
		{w.say("column-decision", nil), 118}, {w.say("column-state", nil), 88}}, rows)
	p.y += 5
	p.text(marginSide, w.say("minutes-classes", phrase.Args{"classes": strings.Join(classes, "; ")}))
	p.text(marginSide, w.say("minutes-limit", nil))
	p.face(regular, textSize)
}

// came says what came of a decision.
func (w Words) came(r Row) string {
	switch {
	case !r.Closed.IsZero():
		return w.say("state-closed", phrase.Args{"day": w.Day(roster.DateOf(r.Closed))})
	case r.Act == validate.ActAccept:
		return w.say("state-kept", nil)
	}
	return w.say("state-agreed", nil)
}

func (w Words) signatures(p *paper, m Minutes) {
	p.y += lineHeight
	middle, top, low := p.width/2, p.y, 0.0
	for i, s := range []struct {
		Signer
		role string
	}{{m.Office, "signs-office"}, {m.Agency, "signs-agency"}} {
		left := marginSide + float64(i)*(middle-marginSide)
		right := left + middle - marginSide
		p.y = top
		p.centred(left+6, right-6, w.say(s.role, nil))
		p.centred(left+6, right-6, s.Position)
		low = max(low, p.y)
	}
	for i, s := range []Signer{m.Office, m.Agency} {
		left := marginSide + float64(i)*(middle-marginSide)
		right := left + middle - marginSide
		p.y = low + 4.5*lineHeight
		p.face(bold, textSize)
		p.centred(left+6, right-6, s.Name)
		p.face(regular, textSize)
		if s.NIP != "" {
			p.centred(left+6, right-6, w.say("signer-nip", nil)+" "+spaced(s.NIP))
		}
	}
}

// spaced is a NIP as it is written: birth, first day, sex, serial.
func spaced(nip string) string {
	if len(nip) != 18 {
		return nip
	}
	return nip[:8] + " " + nip[8:14] + " " + nip[14:15] + " " + nip[15:]
}

// Moment is a time as clocks on walls show it, with the day in words.
func (w Words) Moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return w.Day(roster.DateOf(t)) + " " + protocol.Wall(t).Format("15.04") + " WIB"
}

func (w Words) weekday(d roster.Date) string {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return ""
	}
	return w.say("weekday-"+strconv.Itoa(int(t.Weekday())), nil)
}
