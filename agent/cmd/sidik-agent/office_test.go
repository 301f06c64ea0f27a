package main

import (
	"testing"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// Who names no configuration gets the one that help tells of: no command's flag changes
// what another's is without it.
func TestConfigurationsBeginAsHelpSays(t *testing.T) {
	o := &office{catalogue: phrase.New()}
	found := 0
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if f := cmd.Flags().Lookup("config"); f != nil {
			found++
			if f.Value.String() != f.DefValue {
				t.Errorf("%s: without --config it takes %q, help says %q", cmd.CommandPath(), f.Value, f.DefValue)
			}
		}
		for _, next := range cmd.Commands() {
			walk(next)
		}
	}
	walk(o.command())
	if found < 7 {
		t.Errorf("only %d commands with a configuration were found", found)
	}
}
