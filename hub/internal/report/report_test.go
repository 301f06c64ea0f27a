package report_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"
	"pgregory.net/rapid"

	"github.com/bkpsdmd-babel/sidik/hub/internal/report"
	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

func words(lang phrase.Lang) report.Words { return report.In(phrase.New(), lang) }

func campaign() report.Campaign {
	return report.Campaign{Number: 1, Name: "Validasi Data Sidik Jari Pegawai Tahun 2026", From: "2026-01-30", To: "2026-02-07",
		Lead: "Citra Demo", Units: []string{"Badan Keuangan Daerah", "Dinas Pendidikan"}}
}

func terminal() report.Terminal {
	return report.Terminal{Site: "samsat-belitung", Serial: "OID7050067030800104", Unit: "UPTD Badan Keuangan Daerah Wilayah Belitung (Samsat)",
		Read: time.Date(2026, 1, 30, 1, 15, 0, 0, time.UTC), Users: 57, Fingers: 112, Administrators: 2, Placed: 58}
}

// minutes has so many findings, one of each class in turn.
func minutes(findings int) report.Minutes {
	m := report.Minutes{
		Version: 1, Number: "800/123/BKPSDMD/2026", Place: "Tanjungpandan", Day: "2026-01-30", Campaign: campaign(), Terminal: terminal(),
		Agency:   report.Signer{Name: "Eka Demo, S.Kom.", NIP: "198001012005012901", Position: "Kepala Sub Bidang Data dan Informasi Kepegawaian"},
		Office:   report.Signer{Name: "Gani Demo", Position: "Kepala Sub Bagian Tata Usaha"},
		SignedBy: "eka", SignedAt: time.Date(2026, 1, 30, 4, 0, 0, 0, time.UTC),
	}
	rows := []report.Row{
		{Named: report.Named{Finding: validate.Finding{Class: validate.Unknown, Code: validate.UnknownPIN, PIN: "77", Administrator: true}, Who: "TAMU"}, Act: validate.ActAccept, Reason: "teknisi mesin, sampai akhir kontrak"},
		{Named: report.Named{Finding: validate.Finding{Class: validate.Missing, Code: validate.NotOnTerminal, PIN: "100002"}, Who: "Budi Demo"}, Act: validate.ActAdd},
		{Named: report.Named{Finding: validate.Finding{Class: validate.Misplaced, Code: validate.Elsewhere, PIN: "100003", Unit: 3}, Who: "Citra Demo", Where: "Dinas Pendidikan"}, Act: validate.ActDelete,
			Closed: time.Date(2026, 1, 30, 3, 0, 0, 0, time.UTC)},
		{Named: report.Named{Finding: validate.Finding{Class: validate.Name, Code: validate.NameDiffers, PIN: "100004", Held: "DED\x01I \xff", Want: "Dedi Demo"}, Who: "Dedi Demo"}, Act: validate.ActRename},
		{Named: report.Named{Finding: validate.Finding{Class: validate.Fingers, Code: validate.FingersMissing, PIN: "100005", Fingers: []int{1, 6}}, Who: "Eka Demo"}, Act: validate.ActAdd},
		{Named: report.Named{Finding: validate.Finding{Class: validate.Twice, Code: validate.SameTemplate, PIN: "199001012015012902", Other: "100006", Fingers: []int{6}}, Who: "FITRI", Whose: "Fitri Demo"}, Act: validate.ActEnrol},
	}
	for n := range findings {
		r := rows[n*len(rows)/max(findings, len(rows))]
		r.By, r.Decided = "eka", m.SignedAt
		m.Rows = append(m.Rows, r)
	}
	return m
}

func summary(terminals int) report.Summary {
	s := report.Summary{Campaign: campaign(), Day: "2026-02-01"}
	states := []report.State{report.Unread, report.Open, report.Decided, report.Signed}
	for n := range terminals {
		l := report.Line{Terminal: terminal(), State: states[n%len(states)], Open: n % 3, Kept: 1, Planned: "2026-01-30", Officer: "Dedi Demo"}
		l.Serial = protocol.Serial(fmt.Sprintf("DEMO%d", n))
		if l.State == report.Signed {
			l.Number, l.Day = fmt.Sprintf("800/%d/BKPSDMD/2026", n), "2026-01-31"
		}
		s.Lines = append(s.Lines, l)
	}
	return s
}

// documents writes each kind of document.
func documents(t *testing.T) map[string]func() ([]byte, error) {
	t.Helper()
	id := words(phrase.Indonesian)
	return map[string]func() ([]byte, error){
		"minutes.pdf":          func() ([]byte, error) { return id.MinutesPDF(minutes(6), protocol.Hash{0xab}) },
		"minutes-none.pdf":     func() ([]byte, error) { return id.MinutesPDF(minutes(0), protocol.Hash{0xab}) },
		"minutes-many.pdf":     func() ([]byte, error) { return id.MinutesPDF(minutes(90), protocol.Hash{0xab}) },
		"minutes-english.pdf":  func() ([]byte, error) { return words(phrase.English).MinutesPDF(minutes(6), protocol.Hash{}) },
		"summary.pdf":          func() ([]byte, error) { return id.SummaryPDF(summary(60)) },
		"summary.xlsx":         func() ([]byte, error) { return id.SummarySheet(summary(60)) },
		"summary-nothing.pdf":  func() ([]byte, error) { return id.SummaryPDF(summary(0)) },
		"summary-nothing.xlsx": func() ([]byte, error) { return id.SummarySheet(summary(0)) },
	}
}

// Whoever doubts a document prints it again from what was signed: it is the same, byte
// for byte. SIDIK_TEST_DOCUMENTS names a folder in which they are left to be looked at.
func TestEqualContentGivesEqualBytes(t *testing.T) {
	for name, write := range documents(t) {
		t.Run(name, func(t *testing.T) {
			first, err := write()
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				again, err := write()
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(first, again) {
					t.Fatal("written again it has other bytes")
				}
			}
			if strings.HasSuffix(name, ".pdf") && (!bytes.HasPrefix(first, []byte("%PDF-")) || bytes.Contains(first, []byte("CreationDate"))) {
				t.Error("it is no PDF, or tells when it was written")
			}
			if folder := os.Getenv("SIDIK_TEST_DOCUMENTS"); folder != "" {
				if err := os.WriteFile(filepath.Join(folder, name), first, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestOtherContentGivesOtherBytes(t *testing.T) {
	w := words(phrase.Indonesian)
	first, err := w.MinutesPDF(minutes(6), protocol.Hash{1})
	if err != nil {
		t.Fatal(err)
	}
	m := minutes(6)
	m.Rows[0].Reason = "lain"
	second, err := w.MinutesPDF(m, protocol.Hash{1})
	if err != nil || bytes.Equal(first, second) {
		t.Errorf("another reason gives the same document (%v)", err)
	}
	third, err := w.MinutesPDF(minutes(6), protocol.Hash{2})
	if err != nil || bytes.Equal(first, third) {
		t.Errorf("another digest gives the same document (%v)", err)
	}
}

func TestManyFindingsTakeManyPages(t *testing.T) {
	pages := func(findings int) int {
		text, err := words(phrase.Indonesian).MinutesPDF(minutes(findings), protocol.Hash{})
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Count(text, []byte("/Type /Page\n"))
	}
	if few, many := pages(0), pages(90); few != 1 && few != 2 || many < 4 {
		t.Errorf("no finding takes %d pages, ninety take %d", few, many)
	}
}

func TestSheetHoldsTheSummary(t *testing.T) {
	text, err := words(phrase.Indonesian).SummarySheet(summary(4))
	if err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := f.GetRows("Ringkasan")
	if err != nil {
		t.Fatal(err)
	}
	last := strings.Join(rows[len(rows)-1], "|")
	if want := "UPTD Badan Keuangan Daerah Wilayah Belitung (Samsat)|samsat-belitung|DEMO3|30 Januari 2026|Dedi Demo|ditandatangani|0|0|1|0|800/3/BKPSDMD/2026, 31 Januari 2026"; last != want {
		t.Errorf("the last row is\n%s\nwant\n%s", last, want)
	}
	all := fmt.Sprint(rows)
	for _, want := range []string{"Badan Keuangan Daerah; Dinas Pendidikan", "4 mesin: 1 ditandatangani, 1 sudah diputuskan, 1 belum diputuskan, 1 belum dibaca."} {
		if !strings.Contains(all, want) {
			t.Errorf("the sheet lacks %q", want)
		}
	}
}

func TestFindingIsASentence(t *testing.T) {
	f := report.Named{Finding: validate.Finding{Code: validate.SameTemplate, PIN: "77", Other: "100006", Fingers: []int{1, 6}, Administrator: true}, Who: "TAMU", Whose: "Fitri Demo"}
	want := "Templat jari 1, 6 dari PIN 77 (TAMU) sama dengan yang ada pada PIN 100006 (Fitri Demo). PIN ini pengelola (administrator) mesin!"
	if got := words(phrase.Indonesian).Finding(f); got != want {
		t.Errorf("says %q, want %q", got, want)
	}
}

// A terminal may hold any bytes in a name, and people type what they like: a document
// is written all the same.
func TestAnyTextCanBePrinted(t *testing.T) {
	w := words(phrase.Indonesian)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringN(0, 300, 600), rapid.StringMatching(`[A-Za-z0-9]{200,400}`),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
		m := minutes(1)
		m.Rows[0].Who, m.Rows[0].Reason, m.Terminal.Unit = text.Draw(t, "who"), text.Draw(t, "reason"), text.Draw(t, "unit")
		m.Place, m.Agency.Name, m.Office.Position, m.Campaign.Name = text.Draw(t, "place"), text.Draw(t, "name"), text.Draw(t, "position"), text.Draw(t, "campaign")
		if pdf, err := w.MinutesPDF(m, protocol.Hash{}); err != nil || !bytes.HasPrefix(pdf, []byte("%PDF-")) {
			t.Fatalf("minutes: %v", err)
		}
		s := summary(1)
		s.Lines[0].Unit, s.Lines[0].Officer, s.Campaign.Units = m.Terminal.Unit, m.Agency.Name, []string{m.Place, m.Campaign.Name}
		if _, err := w.SummaryPDF(s); err != nil {
			t.Fatalf("summary: %v", err)
		}
		if _, err := w.SummarySheet(s); err != nil {
			t.Fatalf("sheet: %v", err)
		}
	})
}
