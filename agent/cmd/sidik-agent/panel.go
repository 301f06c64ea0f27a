package main

import (
	"fmt"
	"log/slog"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"
	"periph.io/x/host/v3"

	"github.com/bkpsdmd-babel/sidik/agent/config"
	"github.com/bkpsdmd-babel/sidik/agent/internal/panel"
)

// pinByName finds this machine's pins. It is the one place that looks for hardware, and
// does so only where a panel is configured.
func pinByName(c config.Panel) (func(string) gpio.PinIO, error) {
	if c == (config.Panel{}) {
		return func(string) gpio.PinIO { return nil }, nil
	}
	_, err := host.Init()
	return gpioreg.ByName, err
}

// pins are those of the configured panel, as far as this machine has them.
func pins(c config.Panel, log *slog.Logger) panel.Pins {
	byName, err := pinByName(c)
	if err != nil {
		log.Warn("look for the panel's pins", "error", err)
	}
	found, _, missing := panel.Find(panel.Names(c), byName)
	if len(missing) > 0 {
		log.Warn("this machine has not all pins of the panel; the agent works without them", "missing", missing)
	}
	return found
}

// panel prints what the lights mean.
func (o *office) panel() *cobra.Command {
	return &cobra.Command{
		Use:   "panel",
		Short: o.catalogue.Say(o.lang, "panel.short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			for _, row := range panel.Page(o.catalogue, o.lang) {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", row.Lamp, row.Look, row.Meaning, row.Act)
			}
			return w.Flush()
		},
	}
}
