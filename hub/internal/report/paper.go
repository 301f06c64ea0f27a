package report

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/signintech/gopdf"
)

//go:embed font/*.ttf
var faces embed.FS

// The two faces.
const (
	regular = "Regular"
	bold    = "Bold"
)

// A sheet of A4, in points.
const (
	sheetWidth, sheetHeight = 595.28, 841.89
	marginSide, marginTop   = 60.0, 46.0
	bottom                  = sheetHeight - 66 // of what is written; the foot comes below
	textSize, lineHeight    = 10.5, 14.0
)

// paper is a document that is being written, from top to bottom. The first error stays
// and ends the writing; it is asked for once, in bytes.
type paper struct {
	pdf   gopdf.GoPdf
	width float64 // of the sheet: it may lie on its side
	end   float64 // of what is written, from the top
	y     float64
	name  string // of the face
	size  float64
	err   error
}

// newPaper begins a document on sheets that stand, or lie.
func newPaper(lies bool, title string) *paper {
	p := &paper{width: sheetWidth, end: bottom, name: regular, size: textSize}
	size := *gopdf.PageSizeA4
	if lies {
		p.width, p.end = sheetHeight, bottom-(sheetHeight-sheetWidth)
		size = gopdf.Rect{W: size.H, H: size.W}
	}
	p.pdf.Start(gopdf.Config{PageSize: size})
	p.pdf.SetInfo(gopdf.PdfInfo{Title: title, Producer: "Sidik"})
	unknown := gopdf.TtfOption{OnGlyphNotFoundSubstitute: func(rune) rune { return '?' }}
	for _, name := range []string{regular, bold} {
		face, err := faces.ReadFile("font/Caladea-" + name + ".ttf")
		if err == nil {
			err = p.pdf.AddTTFFontDataWithOption(name, face, unknown)
		}
		p.err = errors.Join(p.err, err)
	}
	p.page()
	return p
}

func (p *paper) page() {
	p.pdf.AddPage()
	p.y = marginTop
	p.face(p.name, p.size) // a new page has forgotten it
}

// face chooses the letters of what follows.
func (p *paper) face(name string, size float64) {
	p.name, p.size = name, size
	if p.err == nil {
		p.err = p.pdf.SetFont(name, "", size)
	}
}

// room begins a new page where less than so much is left, and tells whether it did.
func (p *paper) room(height float64) bool {
	if p.y+height <= p.end {
		return false
	}
	p.page()
	return true
}

// lines breaks a text at blanks, or anywhere in a word that is too long.
func (p *paper) lines(text string, width float64) (lines []string) {
	for _, part := range strings.Split(legible(text), "\n") {
		if part == "" || p.err != nil {
			lines = append(lines, "")
			continue
		}
		broken, err := p.pdf.SplitTextWithWordWrap(part, width)
		p.err = err
		lines = append(lines, broken...)
	}
	return lines
}

// legible replaces what cannot be printed: a terminal may hold any bytes in a name.
func legible(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && unicode.IsControl(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}

// put writes one line with its upper left corner at x, y.
func (p *paper) put(x, y float64, text string) {
	if p.err == nil && text != "" {
		p.pdf.SetXY(x, y)
		p.err = p.pdf.Cell(nil, text)
	}
}

// wide is how wide a text is.
func (p *paper) wide(text string) float64 {
	if p.err != nil {
		return 0
	}
	width, err := p.pdf.MeasureTextWidth(text)
	p.err = err
	return width
}

// centred writes lines in the middle between left and right.
func (p *paper) centred(left, right float64, text string) {
	for _, line := range p.lines(text, right-left) {
		p.put((left+right-p.wide(line))/2, p.y, line)
		p.y += p.size * 1.3
	}
}

// text writes a paragraph from left to the margin, over several pages if need be.
func (p *paper) text(left float64, text string) {
	for _, line := range p.lines(text, p.width-marginSide-left) {
		p.room(lineHeight)
		p.put(left, p.y, line)
		p.y += lineHeight
	}
}

// pair writes a name, a colon and a value that may take several lines.
func (p *paper) pair(left, at float64, name, value string) {
	for i, line := range p.lines(value, p.width-marginSide-at-8) {
		p.room(lineHeight)
		if i == 0 {
			p.put(left, p.y, name)
			p.put(at, p.y, ":")
		}
		p.put(at+8, p.y, line)
		p.y += lineHeight
	}
}

// column is one of a table.
type column struct {
	head  string
	width float64
}

// table writes rows with lines around their cells; its head is on every page.
func (p *paper) table(columns []column, rows [][]string) {
	heads := make([]string, len(columns))
	for i, c := range columns {
		heads[i] = c.head
	}
	size := p.size
	head := func() {
		p.face(bold, size)
		p.row(columns, heads)
		p.face(regular, size)
	}
	p.room(4 * lineHeight)
	head()
	for _, row := range rows {
		if p.room(p.tall(columns, row)) {
			head()
		}
		p.row(columns, row)
	}
}

const cellPad = 3.0

func (p *paper) tall(columns []column, row []string) float64 {
	most := 1
	for i, c := range columns {
		most = max(most, len(p.lines(row[i], c.width-2*cellPad)))
	}
	return float64(most)*p.size*1.25 + 2*cellPad
}

func (p *paper) row(columns []column, row []string) {
	x, height := marginSide, p.tall(columns, row)
	for i, c := range columns {
		p.pdf.SetLineWidth(0.5)
		p.pdf.RectFromUpperLeftWithStyle(x, p.y, c.width, height, "D")
		for n, line := range p.lines(row[i], c.width-2*cellPad) {
			p.put(x+cellPad, p.y+cellPad+float64(n)*p.size*1.25, line)
		}
		x += c.width
	}
	p.y += height
}

// rule draws a line across the page.
func (p *paper) rule(weight float64) {
	p.pdf.SetLineWidth(weight)
	p.pdf.Line(marginSide, p.y, p.width-marginSide, p.y)
}

// bytes writes the foot of every page and returns the document. foot is told the page
// and how many there are.
func (p *paper) bytes(foot func(page, of int) (left, right string)) ([]byte, error) {
	pages := p.pdf.GetNumberOfPages()
	for n := 1; n <= pages && p.err == nil; n++ {
		if p.err = p.pdf.SetPage(n); p.err != nil {
			break
		}
		p.face(regular, 8)
		left, right := foot(n, pages)
		p.put(marginSide, p.end+24, left)
		p.put(p.width-marginSide-p.wide(right), p.end+24, right)
	}
	if p.err != nil {
		return nil, fmt.Errorf("write PDF: %w", p.err)
	}
	var b bytes.Buffer
	if _, err := p.pdf.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("write PDF: %w", err)
	}
	return b.Bytes(), nil
}
