package main

import (
	"fmt"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// unit keeps the tree of offices.
func (o *operator) unit() *cobra.Command {
	cmd := &cobra.Command{Use: "unit", Short: o.sayRegister("unit-short", nil)}
	cmd.AddCommand(o.unitAdd(), o.unitSet(), o.unitList())
	return cmd
}

func (o *operator) unitAdd() *cobra.Command {
	var kind, from, parent string
	cmd := &cobra.Command{
		Use:   "add CODE NAME --kind KIND",
		Short: o.sayRegister("unit-add-short", nil),
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.edit(cmd, "unit add", args[0], func(d *directory.Draft) error {
				since, err := dayOr(from, d.Today)
				if err != nil {
					return err
				}
				u, err := d.AddUnit(since, args[0], args[1], placement.UnitKind(kind))
				if err != nil || parent == "" {
					return err
				}
				above, err := findUnit(d.Register, parent, since)
				if err != nil {
					return err
				}
				return d.Set(directory.AboutUnit, int64(u.ID), directory.UnitParent, since, strconv.FormatInt(int64(above.ID), 10))
			})
		},
	}
	cmd.Flags().StringVar(&kind, "kind", "", o.sayRegister("flag-unit-kind", nil))
	cmd.Flags().StringVar(&from, "from", "", o.sayRegister("flag-from", nil))
	cmd.Flags().StringVar(&parent, "parent", "", o.sayRegister("flag-parent", nil))
	_ = cmd.MarkFlagRequired("kind") // the flag is defined above
	return o.flagWho(cmd)
}

// unitSet changes what is said of a unit from a day on.
func (o *operator) unitSet() *cobra.Command {
	var from string
	flags := []struct {
		name      string
		attribute directory.Attribute
		value     string
	}{
		{name: "name", attribute: directory.UnitName},
		{name: "code", attribute: directory.UnitCode},
		{name: "kind", attribute: directory.UnitKind},
		{name: "siasn", attribute: directory.UnitSIASN},
		{name: "parent", attribute: directory.UnitParent},
		{name: "merged-into", attribute: directory.UnitMerged},
		{name: "prepare-days", attribute: directory.UnitPrepare},
		{name: "grace-days", attribute: directory.UnitGrace},
	}
	cmd := &cobra.Command{
		Use:   "set CODE",
		Short: o.sayRegister("unit-set-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.edit(cmd, "unit set", args[0], func(d *directory.Draft) error {
				since, err := dayOr(from, d.Today)
				if err != nil {
					return err
				}
				u, err := findUnit(d.Register, args[0], since)
				if err != nil {
					return err
				}
				for _, f := range flags {
					if !cmd.Flags().Changed(f.name) {
						continue
					}
					value := f.value
					if f.attribute == directory.UnitParent || f.attribute == directory.UnitMerged {
						other, err := findUnit(d.Register, f.value, since)
						if err != nil {
							return err
						}
						value = strconv.FormatInt(int64(other.ID), 10)
					}
					if err := d.Set(directory.AboutUnit, int64(u.ID), f.attribute, since, value); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", o.sayRegister("flag-from", nil))
	for i := range flags {
		cmd.Flags().StringVar(&flags[i].value, flags[i].name, "", o.sayRegister("unit-flag-"+flags[i].name, nil))
	}
	return o.flagWho(cmd)
}

func (o *operator) unitList() *cobra.Command {
	var on string
	cmd := &cobra.Command{
		Use:   "list",
		Short: o.sayRegister("unit-list-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			day, err := dayOr(on, today())
			if err != nil {
				return err
			}
			return o.look(cmd.Context(), func(reg *directory.Register) error {
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, o.sayRegister("unit-list-head", nil))
				for _, row := range reg.UnitTable(day)[1:] {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", row[0], row[1], row[2], or(row[3], "-"))
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().StringVar(&on, "on", "", o.sayRegister("flag-on", nil))
	return cmd
}

func findUnit(reg *directory.Register, code string, day roster.Date) (*directory.Unit, error) {
	u, found := reg.UnitByCode(code, day)
	if !found {
		return nil, directory.Problem{Code: "unit-unknown", Args: map[string]any{"code": code}}
	}
	return u, nil
}

// dayOr reads a date that somebody typed; empty is otherwise.
func dayOr(text string, otherwise roster.Date) (roster.Date, error) {
	if text == "" {
		return otherwise, nil
	}
	day, err := roster.ParseDate(text)
	if err != nil {
		return "", directory.Problem{Code: "date", Args: map[string]any{"date": text}}
	}
	return day, nil
}
