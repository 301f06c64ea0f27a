package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub/internal/adopt"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// fingerAdopt accepts all found fingers against which nothing speaks, as those of the
// people whose PINs they stood under: how an office's old machine is taken over.
func (o *operator) fingerAdopt() *cobra.Command {
	var site, serial string
	var dry bool
	cmd := &cobra.Command{
		Use:   "adopt [--site SITE] [--serial SERIAL] [--dry-run]",
		Short: o.sayRegister("finger-adopt-short", nil),
		Long:  o.sayRegister("finger-adopt-long", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.withVault(cmd.Context(), func(reg *directory.Register, v *vault.Vault) error {
				found, err := v.FoundAt(cmd.Context(), protocol.SiteID(site), protocol.Serial(serial))
				if err != nil {
					return err
				}
				held, err := v.All(cmd.Context())
				if err != nil {
					return err
				}
				take, left := adopt.Sort(found, held, whose(reg))
				by := vault.By{Who: o.by("finger adopt", "").Who, Why: "accepted by PIN, together"}
				people := map[int64]bool{}
				for _, f := range take {
					people[f.Employee] = true
					if dry {
						continue
					}
					if _, err := v.Accept(cmd.Context(), by, f.ID, f.Employee, true); err != nil {
						return err
					}
				}
				said := "finger-adopted"
				if dry {
					said = "finger-would-adopt"
				}
				out := cmd.OutOrStdout()
				fmt.Fprintln(out, o.sayRegister(said, phrase.Args{"count": len(take), "people": len(people)}))
				ids := map[adopt.Why][]int64{}
				for _, l := range left {
					ids[l.Why] = append(ids[l.Why], l.ID)
				}
				for _, why := range slices.Sorted(maps.Keys(ids)) {
					fmt.Fprintln(out, o.sayRegister("finger-left-"+string(why), phrase.Args{"count": len(ids[why]), "ids": numbers(ids[why])}))
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&site, "site", "", o.sayRegister("flag-found-site", nil))
	cmd.Flags().StringVar(&serial, "serial", "", o.sayRegister("flag-terminal", nil))
	cmd.Flags().BoolVar(&dry, "dry-run", false, o.sayRegister("flag-dry-run", nil))
	return o.flagWho(cmd)
}

// whose tells whose a found finger is by its PIN, on the day on which it came.
func whose(reg *directory.Register) func(vault.Found) int64 {
	matcher := reg.Matcher(placement.Usual())
	return func(f vault.Found) int64 {
		t, only := reg.TerminalBy(f.Site, f.Serial)
		if !only {
			return 0
		}
		return int64(matcher.Meet(t.ID, f.PIN, roster.DateOf(f.At)).Employee)
	}
}

// numbers writes the first few of a list.
func numbers(ids []int64) string {
	const shown = 10
	text := ""
	for i, id := range ids {
		if i == shown {
			return text + " …"
		}
		text += fmt.Sprint(" ", id)
	}
	return text
}
