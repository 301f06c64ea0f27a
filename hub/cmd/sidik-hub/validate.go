package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub/internal/campaign"
	"github.com/bkpsdmd-babel/sidik/hub/internal/decision"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/report"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/survey"
	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// sayValidate returns a sentence of the validation's part of the catalogue.
func (o *operator) sayValidate(code string, args phrase.Args) string {
	return o.catalogue.Say(o.lang, "validate."+code, args)
}

func (o *operator) report() report.Words { return report.In(o.catalogue, o.lang) }

// office is what validating and deciding need.
type office struct {
	directory *directory.Directory
	survey    *survey.Survey
	decisions *decision.Decisions
	campaigns *campaign.Campaigns
}

// withOffice runs f with the register, what terminals hold and what was decided.
func (o *operator) withOffice(ctx context.Context, f func(office) error) error {
	return o.withStore(ctx, func(s *store.Store) error {
		at, err := o.office(ctx, s)
		if err != nil {
			return err
		}
		return f(at)
	})
}

func (o *operator) office(ctx context.Context, s *store.Store) (office, error) {
	v, err := vault.Open(ctx, s, o.data, time.Now)
	if err != nil {
		return office{}, err
	}
	d := directory.New(s, placement.Usual())
	held := holding.New(s)
	look := survey.New(d, v, held, placement.Usual())
	decisions := decision.New(decision.Options{Database: s, Directory: d, Survey: look, Holding: held, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	return office{d, look, decisions, campaign.New(campaign.Options{Database: s, Directory: d, Survey: look, Decisions: decisions})}, nil
}

// look compares the chosen terminals with the register as of today; decisions whose
// findings are gone are closed first.
func (at office) look(ctx context.Context, site, serial string) (*survey.View, [][]decision.Judged, error) {
	if err := at.decisions.Settle(ctx); err != nil {
		return nil, nil, err
	}
	v, err := at.survey.Look(ctx, today(), func(t *directory.Terminal) bool {
		return (site == "" || string(t.Site) == site) && (serial == "" || string(t.Serial) == serial)
	})
	if err != nil {
		return nil, nil, err
	}
	judged, err := at.decisions.Judge(ctx, v)
	return v, judged, err
}

// validate compares terminals with the register and shows the findings.
func (o *operator) validate() *cobra.Command {
	var site, serial string
	var decided, asJSON bool
	cmd := &cobra.Command{
		Use:   "validate",
		Short: o.sayValidate("short", nil),
		Long:  o.sayValidate("long", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.withOffice(cmd.Context(), func(at office) error {
				v, judged, err := at.look(cmd.Context(), site, serial)
				switch {
				case err != nil:
					return err
				case len(v.Terminals) == 0:
					return errors.New(o.sayValidate("no-terminal", nil))
				case decided:
					return o.showDecided(cmd, at, v)
				case asJSON:
					encoder := json.NewEncoder(cmd.OutOrStdout())
					encoder.SetIndent("", "  ")
					return encoder.Encode(plain(v, judged))
				}
				o.showFindings(cmd.OutOrStdout(), v, judged)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&site, "site", "", o.sayValidate("flag-site", nil))
	cmd.Flags().StringVar(&serial, "serial", "", o.sayValidate("flag-serial", nil))
	cmd.Flags().BoolVar(&decided, "decided", false, o.sayValidate("flag-decided", nil))
	cmd.Flags().BoolVar(&asJSON, "json", false, o.sayValidate("flag-json", nil))
	return cmd
}

// validated is a terminal with what was found there, for machines: without names.
type validated struct {
	Site     protocol.SiteID    `json:"site"`
	Serial   protocol.Serial    `json:"serial"`
	Read     time.Time          `json:"read,omitzero"` // when the inventory came; none came: nothing could be found
	Findings []validate.Finding `json:"findings"`
	Accepted []validate.Finding `json:"accepted,omitempty"`
}

func plain(v *survey.View, judged [][]decision.Judged) []validated {
	all := make([]validated, len(v.Terminals))
	for i, t := range v.Terminals {
		all[i] = validated{Site: t.Site, Serial: t.Serial, Read: t.Read}
		if !t.Read.IsZero() {
			all[i].Findings = []validate.Finding{}
		}
		for _, j := range judged[i] {
			if j.Accepted() {
				all[i].Accepted = append(all[i].Accepted, j.Finding)
			} else {
				all[i].Findings = append(all[i].Findings, j.Finding)
			}
		}
	}
	return all
}

// showFindings writes a sentence for each finding, under its terminal; what somebody
// has accepted comes apart.
func (o *operator) showFindings(out io.Writer, v *survey.View, judged [][]decision.Judged) {
	found, accepted := 0, 0
	for i, t := range v.Terminals {
		open := slices.DeleteFunc(slices.Clone(judged[i]), decision.Judged.Accepted)
		args := phrase.Args{"site": t.Site, "serial": t.Serial, "read": when(t.Read), "findings": len(open)}
		switch {
		case t.Read.IsZero():
			fmt.Fprintln(out, o.sayValidate("no-inventory", args))
		case len(open) == 0:
			fmt.Fprintln(out, o.sayValidate("nothing", args))
		default:
			fmt.Fprintln(out, o.sayValidate("head", args))
		}
		for _, j := range open {
			fmt.Fprintln(out, "  "+o.finding(j))
		}
		found += len(open)
		if n := len(judged[i]) - len(open); n > 0 {
			accepted += n
			fmt.Fprintln(out, "  "+o.sayValidate("accepted-head", phrase.Args{"findings": n}))
			for _, j := range judged[i] {
				if j.Accepted() {
					fmt.Fprintln(out, "  "+o.finding(j))
				}
			}
		}
	}
	fmt.Fprintln(out, o.sayValidate("foot", phrase.Args{"terminals": len(v.Terminals), "findings": found, "accepted": accepted}))
}

// finding is one finding in a sentence, with its short name and what was or may be
// done about it.
func (o *operator) finding(j decision.Judged) string {
	said := j.ID() + " " + string(j.Class) + ". " + o.report().Finding(j.Named) + " "
	if j.Decision != nil {
		return said + o.decision(*j.Decision)
	}
	acts := make([]string, len(j.Acts))
	for i, a := range j.Acts {
		acts[i] = o.report().Act(a)
	}
	return said + o.sayValidate("acts", phrase.Args{"acts": strings.Join(acts, "; ")})
}

// decision is what was decided, by whom and when, in a sentence.
func (o *operator) decision(d decision.Decision) string {
	args := phrase.Args{"act": o.report().Act(d.Act), "who": d.By, "at": when(d.Decided), "reason": d.Reason}
	if d.Reason == "" {
		return o.sayValidate("decided", args)
	}
	return o.sayValidate("decided-reason", args)
}

// showDecided writes all that was decided about the chosen terminals, the oldest first.
func (o *operator) showDecided(cmd *cobra.Command, at office, v *survey.View) error {
	for _, t := range v.Terminals {
		decisions, err := at.decisions.Of(cmd.Context(), t.ID)
		if err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), o.sayValidate("decided-head", phrase.Args{"site": t.Site, "serial": t.Serial, "decisions": len(decisions)}))
		for _, d := range decisions {
			said := d.ID() + " " + string(d.Class) + ". " + o.report().Finding(d.Named) + " " + o.decision(d)
			if !d.Closed.IsZero() {
				said += " " + o.sayValidate("closed", phrase.Args{"at": when(d.Closed)})
			}
			fmt.Fprintln(cmd.OutOrStdout(), "  "+said)
		}
	}
	return nil
}
