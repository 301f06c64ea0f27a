package main

import (
	"cmp"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// site lets agents in, by a one-time code or, by hand, by the fingerprint that a person
// compares and types here. Nothing is trusted on first use.
func (o *operator) site() *cobra.Command {
	cmd := &cobra.Command{Use: "site", Short: o.say("site-short", nil)}
	cmd.AddCommand(o.siteRegister(), o.siteClaim(), o.siteShow(), o.siteRevoke(), o.siteSettings(), o.siteAdd("add"), o.siteAdd("replace-key"), o.siteErrand(), o.siteErrands(), o.siteDiagnosis(), o.siteCommKey(), o.siteList())
	return cmd
}

func (o *operator) siteAdd(verb string) *cobra.Command {
	var agentKey string
	cmd := &cobra.Command{
		Use:   verb + " SITE --agent-key FINGERPRINT",
		Short: o.say("site-"+verb+"-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			site, err := protocol.ParseSiteID(args[0])
			if err != nil {
				return err
			}
			key, err := seal.ParseFingerprint(agentKey)
			if err != nil {
				return fmt.Errorf("--agent-key: %w", err)
			}
			return o.withNewStore(cmd.Context(), func(s *store.Store) error {
				add := s.AddSite
				if verb == "replace-key" {
					add = s.ReplaceKey
				}
				if err := add(cmd.Context(), site, key, time.Now()); err != nil {
					return fmt.Errorf("site %s: %w", site, err)
				}
				o.tell(cmd, "site-"+verb+"-done", phrase.Args{"site": site, "key": key})
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&agentKey, "agent-key", "", o.say("flag-agent-key", nil))
	_ = cmd.MarkFlagRequired("agent-key") // the flag is defined in the line above
	return cmd
}

func (o *operator) siteList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: o.say("site-list-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.withStore(cmd.Context(), func(s *store.Store) error {
				sites, err := s.Sites(cmd.Context())
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, o.say("site-list-head", nil))
				for _, site := range sites {
					fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", site.Agent.Site, cmp.Or(string(site.Fingerprint.KeyID()), "-"), site.Sightings, when(site.Heard))
				}
				attempts, err := s.Attempts(cmd.Context())
				if err != nil {
					return errors.Join(err, w.Flush())
				}
				if len(attempts) > 0 {
					fmt.Fprintln(w, "\n"+o.say("attempt-list-head", nil))
				}
				for _, a := range attempts {
					fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", a.Site, a.Key, a.Count, when(a.Last))
				}
				return w.Flush()
			})
		},
	}
}

// when prints a time of the hub, or a dash for none.
func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}
