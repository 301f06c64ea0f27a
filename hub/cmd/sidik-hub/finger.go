package main

import (
	"context"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// finger is about whose fingers there are; never what is in them.
func (o *operator) finger() *cobra.Command {
	cmd := &cobra.Command{Use: "finger", Short: o.sayRegister("finger-short", nil)}
	cmd.AddCommand(o.fingerFound(), o.fingerAccept(), o.fingerAdopt(), o.fingerList(), o.fingerMissing())
	return cmd
}

// withVault runs f with the register and the vault.
func (o *operator) withVault(ctx context.Context, f func(reg *directory.Register, v *vault.Vault) error) error {
	return o.withStore(ctx, func(s *store.Store) error {
		reg, err := directory.New(s, placement.Usual()).Register(ctx)
		if err != nil {
			return err
		}
		v, err := vault.Open(ctx, s, o.data, time.Now)
		if err != nil {
			return err
		}
		return f(reg, v)
	})
}

func (o *operator) fingerFound() *cobra.Command {
	var site string
	cmd := &cobra.Command{
		Use:   "found",
		Short: o.sayRegister("finger-found-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.withVault(cmd.Context(), func(_ *directory.Register, v *vault.Vault) error {
				found, err := v.FoundAt(cmd.Context(), protocol.SiteID(site), "")
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				for _, f := range found {
					fmt.Fprintf(w, "%d\t%s\t%s\tPIN %s\t%d\t%d\t%s\t%s\n", f.ID, f.Site, f.Serial, f.PIN, f.Finger, f.Algorithm, f.Digest.Short(),
						o.sayVault("kind-"+string(f.Kind), nil))
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().StringVar(&site, "site", "", o.sayRegister("flag-found-site", nil))
	return cmd
}

func (o *operator) fingerAccept() *cobra.Command {
	var number string
	cmd := &cobra.Command{
		Use:   "accept ID… --employee NUMBER",
		Short: o.sayRegister("finger-accept-short", nil),
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withVault(cmd.Context(), func(reg *directory.Register, v *vault.Vault) error {
				e, err := findEmployee(reg, number)
				if err != nil {
					return err
				}
				by := vault.By{Who: o.by("finger accept", "").Who, Why: "accepted as a finger of PIN " + e.PINText()}
				for _, arg := range args {
					id, err := strconv.ParseInt(arg, 10, 64)
					if err != nil {
						return fmt.Errorf("%q: %w", arg, vault.ErrNoFind)
					}
					if _, err := v.Accept(cmd.Context(), by, id, int64(e.ID), true); err != nil {
						return err
					}
				}
				fmt.Fprintln(cmd.OutOrStdout(), o.sayRegister("finger-accepted", phrase.Args{"count": len(args), "pin": e.PINText()}))
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&number, "employee", "", o.sayRegister("flag-finger-employee", nil))
	_ = cmd.MarkFlagRequired("employee") // the flag is defined above
	return o.flagWho(cmd)
}

func (o *operator) fingerList() *cobra.Command {
	return &cobra.Command{
		Use:   "list NUMBER",
		Short: o.sayRegister("finger-list-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withVault(cmd.Context(), func(reg *directory.Register, v *vault.Vault) error {
				e, err := findEmployee(reg, args[0])
				if err != nil {
					return err
				}
				held, err := v.Have(cmd.Context(), int64(e.ID))
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				for _, h := range held {
					best := ""
					if h.Best {
						best = "*"
					}
					fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%s\n", h.Finger, h.Algorithm, h.Digest.Short(), o.words().Origin(h.Origin), best)
				}
				return w.Flush()
			})
		},
	}
}

// fingerMissing lists who is at work and has no finger in the vault.
func (o *operator) fingerMissing() *cobra.Command {
	return &cobra.Command{
		Use:   "missing",
		Short: o.sayRegister("finger-missing-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.withVault(cmd.Context(), func(reg *directory.Register, v *vault.Vault) error {
				best, err := v.Best(cmd.Context())
				if err != nil {
					return err
				}
				has := map[int64]bool{}
				for _, h := range best {
					has[h.Employee] = true
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				for _, e := range directory.Sorted(reg.Employees) {
					if !has[int64(e.ID)] && e.Active(today()) {
						fmt.Fprintf(w, "%s\t%s\n", e.PINText(), e.At(directory.EmployeeName, today()))
					}
				}
				return w.Flush()
			})
		},
	}
}
