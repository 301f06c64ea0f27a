package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub/internal/campaign"
	"github.com/bkpsdmd-babel/sidik/hub/internal/decision"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/report"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// sayCampaign returns a sentence of the campaigns' part of the catalogue.
func (o *operator) sayCampaign(code string, args phrase.Args) string {
	return o.catalogue.Say(o.lang, "campaign."+code, args)
}

// explainCampaign is the sentence for what cannot be decided or signed; "" for other errors.
func (o *operator) explainCampaign(err error) string {
	var refused decision.Refusal
	if errors.As(err, &refused) {
		return o.sayCampaign("error-"+refused.Code, refused.Args)
	}
	return ""
}

// campaign validates the terminals of some units over some days, and signs.
func (o *operator) campaign() *cobra.Command {
	cmd := &cobra.Command{Use: "campaign", Short: o.sayCampaign("short", nil)}
	cmd.AddCommand(o.campaignAdd(), o.campaignList(), o.campaignShow(), o.campaignPlan(), o.campaignSign(), o.campaignReport())
	return cmd
}

func campaignNumber(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, decision.Refusal{Code: "no-campaign", Args: map[string]any{"campaign": text}}
	}
	return n, nil
}

func (o *operator) campaignAdd() *cobra.Command {
	var units []string
	var from, to, lead string
	cmd := &cobra.Command{
		Use:   "add NAME --unit CODE --from DATE --to DATE --lead NAME",
		Short: o.sayCampaign("add-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			first, err := dayOr(from, today())
			if err != nil {
				return err
			}
			last, err := dayOr(to, first)
			if err != nil {
				return err
			}
			return o.withOffice(cmd.Context(), func(at office) error {
				reg, err := at.directory.Register(cmd.Context())
				if err != nil {
					return err
				}
				c := campaign.Campaign{Name: args[0], From: first, To: last, Lead: lead}
				for _, code := range units {
					u, err := findUnit(reg, code, first)
					if err != nil {
						return err
					}
					c.Units = append(c.Units, u.ID)
				}
				n, err := at.campaigns.Add(cmd.Context(), o.by("campaign add", args[0]), c)
				if err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), o.sayCampaign("add-done", phrase.Args{"campaign": n}))
				return nil
			})
		},
	}
	cmd.Flags().StringSliceVar(&units, "unit", nil, o.sayCampaign("flag-unit", nil))
	cmd.Flags().StringVar(&from, "from", "", o.sayCampaign("flag-from", nil))
	cmd.Flags().StringVar(&to, "to", "", o.sayCampaign("flag-to", nil))
	cmd.Flags().StringVar(&lead, "lead", "", o.sayCampaign("flag-lead", nil))
	return o.flagWho(cmd)
}

func (o *operator) campaignList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: o.sayCampaign("list-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.withOffice(cmd.Context(), func(at office) error {
				all, err := at.campaigns.List(cmd.Context())
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, o.sayCampaign("list-head", nil))
				for _, c := range all {
					fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\n", c.N, c.From, c.To, c.Name, c.Lead)
				}
				return w.Flush()
			})
		},
	}
}

// withProgress runs f with how a campaign stands today.
func (o *operator) withProgress(cmd *cobra.Command, number string, f func(at office, p *campaign.Progress) error) error {
	n, err := campaignNumber(number)
	if err != nil {
		return err
	}
	return o.withOffice(cmd.Context(), func(at office) error {
		if err := at.decisions.Settle(cmd.Context()); err != nil {
			return err
		}
		p, err := at.campaigns.Progress(cmd.Context(), n, today())
		if err != nil {
			return err
		}
		return f(at, p)
	})
}

func (o *operator) campaignShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show CAMPAIGN",
		Short: o.sayCampaign("show-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withProgress(cmd, args[0], func(_ office, p *campaign.Progress) error {
				c := p.Summary.Campaign
				fmt.Fprintln(cmd.OutOrStdout(), o.sayCampaign("show-head", phrase.Args{"campaign": c.Number, "name": c.Name,
					"from": c.From, "to": c.To, "lead": c.Lead, "terminals": len(p.Terminals)}))
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, o.sayCampaign("show-columns", nil))
				for _, l := range p.Summary.Lines {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\n", l.Site, l.Serial, or(l.Unit, "-"), or(string(l.Planned), "-"), or(l.Officer, "-"),
						o.report().State(l.State), l.Open, l.Agreed, l.Kept, l.Closed, or(l.Number, "-"))
				}
				return w.Flush()
			})
		},
	}
}

func (o *operator) campaignPlan() *cobra.Command {
	var site, serial, day, officer string
	cmd := &cobra.Command{
		Use:   "plan CAMPAIGN --serial SERIAL --day DATE --officer NAME",
		Short: o.sayCampaign("plan-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := campaignNumber(args[0])
			if err != nil {
				return err
			}
			on, err := dayOr(day, today())
			if err != nil {
				return err
			}
			return o.withOffice(cmd.Context(), func(at office) error {
				t, err := at.terminal(cmd, site, serial)
				if err != nil {
					return err
				}
				if err := at.campaigns.Visit(cmd.Context(), o.by("campaign plan", serial), n, t.ID, on, officer); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), o.sayCampaign("plan-done", phrase.Args{"serial": t.Serial, "day": on, "officer": officer}))
				return nil
			})
		},
	}
	o.flagTerminal(cmd, &site, &serial)
	cmd.Flags().StringVar(&day, "day", "", o.sayCampaign("flag-day", nil))
	cmd.Flags().StringVar(&officer, "officer", "", o.sayCampaign("flag-officer", nil))
	return o.flagWho(cmd)
}

func (at office) terminal(cmd *cobra.Command, site, serial string) (*directory.Terminal, error) {
	reg, err := at.directory.Register(cmd.Context())
	if err != nil {
		return nil, err
	}
	return findTerminal(reg, site, serial)
}

func (o *operator) campaignSign() *cobra.Command {
	var site, serial, day string
	var paper campaign.Paper
	cmd := &cobra.Command{
		Use:   "sign CAMPAIGN --serial SERIAL --number NUMBER --place PLACE",
		Short: o.sayCampaign("sign-short", nil),
		Long:  o.sayCampaign("sign-long", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := campaignNumber(args[0])
			if err != nil {
				return err
			}
			if paper.Day, err = dayOr(day, today()); err != nil {
				return err
			}
			return o.withOffice(cmd.Context(), func(at office) error {
				t, err := at.terminal(cmd, site, serial)
				if err != nil {
					return err
				}
				s, fresh, err := at.campaigns.Sign(cmd.Context(), o.by("campaign sign", serial), n, t.ID, paper)
				if err != nil {
					return err
				}
				code := "sign-done"
				if !fresh {
					code = "sign-before"
				}
				fmt.Fprintln(cmd.OutOrStdout(), o.sayCampaign(code, phrase.Args{"serial": t.Serial, "number": s.Number, "digest": s.Digest, "campaign": n}))
				return nil
			})
		},
	}
	o.flagTerminal(cmd, &site, &serial)
	flag := func(to *string, name string) { cmd.Flags().StringVar(to, name, "", o.sayCampaign("flag-"+name, nil)) }
	flag(&paper.Number, "number")
	flag(&paper.Place, "place")
	flag(&day, "day")
	flag(&paper.Agency.Name, "agency-name")
	flag(&paper.Agency.NIP, "agency-nip")
	flag(&paper.Agency.Position, "agency-position")
	flag(&paper.Office.Name, "office-name")
	flag(&paper.Office.NIP, "office-nip")
	flag(&paper.Office.Position, "office-position")
	return o.flagWho(cmd)
}

// campaignReport writes the summary, or the signed minutes of one terminal, to a file.
func (o *operator) campaignReport() *cobra.Command {
	var site, serial string
	cmd := &cobra.Command{
		Use:   "report CAMPAIGN FILE.pdf|FILE.xlsx [--serial SERIAL]",
		Short: o.sayCampaign("report-short", nil),
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withProgress(cmd, args[0], func(at office, p *campaign.Progress) error {
				text, err := o.document(p, site, serial, filepath.Ext(args[1]))
				if err != nil {
					return err
				}
				if err := os.WriteFile(args[1], text, 0o600); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), o.sayCampaign("report-done", phrase.Args{"file": args[1]}))
				return nil
			})
		},
	}
	o.flagTerminal(cmd, &site, &serial)
	return cmd
}

func (o *operator) document(p *campaign.Progress, site, serial, kind string) ([]byte, error) {
	switch {
	case serial == "" && kind == ".xlsx":
		return o.report().SummarySheet(p.Summary)
	case kind != ".pdf":
		return nil, decision.Refusal{Code: "no-kind"}
	case serial == "":
		return o.report().SummaryPDF(p.Summary)
	}
	t, found := p.Find(protocol.SiteID(site), protocol.Serial(serial))
	switch {
	case !found:
		return nil, decision.Refusal{Code: "not-in-campaign", Args: map[string]any{"campaign": p.Campaign.N}}
	case t.Minutes == nil:
		return nil, decision.Refusal{Code: "no-minutes", Args: map[string]any{"serial": serial}}
	}
	return report.In(o.catalogue, phrase.Indonesian).MinutesPDF(t.Minutes.Minutes, t.Minutes.Digest)
}
