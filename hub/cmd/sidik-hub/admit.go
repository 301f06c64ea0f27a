package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub/internal/admission"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// withAdmissions does something with how agents get in.
func (o *operator) withAdmissions(ctx context.Context, do func(a *admission.Admissions) error) error {
	return o.withNewStore(ctx, func(s *store.Store) error { return do(admission.New(admission.Options{Database: s})) })
}

// siteRegister makes a site known before anybody is there.
func (o *operator) siteRegister() *cobra.Command {
	var terminals []string
	cmd := &cobra.Command{
		Use:   "register SITE [--terminal SERIAL]…",
		Short: o.say("site-register-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			site, serials, err := parseSite(args[0], terminals)
			if err != nil {
				return err
			}
			return o.withAdmissions(cmd.Context(), func(a *admission.Admissions) error {
				if err := a.Register(cmd.Context(), site, serials...); err != nil {
					return err
				}
				o.tell(cmd, "site-register-done", phrase.Args{"site": site, "terminals": len(serials)})
				return nil
			})
		},
	}
	cmd.Flags().StringSliceVar(&terminals, "terminal", nil, o.say("flag-site-terminal", nil))
	return cmd
}

func parseSite(name string, terminals []string) (site protocol.SiteID, serials []protocol.Serial, err error) {
	site, err = protocol.ParseSiteID(name)
	for _, t := range terminals {
		serial, wrong := protocol.ParseSerial(t)
		serials, err = append(serials, serial), errors.Join(err, wrong)
	}
	return site, serials, err
}

// siteClaim makes the one-time code that lets a new agent in. The code is all that is
// printed on standard output.
func (o *operator) siteClaim() *cobra.Command {
	var terminal string
	var life time.Duration
	cmd := &cobra.Command{
		Use:   "claim SITE",
		Short: o.say("site-claim-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			site, err := protocol.ParseSiteID(args[0])
			var serial protocol.Serial
			if err == nil && terminal != "" {
				serial, err = protocol.ParseSerial(terminal)
			}
			if err != nil {
				return err
			}
			return o.withAdmissions(cmd.Context(), func(a *admission.Admissions) error {
				code, expires, err := a.NewCode(cmd.Context(), o.by("site claim", string(site)).Who, site, serial, life)
				if err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), code.Text())
				fmt.Fprintln(cmd.ErrOrStderr(), o.say("site-claim-done", phrase.Args{"site": site, "until": when(expires)}))
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&terminal, "terminal", "", o.say("flag-claim-terminal", nil))
	cmd.Flags().DurationVar(&life, "life", admission.DefaultClaim, o.say("flag-claim-life", nil))
	return o.flagWho(cmd)
}

// siteRevoke shuts a site out.
func (o *operator) siteRevoke() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "revoke SITE --reason TEXT",
		Short: o.say("site-revoke-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			site, err := protocol.ParseSiteID(args[0])
			if err != nil {
				return err
			}
			return o.withAdmissions(cmd.Context(), func(a *admission.Admissions) error {
				if err := a.Revoke(cmd.Context(), o.by("site revoke", string(site)).Who, site, reason); err != nil {
					return err
				}
				o.tell(cmd, "site-revoke-done", phrase.Args{"site": site})
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", o.say("flag-revoke-reason", nil))
	return o.flagWho(cmd)
}

// siteShow shows how far a site is on its way in, and the words of its key.
func (o *operator) siteShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show SITE",
		Short: o.say("site-show-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withStore(cmd.Context(), func(s *store.Store) error {
				all, err := admission.New(admission.Options{Database: s}).Sites(cmd.Context())
				if err != nil {
					return err
				}
				i := slices.IndexFunc(all, func(a admission.Site) bool { return string(a.ID) == args[0] })
				if i < 0 {
					return fmt.Errorf("show site %s: %w", args[0], store.ErrNoSite)
				}
				site := all[i]
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				line := func(code string, value any) { fmt.Fprintf(w, "%s\t%v\n", o.say(code, nil), value) }
				line("site-show-standing", o.say("standing-"+string(site.Standing), nil))
				line("site-show-terminals", strings.Trim(fmt.Sprint(site.Terminals), "[]"))
				if site.Agent != "" {
					line("site-show-key", site.Agent)
					line("site-show-words", site.Agent.Words())
					line("site-show-admitted", when(site.Admitted))
					line("site-show-until", when(site.Until))
				}
				if !site.Code.IsZero() {
					line("site-show-code", when(site.Code))
				}
				if r := site.Revoked; !r.At.IsZero() {
					line("site-show-revoked", fmt.Sprintf("%s, %s: %s", when(r.At), r.By, r.Reason))
				}
				return w.Flush()
			})
		},
	}
}
