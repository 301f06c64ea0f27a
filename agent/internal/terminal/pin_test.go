package terminal_test

import (
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

func TestCleanPIN(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a number stays", "1001", "1001"},
		{"leading zeros stay", "000123", "000123"},
		{"padding goes", "  1001  ", "1001"},
		{"NULs go", "1001\x00\x00", "1001"},
		{"control characters go", "10\r\n01\x1b", "1001"},
		{"letters stay", "A-17", "A-17"},
		{"bytes that are no text are replaced", "10\xff1", "10\uFFFD1"},
		{"what is too long is cut between characters", strings.Repeat("é", 40), strings.Repeat("é", 30)},
		{"nothing is left of blanks", " \x00 ", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := terminal.CleanPIN(c.text); got != c.want {
				t.Errorf("CleanPIN(%q) = %q, want %q", c.text, got, c.want)
			}
		})
	}
}

func FuzzCleanPIN(f *testing.F) {
	f.Add("1001")
	f.Add("\xff\x00\u0085 ")
	f.Add(strings.Repeat("\xffa", 12))
	f.Fuzz(func(t *testing.T, text string) {
		pin := terminal.CleanPIN(text)
		if terminal.CleanPIN(pin) != pin {
			t.Errorf("CleanPIN(%q) = %q, which is not clean", text, pin)
		}
		record := protocol.Record{Serial: "S1", PIN: pin, Time: "zk:1", Source: protocol.SourceZK, Read: "r"}
		if err := record.Check(); pin != "" && err != nil {
			t.Errorf("record with %q: %v", pin, err)
		}
	})
}
