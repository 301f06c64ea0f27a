package main

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/systemd/service"
)

// What a script cannot bring about wherever it runs.
func TestWhatStandsInTheWayIsSaidWithTheNextStep(t *testing.T) {
	o := &operator{catalogue: phrase.New(), lang: phrase.English}
	for err, want := range map[error]string{
		fs.ErrPermission:        "type this command with sudo",
		service.ErrNotInstalled: "sudo sidik-hub service install",
	} {
		if said := o.explain(fmt.Errorf("open data: %w", err)); !strings.Contains(said, err.Error()+"\n") || !strings.Contains(said, want) {
			t.Errorf("%v is told as %q, want %q in it", err, said, want)
		}
	}
}
