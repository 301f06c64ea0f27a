package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// sayValidate returns a sentence of the validation's part of the catalogue.
func (o *operator) sayValidate(code string, args phrase.Args) string {
	return o.catalogue.Say(o.lang, "validate."+code, args)
}

// validated is a terminal with what was found there.
type validated struct {
	Site     protocol.SiteID    `json:"site"`
	Serial   protocol.Serial    `json:"serial"`
	Read     time.Time          `json:"read,omitzero"` // when the inventory came; none came: nothing could be found
	Findings []validate.Finding `json:"findings"`

	names map[uint16]string // as the terminal has them, by slot
}

// validate compares terminals with the register and shows the findings.
func (o *operator) validate() *cobra.Command {
	var site, serial string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "validate",
		Short: o.sayValidate("short", nil),
		Long:  o.sayValidate("long", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.withStore(cmd.Context(), func(s *store.Store) error {
				reg, all, err := o.findAll(cmd.Context(), s, site, serial)
				switch {
				case err != nil:
					return err
				case len(all) == 0:
					return errors.New(o.sayValidate("no-terminal", nil))
				case asJSON:
					encoder := json.NewEncoder(cmd.OutOrStdout())
					encoder.SetIndent("", "  ")
					return encoder.Encode(all)
				}
				o.showFindings(cmd.OutOrStdout(), reg, all)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&site, "site", "", o.sayValidate("flag-site", nil))
	cmd.Flags().StringVar(&serial, "serial", "", o.sayValidate("flag-serial", nil))
	cmd.Flags().BoolVar(&asJSON, "json", false, o.sayValidate("flag-json", nil))
	return cmd
}

// findAll validates the chosen terminals as of today.
func (o *operator) findAll(ctx context.Context, s *store.Store, site, serial string) (*directory.Register, []validated, error) {
	h := holding.New(s)
	terminals, err := h.Terminals(ctx)
	if err != nil {
		return nil, nil, err
	}
	reg, err := directory.New(s, placement.Usual()).Register(ctx)
	if err != nil {
		return nil, nil, err
	}
	known, err := o.know(ctx, s, reg, today())
	if err != nil {
		return nil, nil, err
	}
	var all []validated
	for _, t := range terminals {
		if site != "" && string(t.Site) != site || serial != "" && string(t.Serial) != serial {
			continue
		}
		v := validated{Site: t.Site, Serial: t.Serial, names: map[uint16]string{}}
		inv, err := h.Inventory(ctx, t.Site, t.Serial)
		if err == nil {
			registered, _ := reg.TerminalBy(t.Site, t.Serial)
			if registered == nil {
				continue // no longer, since the list was read
			}
			c, _ := known.Case(registered.ID, inv.Inventory)
			v.Read, v.Findings = inv.At, append([]validate.Finding{}, validate.Find(c)...)
			for _, u := range inv.Users {
				v.names[u.Slot] = string(u.Name)
			}
		} else if !errors.Is(err, holding.ErrNone) {
			return nil, nil, err
		}
		all = append(all, v)
	}
	return reg, all, nil
}

// know gathers what register and vault say on a day.
func (o *operator) know(ctx context.Context, s *store.Store, reg *directory.Register, day roster.Date) (*validate.Known, error) {
	v, err := vault.Open(ctx, s, o.data, time.Now)
	if err != nil {
		return nil, err
	}
	best, err := v.Best(ctx)
	if err != nil {
		return nil, err
	}
	var stored []validate.Stored
	for i, b := range best {
		if i > 0 && best[i-1].Employee == b.Employee {
			continue
		}
		held, err := v.Have(ctx, b.Employee) // older copies too: terminals may still hold them
		if err != nil {
			return nil, err
		}
		for _, t := range held {
			stored = append(stored, validate.Stored{Employee: placement.EmployeeID(t.Employee), Best: t.Best,
				Finger: roster.Finger{Number: t.Finger, Algorithm: t.Algorithm, Digest: t.Digest}})
		}
	}
	matcher := reg.Matcher(placement.Usual())
	means := func(terminal placement.TerminalID, pin string) placement.EmployeeID {
		return matcher.Meet(terminal, pin, day).Employee
	}
	return validate.Know(reg.Snapshot(placement.Usual()), day, stored, means), nil
}

// showFindings writes a sentence for each finding, under its terminal.
func (o *operator) showFindings(out io.Writer, reg *directory.Register, all []validated) {
	people := make(map[string]string, len(reg.Employees))
	for _, e := range reg.Employees {
		people[e.PINText()] = e.At(directory.EmployeeName, today())
	}
	found := 0
	for _, v := range all {
		args := phrase.Args{"site": v.Site, "serial": v.Serial, "read": when(v.Read), "findings": len(v.Findings)}
		switch {
		case v.Read.IsZero():
			fmt.Fprintln(out, o.sayValidate("no-inventory", args))
		case len(v.Findings) == 0:
			fmt.Fprintln(out, o.sayValidate("nothing", args))
		default:
			fmt.Fprintln(out, o.sayValidate("head", args))
		}
		for _, f := range v.Findings {
			fmt.Fprintln(out, "  "+o.finding(reg, people, v.names[f.Slot], f))
		}
		found += len(v.Findings)
	}
	fmt.Fprintln(out, o.sayValidate("foot", phrase.Args{"terminals": len(all), "findings": found}))
}

// finding is one finding in a sentence, with what may be done about it. held is the
// name that the terminal shows.
func (o *operator) finding(reg *directory.Register, people map[string]string, held string, f validate.Finding) string {
	called := func(pin, name string) string {
		if name == "" {
			return pin
		}
		return pin + " (" + name + ")"
	}
	name := held
	if f.Person != "" {
		name = people[f.Person]
	}
	args := phrase.Args{"who": called(f.PIN, name), "other": called(f.Other, people[f.Other]), "held": f.Held, "want": f.Want,
		"fingers": strings.Trim(strings.ReplaceAll(fmt.Sprint(f.Fingers), " ", ", "), "[]")}
	if f.Status != "" {
		args["status"] = o.sayValidate("status-"+string(f.Status), nil)
	}
	if u := reg.Units[f.Unit]; u != nil {
		args["unit"] = u.At(directory.UnitName, today())
	}
	said := string(f.Class) + ". " + o.sayValidate("finding-"+string(f.Code), args)
	if f.Administrator {
		said += " " + o.sayValidate("administrator", nil)
	}
	acts := make([]string, len(f.Acts))
	for i, a := range f.Acts {
		acts[i] = o.sayValidate("act-"+string(a), nil)
	}
	return said + " " + o.sayValidate("acts", phrase.Args{"acts": strings.Join(acts, "; ")})
}
