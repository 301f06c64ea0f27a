package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// employee keeps the people. NUMBER is a NIP, a NIK or the hub's PIN.
func (o *operator) employee() *cobra.Command {
	cmd := &cobra.Command{Use: "employee", Short: o.sayRegister("employee-short", nil)}
	cmd.AddCommand(o.employeeAdd(), o.employeeSet(), o.employeeAlias(), o.employeeList(), o.employeeShow(), o.employeeWhere())
	return cmd
}

// employeeFlag is one attribute that a flag sets.
type employeeFlag struct {
	name      string
	attribute directory.Attribute
	value     string
}

func employeeFlags() []employeeFlag {
	return []employeeFlag{
		{name: "name", attribute: directory.EmployeeName},
		{name: "nip", attribute: directory.EmployeeNIP},
		{name: "nik", attribute: directory.EmployeeNIK},
		{name: "title-before", attribute: directory.EmployeeBefore},
		{name: "title-after", attribute: directory.EmployeeAfter},
		{name: "kind", attribute: directory.EmployeeKind},
		{name: "sex", attribute: directory.EmployeeSex},
		{name: "born", attribute: directory.EmployeeBorn},
		{name: "status", attribute: directory.EmployeeStatus},
		{name: "position", attribute: directory.EmployeePosition},
		{name: "grade", attribute: directory.EmployeeGrade},
		{name: "card", attribute: directory.EmployeeCard},
	}
}

// setEmployee says what the flags say of an employee from a day on.
func setEmployee(cmd *cobra.Command, d *directory.Draft, e *directory.Employee, since roster.Date, flags []employeeFlag) error {
	for _, f := range flags {
		if f.value == "" && !cmd.Flags().Changed(f.name) {
			continue
		}
		value := f.value
		if f.attribute == directory.EmployeeNIP {
			n, err := directory.ParseNIP(value)
			if err != nil {
				return err
			}
			value = string(n.NIP)
		}
		if err := d.Set(directory.AboutEmployee, int64(e.ID), f.attribute, since, value); err != nil {
			return err
		}
	}
	return d.Doubt(e)
}

// showDoubts says what was taken though it is odd.
func (o *operator) showDoubts(cmd *cobra.Command, d *directory.Draft) {
	for _, p := range d.Doubts {
		fmt.Fprintln(cmd.ErrOrStderr(), o.sayRegister("doubt", phrase.Args{"problem": o.sayRegister(p.Code, p.Args)}))
	}
}

func (o *operator) employeeAdd() *cobra.Command {
	var from string
	flags := employeeFlags()
	cmd := &cobra.Command{
		Use:   "add NAME --kind KIND [--nip NIP]",
		Short: o.sayRegister("employee-add-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var added *directory.Employee
			err := o.edit(cmd, "employee add", "", func(d *directory.Draft) error {
				since, err := dayOr(from, d.Today)
				if err != nil {
					return err
				}
				if strings.TrimSpace(args[0]) == "" {
					return directory.Problem{Code: "name-empty"}
				}
				all := append([]employeeFlag{{name: "name", attribute: directory.EmployeeName, value: args[0]},
					{name: "status", attribute: directory.EmployeeStatus, value: string(placement.Active)}}, flags[1:]...)
				added = d.AddEmployee()
				if err := setEmployee(cmd, d, added, since, all); err != nil {
					return err
				}
				o.showDoubts(cmd, d)
				return nil
			})
			if err == nil {
				fmt.Fprintln(cmd.OutOrStdout(), o.sayRegister("employee-add-done", phrase.Args{"pin": added.PIN}))
			}
			return err
		},
	}
	cmd.Flags().StringVar(&from, "from", "", o.sayRegister("flag-from", nil))
	for i := range flags[1:] {
		f := &flags[i+1]
		cmd.Flags().StringVar(&f.value, f.name, "", o.sayRegister("employee-flag-"+f.name, nil))
	}
	_ = cmd.MarkFlagRequired("kind") // the flag is defined above
	return o.flagWho(cmd)
}

func (o *operator) employeeSet() *cobra.Command {
	var from string
	flags := employeeFlags()
	cmd := &cobra.Command{
		Use:   "set NUMBER",
		Short: o.sayRegister("employee-set-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.edit(cmd, "employee set", "", func(d *directory.Draft) error {
				since, err := dayOr(from, d.Today)
				if err != nil {
					return err
				}
				e, err := findEmployee(d.Register, args[0])
				if err != nil {
					return err
				}
				if err := setEmployee(cmd, d, e, since, flags); err != nil {
					return err
				}
				o.showDoubts(cmd, d)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", o.sayRegister("flag-from", nil))
	for i := range flags {
		cmd.Flags().StringVar(&flags[i].value, flags[i].name, "", o.sayRegister("employee-flag-"+flags[i].name, nil))
	}
	return o.flagWho(cmd)
}

// employeeAlias says that a number of a terminal means somebody.
func (o *operator) employeeAlias() *cobra.Command {
	var from, to, site, serial string
	cmd := &cobra.Command{
		Use:   "alias NUMBER PIN",
		Short: o.sayRegister("employee-alias-short", nil),
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !isPIN(args[1]) {
				return directory.Problem{Code: "alias-form"}
			}
			return o.edit(cmd, "employee alias", "", func(d *directory.Draft) error {
				e, err := findEmployee(d.Register, args[0])
				if err != nil {
					return err
				}
				during, err := period(from, to, d.Today)
				if err != nil {
					return err
				}
				terminal := placement.TerminalID(0)
				if serial != "" {
					t, err := findTerminal(d.Register, site, serial)
					if err != nil {
						return err
					}
					terminal = t.ID
				}
				return d.AddAlias(directory.Alias{Employee: e.ID, Terminal: terminal, PIN: args[1], Period: during})
			})
		},
	}
	o.flagPeriod(cmd, &from, &to)
	o.flagTerminal(cmd, &site, &serial)
	return o.flagWho(cmd)
}

func (o *operator) employeeList() *cobra.Command {
	var unit string
	cmd := &cobra.Command{
		Use:   "list",
		Short: o.sayRegister("employee-list-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.look(cmd.Context(), func(reg *directory.Register) error {
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, o.sayRegister("employee-list-head", nil))
				for _, row := range reg.Table(today())[1:] {
					if unit == "" || row[12] == unit {
						fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", row[20], or(row[0], "-"), row[2], row[5], row[8], or(row[12], "-"))
					}
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().StringVar(&unit, "unit", "", o.sayRegister("flag-unit", nil))
	return cmd
}

// employeeShow prints all that the register ever said of somebody and still holds.
func (o *operator) employeeShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show NUMBER",
		Short: o.sayRegister("employee-show-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.look(cmd.Context(), func(reg *directory.Register) error {
				e, err := findEmployee(reg, args[0])
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintf(w, "pin\t%d\n", e.PIN)
				for _, f := range employeeFlags() {
					for _, fact := range e.Facts[f.attribute] {
						fmt.Fprintf(w, "%s\t%s\t%s\n", f.name, fact.Value, fact.Since)
					}
				}
				for _, p := range reg.PlacementsOf(e.ID) {
					u := reg.Units[p.Unit]
					fmt.Fprintf(w, "placement %d\t%s %s\t%s\t%s\t%s\tSK %s\n", p.ID, u.At(directory.UnitCode, today()), u.At(directory.UnitName, today()),
						p.Kind, p.From, until(p.To), p.SK)
				}
				for _, a := range directory.Sorted(reg.Aliases) {
					if a.Employee == e.ID {
						fmt.Fprintf(w, "alias\t%s\t%s\t%s\t%s\n", a.PIN, terminalName(reg, a.Terminal), a.From, until(a.To))
					}
				}
				for _, g := range directory.Sorted(reg.Grants) {
					if g.Employee == e.ID {
						fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", g.Privilege, terminalName(reg, g.Terminal), g.From, until(g.To))
					}
				}
				if err := w.Flush(); err != nil {
					return err
				}
				o.showStays(cmd, reg, e)
				return nil
			})
		},
	}
}

// until prints the end of a period, or a dash for none.
func until(to roster.Date) string {
	if to == roster.Forever {
		return "-"
	}
	return string(to)
}

func terminalName(reg *directory.Register, id placement.TerminalID) string {
	if t := reg.Terminals[id]; t != nil {
		return string(t.Site) + "/" + string(t.Serial)
	}
	return "*"
}

func findEmployee(reg *directory.Register, number string) (*directory.Employee, error) {
	e, found := reg.EmployeeBy(number)
	if !found {
		return nil, directory.Problem{Code: "employee-unknown"}
	}
	return e, nil
}
