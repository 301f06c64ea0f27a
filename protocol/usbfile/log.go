package usbfile

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Log is a terminal's file of punches, *_attlog.dat or *_AttEncryptLog.dat.
type Log struct {
	Rows      []Row
	Damaged   []Damage // lines that are no row, in order
	Protected []Line   // lines by which newer firmware frames its rows; what they prove is not known
	Encrypted bool     // the text was obfuscated
}

// Row is one punch.
type Row struct {
	Line     int       // its number in the file, from 1; of an obfuscated file, in the text within
	PIN      string    // without padding
	Time     time.Time // wall clock of the terminal, in UTC for want of a zone
	Machine  uint8     // machine number of the terminal, 1 to 255; often left at 1
	Status   uint8
	Verify   uint8
	WorkCode uint32
	Raw      []byte // the line without its end
}

// Line is a line as it stands in the file.
type Line struct {
	Line int
	Raw  []byte
}

// Damage is a line that is no row.
type Damage struct {
	Line int
	Raw  []byte // at most maxDamage bytes of it
	Size int    // of all of it
	Why  Fault
}

// Fault says what is wrong with a line.
type Fault string

// The faults.
const (
	FaultBytes   Fault = "bytes"   // such as no terminal writes: the file system or the stick was damaged
	FaultColumns Fault = "columns" // not six columns, nor five without the work code
	FaultPIN     Fault = "pin"
	FaultTime    Fault = "time" // names no date, or is no time
	FaultNumber  Fault = "number"
	FaultCut     Fault = "cut" // its beginning is missing, so whose it is cannot be told
)

// Limits of a log.
const (
	MaxLog    = 64 << 20 // bytes; a terminal of 100 000 punches writes 4 MB
	maxDamage = 256
	maxPIN    = 24
)

// Errors of files that are no log.
var (
	ErrLarge = errors.New("larger than any terminal's log")
	ErrEmpty = errors.New("there is no punch in the file")
)

// LookAlike is the error of a file that somebody could take for a terminal's log.
type LookAlike struct {
	Kind Kind
}

func (l *LookAlike) Error() string { return "no terminal's log but " + string(l.Kind) }

// Kind is what a file is instead.
type Kind string

// What is taken for a log. Their punches cannot be taken over as they are: the state key
// that belongs to a punch is missing in all of them, or its column cannot be told.
const (
	KindCloud    Kind = "cloud"    // an export of Solution Cloud: the state key is not in it
	KindNamed    Kind = "named"    // a list of PC software, with names
	KindPush     Kind = "push"     // lines of the push protocol: no machine number, so the columns stand elsewhere
	KindTable    Kind = "table"    // CSV or another table of a program
	KindWorkbook Kind = "workbook" // XLS, XLSX, ODS
	KindDocument Kind = "document" // PDF, HTML, a picture
	KindUsers    Kind = "users"    // user.dat or another packed file of a terminal
	KindUnknown  Kind = "unknown"
)

// ParseLog reads a log. A line that is no row costs only itself. The error is ErrLarge,
// ErrEmpty or a *LookAlike; the rows are then not to be used.
func ParseLog(content []byte) (Log, error) {
	if len(content) > MaxLog {
		return Log{}, ErrLarge
	}
	if len(bytes.Trim(content, " \t\r\n\x00\x1a")) == 0 {
		return Log{}, ErrEmpty
	}
	var log Log
	if plain, encrypted := decode(content); encrypted {
		content, log.Encrypted = plain, true
	}
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf")) // an editor's; no terminal writes it
	var shape shape
	n := 0
	for line := range bytes.Lines(content) {
		n++
		raw := bytes.TrimRight(line, "\r\n")
		if len(bytes.Trim(raw, " \t\x1a")) == 0 {
			continue
		}
		row, why := parseRow(raw)
		row.Line = n
		switch {
		case why == "":
			shape.row(raw)
			log.Rows = append(log.Rows, row)
		case isProtection(raw):
			log.Protected = append(log.Protected, Line{n, raw})
		default:
			shape.other(raw, why)
			log.Damaged = append(log.Damaged, Damage{n, raw[:min(len(raw), maxDamage)], len(raw), why})
		}
	}
	if kind := shape.lookAlike(content); kind != "" {
		return Log{}, &LookAlike{kind}
	}
	if len(log.Rows) == 0 {
		return Log{}, ErrEmpty
	}
	log.dropCut(shape.width())
	return log, nil
}

// parseRow reads one line; why is empty for a row.
func parseRow(raw []byte) (r Row, why Fault) {
	if bytes.ContainsFunc(raw, func(c rune) bool { return c < ' ' && c != '\t' }) || !utf8.Valid(raw) {
		return r, FaultBytes
	}
	columns := split(raw)
	if len(columns) != 6 && len(columns) != 5 {
		return r, FaultColumns
	}
	r = Row{PIN: string(bytes.Trim(columns[0], " ")), Raw: raw}
	if !isPIN(r.PIN) {
		return r, FaultPIN
	}
	var err error
	if r.Time, err = time.Parse(time.DateTime, string(columns[1])); err != nil || len(columns[1]) != len(time.DateTime) {
		return r, FaultTime
	}
	var numbers [4]uint64
	for i, column := range columns[2:] {
		bits := 8
		if i == 3 {
			bits = 32
		}
		if numbers[i], err = strconv.ParseUint(string(bytes.Trim(column, " ")), 10, bits); err != nil {
			return r, FaultNumber
		}
	}
	if numbers[0] == 0 {
		return r, FaultNumber
	}
	r.Machine, r.Status, r.Verify, r.WorkCode = uint8(numbers[0]), uint8(numbers[1]), uint8(numbers[2]), uint32(numbers[3])
	return r, ""
}

// split parts a line at its tabs, or at its blanks where an editor has made blanks of them.
func split(raw []byte) [][]byte {
	if bytes.IndexByte(raw, '\t') >= 0 {
		return bytes.Split(raw, []byte{'\t'})
	}
	columns := bytes.Fields(raw)
	if len(columns) < 3 {
		return columns
	}
	dated := append(append(bytes.Clone(columns[1]), ' '), columns[2]...) // date and time are one column
	return append([][]byte{columns[0], dated}, columns[3:]...)
}

// isPIN tells whether a text can be what somebody types at a terminal: digits, on some
// firmware also letters.
func isPIN(s string) bool {
	return s != "" && len(s) <= maxPIN && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	})
}

// isProtection tells whether a line is one of the two by which firmware protects a file:
// the terminal's serial number first, a checksum last. How it reckons that is not known.
func isProtection(raw []byte) bool {
	return bytes.HasPrefix(raw, []byte("SN=")) || bytes.HasPrefix(raw, []byte("CHECKSUM"))
}

// Serial is the serial number that a protected file names; "" for none.
func (l Log) Serial() string {
	for _, p := range l.Protected {
		if serial, found := bytes.CutPrefix(p.Raw, []byte("SN=")); found {
			return string(bytes.TrimSpace(serial))
		}
	}
	return ""
}

// Machines are the machine numbers in the rows, with how many rows have each.
func (l Log) Machines() map[uint8]int {
	count := map[uint8]int{}
	for _, r := range l.Rows {
		count[r.Machine]++
	}
	return count
}

// Append writes the row as a terminal does, its PIN padded to a width.
func (r Row) Append(dst []byte, width int) []byte {
	return fmt.Appendf(dst, "%*s\t%s\t%d\t%d\t%d\t%d\r\n", width, r.PIN, r.Time.Format(time.DateTime), r.Machine, r.Status, r.Verify, r.WorkCode)
}

// dropCut takes out rows whose PIN has lost its beginning: a terminal pads every PIN to
// one width, so what is shorter than that and has no blank before it is a remainder, and
// may be another person's number.
func (l *Log) dropCut(width int) {
	kept := l.Rows[:0]
	var cut []Damage
	for _, r := range l.Rows {
		if tab := bytes.IndexByte(r.Raw, '\t'); r.Raw[0] != ' ' && tab >= 0 && tab < width {
			cut = append(cut, Damage{r.Line, r.Raw, len(r.Raw), FaultCut})
			continue
		}
		kept = append(kept, r)
	}
	if l.Rows = kept; len(cut) > 0 {
		l.Damaged = merge(l.Damaged, cut)
	}
}

// merge puts two lists in the order of lines.
func merge(a, b []Damage) []Damage {
	all := make([]Damage, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0].Line < b[0].Line {
			all, a = append(all, a[0]), a[1:]
		} else {
			all, b = append(all, b[0]), b[1:]
		}
	}
	return append(append(all, a...), b...)
}
