// Package command is the group of commands by which a program makes itself a service of
// this machine: install, start, stop, restart, status, remove.
//
// It knows what a service can be asked for, and how people are told. It must not know
// which program it serves but by its name.
package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/systemd/service"
)

// Group says what it says in one language.
type Group struct {
	Program   string // the name of this program and of its service
	Catalogue *phrase.Catalogue
	Lang      phrase.Lang
}

// say returns a sentence about services.
func (g Group) say(code string) string {
	return g.Catalogue.Say(g.Lang, "service."+code, phrase.Args{"service": g.Program})
}

// Command is the group.
func (g Group) Command() *cobra.Command {
	group := &cobra.Command{Use: "service", Short: g.say("short")}
	for _, verb := range service.Verbs() {
		var asJSON bool
		cmd := &cobra.Command{
			Use:   string(verb),
			Short: g.say(string(verb) + "-short"),
			Args:  cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				executable, err := os.Executable()
				if err != nil {
					return fmt.Errorf("find this program: %w", err)
				}
				report, err := service.Do(cmd.Context(), verb, g.Program, executable)
				if err != nil {
					return err
				}
				if asJSON {
					return json.NewEncoder(cmd.OutOrStdout()).Encode(report)
				}
				fmt.Fprintln(cmd.OutOrStdout(), g.say("state-"+string(report.State)))
				if report.Said != "" {
					fmt.Fprintln(cmd.OutOrStdout(), report.Said)
				}
				return nil
			},
		}
		cmd.Flags().BoolVar(&asJSON, "json", false, g.say("flag-json"))
		group.AddCommand(cmd)
	}
	return group
}

// Explain adds the next step to what stands in the way of a service; empty where err is
// not about one.
func (g Group) Explain(err error) string {
	for _, known := range []struct {
		is   error
		code string
	}{
		{service.ErrNoSystemd, "error-no-systemd"},
		{service.ErrRoot, "error-root"},
		{service.ErrPackaged, "error-packaged"},
		{service.ErrNotInstalled, "error-not-installed"},
	} {
		if errors.Is(err, known.is) {
			return err.Error() + "\n" + g.say(known.code)
		}
	}
	return ""
}
