package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/systemd/service"
)

// program is the name of this program and of its service.
const program = "sidik-hub"

// sayService returns a sentence about services.
func (o *operator) sayService(code string) string {
	return o.catalogue.Say(o.lang, "service."+code, phrase.Args{"service": program})
}

// service makes this machine run the hub by itself.
func (o *operator) service() *cobra.Command {
	group := &cobra.Command{Use: "service", Short: o.sayService("short")}
	for _, verb := range service.Verbs() {
		var asJSON bool
		cmd := &cobra.Command{
			Use:   string(verb),
			Short: o.sayService(string(verb) + "-short"),
			Args:  cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				executable, err := os.Executable()
				if err != nil {
					return fmt.Errorf("find this program: %w", err)
				}
				report, err := service.Do(cmd.Context(), verb, program, executable)
				if err != nil {
					return err
				}
				if asJSON {
					return json.NewEncoder(cmd.OutOrStdout()).Encode(report)
				}
				fmt.Fprintln(cmd.OutOrStdout(), o.sayService("state-"+string(report.State)))
				if report.Said != "" {
					fmt.Fprintln(cmd.OutOrStdout(), report.Said)
				}
				return nil
			},
		}
		cmd.Flags().BoolVar(&asJSON, "json", false, o.sayService("flag-json"))
		group.AddCommand(cmd)
	}
	return group
}

// explainService adds the next step to what stands in the way of a service.
func (o *operator) explainService(err error) string {
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
			return err.Error() + "\n" + o.sayService(known.code)
		}
	}
	return ""
}
