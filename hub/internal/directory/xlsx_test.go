package directory_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
)

// sheet makes a spreadsheet as office programs write them: texts shared, numbers
// and dates as numbers with a style.
func sheet(t testing.TB, cells map[string]any) *bytes.Buffer {
	t.Helper()
	book := excelize.NewFile()
	defer book.Close()
	style, err := book.NewStyle(&excelize.Style{NumFmt: 14}) // a date
	ok(t, err)
	for at, value := range cells {
		ok(t, book.SetCellValue("Sheet1", at, value))
		if _, isDate := value.(int); isDate {
			ok(t, book.SetCellStyle("Sheet1", at, at, style))
		}
	}
	var file bytes.Buffer
	ok(t, book.Write(&file))
	return &file
}

func TestASpreadsheetIsReadAsItIsKept(t *testing.T) {
	each(t, func(t *testing.T, d *directory.Directory) {
		imported(t, d, units)
		file := sheet(t, map[string]any{
			"A1": "NIP", "B1": "Nama", "C1": "Jenis pegawai", "D1": "Kode unit", "E1": "TMT penempatan",
			"A2": "198609262015051901", "B2": "Teks", "C2": "PNS", "D2": "1.1", "E2": 46023, // 2026-01-01
			"A3": 198609262015051902.0, "B3": "Angka", "C3": "PNS", "D3": "1.1", "E3": "01-01-2026",
			"A4": "198609262015051903", "B4": "Kode sebagai angka", "C4": "PNS", "D4": 1.2, "E4": "01-01-2026",
		})
		rows, err := directory.ReadXLSX(file)
		ok(t, err)
		var out directory.Outcome
		edit(t, d, func(draft *directory.Draft) error { out, err = draft.Import(rows, nil); return err })
		if got, want := counts(out), "3 rows: 2 new, 0 changed, 0 same [3 nip-number]"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		want := []string{"Teks aktif 1.1 definitif 2026-01-01 ", "Kode sebagai angka aktif 1.2 definitif 2026-01-01 "}
		if got := state(t, d); !reflect.DeepEqual(got, want) {
			t.Errorf("register = %q, want %q", got, want)
		}
		var exported bytes.Buffer
		table := read(t, d).Table(today)
		ok(t, directory.WriteXLSX(&exported, table))
		back, err := directory.ReadXLSX(&exported)
		ok(t, err)
		if n := edit(t, d, func(draft *directory.Draft) error { out, err = draft.Import(back, nil); return err }); n != 0 || out.Same != 2 {
			t.Errorf("the export comes back as %s, change %d; want all the same", counts(out), n)
		}
	})
}

func TestReadXLSXRefuses(t *testing.T) {
	bomb := func() *bytes.Buffer {
		good, err := zip.NewReader(bytes.NewReader(sheet(t, map[string]any{"A1": "NIP"}).Bytes()), int64(sheet(t, map[string]any{"A1": "NIP"}).Len()))
		ok(t, err)
		var file bytes.Buffer
		w := zip.NewWriter(&file)
		for _, f := range good.File {
			part, err := w.Create(f.Name)
			ok(t, err)
			from, err := f.Open()
			ok(t, err)
			_, err = io.Copy(part, from)
			ok(t, err)
			if strings.HasSuffix(f.Name, "sheet1.xml") {
				_, err = io.Copy(part, io.LimitReader(blanks{}, directory.MaxFile+1))
				ok(t, err)
			}
		}
		ok(t, w.Close())
		return &file
	}
	for name, c := range map[string]struct {
		file io.Reader
		is   error
	}{
		"a text":                     {strings.NewReader("NIP;Nama\n"), directory.ErrNoSpreadsheet},
		"an archive that swells":     {bomb(), directory.ErrNoSpreadsheet},
		"a file without an end":      {blanks{}, directory.ErrTooLarge},
		"a spreadsheet that was cut": {io.LimitReader(sheet(t, map[string]any{"A1": "NIP"}), 1000), directory.ErrNoSpreadsheet},
	} {
		t.Run(name, func(t *testing.T) {
			if rows, err := directory.ReadXLSX(c.file); !errors.Is(err, c.is) {
				t.Errorf("ReadXLSX = %d rows, %v; want %v", len(rows), err, c.is)
			}
		})
	}
}

// blanks is endless.
type blanks struct{}

func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// BenchmarkImport takes a province's employees in from a spreadsheet, without
// writing them.
func BenchmarkImport(b *testing.B) {
	table := [][]string{{"NIP", "Nama", "Jenis pegawai", "Kode unit", "TMT penempatan", "No SK"}}
	for i := range 12_000 {
		table = append(table, []string{fmt.Sprintf("1986%02d%02d2015051%03d", i/28%12+1, i%28+1, 900+i/336), fmt.Sprint("Pegawai ", i), "PNS", "1.1", "2026-01-01", "SK"})
	}
	var file bytes.Buffer
	ok(b, directory.WriteXLSX(&file, table))
	for b.Loop() {
		rows, err := directory.ReadXLSX(bytes.NewReader(file.Bytes()))
		if err != nil || len(rows) != 12_001 || rows[1][0].Number {
			b.Fatalf("ReadXLSX = %d rows, %v", len(rows), err)
		}
	}
}
