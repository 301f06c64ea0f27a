package command_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/systemd/command"
	"github.com/bkpsdmd-babel/sidik/systemd/service"
)

func TestWhatStandsInTheWayOfAServiceIsSaidWithTheNextStep(t *testing.T) {
	for _, program := range []string{"sidik-agent", "sidik-hub"} {
		g := command.Group{Program: program, Catalogue: phrase.New(), Lang: phrase.English}
		for err, want := range map[error]string{
			service.ErrNoSystemd:    "nothing was installed. Run the program directly with: " + program + " run",
			service.ErrRoot:         "sudo " + program + " service",
			service.ErrPackaged:     "sudo apt remove " + program,
			service.ErrNotInstalled: "sudo " + program + " service install",
		} {
			if said := g.Explain(fmt.Errorf("install service: %w", err)); !strings.Contains(said, err.Error()+"\n") || !strings.Contains(said, want) {
				t.Errorf("%v is told as %q, want %q in it", err, said, want)
			}
		}
		if said := g.Explain(errors.New("of something else")); said != "" {
			t.Errorf("what is not about a service is explained: %q", said)
		}
	}
}
