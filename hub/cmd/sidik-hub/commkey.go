package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/errand"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// siteCommKey shows the communication keys that a site's agent made for a terminal, for
// somebody who stands before it or replaces the agent. That it did is written down first.
func (o *operator) siteCommKey() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "comm-key SITE SERIAL",
		Short: o.sayErrand("key-short", nil),
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			serial, err := protocol.ParseSerial(args[1])
			if err != nil {
				return err
			}
			return o.withErrands(cmd.Context(), args[0], func(s *store.Store, errands *errand.Errands, site protocol.SiteID) error {
				by := account.By{Who: o.by("site comm-key", args[0]).Who}
				if err := account.New(s, time.Now).Served(cmd.Context(), by, 0, "site comm-key "+string(site)+" "+string(serial)); err != nil {
					return err
				}
				keys, err := hub.OpenCommKeys(cmd.Context(), o.data, errands, site, serial)
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, o.sayErrand("key-head", nil))
				for _, k := range keys {
					state := o.sayErrand("key-possible", nil)
					switch {
					case k.Digits == "":
						state = o.sayErrand("key-closed", nil)
					case !k.Proven.IsZero():
						state = o.sayErrand("key-proven", map[string]any{"at": when(k.Proven)})
					}
					fmt.Fprintf(w, "%s\t%s\t%s\n", k.Digits, when(k.At), state)
				}
				return w.Flush()
			})
		},
	}
	return o.flagWho(cmd)
}
