package directory

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// formula is the beginning of what spreadsheets take for a formula.
var formula = regexp.MustCompile(`^[=+\-@\t\r]`)

// quoted keeps a spreadsheet from reckoning with a text that somebody entered.
func quoted(text string) string {
	if formula.MatchString(text) {
		return "'" + text
	}
	return text
}

// word is how a file's value of a field is written in the register; a value that
// is not understood is a Problem.
func word(f field, c Cell) (string, error) {
	text := strings.TrimSpace(c.Text)
	if strings.HasPrefix(text, "'") && formula.MatchString(text[1:]) {
		text = text[1:] // as quoted writes it
	}
	if text == "" {
		return "", nil
	}
	switch f {
	case field(EmployeeNIP):
		if c.Number {
			return "", Problem{Code: "nip-number"}
		}
		n, err := ParseNIP(text)
		return string(n.NIP), err
	case field(EmployeeNIK):
		text = strings.TrimPrefix(text, "'")
		if c.Number || scientific.MatchString(text) {
			return "", Problem{Code: "nip-number"}
		}
	case fieldAlias:
		text = strings.TrimPrefix(text, "'")
		if c.Number && len(text) > 15 || scientific.MatchString(text) {
			return "", Problem{Code: "nip-number"}
		}
	case field(EmployeeBorn), fieldFrom, fieldTo, fieldSKDate, fieldTMT, fieldStatusDay:
		return date(text, c.Number)
	case field(EmployeeKind), field(EmployeeSex), field(EmployeeStatus), fieldPlacement, fieldUnitKind:
		return known(f, text)
	}
	return text, nil
}

// known reads one of a few words as offices and SIASN write them.
func known(f field, text string) (string, error) {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(text))
	for _, row := range []struct {
		field field
		value string
		words string // between blanks
	}{
		{field(EmployeeKind), string(placement.PNS), " pns "},
		{field(EmployeeKind), string(placement.CPNS), " cpns "},
		{field(EmployeeKind), string(placement.PPPK), " pppk p3k "},
		{field(EmployeeKind), string(placement.PPPKPartTime), " pppkpw pppkparuhwaktu p3kparuhwaktu "},
		{field(EmployeeKind), string(placement.NonASN), " nonasn honorer ptt pjlp outsourcing phl "},
		{field(EmployeeSex), string(placement.Male), " l m pria lakilaki male 1 "},
		{field(EmployeeSex), string(placement.Female), " p f w wanita perempuan female 2 "},
		{field(EmployeeStatus), string(placement.Active), " aktif active "},
		{field(EmployeeStatus), string(placement.Retired), " pensiun retired bup "},
		{field(EmployeeStatus), string(placement.Died), " meninggal meninggaldunia wafat died "},
		{field(EmployeeStatus), string(placement.Moved), " pindah pindahinstansi mutasikeluar moved "},
		{field(EmployeeStatus), string(placement.Leave), " cltn cutidiluartanggungannegara leave "},
		{field(EmployeeStatus), string(placement.Study), " tb tugasbelajar study "},
		{fieldPlacement, string(placement.Definitive), " definitif "},
		{fieldPlacement, string(placement.Acting), " plt plh "},
		{fieldPlacement, string(placement.Lent), " titipan "},
		{fieldPlacement, string(placement.Additional), " tugastambahan "},
		{fieldUnitKind, string(placement.OPD), " opd dinas badan biro skpd perangkatdaerah "},
		{fieldUnitKind, string(placement.UPTD), " uptd upt "},
		{fieldUnitKind, string(placement.Branch), " cabangdinas cabdin "},
		{fieldUnitKind, string(placement.School), " sekolah "},
		{fieldUnitKind, string(placement.Hospital), " rumahsakit rs rsud rsjd "},
		{fieldUnitKind, string(placement.Section), " bagian bidang seksi subbagian "},
	} {
		if row.field == f && plain != "" && strings.Contains(row.words, " "+plain+" ") {
			return row.value, nil
		}
	}
	return "", Problem{Code: "value", Args: map[string]any{"attribute": string(f), "value": text}}
}

// date reads 2026-01-31, 31-01-2026, 31/01/2026, and the number of days that a
// spreadsheet keeps for a date.
func date(text string, isNumber bool) (string, error) {
	if isNumber {
		days, err := strconv.ParseFloat(text, 64)
		if err != nil || days < 61 || days > 200_000 { // 61 is 1900-03-01: before it spreadsheets disagree
			return "", Problem{Code: "date", Args: map[string]any{"date": text}}
		}
		return time.Date(1899, 12, 30+int(days), 0, 0, 0, 0, time.UTC).Format(time.DateOnly), nil
	}
	for _, layout := range []string{time.DateOnly, "02-01-2006", "02/01/2006", "2-1-2006", "2/1/2006"} {
		if t, err := time.Parse(layout, text); err == nil {
			return string(roster.Date(t.Format(time.DateOnly))), nil
		}
	}
	return "", Problem{Code: "date", Args: map[string]any{"date": text}}
}
