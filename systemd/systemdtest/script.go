package systemdtest

import (
	"slices"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bkpsdmd-babel/sidik/systemd"
)

// Allowed is the command "allowed PROGRAM TRACE [EXCEPT...]" of scripts: the unit of the
// program lets every call of a trace pass, but those that are named.
func Allowed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: allowed PROGRAM TRACE [EXCEPT...]")
	}
	texts, err := systemd.TextsOf(args[0])
	ts.Check(err)
	refused, err := Refused(texts.Unit, ts.ReadFile(args[1]))
	ts.Check(err)
	refused = slices.DeleteFunc(refused, func(call string) bool { return slices.Contains(args[2:], call) })
	if len(refused) > 0 {
		ts.Fatalf("the unit of %s refuses calls that it makes: %q", args[0], refused)
	}
}
