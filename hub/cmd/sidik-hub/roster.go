package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/wording"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// terminalHoldings lists what all terminals should hold and do hold.
func (o *operator) terminalHoldings() *cobra.Command {
	return &cobra.Command{
		Use:   "holdings",
		Short: o.say("holdings-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.withStore(cmd.Context(), func(s *store.Store) error {
				terminals, err := holding.New(s).Terminals(cmd.Context())
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, o.say("holdings-head", nil))
				for _, t := range terminals {
					held := "-"
					if !t.Read.IsZero() {
						held = fmt.Sprintf("%d/%d", t.HeldUsers, t.HeldFingers)
					}
					order, should := "-", "-"
					if t.Order != (protocol.Seq{}) {
						order, should = t.Order.String(), fmt.Sprintf("%d/%d", t.ShouldUsers, t.ShouldFingers)
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.Site, t.Serial, or(string(t.Mode), "-"), order, should, held,
						o.words().Standing(t), or(o.words().Reasons(t.Results.Blocked), "-"))
				}
				return w.Flush()
			})
		},
	}
}

// words puts what happens at terminals into the operator's language.
func (o *operator) words() wording.Words {
	return func(code string, args phrase.Args) (string, bool) {
		return o.catalogue.Say(o.lang, code, args), o.catalogue.Has(code)
	}
}

// terminalPlan shows what lies between a terminal's roster and its inventory, with names.
func (o *operator) terminalPlan() *cobra.Command {
	var site string
	cmd := &cobra.Command{
		Use:   "plan SERIAL",
		Short: o.say("plan-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withTerminal(cmd.Context(), site, args[0], func(h *holding.Holding, t holding.Terminal) error {
				revision, r, err := h.Roster(cmd.Context(), t.Site, t.Serial)
				if errors.Is(err, holding.ErrNone) {
					return errors.New(o.say("plan-no-roster", phrase.Args{"serial": t.Serial}))
				}
				if err != nil {
					return err
				}
				inv, err := h.Inventory(cmd.Context(), t.Site, t.Serial)
				if errors.Is(err, holding.ErrNone) {
					return errors.New(o.say("plan-no-inventory", phrase.Args{"serial": t.Serial}))
				}
				if err != nil {
					return err
				}
				o.tell(cmd, "plan-head", phrase.Args{"site": t.Site, "serial": t.Serial, "order": revision.Order,
					"day": r.AsOf, "mode": r.Mode, "read": when(inv.At)})
				if err := o.showPlan(cmd.OutOrStdout(), r, inv.Inventory); err != nil {
					return err
				}
				if t.Standing() == protocol.StandingBraked {
					code := "plan-braked"
					if t.Results.Plan == revision.Approved {
						code = "plan-approved"
					}
					o.tell(cmd, code, phrase.Args{"serial": t.Serial, "plan": t.Results.Plan, "who": revision.ApprovedBy})
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&site, "site", "", o.say("flag-site", nil))
	return cmd
}

// showPlan writes changes, what is blocked and what a person should look at.
func (o *operator) showPlan(out io.Writer, r roster.Roster, inv roster.Inventory) error {
	plan := roster.Diff(r, inv)
	names := map[string]string{}
	for _, u := range inv.Users {
		names[protocol.NormalPIN(u.PIN)] = string(u.Name)
	}
	for _, e := range r.Entries {
		names[e.PIN] = cmp.Or(e.Name, names[e.PIN])
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	if len(plan.Changes)+len(plan.Blocked)+len(plan.Findings) == 0 {
		fmt.Fprintln(w, o.say("plan-nothing", nil))
	}
	if len(plan.Changes) > 0 {
		fmt.Fprintln(w, o.say("plan-changes", phrase.Args{"changes": len(plan.Changes)}))
	}
	for n, c := range plan.Changes {
		fmt.Fprintf(w, "%d.\t%s\t%s\t%s\n", n+1, o.words().Change(c), c.PIN, names[protocol.NormalPIN(c.PIN)])
	}
	if len(plan.Blocked) > 0 {
		fmt.Fprintln(w, o.say("plan-blocked", phrase.Args{"changes": len(plan.Blocked)}))
	}
	for _, b := range plan.Blocked {
		fmt.Fprintf(w, "-\t%s\t%s\t%s\t%s\n", o.words().Change(b.Change), b.Change.PIN, names[protocol.NormalPIN(b.Change.PIN)], o.words().Reason(string(b.Reason)))
	}
	if len(plan.Findings) > 0 {
		fmt.Fprintln(w, o.say("plan-findings", phrase.Args{"findings": len(plan.Findings)}))
	}
	for _, f := range plan.Findings {
		fmt.Fprintf(w, "!\t%s\t%s\t%s\n", o.words().Finding(f.Code), f.PIN, names[protocol.NormalPIN(f.PIN)])
	}
	return w.Flush()
}

// terminalApprove lets a plan that an agent stopped at go on, in the name of a person.
func (o *operator) terminalApprove() *cobra.Command {
	var site string
	cmd := &cobra.Command{
		Use:   "approve SERIAL PLAN",
		Short: o.say("approve-short", nil),
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var plan protocol.Hash
			if err := plan.UnmarshalText([]byte(args[1])); err != nil {
				return fmt.Errorf("%q: %w", args[1], err)
			}
			return o.withTerminal(cmd.Context(), site, args[0], func(h *holding.Holding, t holding.Terminal) error {
				who := o.by("terminal approve", args[0]).Who
				err := h.Approve(cmd.Context(), t.Site, t.Serial, plan, who, time.Now())
				if errors.Is(err, holding.ErrNoPlan) || errors.Is(err, holding.ErrNone) {
					return errors.New(o.say("approve-none", phrase.Args{"serial": t.Serial}))
				}
				if err != nil {
					return err
				}
				o.tell(cmd, "approve-done", phrase.Args{"serial": t.Serial, "plan": plan.Short(), "who": who})
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&site, "site", "", o.say("flag-site", nil))
	return o.flagWho(cmd)
}

// withTerminal finds the one registered terminal that is meant.
func (o *operator) withTerminal(ctx context.Context, site, serial string, f func(h *holding.Holding, t holding.Terminal) error) error {
	return o.withStore(ctx, func(s *store.Store) error {
		h := holding.New(s)
		all, err := h.Terminals(ctx)
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(t holding.Terminal) bool {
			return string(t.Serial) != serial || site != "" && string(t.Site) != site
		})
		switch len(all) {
		case 0:
			return errors.New(o.say("error-no-terminal", phrase.Args{"serial": serial}))
		case 1:
			return f(h, all[0])
		}
		return errors.New(o.say("error-two-terminals", phrase.Args{"serial": serial}))
	})
}
