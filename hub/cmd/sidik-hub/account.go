package main

import (
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// account is for who may read the data folder: it lets the first administrator in, and
// back in whoever lost their password. All else is done on the pages.
func (o *operator) account() *cobra.Command {
	cmd := &cobra.Command{Use: "account", Short: o.catalogue.Say(o.lang, "account.command-short", nil)}
	cmd.AddCommand(o.accountLink(), o.accountShut("disable"), o.accountShut("enable"), o.accountList())
	return cmd
}

func (o *operator) accountLink() *cobra.Command {
	return &cobra.Command{
		Use:   "link [NAME]",
		Short: o.catalogue.Say(o.lang, "account.command-link-short", nil),
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withNewStore(cmd.Context(), func(s *store.Store) error {
				accounts, by, code := account.New(s, time.Now), account.By{Who: "sidik-hub account link"}, ""
				var err error
				if len(args) == 0 {
					code, err = accounts.FirstLink(cmd.Context(), by)
					if err == nil && code == "" {
						return errors.New(o.catalogue.Say(o.lang, "account.whose-link", nil))
					}
				} else {
					var who account.Account
					if who, err = accounts.Named(cmd.Context(), args[0]); err == nil {
						code, err = accounts.Link(cmd.Context(), by, who.ID)
					}
				}
				if err != nil {
					return o.refused(err)
				}
				at, err := hub.Running(o.data)
				if err != nil && !errors.Is(err, hub.ErrNotRunning) {
					return err
				}
				fmt.Fprintln(cmd.ErrOrStderr(), o.catalogue.Say(o.lang, "account.link-printed", nil))
				fmt.Fprintln(cmd.OutOrStdout(), hub.LinkPath(at.Pages, code))
				return nil
			})
		},
	}
}

// refused says why accounts refuse something; other errors stay as they are.
func (o *operator) refused(err error) error {
	if no, is := errors.AsType[account.Refusal](err); is {
		return errors.New(o.catalogue.Say(o.lang, "account.refused-"+string(no), nil))
	}
	return err
}

// accountShut disables an account, with its sessions and tokens, or opens it again: also
// that of an administrator whom nobody trusts any more.
func (o *operator) accountShut(verb string) *cobra.Command {
	return &cobra.Command{
		Use:   verb + " NAME",
		Short: o.catalogue.Say(o.lang, "account.command-"+verb+"-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withStore(cmd.Context(), func(s *store.Store) error {
				accounts := account.New(s, time.Now)
				who, err := accounts.Named(cmd.Context(), args[0])
				if err == nil {
					err = accounts.Disable(cmd.Context(), account.By{Who: "sidik-hub account " + verb}, who.ID, verb == "disable")
				}
				if err != nil {
					return o.refused(err)
				}
				fmt.Fprintln(cmd.OutOrStdout(), o.catalogue.Say(o.lang, "account.notice-"+verb+"d", nil))
				return nil
			})
		},
	}
}

func (o *operator) accountList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: o.catalogue.Say(o.lang, "account.command-list-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.withStore(cmd.Context(), func(s *store.Store) error {
				all, err := account.New(s, time.Now).List(cmd.Context())
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, o.catalogue.Say(o.lang, "account.command-list-head", nil))
				for _, a := range all {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", a.Name, a.FullName, o.catalogue.Say(o.lang, "account.role-"+string(a.Role), phrase.Args{}),
						o.catalogue.Say(o.lang, "account.state-"+a.State(), nil), when(a.Seen))
				}
				return w.Flush()
			})
		},
	}
}
