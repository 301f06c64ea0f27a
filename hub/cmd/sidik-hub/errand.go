package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/errand"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// sayErrand returns a sentence of the errands' part of the catalogue.
func (o *operator) sayErrand(code string, args phrase.Args) string {
	return o.catalogue.Say(o.lang, "errand."+code, args)
}

// withErrands runs f with the errands of one site; what they refuse is said in words.
func (o *operator) withErrands(ctx context.Context, name string, f func(s *store.Store, e *errand.Errands, site protocol.SiteID) error) error {
	site, err := protocol.ParseSiteID(name)
	if err != nil {
		return err
	}
	err = o.withStore(ctx, func(s *store.Store) error { return f(s, errand.New(s), site) })
	if refusal, ok := errors.AsType[errand.Refusal](err); ok {
		return errors.New(o.words().ErrandRefused(refusal))
	}
	return err
}

// siteErrand asks a site's agent for service.
func (o *operator) siteErrand() *cobra.Command {
	var order errand.Order
	var serial string
	var follow bool
	var kinds []string
	for _, kind := range errand.Kinds() {
		kinds = append(kinds, string(kind))
	}
	cmd := &cobra.Command{
		Use:       "errand SITE " + strings.Join(kinds, "|"),
		Short:     o.sayErrand("short", nil),
		Args:      cobra.ExactArgs(2),
		ValidArgs: kinds,
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withErrands(cmd.Context(), args[0], func(_ *store.Store, errands *errand.Errands, site protocol.SiteID) error {
				order.Site, order.Kind, order.Serial = site, protocol.JobKind(args[1]), protocol.Serial(serial)
				order.Who = o.by("site errand", args[0]).Who
				e, err := errands.Start(cmd.Context(), order, time.Now())
				if err != nil {
					return err
				}
				out := cmd.OutOrStdout()
				fmt.Fprintln(out, o.sayErrand("ordered", phrase.Args{"id": e.ID, "kind": o.words().ErrandKind(e.Kind), "site": e.Site, "serial": e.Serial, "until": when(e.Expires)}))
				if !follow {
					return nil
				}
				return o.followErrand(cmd.Context(), out, errands, site, e.ID)
			})
		},
	}
	cmd.Flags().StringVar(&serial, "serial", "", o.sayErrand("flag-serial", nil))
	cmd.Flags().BoolVar(&order.Force, "force", false, o.sayErrand("flag-force", nil))
	cmd.Flags().BoolVar(&order.Alone, "only-reader", false, o.sayErrand("flag-only-reader", nil))
	cmd.Flags().DurationVar(&order.For, "for", errand.Lasts, o.sayErrand("flag-for", nil))
	cmd.Flags().BoolVar(&follow, "follow", false, o.sayErrand("flag-follow", nil))
	return o.flagWho(cmd)
}

// followErrand writes how far an errand is until it ends; an end without success is an
// error.
func (o *operator) followErrand(ctx context.Context, out io.Writer, errands *errand.Errands, site protocol.SiteID, id int64) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for last := ""; ; {
		e, err := errands.Get(ctx, site, id)
		if err != nil {
			return err
		}
		said := fmt.Sprintf("%d: %s", e.ID, o.words().Errand(e))
		switch {
		case !e.State.Open() && e.State != errand.Done:
			return errors.New(said)
		case said != last:
			fmt.Fprintln(out, said)
			last = said
		}
		if !e.State.Open() {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// mostErrands is how many errands are listed.
const mostErrands = 100

func (o *operator) siteErrands() *cobra.Command {
	return &cobra.Command{
		Use:   "errands SITE",
		Short: o.sayErrand("list-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withErrands(cmd.Context(), args[0], func(_ *store.Store, errands *errand.Errands, site protocol.SiteID) error {
				all, err := errands.List(cmd.Context(), site, mostErrands)
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, o.sayErrand("head", nil))
				for _, e := range all {
					fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", e.ID, when(e.OrderedAt), o.words().ErrandKind(e.Kind), e.Serial, e.OrderedBy, o.words().Errand(e))
				}
				return w.Flush()
			})
		},
	}
}

// siteDiagnosis opens a diagnosis, which is written down first.
func (o *operator) siteDiagnosis() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diagnosis SITE ERRAND",
		Short: o.sayErrand("diagnosis-short", nil),
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withErrands(cmd.Context(), args[0], func(s *store.Store, errands *errand.Errands, site protocol.SiteID) error {
				by := account.By{Who: o.by("site diagnosis", args[0]).Who}
				if err := account.New(s, time.Now).Served(cmd.Context(), by, 0, "site diagnosis "+string(site)+" "+args[1]); err != nil {
					return err
				}
				report, err := hub.OpenDiagnosis(cmd.Context(), o.data, errands, site, jobID(args[1]))
				if err != nil {
					return err
				}
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(report)
			})
		},
	}
	return o.flagWho(cmd)
}
