package site

import "github.com/bkpsdmd-babel/sidik/protocol"

// Line is what a test sees of a line of a list.
type Line struct {
	Number    int
	Site      protocol.SiteID
	Terminals []protocol.Serial
	Wrong     bool
}

// ReadRows reads a list.
func ReadRows(path string) (lines []Line, err error) {
	rows, err := readRows(path)
	for _, r := range rows {
		lines = append(lines, Line{r.line, r.site, r.terminals, r.err != nil})
	}
	return lines, err
}
