package site_test

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/provision/internal/site"
)

// An office's program writes lists in its own way; what can be read of one counts.
func TestLists(t *testing.T) {
	good := []site.Line{{Number: 2, Site: "koba", Terminals: []protocol.Serial{"X1", "X2"}}, {Number: 3, Site: "toboali"}}
	for name, test := range map[string]struct {
		text string
		want []site.Line
	}{
		"commas":           {"site,terminal,terminal2\nkoba,X1,X2\ntoboali,,\n", good},
		"semicolons":       {"Site;Terminal;Terminal2\r\nkoba;X1;X2\r\ntoboali;;\r\n", good},
		"a byte order":     {"\ufeffsite,terminal\nkoba, X1 ,X2\n toboali\n", good},
		"quotes":           {"\"site\",\"terminal\"\n\"koba\",\"X1\",\"X2\"\n\"toboali\"\n", good},
		"no end":           {"site,terminal\nkoba,X1,X2\ntoboali", good},
		"empty lines":      {"site,terminal\n\n,,\nkoba,X1\n", []site.Line{{Number: 4, Site: "koba", Terminals: []protocol.Serial{"X1"}}}},
		"a gap":            {"site,terminal,terminal2\nkoba,,X2\n", []site.Line{{Number: 2, Site: "koba", Terminals: []protocol.Serial{"X2"}}}},
		"no name":          {"site,terminal\n,X1\n", []site.Line{{Number: 2, Terminals: []protocol.Serial{"X1"}, Wrong: true}}},
		"no serial":        {"site,terminal\nkoba,X 1\n", []site.Line{{Number: 2, Site: "koba", Terminals: []protocol.Serial{""}, Wrong: true}}},
		"twice":            {"site,terminal\nkoba,X1\nkoba,X1\n", []site.Line{{Number: 2, Site: "koba", Terminals: []protocol.Serial{"X1"}}, {Number: 3, Site: "koba", Terminals: []protocol.Serial{"X1"}, Wrong: true}}},
		"a quote too much": {"site,terminal\nko\"ba,X1\ntoboali\n", []site.Line{{Number: 2, Wrong: true}, {Number: 3, Site: "toboali"}}},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "list.csv")
			if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := site.ReadRows(file)
			for i := range got {
				if len(got[i].Terminals) == 0 {
					got[i].Terminals = nil
				}
			}
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("read %+v, %v,\nwant %+v", got, err, test.want)
			}
		})
	}
	for name, text := range map[string]string{"nothing": "", "no columns": "koba,X1\n"} {
		file := filepath.Join(t.TempDir(), "list.csv")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := site.ReadRows(file); err == nil {
			t.Errorf("%s is read as a list", name)
		}
	}
}
