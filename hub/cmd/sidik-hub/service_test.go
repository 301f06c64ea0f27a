package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/systemd/service"
)

func TestWhatStandsInTheWayOfAServiceIsSaidWithTheNextStep(t *testing.T) {
	o := &operator{catalogue: phrase.New(), lang: phrase.English}
	for err, want := range map[error]string{
		service.ErrNoSystemd:    "nothing was installed. Run the program directly with: sidik-hub run",
		service.ErrRoot:         "sudo sidik-hub service",
		service.ErrPackaged:     "sudo apt remove sidik-hub",
		service.ErrNotInstalled: "sudo sidik-hub service install",
	} {
		if said := o.explain(fmt.Errorf("install service: %w", err)); !strings.Contains(said, err.Error()+"\n") || !strings.Contains(said, want) {
			t.Errorf("%v is told as %q, want %q in it", err, said, want)
		}
	}
}
