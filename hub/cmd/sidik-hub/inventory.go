package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/stick"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/usbfile"
)

// sayStick returns a sentence about files of terminals.
func (o *operator) sayStick(code string, args phrase.Args) string {
	return o.catalogue.Say(o.lang, "stick."+code, args)
}

// inventory is what terminals hold, as somebody brings it in their own files.
func (o *operator) inventory() *cobra.Command {
	cmd := &cobra.Command{Use: "inventory", Short: o.sayStick("short", nil)}
	cmd.AddCommand(o.inventoryLoad(), o.inventoryList())
	return cmd
}

func (o *operator) inventoryLoad() *cobra.Command {
	var site, users, templates, copied, reason string
	cmd := &cobra.Command{
		Use:   `load SERIAL --users user.dat --templates template.fp10.1 --copied "2026-01-31 09:00"`,
		Short: o.sayStick("load-short", nil),
		Long:  o.sayStick("load-long", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			moment, err := time.ParseInLocation("2006-01-02 15:04", copied, time.FixedZone("WIB", int(protocol.Zone/time.Second)))
			if err != nil {
				return errors.New(o.sayStick("error-copied", nil))
			}
			algorithm, known := usbfile.AlgorithmOf(templates)
			if !known {
				return errors.New(o.sayStick("error-name", nil))
			}
			f := stick.Files{Algorithm: algorithm, Copied: moment, Reason: strings.TrimSpace(reason), By: o.by("inventory load", args[0]).Who}
			if f.Users, err = readPacked(users); err != nil {
				return err
			}
			if f.Templates, err = readPacked(templates); err != nil {
				return err
			}
			return o.withTerminal(cmd.Context(), site, args[0], func(h *holding.Holding, t holding.Terminal) error {
				f.Site, f.Serial = t.Site, t.Serial
				return o.withVault(cmd.Context(), func(_ *directory.Register, v *vault.Vault) error {
					f.At = time.Now()
					r, err := stick.New(h, v).Load(cmd.Context(), f)
					if err != nil {
						o.showLosses(cmd.ErrOrStderr(), r)
						return err
					}
					o.showLoad(cmd.OutOrStdout(), f, r)
					return nil
				})
			})
		},
	}
	cmd.Flags().StringVar(&site, "site", "", o.say("flag-site", nil))
	cmd.Flags().StringVar(&users, "users", usbfile.UsersName, o.sayStick("flag-users", nil))
	cmd.Flags().StringVar(&templates, "templates", usbfile.Algorithm10.TemplatesName(), o.sayStick("flag-templates", nil))
	cmd.Flags().StringVar(&copied, "copied", "", o.sayStick("flag-copied", nil))
	cmd.Flags().StringVar(&reason, "reason", "", o.sayStick("flag-reason", nil))
	_ = cmd.MarkFlagRequired("copied") // the flag is defined above
	return o.flagWho(cmd)
}

// readPacked reads a file of a terminal that is no larger than one can be.
func readPacked(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, usbfile.MaxPacked+1))
	if err == nil && len(content) > usbfile.MaxPacked {
		err = usbfile.ErrLarge
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return content, nil
}

// showLosses tells where files are damaged; what stood there it does not know.
func (o *operator) showLosses(out io.Writer, r stick.Report) {
	for _, file := range []struct {
		name string
		lost []usbfile.Loss
	}{{usbfile.UsersName, r.LostUsers}, {r.Algorithm.TemplatesName(), r.LostTemplates}} {
		for _, l := range file.lost {
			fmt.Fprintln(out, o.sayStick("lost", phrase.Args{"file": file.name, "offset": l.Offset, "size": l.Size, "why": o.sayStick("fault-"+string(l.Why), nil)}))
		}
	}
}

// showLoad tells what came of files, and what is to be done with them now.
func (o *operator) showLoad(out io.Writer, f stick.Files, r stick.Report) {
	args := phrase.Args{"site": f.Site, "serial": f.Serial, "copied": when(f.Copied), "users": r.Users, "fingers": r.Fingers,
		"kept": r.Kept, "number": r.Load, "orphans": r.Orphans, "invalid": r.Invalid}
	fmt.Fprintln(out, o.sayStick("loaded", args))
	if r.Orphans > 0 {
		fmt.Fprintln(out, o.sayStick("orphans", args))
	}
	if r.Invalid > 0 {
		fmt.Fprintln(out, o.sayStick("invalid", args))
	}
	fmt.Fprintln(out, o.sayStick("erase", nil))
}

func (o *operator) inventoryList() *cobra.Command {
	var site, serial string
	cmd := &cobra.Command{
		Use:   "list",
		Short: o.sayStick("list-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.withStore(cmd.Context(), func(s *store.Store) error {
				all, err := holding.New(s).Sticks(cmd.Context(), protocol.SiteID(site), protocol.Serial(serial))
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, o.sayStick("list-head", nil))
				for _, s := range all {
					fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%d/%d\t%s\t%s\t%s\n", s.ID, s.Site, s.Serial, when(s.Copied), when(s.At), s.By, s.Users, s.Fingers,
						s.UserFile.Short(), s.Templates.Short(), or(s.Reason, "-"))
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().StringVar(&site, "site", "", o.sayRegister("flag-found-site", nil))
	cmd.Flags().StringVar(&serial, "serial", "", o.sayRegister("flag-terminal", nil))
	return cmd
}

// explainStick is the sentence for why files of a terminal are not taken; "" for other
// errors.
func (o *operator) explainStick(err error) string {
	if doubt, is := errors.AsType[*stick.DoubtError](err); is {
		lines := make([]string, len(doubt.Doubts), len(doubt.Doubts)+1)
		for i, d := range doubt.Doubts {
			lines[i] = o.sayStick("doubt-"+string(d.Why), phrase.Args{"site": d.Site, "serial": d.Serial, "shared": d.Shared, "of": d.Of})
		}
		return strings.Join(append(lines, o.sayStick("doubt-foot", nil)), "\n")
	}
	for _, known := range []struct {
		is   error
		code string
	}{
		{stick.ErrDamaged, "error-damaged"},
		{stick.ErrMoment, "error-moment"},
		{usbfile.ErrNotUsers, "error-users"},
		{usbfile.ErrNotTemplates, "error-templates"},
		{usbfile.ErrMixture, "error-mixture"},
		{usbfile.ErrLarge, "error-large"},
		{holding.ErrReplay, "error-later"},
	} {
		if errors.Is(err, known.is) {
			return o.sayStick(known.code, nil)
		}
	}
	return ""
}
