package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub/internal/decision"
	"github.com/bkpsdmd-babel/sidik/hub/internal/survey"
	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// findingCommand lists what was found at one terminal, and lets a person decide.
func (o *operator) findingCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "finding", Short: o.sayValidate("of-one-short", nil)}
	cmd.AddCommand(o.findingList(), o.findingDecide())
	return cmd
}

// judged finds the one terminal that is meant, with its findings.
func (o *operator) judged(ctx context.Context, at office, site, serial string) (t survey.Terminal, all []decision.Judged, err error) {
	v, judged, err := at.look(ctx, site, serial)
	if err != nil {
		return t, nil, err
	}
	switch len(v.Terminals) {
	case 0:
		return t, nil, errors.New(o.say("error-no-terminal", phrase.Args{"serial": serial}))
	case 1:
		return v.Terminals[0], judged[0], nil
	}
	return t, nil, errors.New(o.say("error-two-terminals", phrase.Args{"serial": serial}))
}

func (o *operator) findingList() *cobra.Command {
	var site string
	cmd := &cobra.Command{
		Use:   "list SERIAL",
		Short: o.sayValidate("list-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withOffice(cmd.Context(), func(at office) error {
				t, all, err := o.judged(cmd.Context(), at, site, args[0])
				if err != nil {
					return err
				}
				o.showFindings(cmd.OutOrStdout(), &survey.View{Terminals: []survey.Terminal{t}}, [][]decision.Judged{all})
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&site, "site", "", o.say("flag-site", nil))
	return cmd
}

// findingDecide decides about findings by their short names, or about all undecided
// ones of some classes.
func (o *operator) findingDecide() *cobra.Command {
	var site, act, privilege, from string
	var classes []string
	var ch decision.Choice
	cmd := &cobra.Command{
		Use:   "decide SERIAL [FINDING…] [--class a,b] [--act ACT]",
		Short: o.sayValidate("decide-short", nil),
		Long:  o.sayValidate("decide-long", nil),
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			day, err := dayOr(from, today())
			if err != nil {
				return err
			}
			ch.Act, ch.From, ch.Privilege = validate.Act(act), day, roster.Privilege(privilege)
			return o.withOffice(cmd.Context(), func(at office) error {
				t, all, err := o.judged(cmd.Context(), at, site, args[0])
				if err != nil {
					return err
				}
				chosen, err := o.choose(all, args[1:], classes)
				if err != nil {
					return err
				}
				for _, j := range chosen {
					effect, err := at.decisions.Decide(cmd.Context(), o.by("finding decide", args[0]+" "+j.ID()), t, j.Named, ch)
					if err != nil {
						return err
					}
					if ch.Act == "" {
						fmt.Fprint(cmd.OutOrStdout(), j.ID()+" "+o.report().Act(j.Acts[0]))
					} else {
						fmt.Fprint(cmd.OutOrStdout(), j.ID()+" "+o.report().Act(ch.Act))
					}
					fmt.Fprintln(cmd.OutOrStdout(), ": "+o.sayCampaign("effect-"+string(effect), nil))
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&site, "site", "", o.say("flag-site", nil))
	cmd.Flags().StringSliceVar(&classes, "class", nil, o.sayValidate("flag-class", nil))
	cmd.Flags().StringVar(&act, "act", "", o.sayValidate("flag-act", nil))
	cmd.Flags().StringVar(&ch.Reason, "reason", "", o.sayValidate("flag-reason", nil))
	cmd.Flags().StringVar(&ch.Employee, "employee", "", o.sayValidate("flag-employee", nil))
	cmd.Flags().StringVar(&ch.Unit, "unit", "", o.sayValidate("flag-unit", nil))
	cmd.Flags().StringVar(&ch.SK, "sk", "", o.sayRegister("flag-sk", nil))
	cmd.Flags().StringVar(&from, "from", "", o.sayRegister("flag-from", nil))
	cmd.Flags().StringVar(&privilege, "privilege", "", o.sayValidate("flag-privilege", nil))
	return o.flagWho(cmd)
}

// choose finds the findings that are named: each by its short name, or
// by its class those that nobody has decided yet.
func (o *operator) choose(all []decision.Judged, ids, classes []string) (chosen []decision.Judged, err error) {
	for _, id := range ids {
		i := slices.IndexFunc(all, func(j decision.Judged) bool { return strings.EqualFold(j.ID(), id) })
		if i < 0 {
			return nil, errors.New(o.sayValidate("no-finding", phrase.Args{"id": id}))
		}
		chosen = append(chosen, all[i])
	}
	for _, j := range all {
		if j.Decision == nil && slices.Contains(classes, string(j.Class)) {
			chosen = append(chosen, j)
		}
	}
	if len(chosen) == 0 {
		return nil, errors.New(o.sayValidate("none-chosen", nil))
	}
	return chosen, nil
}
