package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/hub/internal/whereabouts"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// sayPlace returns a sentence of the whereabouts' part of the catalogue.
func (o *operator) sayPlace(code string, args phrase.Args) string {
	return o.catalogue.Say(o.lang, "whereabouts."+code, args)
}

// withWhereabouts runs f with what tells where people are.
func (o *operator) withWhereabouts(ctx context.Context, f func(reg *directory.Register, w *whereabouts.Whereabouts) error) error {
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
		return f(reg, whereabouts.New(whereabouts.Options{
			Register: d.Register, Vault: v, State: s.State, Holding: holding.New(s), Settings: placement.Usual(),
		}))
	})
}

// task lists what is still to be done at terminals, by whom.
func (o *operator) task() *cobra.Command {
	cmd := &cobra.Command{Use: "task", Short: o.sayPlace("task-short", nil)}
	var site string
	var asJSON bool
	list := &cobra.Command{
		Use:   "list",
		Short: o.sayPlace("task-list-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.withWhereabouts(cmd.Context(), func(reg *directory.Register, w *whereabouts.Whereabouts) error {
				tasks, err := w.Tasks(cmd.Context(), protocol.SiteID(site), time.Now())
				if err != nil {
					return err
				}
				if asJSON {
					return writeTasks(cmd.OutOrStdout(), reg, tasks)
				}
				for _, t := range tasks {
					o.showTask(cmd, reg, t)
				}
				fmt.Fprintln(cmd.OutOrStdout(), o.sayPlace("task-count", phrase.Args{"tasks": len(tasks)}))
				return nil
			})
		},
	}
	list.Flags().StringVar(&site, "site", "", o.say("flag-site", nil))
	list.Flags().BoolVar(&asJSON, "json", false, o.sayPlace("flag-json", nil))
	cmd.AddCommand(list)
	return cmd
}

// taskLine is a task as a JSON line, with the hub's PINs and nobody's name.
type taskLine struct {
	Site    protocol.SiteID `json:"site"`
	Serial  protocol.Serial `json:"serial"`
	Act     whereabouts.Act `json:"act"`
	Why     whereabouts.Why `json:"why"`
	Reason  roster.Reason   `json:"reason,omitempty"`
	Plan    protocol.Hash   `json:"plan,omitzero"`
	Since   roster.Date     `json:"since,omitempty"`
	Reached time.Time       `json:"reached,omitzero"`
	PINs    []string        `json:"pins"`
}

func writeTasks(out io.Writer, reg *directory.Register, tasks []whereabouts.Task) error {
	lines := json.NewEncoder(out)
	for _, t := range tasks {
		l := taskLine{Site: t.Site, Serial: t.Serial, Act: t.Act, Why: t.Why, Reason: t.Reason, Plan: t.Plan, Since: t.Since,
			Reached: t.Reached.UTC().Truncate(time.Second), PINs: []string{}}
		for _, id := range t.Employees {
			if e := reg.Employees[id]; e != nil {
				l.PINs = append(l.PINs, e.PINText())
			}
		}
		if err := lines.Encode(l); err != nil {
			return err
		}
	}
	return nil
}

// shown is how many people a task names; of more it gives the number.
const shown = 5

func (o *operator) showTask(cmd *cobra.Command, reg *directory.Register, t whereabouts.Task) {
	var names []string
	for _, id := range t.Employees[:min(len(t.Employees), shown)] {
		if e := reg.Employees[id]; e != nil {
			names = append(names, strings.TrimSpace(e.PINText()+" "+e.At(directory.EmployeeName, today())))
		}
	}
	if len(t.Employees) > shown {
		names = append(names, "…")
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s  %s/%s  %s: %s\n    %s\n", or(string(t.Since), "-"), t.Site, t.Serial,
		o.words().Due(t.Act, len(t.Employees)), strings.Join(names, ", "), o.words().WhatToDo(t.Site, t.Serial, t.Open, when))
}

// employeeWhere says on which terminals somebody and their fingers are.
func (o *operator) employeeWhere() *cobra.Command {
	return &cobra.Command{
		Use:   "where NUMBER",
		Short: o.sayPlace("where-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withWhereabouts(cmd.Context(), func(reg *directory.Register, w *whereabouts.Whereabouts) error {
				e, err := findEmployee(reg, args[0])
				if err != nil {
					return err
				}
				places, err := w.Of(cmd.Context(), e.ID, time.Now())
				if err != nil {
					return err
				}
				if len(places) == 0 {
					fmt.Fprintln(cmd.OutOrStdout(), o.sayPlace("where-nowhere", nil))
					return nil
				}
				table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(table, o.sayPlace("where-head", nil))
				for _, p := range places {
					fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", p.Site, p.Serial, p.Revision, o.words().There(p.Should, p.Want),
						o.words().There(p.Is, p.Held), when(p.Read), o.words().Place(p, when))
				}
				return table.Flush()
			})
		},
	}
}
