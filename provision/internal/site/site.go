package site

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/provision/internal/hubapi"
	"github.com/bkpsdmd-babel/sidik/provision/internal/list"
)

func (c *command) site() *cobra.Command {
	cmd := &cobra.Command{Use: "site", Short: c.say("site-short", nil)}
	cmd.AddCommand(c.add(), c.list(), c.show(), c.revoke(), c.replace(), c.doctor(), c.logs())
	return cmd
}

func (c *command) add() *cobra.Command {
	var terminals []string
	var csv string
	cmd := &cobra.Command{
		Use:   "add SITE [--terminal SERIAL]… | add --csv FILE",
		Short: c.say("site-add-short", nil),
		Args:  oneOrList(&csv),
		RunE: func(cmd *cobra.Command, args []string) error {
			if csv != "" {
				return c.withHub(cmd, func(h *hubapi.Client) error { return c.addAll(cmd, h, csv) })
			}
			id, serials, err := list.Parse(args[0], terminals)
			if err != nil {
				return c.explained(err)
			}
			return c.withHub(cmd, func(h *hubapi.Client) error {
				s, err := h.Register(cmd.Context(), id, serials)
				if err == nil {
					c.tell(cmd, "site-add-done", phrase.Args{"site": s.Site, "terminals": len(s.Terminals)})
				}
				return err
			})
		},
	}
	cmd.Flags().StringSliceVar(&terminals, "terminal", nil, c.say("flag-terminals", nil))
	cmd.Flags().StringVar(&csv, "csv", "", c.say("flag-csv", nil))
	return cmd
}

// oneOrList wants one site, or a list of sites in a file.
func oneOrList(csv *string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if *csv != "" {
			return cobra.NoArgs(cmd, args)
		}
		return cobra.ExactArgs(1)(cmd, args)
	}
}

func (c *command) list() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: c.say("site-list-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withHub(cmd, func(h *hubapi.Client) error {
				all, err := h.Sites(cmd.Context())
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				for _, s := range all {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", s.Site, c.standing(s), serials(s), when(s.Until))
				}
				return w.Flush()
			})
		},
	}
}

// standing is how far a site is on its way in, in words.
func (c *command) standing(s hubapi.Site) string { return c.say("standing-"+s.Standing, nil) }

func serials(s hubapi.Site) string { return strings.Trim(fmt.Sprint(s.Terminals), "[]") }

func (c *command) show() *cobra.Command {
	return &cobra.Command{
		Use:   "show SITE",
		Short: c.say("site-show-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withHub(cmd, func(h *hubapi.Client) error {
				s, err := h.Site(cmd.Context(), protocol.SiteID(args[0]))
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				line := func(label string, value any) { fmt.Fprintf(w, "%s\t%v\n", label, value) }
				line(c.say("show-standing", nil), c.standing(s))
				line(c.say("show-terminals", nil), serials(s))
				if s.Key != "" {
					line(c.say("show-key", nil), s.Key)
					line(c.say("show-words", nil), s.Words)
					line(c.say("show-admitted", nil), when(s.Admitted))
					line(c.say("show-until", nil), when(s.Until))
				}
				if !s.Code.IsZero() {
					line(c.say("show-code", nil), when(s.Code))
				}
				if r := s.Revoked; r != nil {
					line(c.say("show-revoked", nil), fmt.Sprintf("%s, %s: %s", when(r.At), r.By, r.Reason))
				}
				line(c.say("show-page", nil), h.Page(s.Site))
				return w.Flush()
			})
		},
	}
}

func (c *command) revoke() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "revoke SITE --reason TEXT",
		Short: c.say("site-revoke-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withHub(cmd, func(h *hubapi.Client) error {
				s, err := h.Revoke(cmd.Context(), protocol.SiteID(args[0]), reason)
				if err == nil {
					c.tell(cmd, "site-revoke-done", phrase.Args{"site": s.Site})
				}
				return err
			})
		},
	}
	c.flagReason(cmd, &reason)
	return cmd
}

func (c *command) flagReason(cmd *cobra.Command, reason *string) {
	cmd.Flags().StringVar(reason, "reason", "", c.say("flag-reason", nil))
	_ = cmd.MarkFlagRequired("reason") // the flag is defined in the line above
}

// replace is for a machine that broke or was stolen: nothing that it held counts from now
// on, and a new one may come.
func (c *command) replace() *cobra.Command {
	var reason string
	var g goal
	var o order
	cmd := &cobra.Command{
		Use:   "replace SITE --reason TEXT [--to DIR | --boot PARTITION]",
		Short: c.say("site-replace-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			to, err := c.open(g, o)
			if err != nil {
				return err
			}
			return c.withHub(cmd, func(h *hubapi.Client) error {
				s, err := h.Site(cmd.Context(), protocol.SiteID(args[0]))
				if err != nil {
					return err
				}
				// A lost kit's code ends too. Where nobody was let in, nobody is shut out.
				_, err = h.Revoke(cmd.Context(), s.Site, reason)
				refused, is := errors.AsType[*hubapi.Refusal](err)
				switch {
				case err == nil:
					c.tell(cmd, "site-revoke-done", phrase.Args{"site": s.Site})
				case !is || refused.Code != "nobody":
					return err
				}
				if to.dir != "" {
					return c.writeOne(cmd, h, s, to, o)
				}
				err = c.makeClaim(cmd, h, s.Site, o)
				if err == nil {
					c.tell(cmd, "site-replace-next", phrase.Args{"site": s.Site})
				}
				return err
			})
		},
	}
	c.flagReason(cmd, &reason)
	c.flagGoal(cmd, &g, c.say("flag-replace-to", nil))
	c.flagOrder(cmd, &o)
	return cmd
}

func (c *command) claim() *cobra.Command {
	var o order
	fresh := &cobra.Command{
		Use:   "new SITE",
		Short: c.say("claim-new-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := protocol.ParseSiteID(args[0])
			if err != nil {
				return c.explained(err)
			}
			return c.withHub(cmd, func(h *hubapi.Client) error { return c.makeClaim(cmd, h, id, o) })
		},
	}
	fresh.Flags().IntVar(&o.hours, "hours", 0, c.say("flag-hours", nil))
	fresh.Flags().StringVar(&o.terminal, "terminal", "", c.say("flag-bound", nil))
	cmd := &cobra.Command{Use: "claim", Short: c.say("claim-short", nil)}
	cmd.AddCommand(fresh)
	return cmd
}

// makeClaim prints a code; it is all that is on standard output.
func (c *command) makeClaim(cmd *cobra.Command, h *hubapi.Client, id protocol.SiteID, o order) error {
	made, err := h.Claim(cmd.Context(), id, protocol.Serial(o.terminal), o.hours)
	if err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), made.Code.Text())
	c.tell(cmd, "claim-done", phrase.Args{"site": id, "until": when(made.Until)})
	return nil
}
