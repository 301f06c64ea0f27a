package directory

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Cell is one field of a file that somebody wrote. Number is true where a
// spreadsheet keeps a number and not a text.
type Cell struct {
	Text   string
	Number bool
}

// Limits of what is read from a file.
const (
	MaxFile = 64 << 20 // bytes, also of an unpacked spreadsheet
	MaxRows = 200_000
)

// ErrTooLarge says that a file is larger than any province's register.
var ErrTooLarge = errors.New("the file is too large for a register")

// ReadCSV reads a table, the head first. The separator is the one of comma,
// semicolon and tab that the first line has most of, as spreadsheets here write any.
func ReadCSV(r io.Reader) (rows [][]Cell, err error) {
	in := bufio.NewReader(&limited{r: r, left: MaxFile})
	if mark, _, err := in.ReadRune(); err == nil && mark != '\ufeff' { // an empty file has no rows
		_ = in.UnreadRune() // just after a ReadRune it cannot fail
	}
	head, _ := in.Peek(4096) // a short file gives what there is
	line, _, _ := strings.Cut(string(head), "\n")
	table := csv.NewReader(in)
	table.FieldsPerRecord = -1
	for _, comma := range ",;\t" {
		if strings.Count(line, string(comma)) > strings.Count(line, string(table.Comma)) {
			table.Comma = comma
		}
	}
	for {
		record, err := table.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read table: %w", err)
		}
		if len(rows) > MaxRows {
			return nil, ErrTooLarge
		}
		row := make([]Cell, len(record))
		for i, text := range record {
			row[i].Text = text
		}
		rows = append(rows, row)
	}
}

// limited fails past a number of bytes, where io.LimitReader would cut in silence.
type limited struct {
	r    io.Reader
	left int
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= n; l.left < 0 {
		return 0, ErrTooLarge
	}
	return n, err
}

// field is what a column means.
type field string

// The fields of an import: attributes by their own names, and these.
const (
	fieldUnit      field = "unit" // code or SIASN id of where somebody is placed, or of the unit itself
	fieldUnitName  field = "unit-name"
	fieldUnitKind  field = "unit-kind"
	fieldParent    field = "parent" // code of the unit above
	fieldSIASN     field = "siasn"
	fieldFrom      field = "from"
	fieldTo        field = "to"
	fieldPlacement field = "placement"
	fieldSK        field = "sk"
	fieldSKDate    field = "sk-date"
	fieldTMT       field = "tmt"
	fieldAlias     field = "old-pin"
	fieldStatusDay field = "status-date"
)

// fieldOf finds what a head of a column means: the names of this program's own
// export, those of SIASN, and those that offices write. "" for one that is not
// understood, which is left alone.
func fieldOf(head string) field {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(head))
	for _, known := range []struct {
		field field
		heads string // between blanks
	}{
		{field(EmployeeNIP), " nip nipbaru nippppk nipppk nipnippppk "},
		{field(EmployeeNIK), " nik "},
		{field(EmployeeName), " nama name namapegawai namalengkap "},
		{field(EmployeeBefore), " gelardepan titlebefore "},
		{field(EmployeeAfter), " gelarbelakang gelar titleafter "},
		{field(EmployeeKind), " jenispegawai jenispegawainama statuspegawai kind "},
		{field(EmployeeSex), " jeniskelamin jk lp sex "},
		{field(EmployeeBorn), " tgllahir tanggallahir born "},
		{field(EmployeeStatus), " status kedudukan kedudukanpnsnama kedudukanasn "},
		{field(EmployeePosition), " jabatan jabatannama namajabatan position "},
		{field(EmployeeGrade), " gol golongan golruang golruangakhir grade "},
		{field(EmployeeCard), " kartu nokartu card "},
		{fieldUnit, " unit kodeunit kodeunor unorid idunor "},
		{fieldUnitName, " namaunit namaunor unornama unitname "},
		{fieldUnitKind, " jenisunit unitkind "},
		{fieldParent, " induk kodeinduk atasan parent "},
		{fieldSIASN, " siasn siasnid siasnunorid "},
		{fieldFrom, " tmtpenempatan mulai from tmtjabatan tmtmutasi "},
		{fieldTo, " sampai berakhir to "},
		{fieldPlacement, " jenispenempatan penempatan placement "},
		{fieldSK, " nosk nomorsk sk "},
		{fieldSKDate, " tglsk tanggalsk skdate "},
		{fieldTMT, " tmt "},
		{fieldAlias, " pinlama pinmesin oldpin "},
		{fieldStatusDay, " tmtstatus tglstatus statusdate tmtpensiun "},
	} {
		if plain != "" && strings.Contains(known.heads, " "+plain+" ") {
			return known.field
		}
	}
	return ""
}
