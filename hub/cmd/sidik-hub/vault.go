package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/retention"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// sayVault returns a sentence of the vault's part of the catalogue.
func (o *operator) sayVault(code string, args phrase.Args) string {
	return o.catalogue.Say(o.lang, "vault."+code, args)
}

// vault is about how long templates are kept; never about what is in them.
func (o *operator) vault() *cobra.Command {
	cmd := &cobra.Command{Use: "vault", Short: o.sayVault("short", nil)}
	cmd.AddCommand(o.vaultExpire(), o.vaultDestroyed())
	return cmd
}

// flagKeep adds the periods, which mean the same to the running hub and to whoever does
// its day's run.
func (o *operator) flagKeep(cmd *cobra.Command, days *retention.Days) {
	usual := retention.Usual()
	cmd.Flags().IntVar(&days.Left, "keep-left", usual.Left, o.sayVault("flag-keep-left", nil))
	cmd.Flags().IntVar(&days.Found, "keep-found", usual.Found, o.sayVault("flag-keep-found", nil))
	cmd.Flags().IntVar(&days.Copies, "keep-copies", usual.Copies, o.sayVault("flag-keep-copies", nil))
}

// keepAsTold fills in the periods that nobody named: those of the hub of this data folder.
// What is destroyed too early nobody brings back.
func (o *operator) keepAsTold(cmd *cobra.Command, days *retention.Days) error {
	told, found, err := hub.Keep(o.data)
	if err != nil || !found {
		return err
	}
	for _, period := range []struct {
		flag string
		days *int
		told int
	}{{"keep-left", &days.Left, told.Left}, {"keep-found", &days.Found, told.Found}, {"keep-copies", &days.Copies, told.Copies}} {
		if !cmd.Flags().Changed(period.flag) {
			*period.days = period.told
		}
	}
	return nil
}

// withRetention runs f with what lets go of templates.
func (o *operator) withRetention(ctx context.Context, days retention.Days, f func(reg *directory.Register, r *retention.Retention) error) error {
	return o.withStore(ctx, func(s *store.Store) error {
		d := directory.New(s, placement.Usual())
		reg, err := d.Register(ctx)
		if err != nil {
			return err
		}
		v, err := vault.Open(ctx, s, o.data, time.Now)
		if err != nil {
			return err
		}
		return f(reg, retention.New(retention.Options{Register: d.Register, Recorded: d.StatusesRecorded, Vault: v, Conditions: s, Days: days, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}))
	})
}

// vaultExpire does the day's run of the hub in the name of a person, or only shows it.
func (o *operator) vaultExpire() *cobra.Command {
	var days retention.Days
	var dry bool
	var people int
	cmd := &cobra.Command{
		Use:   "expire [--dry-run] [--people N]",
		Short: o.sayVault("expire-short", nil),
		Long:  o.sayVault("expire-long", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.keepAsTold(cmd, &days); err != nil {
				return err
			}
			return o.withRetention(cmd.Context(), days, func(reg *directory.Register, r *retention.Retention) error {
				due, err := r.Due(cmd.Context())
				if err != nil {
					return err
				}
				if dry {
					return o.showDue(cmd, reg, due)
				}
				gone, err := r.Expire(cmd.Context(), o.by("vault expire", "").Who, people)
				if errors.Is(err, retention.ErrMany) {
					return errors.New(o.sayVault("expire-many", phrase.Args{"people": gone.Held}))
				}
				if err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), o.sayVault("expire-done", phrase.Args{"people": gone.People, "found": len(due.Found)}))
				return nil
			})
		},
	}
	o.flagKeep(cmd, &days)
	cmd.Flags().BoolVar(&dry, "dry-run", false, o.sayVault("flag-dry-run", nil))
	cmd.Flags().IntVar(&people, "people", 0, o.sayVault("flag-people", nil))
	return o.flagWho(cmd)
}

// showDue lists what would be destroyed.
func (o *operator) showDue(cmd *cobra.Command, reg *directory.Register, due retention.Due) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
	for _, l := range due.Leavers {
		e := reg.Employees[l.Employee]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\n", e.PINText(), e.At(directory.EmployeeName, today()), l.Status, l.Since, l.Templates)
	}
	for _, f := range due.Found {
		fmt.Fprintf(w, "%s/%s\tPIN %s\t%s\t%s\t1\n", f.Site, f.Serial, f.PIN, o.sayVault("kind-"+string(f.Kind), nil), when(f.At))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), o.sayVault("expire-due", phrase.Args{"people": len(due.Leavers), "found": len(due.Found)}))
	return nil
}

// vaultDestroyed lists what was destroyed, by whom and why: the proof.
func (o *operator) vaultDestroyed() *cobra.Command {
	return &cobra.Command{
		Use:   "destroyed",
		Short: o.sayVault("destroyed-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.withVault(cmd.Context(), func(reg *directory.Register, v *vault.Vault) error {
				all, err := v.Destructions(cmd.Context())
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				for _, d := range all {
					of := time.Unix(d.Number*24*60*60, 0).UTC().Format(time.DateOnly)
					if d.Kind == vault.KindEmployee {
						of = "-"
						if e := reg.Employees[placement.EmployeeID(d.Number)]; e != nil {
							of = e.PINText()
						}
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", when(d.At), o.sayVault("kind-"+string(d.Kind), nil), of, d.Who, d.Why)
				}
				return w.Flush()
			})
		},
	}
}
