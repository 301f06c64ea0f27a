package directory_test

import (
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

const units = `Kode unit;Nama unit;Jenis unit;Kode induk
1;Badan Keuangan Daerah;Badan;
1.1;UPTD Samsat Belitung;UPTD;1
1.2;UPTD Samsat Bangka Barat;UPTD;1
`

// imported takes a file into the register.
func imported(t testing.TB, d *directory.Directory, file string) (out directory.Outcome, n int64) {
	t.Helper()
	rows, err := directory.ReadCSV(strings.NewReader(file))
	ok(t, err)
	n = edit(t, d, func(draft *directory.Draft) (err error) {
		out, err = draft.Import(rows, nil)
		return err
	})
	return out, n
}

func counts(out directory.Outcome) string {
	codes := []string{}
	for _, e := range out.Errors {
		codes = append(codes, fmt.Sprint(e.Row, " ", e.Problem.Code))
	}
	return fmt.Sprintf("%d rows: %d new, %d changed, %d same %v", out.Rows, out.New, out.Changed, out.Same, codes)
}

// state lists people with their placements, as a person would read them.
func state(t testing.TB, d *directory.Directory) (list []string) {
	t.Helper()
	for _, row := range read(t, d).Table(today)[1:] {
		list = append(list, strings.Join([]string{row[2], row[8], row[12], row[14], row[15], row[16]}, " "))
	}
	return list
}

func TestImport(t *testing.T) {
	each(t, func(t *testing.T, d *directory.Directory) {
		out, _ := imported(t, d, units)
		if got, want := counts(out), "3 rows: 3 new, 0 changed, 0 same []"; got != want {
			t.Fatalf("units: %s, want %s", got, want)
		}
		const first = "\ufeffnipBaru,nama,jenisPegawaiNama,jenisKelamin,tglLahir,unorId,tmtJabatan,nomorSk,PIN lama,hobi\r\n" +
			"198609262015051901,Pegawai Satu,PNS,M,26-09-1986,1.1,01-05-2015,SK-1,198609262015051901,catur\r\n" +
			"'19960229 202421 2 902,Pegawai Dua,PPPK,F,1996-02-29,1.1,01/03/2024,SK-2,,\r\n" +
			",,,,,,,,,\r\n"
		out, n := imported(t, d, first)
		if got, want := counts(out), "2 rows: 2 new, 0 changed, 0 same []"; got != want {
			t.Errorf("people: %s, want %s", got, want)
		}
		if !slices.Equal(out.Ignored, []string{"hobi"}) {
			t.Errorf("Ignored = %q, want hobi", out.Ignored)
		}
		want := []string{"Pegawai Satu aktif 1.1 definitif 2015-05-01 ", "Pegawai Dua aktif 1.1 definitif 2024-03-01 "}
		if got := state(t, d); !slices.Equal(got, want) {
			t.Errorf("register = %q, want %q", got, want)
		}
		if e, found := read(t, d).EmployeeBy("19960229 202421 2 902"); !found || e.PIN != 100002 {
			t.Errorf("EmployeeBy = %+v, %v; want PIN 100002", e, found)
		}
		if out, again := imported(t, d, first); again != 0 || counts(out) != "2 rows: 0 new, 0 changed, 2 same []" {
			t.Errorf("the same file again: %s, change %d; want nothing changed", counts(out), again)
		}
		out, moved := imported(t, d, "NIP;Nama;Kode unor;TMT penempatan;Status;TMT status\n"+
			"198609262015051901;Pegawai Satu;1.2;2026-02-01;;\n"+
			"199602292024212902;Pegawai Dua, S.Kom;1.1;;Pensiun;2026-01-15\n")
		if got, want := counts(out), "2 rows: 0 new, 2 changed, 0 same []"; got != want {
			t.Errorf("a move: %s, want %s", got, want)
		}
		want2 := []string{"Pegawai Satu aktif 1.1 definitif 2015-05-01 2026-02-01", "Pegawai Satu aktif 1.2 definitif 2026-02-01 ", "Pegawai Dua, S.Kom pensiun 1.1 definitif 2024-03-01 "}
		if got := state(t, d); !slices.Equal(got, want2) {
			t.Errorf("register after the move = %q, want %q", got, want2)
		}
		ok(t, d.Undo(t.Context(), directory.By{Who: "Ujang Demo", At: noon}, moved))
		if got := state(t, d); !slices.Equal(got, want) {
			t.Errorf("register after undoing the move = %q, want %q", got, want)
		}
		ok(t, d.Undo(t.Context(), directory.By{Who: "Ujang Demo", At: noon}, n))
		if got := state(t, d); len(got) != 0 {
			t.Errorf("register after undoing the import = %q, want nobody", got)
		}
	})
}

func TestImportNamesWrongRowsAndTakesTheOthers(t *testing.T) {
	each(t, func(t *testing.T, d *directory.Directory) {
		imported(t, d, units)
		out, _ := imported(t, d, "NIP,Nama,Jenis pegawai,Kode unit,TMT penempatan,Tgl lahir,PIN lama\n"+
			"\"1,98609E+17\",Rusak Satu,PNS,1.1,2026-01-01,,\n"+
			"198609262015051000,Rusak Dua,PNS,1.1,2026-01-01,,\n"+
			"198609262015051901,Baik,PNS,1.1,2026-01-01,,7\n"+
			"198609262015051902,Unit Asing,PNS,9.9,2026-01-01,,\n"+
			"198609262015051903,Tanpa TMT,PNS,1.1,,,\n"+
			"198609262015051904,Tanggal Rusak,PNS,1.1,31-02-2026,,\n"+
			"198609262015051905,Jenis Asing,Sultan,1.1,2026-01-01,,\n"+
			"198609262015051906,Jenis Lain,PPPK,1.1,2026-01-01,,\n"+
			"198609262015051907,,PNS,1.1,2026-01-01,,\n"+
			",Tanpa Nomor,PNS,1.1,2026-01-01,,\n"+
			"198609262015051908,Lahir Lain,PNS,1.1,2026-01-01,1986-09-27,\n"+
			"198609262015051909,PIN Orang,PNS,1.1,2026-01-01,,007\n")
		want := "12 rows: 2 new, 0 changed, 0 same [2 nip-scientific 3 nip-zeros 5 unit-unknown 6 from-empty 7 date 8 value 9 nip-kind-other 10 name-empty 11 nip-empty 13 alias-twice]"
		if got := counts(out); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
		if len(out.Doubts) != 1 || out.Doubts[0].Row != 12 || out.Doubts[0].Problem.Code != "nip-birth-other" {
			t.Errorf("Doubts = %+v, want nip-birth-other of row 12", out.Doubts)
		}
		if got := state(t, d); len(got) != 2 {
			t.Errorf("register = %q, want the two good ones", got)
		}
	})
}

func TestHeadsOfAnotherOfficeAreMapped(t *testing.T) {
	each(t, func(t *testing.T, d *directory.Directory) {
		rows, err := directory.ReadCSV(strings.NewReader("No Induk;Panggilan;Jenis pegawai\n198609262015051901;Satu;PNS\n"))
		ok(t, err)
		var out directory.Outcome
		edit(t, d, func(draft *directory.Draft) error {
			out, err = draft.Import(rows, map[string]string{"No Induk": "nip", "Panggilan": "nama"})
			return err
		})
		if got, want := counts(out), "1 rows: 1 new, 0 changed, 0 same []"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

func TestTryWritesNothing(t *testing.T) {
	each(t, func(t *testing.T, d *directory.Directory) {
		rows, err := directory.ReadCSV(strings.NewReader(units))
		ok(t, err)
		draft, err := d.Try(t.Context(), today, func(draft *directory.Draft) error { _, err := draft.Import(rows, nil); return err })
		if err != nil || len(draft.Made) < 9 {
			t.Errorf("Try = %v, %v; want three units with their facts", draft, err)
		}
		if got := read(t, d).Units; len(got) != 0 {
			t.Errorf("a dry run left %d units", len(got))
		}
	})
}

func TestExportComesBackUnchanged(t *testing.T) {
	each(t, func(t *testing.T, d *directory.Directory) {
		imported(t, d, units)
		imported(t, d, "NIP,Nama,Gelar depan,Gelar,Jenis pegawai,JK,Kode unit,TMT penempatan,Jenis penempatan,No SK,Sampai\n"+
			"198609262015051901,=SUM(A1),Dr.,\"S.E., M.M.\",PNS,L,1.1,2026-01-01,,821/1,\n"+
			"198609262015051901,=SUM(A1),Dr.,\"S.E., M.M.\",PNS,L,1.2,2026-01-01,titipan,821/2,2026-06-01\n"+
			"198609262015051902,D’Artagnan,,,CPNS,P,,,,,\n")
		reg := read(t, d)
		for name, table := range map[string][][]string{"units": reg.UnitTable(today), "people": reg.Table(today)} {
			var file strings.Builder
			ok(t, csv.NewWriter(&file).WriteAll(table))
			if name == "people" && strings.Contains(file.String(), ",=SUM") {
				t.Error("a name goes out as a formula")
			}
			out, n := imported(t, d, file.String())
			if n != 0 || out.Same != len(table)-1 {
				t.Errorf("%s come back as %s, change %d; want all the same", name, counts(out), n)
			}
		}
	})
}

func TestReadCSVRefuses(t *testing.T) {
	each(t, func(t *testing.T, d *directory.Directory) {
		for name, c := range map[string]struct {
			file string
			is   error
		}{
			"an empty file":       {"", directory.ErrNoColumns},
			"a table of weather":  {"suhu,angin\n30,5\n", directory.ErrNoColumns},
			"a NIP without names": {"nip\n198609262015051901\n", directory.ErrNoColumns},
			"endless lines":       {strings.Repeat("1\n", directory.MaxRows+2), directory.ErrTooLarge},
			"an endless line":     {strings.Repeat("a", directory.MaxFile+1), directory.ErrTooLarge},
		} {
			t.Run(name, func(t *testing.T) {
				rows, err := directory.ReadCSV(strings.NewReader(c.file))
				if err == nil {
					_, err = d.Try(t.Context(), roster.Date(today), func(draft *directory.Draft) error { _, err := draft.Import(rows, nil); return err })
				}
				if !errors.Is(err, c.is) {
					t.Errorf("got %v, want %v", err, c.is)
				}
			})
		}
	})
}
