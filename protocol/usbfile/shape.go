package usbfile

import (
	"bytes"
	"maps"
	"slices"
	"time"
)

// shape gathers how the lines of a file look, by which it is told what the file is.
type shape struct {
	rows, padded int
	five         int // rows without a work code
	flat         int // of those, rows that end as the first of them
	ending       string
	widths       map[int]int // of padded PINs

	others  int
	machine int          // rows but for a machine number of 0
	dated   map[when]int // with a time in the second or third column
	commas  int
}

// when is where the time stands in a line.
type when struct{ column, columns int }

func (s *shape) row(raw []byte) {
	s.rows++
	if raw[0] == ' ' {
		s.padded++
		if s.widths == nil {
			s.widths = map[int]int{}
		}
		s.widths[bytes.IndexByte(raw, '\t')]++
	}
	columns := split(raw)
	if len(columns) != 5 {
		return
	}
	s.five++
	end := string(bytes.Join(columns[2:], []byte{'\t'}))
	if s.ending == "" {
		s.ending = end
	}
	if end == s.ending {
		s.flat++
	}
}

func (s *shape) other(raw []byte, why Fault) {
	s.others++
	columns := split(raw)
	if why == FaultNumber && string(bytes.TrimSpace(columns[2])) == "0" {
		s.machine++
	}
	for i := 1; i < min(len(columns), 3); i++ {
		if _, err := time.Parse(time.DateTime, string(bytes.TrimSpace(columns[i]))); err == nil {
			if s.dated == nil {
				s.dated = map[when]int{}
			}
			s.dated[when{i, len(columns)}]++
			return
		}
	}
	if bytes.ContainsAny(raw, ",;") {
		s.commas++
	}
}

// width is the one to which the terminal pads PINs; 0 where it does not.
func (s *shape) width() int {
	width, most := 0, 0
	for _, w := range slices.Sorted(maps.Keys(s.widths)) {
		if s.widths[w] > most {
			width, most = w, s.widths[w]
		}
	}
	return width
}

// markOf tells a file of another kind by its first bytes; "" for none of these.
func markOf(content []byte) Kind {
	for _, m := range []struct {
		mark string
		kind Kind
	}{
		{"PK\x03\x04", KindWorkbook}, {"\xd0\xcf\x11\xe0", KindWorkbook},
		{"%PDF", KindDocument}, {"\xff\xd8\xff", KindDocument}, {"\x89PNG", KindDocument}, {"<", KindDocument},
	} {
		if bytes.HasPrefix(content, []byte(m.mark)) {
			return m.kind
		}
	}
	return ""
}

// lookAlike tells what a file is when its lines are not a terminal's; "" for a log.
func (s *shape) lookAlike(content []byte) Kind {
	switch {
	case markOf(content) != "":
		return markOf(content)
	case s.padded == 0 && s.machine > 0:
		return KindPush // what stands where the machine number should is a state key
	case s.padded == 0 && s.rows > 1 && s.flat == s.rows:
		return KindCloud // no work code, no padding, and the rest never differs: it is made up
	case s.rows >= s.others:
		return ""
	}
	count := map[Kind]int{KindTable: s.commas}
	for at, n := range s.dated {
		switch {
		case at.column == 2:
			count[KindNamed] += n
		case at.columns == cloudColumns:
			count[KindCloud] += n
		case at.columns != 5 && at.columns != 6:
			count[KindPush] += n
		}
	}
	for _, kind := range []Kind{KindNamed, KindCloud, KindPush, KindTable} {
		if count[kind] > s.others/2 {
			return kind
		}
	}
	switch {
	case s.rows > 0:
		return ""
	case bytes.IndexByte(content, 0) >= 0:
		return KindUsers
	}
	return KindUnknown
}

// cloudColumns is how many columns the longer form of Solution Cloud's export has.
const cloudColumns = 11
