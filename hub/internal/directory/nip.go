package directory

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// NIP is the number of a civil servant, 18 digits without blanks. Of a PNS they are
// birth YYYYMMDD, appointment YYYYMM, sex 1 or 2, serial NNN; of a PPPK birth
// YYYYMMDD, appointment YYYY, 2, how often appointed 1 to 9, sex, serial (Perka BKN
// 22/2007 and the numbers that BKN gives PPPK).
type NIP string

// Layout is which of the two numberings a NIP follows.
type Layout string

// The layouts.
const (
	LayoutPNS  Layout = "pns"
	LayoutPPPK Layout = "pppk"
)

// Number is a NIP taken apart.
type Number struct {
	NIP    NIP
	Layout Layout
	Born   roster.Date
	Year   int // of appointment
	Month  int // of appointment; 0 for PPPK, whose number does not tell
	Sex    placement.Sex
}

// Problem is what is wrong, or odd, about something that a person entered. Its
// code is a sentence of the catalogue's area register; it never holds the number itself.
type Problem struct {
	Code    string
	Args    map[string]any
	Warning bool // it is taken all the same
}

func (p Problem) Error() string { return "register refuses: " + p.Code }

var (
	scientific = regexp.MustCompile(`^[0-9][0-9.,]*[eE][+]?[0-9]+$`)
	digits     = regexp.MustCompile(`^[0-9]+$`)
)

// ParseNIP reads a NIP or NI PPPK as people write it, with blanks, dots, dashes and
// the apostrophe that keeps a spreadsheet from counting. The error is a Problem.
func ParseNIP(text string) (Number, error) {
	trimmed := strings.TrimPrefix(strings.TrimSpace(text), "'")
	if scientific.MatchString(trimmed) {
		return Number{}, Problem{Code: "nip-scientific"}
	}
	nip := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" .-\u00a0\t", r) {
			return -1
		}
		return r
	}, trimmed)
	switch {
	case nip == "":
		return Number{}, Problem{Code: "nip-empty"}
	case !digits.MatchString(nip):
		return Number{}, Problem{Code: "nip-letters"}
	case len(nip) != 18:
		return Number{}, Problem{Code: "nip-length", Args: map[string]any{"digits": len(nip)}}
	case nip[15:] == "000":
		return Number{}, Problem{Code: "nip-zeros"}
	}
	born, err := time.Parse("20060102", nip[:8])
	if err != nil {
		return Number{}, Problem{Code: "nip-birth"}
	}
	n := Number{NIP: NIP(nip), Born: roster.Date(born.Format(time.DateOnly)), Year: number(nip[8:12])}
	switch code := number(nip[12:14]); {
	case code >= 1 && code <= 12:
		n.Layout, n.Month = LayoutPNS, code
	case code >= 21 && code <= 29:
		n.Layout = LayoutPPPK
	default:
		return Number{}, Problem{Code: "nip-kind", Args: map[string]any{"code": nip[12:14]}}
	}
	switch nip[14] {
	case '1':
		n.Sex = placement.Male
	case '2':
		n.Sex = placement.Female
	default:
		return Number{}, Problem{Code: "nip-sex", Args: map[string]any{"digit": nip[14:15]}}
	}
	return n, nil
}

// number reads digits.
func number(s string) int {
	n, _ := strconv.Atoi(s) // only digits come here
	return n
}

// Doubts compares the number with what else is known of the employee on a day;
// what is empty is not compared. Only a kind that the number cannot belong to is
// no mere warning.
func (n Number) Doubts(kind placement.EmployeeKind, sex placement.Sex, born, today roster.Date) (list []Problem) {
	warn := func(code string) { list = append(list, Problem{Code: code, Warning: true}) }
	switch want := layoutOf(kind); {
	case want == "" || want == n.Layout:
	case kind == placement.PPPKPartTime:
		warn("nip-kind-other") // their numbering is not known for sure
	default:
		list = append(list, Problem{Code: "nip-kind-other"})
	}
	if sex != "" && sex != n.Sex {
		warn("nip-sex-other")
	}
	if born != "" && born != n.Born {
		warn("nip-birth-other")
	}
	if years := age(n.Born, today); years < 17 || years > 70 {
		warn("nip-age")
	}
	appointed := time.Date(n.Year, time.Month(max(1, n.Month)), 1, 0, 0, 0, 0, time.UTC)
	ahead := n.Month
	if n.Layout == LayoutPPPK {
		ahead = 12 // somewhen in that year
	}
	last := roster.Date(time.Date(n.Year, time.Month(ahead), 1, 0, 0, 0, 0, time.UTC).Format(time.DateOnly))
	first := roster.Date(appointed.Format(time.DateOnly))
	if age(n.Born, last.Add(31)) < 16 || first > today.Add(366) || n.Layout == LayoutPPPK && n.Year < 2019 {
		warn("nip-appointed")
	}
	return list
}

// layoutOf is the numbering that a kind of employee has; "" for those without a NIP.
func layoutOf(kind placement.EmployeeKind) Layout {
	switch kind {
	case placement.PNS, placement.CPNS:
		return LayoutPNS
	case placement.PPPK, placement.PPPKPartTime:
		return LayoutPPPK
	}
	return ""
}

// age is the number of birthdays from born to day.
func age(born, day roster.Date) int {
	years := number(string(day[:4])) - number(string(born[:4]))
	if day[5:] < born[5:] {
		years--
	}
	return years
}
