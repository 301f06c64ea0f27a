package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// terminal registers machines at sites. Until then their punches are kept apart.
func (o *operator) terminal() *cobra.Command {
	cmd := &cobra.Command{Use: "terminal", Short: o.say("terminal-short", nil)}
	var site, serial string
	add := &cobra.Command{
		Use:   "add --site SITE --serial SERIAL",
		Short: o.say("terminal-add-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			id, siteErr := protocol.ParseSiteID(site)
			number, serialErr := protocol.ParseSerial(serial)
			if err := errors.Join(siteErr, serialErr); err != nil {
				return err
			}
			return o.withStore(cmd.Context(), func(s *store.Store) error {
				if err := s.AddTerminal(cmd.Context(), id, number, time.Now()); err != nil {
					return fmt.Errorf("terminal %s at site %s: %w", number, id, err)
				}
				if _, err := s.Clear(cmd.Context(), id, "terminal-unregistered", string(number)); err != nil {
					return err
				}
				o.tell(cmd, "terminal-add-done", phrase.Args{"site": id, "serial": number})
				return nil
			})
		},
	}
	add.Flags().StringVar(&site, "site", "", o.say("flag-site", nil))
	add.Flags().StringVar(&serial, "serial", "", o.say("flag-serial", nil))
	list := &cobra.Command{
		Use:   "list",
		Short: o.say("terminal-list-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.withStore(cmd.Context(), func(s *store.Store) error {
				terminals, err := s.Terminals(cmd.Context(), "")
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, o.say("terminal-list-head", nil))
				for _, t := range terminals {
					fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", t.Site, t.Serial, when(t.Registered), t.Sightings, t.Last)
				}
				return w.Flush()
			})
		},
	}
	cmd.AddCommand(add, list, o.terminalServe(), o.terminalMode(), o.terminalGrant(), o.terminalRoster(),
		o.terminalHoldings(), o.terminalPlan(), o.terminalApprove(), o.terminalHistory(), o.terminalOutcomes())
	return cmd
}

// isPIN reports whether a text is what terminals take as a PIN: letters and
// digits, at most 24. Digits with an E among them are a number that a
// spreadsheet has shortened.
func isPIN(s string) bool {
	letters := 0
	for _, c := range []byte(s) {
		switch {
		case c >= '0' && c <= '9':
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			letters++
		default:
			return false
		}
	}
	shortened := letters == 1 && strings.ContainsAny(s[1:], "eE")
	return len(s) <= 24 && !shortened
}

// condition lists what the hub itself found, and lets a person close it.
func (o *operator) condition() *cobra.Command {
	cmd := &cobra.Command{Use: "condition", Short: o.say("condition-short", nil)}
	list := &cobra.Command{
		Use:   "list",
		Short: o.say("condition-list-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.withStore(cmd.Context(), func(s *store.Store) error {
				conditions, err := s.AllConditions(cmd.Context())
				if err != nil {
					return err
				}
				for _, c := range conditions {
					args := phrase.Args{"subject": c.Subject}
					for name, value := range c.Args {
						args[name] = value
					}
					fmt.Fprintf(cmd.OutOrStdout(), "%s  %s  %s  %s\n    %s\n", when(c.Since), or(string(c.Site), "-"), c.Code, c.Subject,
						o.catalogue.Say(o.lang, "condition."+c.Code, args))
				}
				return nil
			})
		},
	}
	var site, subject string
	clearOne := &cobra.Command{
		Use:   "clear CODE",
		Short: o.say("condition-clear-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withStore(cmd.Context(), func(s *store.Store) error {
				was, err := s.Clear(cmd.Context(), protocol.SiteID(site), args[0], subject)
				if err != nil {
					return err
				}
				if !was {
					return errors.New(o.say("condition-none", phrase.Args{"code": args[0]}))
				}
				o.tell(cmd, "condition-clear-done", phrase.Args{"code": args[0]})
				return nil
			})
		},
	}
	clearOne.Flags().StringVar(&site, "site", "", o.say("flag-site", nil))
	clearOne.Flags().StringVar(&subject, "subject", "", o.say("flag-subject", nil))
	cmd.AddCommand(list, clearOne)
	return cmd
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
