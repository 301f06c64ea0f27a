package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// place brings an employee to a unit.
func (o *operator) place() *cobra.Command {
	var unit, from, to, kind, sk, skDate, tmt string
	var keep, dry bool
	cmd := &cobra.Command{
		Use:   "place NUMBER --unit CODE --from DATE --sk SK",
		Short: o.sayRegister("place-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var e *directory.Employee
			change := func(d *directory.Draft) (err error) {
				if e, err = findEmployee(d.Register, args[0]); err != nil {
					return err
				}
				during, err := period(from, to, d.Today)
				if err != nil {
					return err
				}
				u, err := findUnit(d.Register, unit, during.From)
				if err != nil {
					return err
				}
				_, err = d.Place(directory.Placement{
					Placement: placement.Placement{Employee: e.ID, Unit: u.ID, Kind: placement.Kind(kind), Period: during},
					SK:        sk, SKDate: roster.Date(skDate), TMT: roster.Date(or(tmt, string(during.From))),
				}, !keep)
				return err
			}
			if !dry {
				return o.edit(cmd, "place", unit, change)
			}
			return o.withStore(cmd.Context(), func(s *store.Store) error {
				draft, err := directory.New(s, placement.Usual()).Try(cmd.Context(), today(), change)
				if err != nil {
					return err
				}
				showDraft(cmd, draft)
				o.showStays(cmd, draft.Register, e)
				fmt.Fprintln(cmd.OutOrStdout(), o.sayRegister("import-dry", nil))
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&unit, "unit", "", o.sayRegister("flag-unit", nil))
	o.flagPeriod(cmd, &from, &to)
	cmd.Flags().StringVar(&kind, "kind", string(placement.Definitive), o.sayRegister("flag-placement-kind", nil))
	cmd.Flags().StringVar(&sk, "sk", "", o.sayRegister("flag-sk", nil))
	cmd.Flags().StringVar(&skDate, "sk-date", "", o.sayRegister("flag-sk-date", nil))
	cmd.Flags().StringVar(&tmt, "tmt", "", o.sayRegister("flag-tmt", nil))
	cmd.Flags().BoolVar(&dry, "dry-run", false, o.sayRegister("flag-dry-run", nil))
	cmd.Flags().BoolVar(&keep, "keep", false, o.sayRegister("flag-keep", nil))
	for _, name := range []string{"unit", "from", "sk"} {
		_ = cmd.MarkFlagRequired(name) // the flags are defined above
	}
	cmd.AddCommand(o.placeEnd())
	return o.flagWho(cmd)
}

// showStays says on which terminals somebody is in the year that begins today.
func (o *operator) showStays(cmd *cobra.Command, reg *directory.Register, e *directory.Employee) {
	last := today().Add(365)
	for _, s := range placement.Stays(reg.Snapshot(placement.Usual()), e.ID, today(), last) {
		to := string(s.To)
		if s.To == last {
			to = "-"
		}
		fmt.Fprintln(cmd.OutOrStdout(), o.sayRegister("stay", phrase.Args{"terminal": terminalName(reg, s.Terminal), "from": s.From, "to": to}))
	}
}

func (o *operator) placeEnd() *cobra.Command {
	var id int64
	var to string
	cmd := &cobra.Command{
		Use:   "end --placement NUMBER --to DATE",
		Short: o.sayRegister("place-end-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.edit(cmd, "place end", fmt.Sprint(id), func(d *directory.Draft) error {
				end, err := dayOr(to, d.Today)
				if err != nil {
					return err
				}
				if _, found := d.Placements[placement.PlacementID(id)]; !found {
					return directory.Problem{Code: "placement-unknown"}
				}
				return d.EndPlacement(placement.PlacementID(id), end)
			})
		},
	}
	cmd.Flags().Int64Var(&id, "placement", 0, o.sayRegister("flag-placement", nil))
	cmd.Flags().StringVar(&to, "to", "", o.sayRegister("flag-to", nil))
	_ = cmd.MarkFlagRequired("placement") // the flag is defined above
	return o.flagWho(cmd)
}

// terminalServe says which units' people a terminal is for.
func (o *operator) terminalServe() *cobra.Command {
	var unit, from, to, site, serial string
	var responsible bool
	cmd := &cobra.Command{
		Use:   "serve --serial SERIAL --unit CODE",
		Short: o.sayRegister("serve-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.edit(cmd, "terminal serve", serial, func(d *directory.Draft) error {
				t, err := findTerminal(d.Register, site, serial)
				if err != nil {
					return err
				}
				during, err := period(from, to, d.Today)
				if err != nil {
					return err
				}
				u, err := findUnit(d.Register, unit, during.From)
				if err != nil {
					return err
				}
				return d.Serve(directory.Serving{Terminal: t.ID, Serving: placement.Serving{Unit: u.ID, Responsible: responsible, Period: during}})
			})
		},
	}
	o.flagTerminal(cmd, &site, &serial)
	cmd.Flags().StringVar(&unit, "unit", "", o.sayRegister("flag-unit", nil))
	o.flagPeriod(cmd, &from, &to)
	cmd.Flags().BoolVar(&responsible, "responsible", false, o.sayRegister("flag-responsible", nil))
	return o.flagWho(cmd)
}

// terminalMode says how far agents may go at a terminal, and whether fingers are
// captured there.
func (o *operator) terminalMode() *cobra.Command {
	var site, serial, enrolment, admins string
	cmd := &cobra.Command{
		Use:   "mode [observe|add|enforce] --serial SERIAL",
		Short: o.sayRegister("mode-short", nil),
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			change := func(d *directory.Draft) error {
				t, err := findTerminal(d.Register, site, serial)
				if err != nil {
					return err
				}
				facts := map[directory.Attribute]string{directory.TerminalEnrolment: enrolment, directory.TerminalMaxAdmins: admins}
				for _, a := range []directory.Attribute{directory.TerminalEnrolment, directory.TerminalMaxAdmins} {
					if facts[a] == "" {
						continue
					}
					if err := d.Set(directory.AboutTerminal, int64(t.ID), a, d.Today, facts[a]); err != nil {
						return err
					}
				}
				return nil
			}
			if len(args) == 0 {
				return o.edit(cmd, "terminal mode", serial, change)
			}
			return o.withOffice(cmd.Context(), func(at office) error {
				t, err := at.terminal(cmd, site, serial)
				if err != nil {
					return err
				}
				n, err := at.campaigns.SetMode(cmd.Context(), o.by("terminal mode", serial), t.ID, roster.Mode(args[0]), change)
				if err != nil {
					return err
				}
				o.sayChange(cmd, n)
				return nil
			})
		},
	}
	o.flagTerminal(cmd, &site, &serial)
	cmd.Flags().StringVar(&enrolment, "enrolment", "", o.sayRegister("flag-enrolment", nil))
	cmd.Flags().StringVar(&admins, "max-admins", "", o.sayRegister("flag-max-admins", nil))
	return o.flagWho(cmd)
}

// terminalGrant lets somebody administer a terminal, or all.
func (o *operator) terminalGrant() *cobra.Command {
	var site, serial, privilege, from, to string
	var all bool
	cmd := &cobra.Command{
		Use:   "grant NUMBER --serial SERIAL | --all",
		Short: o.sayRegister("grant-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.edit(cmd, "terminal grant", serial, func(d *directory.Draft) error {
				e, err := findEmployee(d.Register, args[0])
				if err != nil {
					return err
				}
				during, err := period(from, to, d.Today)
				if err != nil {
					return err
				}
				g := placement.Grant{Employee: e.ID, Privilege: roster.Privilege(privilege), Period: during}
				if !all {
					t, err := findTerminal(d.Register, site, serial)
					if err != nil {
						return err
					}
					g.Terminal = t.ID
				}
				d.Grant(g)
				return nil
			})
		},
	}
	o.flagTerminal(cmd, &site, &serial)
	cmd.Flags().BoolVar(&all, "all", false, o.sayRegister("flag-all", nil))
	cmd.Flags().StringVar(&privilege, "privilege", string(roster.Administrator), o.sayRegister("flag-privilege", nil))
	o.flagPeriod(cmd, &from, &to)
	return o.flagWho(cmd)
}

// terminalRoster shows who belongs on a terminal on a day, and with a NUMBER why.
func (o *operator) terminalRoster() *cobra.Command {
	var site, serial, on, why string
	cmd := &cobra.Command{
		Use:   "roster --serial SERIAL [--on DATE] [--why NUMBER]",
		Short: o.sayRegister("roster-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			day, err := dayOr(on, today())
			if err != nil {
				return err
			}
			return o.withStore(cmd.Context(), func(s *store.Store) error {
				reg, err := directory.New(s, placement.Usual()).Register(cmd.Context())
				if err != nil {
					return err
				}
				t, err := findTerminal(reg, site, serial)
				if err != nil {
					return err
				}
				that := placement.On(reg.Snapshot(placement.Usual()), day)
				if why != "" {
					return o.showWhy(cmd, reg, that, t, why)
				}
				r, found := that.Roster(t.ID)
				if !found {
					return errors.New("the terminal left the register while it was read")
				}
				fmt.Fprintln(cmd.OutOrStdout(), o.sayRegister("roster-head", phrase.Args{"serial": r.Serial, "day": r.AsOf, "mode": r.Mode, "people": len(r.Entries)}))
				for _, e := range r.Entries {
					fmt.Fprintf(cmd.OutOrStdout(), "%s  %s  %s\n", e.PIN, e.Privilege, e.Name)
				}
				return nil
			})
		},
	}
	o.flagTerminal(cmd, &site, &serial)
	cmd.Flags().StringVar(&on, "on", "", o.sayRegister("flag-on", nil))
	cmd.Flags().StringVar(&why, "why", "", o.sayRegister("flag-why", nil))
	return cmd
}

func (o *operator) showWhy(cmd *cobra.Command, reg *directory.Register, day *placement.Day, t *directory.Terminal, number string) error {
	e, err := findEmployee(reg, number)
	if err != nil {
		return err
	}
	_, reasons := day.Why(e.ID, t.ID)
	if len(reasons) == 0 {
		fmt.Fprintln(cmd.OutOrStdout(), o.sayRegister("why-nothing", nil))
	}
	for _, r := range reasons {
		unit := ""
		if u := reg.Units[r.Unit]; u != nil {
			unit = u.At(directory.UnitName, today())
		}
		fmt.Fprintln(cmd.OutOrStdout(), o.sayRegister("why-"+string(r.Code), phrase.Args{"unit": unit, "from": r.From, "to": until(r.To)}))
	}
	return nil
}

func (o *operator) flagPeriod(cmd *cobra.Command, from, to *string) {
	cmd.Flags().StringVar(from, "from", "", o.sayRegister("flag-from", nil))
	cmd.Flags().StringVar(to, "to", "", o.sayRegister("flag-to", nil))
}

func (o *operator) flagTerminal(cmd *cobra.Command, site, serial *string) {
	cmd.Flags().StringVar(site, "site", "", o.sayRegister("flag-terminal-site", nil))
	cmd.Flags().StringVar(serial, "serial", "", o.sayRegister("flag-terminal", nil))
}

// period reads two dates that somebody typed; without the first it begins today.
func period(from, to string, today roster.Date) (p placement.Period, err error) {
	if p.From, err = dayOr(from, today); err != nil {
		return p, err
	}
	p.To, err = dayOr(to, roster.Forever)
	return p, err
}

func findTerminal(reg *directory.Register, site, serial string) (*directory.Terminal, error) {
	t, found := reg.TerminalBy(protocol.SiteID(site), protocol.Serial(serial))
	if !found {
		return nil, directory.Problem{Code: "terminal-unknown", Args: map[string]any{"serial": serial}}
	}
	return t, nil
}
