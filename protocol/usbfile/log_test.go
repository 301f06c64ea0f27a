package usbfile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// office is a log as a terminal writes it, with a width of 9 and machine number 1.
const office = "   100001\t2026-01-05 07:21:04\t1\t0\t1\t0\r\n" +
	"   100002\t2026-01-05 07:29:58\t1\t0\t0\t0\r\n" +
	"   100003\t2026-01-05 12:01:05\t1\t2\t1\t0\r\n" +
	"   100003\t2026-01-05 12:57:30\t1\t3\t1\t0\r\n" +
	"    99999\t2026-01-05 23:59:59\t1\t255\t2\t7\r\n" +
	"123456789\t2028-02-29 00:00:00\t1\t4\t15\t0\r\n"

// officeRows is what office says, without the lines' own bytes.
const officeRows = `1 100001 2026-01-05 07:21:04 machine 1 status 0 verify 1 work 0
2 100002 2026-01-05 07:29:58 machine 1 status 0 verify 0 work 0
3 100003 2026-01-05 12:01:05 machine 1 status 2 verify 1 work 0
4 100003 2026-01-05 12:57:30 machine 1 status 3 verify 1 work 0
5 99999 2026-01-05 23:59:59 machine 1 status 255 verify 2 work 7
6 123456789 2028-02-29 00:00:00 machine 1 status 4 verify 15 work 0
`

func TestParseLog(t *testing.T) {
	lf := strings.ReplaceAll(office, "\r\n", "\n")
	for name, row := range map[string]struct{ content, want string }{
		"as terminals write it":          {office, officeRows},
		"LF alone":                       {lf, officeRows},
		"no end of the last line":        {strings.TrimSuffix(office, "\r\n"), officeRows},
		"obfuscated":                     {string(Encrypt([]byte(office))), officeRows + "encrypted\n"},
		"obfuscated without filling":     {strings.ReplaceAll(string(Encrypt([]byte(office))), "\x00", ""), officeRows + "encrypted\n"},
		"with an editor's mark":          {"\xef\xbb\xbf" + office, officeRows},
		"blank lines at the end":         {office + " \r\n\r\n\x1a", officeRows},
		"blanks for tabs":                {strings.ReplaceAll(office, "\t", " "), officeRows},
		"without work codes":             {dropColumn(office, 5), strings.Replace(officeRows, "work 7", "work 0", 1)},
		"without work codes and padding": {strings.ReplaceAll(dropColumn(office, 5), " 100", "100"), strings.Replace(officeRows, "work 7", "work 0", 1)},
		"protected": {
			"SN=TEST000000001\r\n" + office + "CHECKSUM=00000000\r\n",
			"2 " + strings.NewReplacer("\n5", "\n6", "\n4", "\n5", "\n3", "\n4", "\n2", "\n3", "\n6", "\n7").Replace(officeRows[2:]) +
				"protected 1 SN=TEST000000001\nprotected 8 CHECKSUM=00000000\nserial TEST000000001\n",
		},
		"PINs beyond the width, and with letters": {
			"199001012015031001\t2026-01-05 07:00:00\t1\t0\t1\t0\r\n     A12b\t2026-01-05 07:00:01\t1\t0\t1\t0\r\n        0\t2026-01-05 07:00:02\t1\t0\t1\t0\r\n",
			"1 199001012015031001 2026-01-05 07:00:00 machine 1 status 0 verify 1 work 0\n2 A12b 2026-01-05 07:00:01 machine 1 status 0 verify 1 work 0\n3 0 2026-01-05 07:00:02 machine 1 status 0 verify 1 work 0\n",
		},
		"another width and machine": {
			"    1\t2026-01-05 07:00:00\t7\t0\t1\t0\r\n99999\t2026-01-05 07:00:01\t7\t1\t1\t0\r\n",
			"1 1 2026-01-05 07:00:00 machine 7 status 0 verify 1 work 0\n2 99999 2026-01-05 07:00:01 machine 7 status 1 verify 1 work 0\n",
		},
		"damaged lines cost themselves": {
			"   100001\t2026-01-05 07:21:04\t1\t0\t1\t0\r\n" +
				"      143\t1971--10--29 -23:-59:-53\t1\t0\t1\t0\r\n" +
				"       12\t1990-00--8 -16:-29:-40\t1\t0\t1\t0\r\n" +
				"   100002\t2026-02-30 07:00:00\t1\t0\t1\t0\r\n" +
				strings.Repeat("\x00", 3000) + "002\t2026-01-05 07:29:58\t1\t0\t0\t0\r\n" +
				"02\t2026-01-05 07:29:58\t1\t0\t0\t0\r\n" +
				"   100002\t2026-01-05 07:29:58\t300\t0\t0\t0\r\n" +
				"   100002\t2026-01-05 07:29:58\t0\t0\t0\t0\r\n" +
				"  1000 02\t2026-01-05 07:29:58\t1\t0\t0\t0\r\n" +
				"   100002\t2026-01-05 07:29:58\t1\t0\t0\t0\t0\r\n" +
				"   100003\t2026-01-05 12:01:05\t1\t2\t1\t0\r\n" +
				"   100003\t2026-01-05 12:57:30\t1\t3\t1\t0\r\n" +
				"   100004\t2000-01-01 00:00:10\t1\t3\t1\t0\r\n" +
				"   100005\t2026-01-05 12:57:30\t1\t3\t1\t0\r\n" +
				"   100006\t2026-01-05 12:57:31\t1\t3\t1\t0\r\n" +
				"   100007\t2026-01-05 12:5",
			"1 100001 2026-01-05 07:21:04 machine 1 status 0 verify 1 work 0\n" +
				"11 100003 2026-01-05 12:01:05 machine 1 status 2 verify 1 work 0\n" +
				"12 100003 2026-01-05 12:57:30 machine 1 status 3 verify 1 work 0\n" +
				"13 100004 2000-01-01 00:00:10 machine 1 status 3 verify 1 work 0\n" +
				"14 100005 2026-01-05 12:57:30 machine 1 status 3 verify 1 work 0\n" +
				"15 100006 2026-01-05 12:57:31 machine 1 status 3 verify 1 work 0\n" +
				"damaged 2 time 42\ndamaged 3 time 40\ndamaged 4 time 37\ndamaged 5 bytes 3031\ndamaged 6 cut 30\n" +
				"damaged 7 number 39\ndamaged 8 number 37\ndamaged 9 pin 37\ndamaged 10 columns 39\ndamaged 16 columns 25\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			log, err := ParseLog([]byte(row.content))
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(log); got != row.want {
				t.Errorf("got\n%swant\n%s", got, row.want)
			}
		})
	}
}

// dropColumn takes a column out of every line.
func dropColumn(log string, at int) string {
	var out strings.Builder
	for line := range strings.Lines(log) {
		columns := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		out.WriteString(strings.Join(slices.Delete(columns, at, at+1), "\t") + "\r\n")
	}
	return out.String()
}

func describe(log Log) string {
	var b strings.Builder
	for _, r := range log.Rows {
		fmt.Fprintf(&b, "%d %s %s machine %d status %d verify %d work %d\n", r.Line, r.PIN, r.Time.Format(time.DateTime), r.Machine, r.Status, r.Verify, r.WorkCode)
	}
	for _, d := range log.Damaged {
		fmt.Fprintf(&b, "damaged %d %s %d\n", d.Line, d.Why, d.Size)
	}
	for _, p := range log.Protected {
		fmt.Fprintf(&b, "protected %d %s\n", p.Line, p.Raw)
	}
	if s := log.Serial(); s != "" {
		fmt.Fprintf(&b, "serial %s\n", s)
	}
	if log.Encrypted {
		b.WriteString("encrypted\n")
	}
	return b.String()
}

func TestLookAlikes(t *testing.T) {
	for name, row := range map[string]struct {
		content string
		want    Kind
	}{
		"export of the cloud, five columns": {"1\t2026-01-05 07:21:04\t1\t0\t0\r\n12\t2026-01-05 07:29:58\t1\t0\t0\r\n", KindCloud},
		"export of the cloud, eleven":       {"1\t2026-01-05 07:21:04\t1\t255\t1\t0\t0\t0\t0\t0\t0\r\n12\t2026-01-05 07:29:58\t1\t255\t1\t0\t0\t0\t0\t0\t0\r\n", KindCloud},
		"names in the second column":        {"9\tSampel Sembilan\t2026-01-05 07:21:04\t1\t0\n8\tSampel Delapan\t2026-01-05 07:22:04\t1\t0\n", KindNamed},
		"lines of the push protocol, five":  {"1\t2026-01-05 07:21:04\t0\t1\t0\n12\t2026-01-05 17:29:58\t1\t1\t0\n", KindPush},
		"lines of the push protocol, six":   {"1\t2026-01-05 07:21:04\t0\t1\t0\t0\n12\t2026-01-05 17:29:58\t1\t1\t0\t0\n", KindPush},
		"lines of the push protocol, seven": {"1\t2026-01-05 07:21:04\t1\t1\t0\t0\t0\n12\t2026-01-05 17:29:58\t1\t1\t0\t0\t0\n", KindPush},
		"lines of the push protocol, four":  {"1\t2026-01-05 07:21:04\t1\t1\n12\t2026-01-05 17:29:58\t1\t1\n", KindPush},
		"CSV":                               {"No,PIN,Waktu\n1,100001,05/01/2026 07:21\n", KindTable},
		"CSV with semicolons":               {"No;PIN;Waktu\n1;100001;05/01/2026 07:21\n", KindTable},
		"XLSX":                              {"PK\x03\x04 and so on", KindWorkbook},
		"XLS":                               {"\xd0\xcf\x11\xe0 and so on", KindWorkbook},
		"PDF":                               {"%PDF-1.7", KindDocument},
		"a page":                            {"<!DOCTYPE html><p>1\t2026-01-05 07:21:04", KindDocument},
		"user.dat":                          {strings.Repeat("\x01\x00\x00\x00\x00\x00\x00\x00Sampel\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00", 4), KindUsers},
		"a letter":                          {"Yang terhormat\nBapak Ibu\n", KindUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseLog([]byte(row.content))
			var l *LookAlike
			if !errors.As(err, &l) || l.Kind != row.want {
				t.Errorf("error %v, want %s", err, row.want)
			}
		})
	}
	for name, content := range map[string]string{"nothing": "", "blanks": " \r\n\t\r\n", "zeros": strings.Repeat("\x00", 512)} {
		if _, err := ParseLog([]byte(content)); !errors.Is(err, ErrEmpty) {
			t.Errorf("%s: %v, want ErrEmpty", name, err)
		}
	}
	if _, err := ParseLog(make([]byte, MaxLog+1)); !errors.Is(err, ErrLarge) {
		t.Errorf("%v, want ErrLarge", err)
	}
}

// A list that a person has made of one terminal's rows is still its log, whatever is most
// in it: what decides is that rows are there.
func TestFewRowsAmongDamageAreKept(t *testing.T) {
	log, err := ParseLog([]byte(strings.Repeat("   100001\t1971--10--29 -23:-59:-53\t1\t0\t1\t0\r\n", 9) + office))
	if err != nil || len(log.Rows) != 6 || len(log.Damaged) != 9 {
		t.Errorf("%d rows, %d damaged, %v", len(log.Rows), len(log.Damaged), err)
	}
}

func TestParseLogName(t *testing.T) {
	for path, want := range map[string]Name{
		"1_attlog.dat":                          {Machine: 1},
		"255_attlog.dat":                        {Machine: 255},
		"256_attlog.dat":                        {Serial: "256"},
		"0001_attlog.dat":                       {Serial: "0001"},
		"TEST000000001_attlog.dat":              {Serial: "TEST000000001"},
		"TEST000000001_AttEncryptLog.dat":       {Serial: "TEST000000001"},
		"attlog.dat":                            {},
		"ATTLOG.DAT":                            {},
		`E:\TEST000000001_attlog.dat`:           {Serial: "TEST000000001"},
		"/media/stick/TEST000000001_attlog.dat": {Serial: "TEST000000001"},
		"TEST000000001_attlog (2).dat":          {Serial: "TEST000000001"},
		"TEST000000001_attlog.dat.txt":          {Serial: "TEST000000001"},
		"Salinan TEST000000001_attlog.dat":      {Serial: "TEST000000001"},
		" 1_attlog-2.dat":                       {Machine: 1},
	} {
		if got, known := ParseLogName(path); !known || got != want {
			t.Errorf("%q: %+v, %v, want %+v", path, got, known, want)
		}
	}
	for _, path := range []string{"", "user.dat", "attlog", "attlog.xlsx", "rekap attlog.dat", "_attlog.dat", "a/b"} {
		if got, known := ParseLogName(path); known {
			t.Errorf("%q: %+v, want none", path, got)
		}
	}
}

// What a terminal wrote is written again to the byte, and read to the same rows.
func FuzzParseLog(f *testing.F) {
	f.Add([]byte(office))
	f.Add(Encrypt([]byte(office)))
	f.Add([]byte("SN=TEST000000001\r\n" + office + "CHECKSUM=0\r\n"))
	f.Add([]byte(office[:70] + "\x00\x00\x00" + office[90:]))
	f.Fuzz(func(t *testing.T, content []byte) {
		log, err := ParseLog(content)
		if err != nil {
			return
		}
		lines := bytes.Count(content, []byte("\n")) + 1
		if log.Encrypted {
			lines = len(content)
		}
		if n := len(log.Rows) + len(log.Damaged) + len(log.Protected); n > lines {
			t.Fatalf("%d lines became %d", lines, n)
		}
		var again []byte
		for i, r := range log.Rows {
			if i > 0 && log.Rows[i-1].Line >= r.Line {
				t.Fatalf("line %d after line %d", r.Line, log.Rows[i-1].Line)
			}
			again = r.Append(again, 24)
		}
		second, err := ParseLog(again)
		if len(log.Rows) == 0 {
			return
		}
		if err != nil || len(second.Rows) != len(log.Rows) {
			t.Fatalf("%d rows became %d: %v", len(log.Rows), len(second.Rows), err)
		}
		for i, r := range second.Rows {
			want := log.Rows[i]
			want.Line, want.Raw, r.Line, r.Raw = 0, nil, 0, nil
			if r.PIN != want.PIN || !r.Time.Equal(want.Time) || r.Machine != want.Machine || r.Status != want.Status || r.Verify != want.Verify || r.WorkCode != want.WorkCode {
				t.Fatalf("row %d: %+v became %+v", i, want, r)
			}
		}
		var bytesAgain []byte
		for _, r := range second.Rows {
			bytesAgain = r.Append(bytesAgain, 24)
		}
		if !bytes.Equal(bytesAgain, again) {
			t.Fatal("written twice, two texts")
		}
	})
}

func BenchmarkParseLog(b *testing.B) {
	var log []byte
	at := time.Date(2026, 1, 1, 7, 0, 0, 0, time.UTC)
	for i := range 100_000 {
		r := Row{PIN: fmt.Sprint(100001 + i%200), Time: at.Add(time.Duration(i) * time.Minute), Machine: 1, Status: uint8(i % 2), Verify: 1}
		log = r.Append(log, 9)
	}
	b.SetBytes(int64(len(log)))
	for b.Loop() {
		if _, err := ParseLog(log); err != nil {
			b.Fatal(err)
		}
	}
}
