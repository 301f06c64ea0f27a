package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// terminalHistory lists the rosters that were issued for a terminal.
func (o *operator) terminalHistory() *cobra.Command {
	var site string
	cmd := &cobra.Command{
		Use:   "history SERIAL",
		Short: o.say("history-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withTerminal(cmd.Context(), site, args[0], func(h *holding.Holding, t holding.Terminal) error {
				all, err := h.History(cmd.Context(), t.Site, t.Serial)
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, o.say("history-head", nil))
				for _, v := range all {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d/%d\t+%d -%d ~%d\t%s\n", v.Order, when(v.At), v.AsOf, v.Mode, v.Users, v.Fingers,
						v.Added, v.Removed, v.Changed, or(v.ApprovedBy, "-"))
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().StringVar(&site, "site", "", o.say("flag-site", nil))
	return cmd
}

// terminalOutcomes lists what became of changes: of a terminal, or of a person at all
// terminals. It names nobody.
func (o *operator) terminalOutcomes() *cobra.Command {
	var site, serial, pin string
	cmd := &cobra.Command{
		Use:   "outcomes [--serial SERIAL] [--pin PIN]",
		Short: o.say("outcomes-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.withStore(cmd.Context(), func(s *store.Store) error {
				all, err := holding.New(s).Outcomes(cmd.Context(), protocol.SiteID(site), protocol.Serial(serial), pin)
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, o.say("outcomes-head", nil))
				for _, v := range all {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", when(v.At), v.Site, v.Serial, v.Order, v.PIN, o.words().Act(v.Act, v.Finger), o.words().Outcome(v.Reason))
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().StringVar(&site, "site", "", o.say("flag-site", nil))
	cmd.Flags().StringVar(&serial, "serial", "", o.say("flag-serial", nil))
	cmd.Flags().StringVar(&pin, "pin", "", o.say("flag-pin", nil))
	return cmd
}
