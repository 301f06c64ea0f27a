package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/systemd/service"
)

func TestWhatStandsInTheWayOfAServiceIsSaidWithTheNextStep(t *testing.T) {
	o := &office{catalogue: phrase.New(), lang: phrase.English}
	for err, want := range map[error]string{
		service.ErrNoSystemd:    "nothing was installed. Run the program directly with: sidik-agent run",
		service.ErrRoot:         "sudo sidik-agent service",
		service.ErrPackaged:     "sudo apt remove sidik-agent",
		service.ErrNotInstalled: "sudo sidik-agent service install",
	} {
		if said := o.explain(fmt.Errorf("install service: %w", err)); !strings.Contains(said, err.Error()+"\n") || !strings.Contains(said, want) {
			t.Errorf("%v is told as %q, want %q in it", err, said, want)
		}
	}
}
