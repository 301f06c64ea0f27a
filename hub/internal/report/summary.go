package report

import (
	"fmt"
	"strconv"

	"github.com/xuri/excelize/v2"

	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// State is how far a terminal's validation is, in words.
func (w Words) State(s State) string { return w.say("progress-"+string(s), nil) }

// columns are the heads of a summary's table, in order.
func (w Words) columns() (heads []string) {
	for _, code := range []string{"unit", "site", "serial", "planned", "officer", "progress", "open", "agreed", "kept", "closed", "minutes"} {
		heads = append(heads, w.say("summary-"+code, nil))
	}
	return heads
}

// cells are a line of it; numbers stay numbers.
func (w Words) cells(l Line) []any {
	day := func(d string) string {
		if d == "" {
			return "-"
		}
		return d
	}
	minutes := "-"
	if l.Number != "" {
		minutes = l.Number + ", " + w.Day(l.Day)
	}
	return []any{day(l.Unit), string(l.Site), string(l.Serial), day(w.Day(l.Planned)), day(l.Officer), w.State(l.State), l.Open, l.Agreed, l.Kept, l.Closed, minutes}
}

// count says how many terminals are in each state.
func (w Words) count(s Summary) string {
	states := map[State]int{}
	for _, l := range s.Lines {
		states[l.State]++
	}
	return w.say("summary-count", phrase.Args{"terminals": len(s.Lines), "signed": states[Signed], "decided": states[Decided],
		"open": states[Open], "unread": states[Unread]})
}

// facts are the names and values above the table.
func (w Words) facts(s Summary) (pairs [][2]string) {
	units := ""
	for i, u := range s.Campaign.Units {
		if i > 0 {
			units += "; "
		}
		units += u
	}
	return [][2]string{
		{w.say("campaign-name", nil), s.Campaign.Name},
		{w.say("campaign-days", nil), w.Day(s.Campaign.From) + " – " + w.Day(s.Campaign.To)},
		{w.say("campaign-lead", nil), s.Campaign.Lead},
		{w.say("campaign-units", nil), units},
		{w.say("campaign-as-of", nil), w.Day(s.Day)},
	}
}

// SummaryPDF is how a campaign stands, on paper.
func (w Words) SummaryPDF(s Summary) ([]byte, error) {
	p := newPaper(true, w.say("summary-title", nil)+" "+s.Campaign.Name)
	w.letterhead(p)
	p.face(bold, 13)
	p.centred(marginSide, p.width-marginSide, w.say("summary-title", nil))
	p.face(regular, textSize)
	p.y += 6
	for _, pair := range w.facts(s) {
		p.pair(marginSide, marginSide+120, pair[0], pair[1])
	}
	p.y += 4
	p.text(marginSide, w.count(s))
	p.y += 6
	columns, rest := make([]column, 0, 11), p.width-2*marginSide
	for i, head := range w.columns() {
		width := []float64{0, 84, 78, 62, 78, 62, 42, 48, 44, 44, 72}[i]
		columns = append(columns, column{head, width})
		rest -= width
	}
	columns[0].width = rest
	rows := make([][]string, len(s.Lines))
	for i, l := range s.Lines {
		for _, cell := range w.cells(l) {
			rows[i] = append(rows[i], fmt.Sprint(cell))
		}
	}
	p.face(regular, 8)
	p.table(columns, rows)
	return p.bytes(func(page, of int) (left, right string) {
		return s.Campaign.Name, w.say("page", phrase.Args{"page": page, "of": of})
	})
}

// SummarySheet is the same as a spreadsheet.
func (w Words) SummarySheet(s Summary) (text []byte, err error) {
	f := excelize.NewFile()
	defer f.Close()
	sheet := w.say("summary-sheet", nil)
	if err := f.SetSheetName("Sheet1", sheet); err != nil {
		return nil, fmt.Errorf("write spreadsheet: %w", err)
	}
	row := 0
	put := func(cells ...any) {
		row++
		if err == nil {
			err = f.SetSheetRow(sheet, "A"+strconv.Itoa(row), &cells)
		}
	}
	put(w.say("summary-title", nil))
	for _, pair := range w.facts(s) {
		put(pair[0], pair[1])
	}
	put(w.count(s))
	put()
	heads := make([]any, 0, 11)
	for _, head := range w.columns() {
		heads = append(heads, head)
	}
	put(heads...)
	first := row
	for _, l := range s.Lines {
		put(w.cells(l)...)
	}
	if err == nil {
		err = f.SetColWidth(sheet, "A", "K", 18)
	}
	if err == nil {
		err = f.SetPanes(sheet, &excelize.Panes{Freeze: true, YSplit: first, TopLeftCell: "A" + strconv.Itoa(first+1), ActivePane: "bottomLeft"})
	}
	if err != nil {
		return nil, fmt.Errorf("write spreadsheet: %w", err)
	}
	b, err := f.WriteToBuffer()
	if err != nil {
		return nil, fmt.Errorf("write spreadsheet: %w", err)
	}
	return b.Bytes(), nil
}
