package list_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/provision/internal/list"
)

func write(t *testing.T, text string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "kantor.csv")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// row is a line as a test wants it: what is wrong with it, if something is.
func row(line int, err error, site protocol.SiteID, terminals ...protocol.Serial) list.Row {
	return list.Row{Line: line, Site: site, Terminals: terminals, Err: err}
}

// Offices' programs write lists in their own ways; what can be read of one counts.
func TestLists(t *testing.T) {
	good := []list.Row{row(2, nil, "koba", "X1", "X2"), row(3, nil, "toboali")}
	for name, test := range map[string]struct {
		text string
		want []list.Row
	}{
		"commas":           {"site,terminal,terminal2\nkoba,X1,X2\ntoboali,,\n", good},
		"semicolons":       {"Site;Terminal;Terminal2\r\nkoba;X1;X2\r\ntoboali;;\r\n", good},
		"a byte order":     {"\ufeffsite,terminal\nkoba, X1 ,X2\n toboali\n", good},
		"quotes":           {"\"site\",\"terminal\"\n\"koba\",\"X1\",\"X2\"\n\"toboali\"\n", good},
		"no end":           {"site,terminal\nkoba,X1,X2\ntoboali", good},
		"empty lines":      {"site,terminal\n\n,,\nkoba,X1\n", []list.Row{row(4, nil, "koba", "X1")}},
		"a gap":            {"site,terminal,terminal2\nkoba,,X2\n", []list.Row{row(2, nil, "koba", "X2")}},
		"no name":          {"site,terminal\n,X1\n", []list.Row{row(2, protocol.ErrSiteID, "", "X1")}},
		"no serial":        {"site,terminal\nkoba,X 1\nmentok,X2\n", []list.Row{row(2, protocol.ErrSerial, "koba", ""), row(3, nil, "mentok", "X2")}},
		"a site twice":     {"site,terminal\nkoba,X1\nkoba,X2\n", []list.Row{row(2, nil, "koba", "X1"), row(3, list.ErrTwice, "koba", "X2")}},
		"a serial twice":   {"site,terminal\nkoba,X1\nmentok,X1\n", []list.Row{row(2, nil, "koba", "X1"), row(3, list.ErrTwice, "mentok", "X1")}},
		"a quote too much": {"site,terminal\nko\"ba,X1\ntoboali\n", []list.Row{row(2, list.ErrQuotes, ""), row(3, nil, "toboali")}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := list.Read(write(t, test.text))
			same := slices.EqualFunc(got, test.want, func(a, b list.Row) bool {
				return a.Line == b.Line && a.Site == b.Site && slices.Equal(a.Terminals, b.Terminals) && errors.Is(a.Err, b.Err)
			})
			if err != nil || !same {
				t.Errorf("read %+v, %v,\nwant %+v", got, err, test.want)
			}
		})
	}
	for name, text := range map[string]string{"nothing": "", "no columns": "koba,X1\n"} {
		if _, err := list.Read(write(t, text)); !errors.Is(err, list.ErrHead) {
			t.Errorf("%s is read as a list: %v", name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("site,terminal\nkoba,X1\n")
	f.Add("site;terminal\r\nkoba;X1;X1\r\n\"")
	f.Fuzz(func(t *testing.T, text string) {
		rows, _ := list.Read(write(t, text))
		seen := map[protocol.SiteID]bool{}
		for _, r := range rows {
			if r.Err != nil {
				continue
			}
			if _, err := protocol.ParseSiteID(string(r.Site)); err != nil || seen[r.Site] {
				t.Errorf("%q is taken for a site: %v", r.Site, err)
			}
			seen[r.Site] = true
		}
	})
}
