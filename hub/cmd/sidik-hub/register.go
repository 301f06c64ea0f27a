package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// sayRegister returns a sentence of the register's part of the catalogue.
func (o *operator) sayRegister(code string, args phrase.Args) string {
	return o.catalogue.Say(o.lang, "register."+code, args)
}

// explainRegister is the sentence for what the register refuses; "" for other errors.
func (o *operator) explainRegister(err error) string {
	var problem directory.Problem
	if errors.As(err, &problem) {
		return o.sayRegister(problem.Code, problem.Args)
	}
	var later *directory.LaterError
	if errors.As(err, &later) {
		return o.sayRegister("error-later", phrase.Args{"changes": fmt.Sprint(later.Changes)})
	}
	for _, known := range []struct {
		is   error
		code string
	}{
		{directory.ErrUndone, "error-undone"},
		{directory.ErrNoChange, "error-no-change"},
		{directory.ErrNoColumns, "error-no-columns"},
		{directory.ErrTooLarge, "error-too-large"},
		{directory.ErrNoSpreadsheet, "error-no-spreadsheet"},
		{vault.ErrNoFind, "error-no-find"},
	} {
		if errors.Is(err, known.is) {
			return o.sayRegister(known.code, nil)
		}
	}
	return ""
}

// flagWho adds the flag that says who makes a change: the one who is logged in
// unless somebody else is named.
func (o *operator) flagWho(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&o.who, "by", "", o.sayRegister("flag-by", nil))
	return cmd
}

func (o *operator) by(act, subject string) directory.By {
	who := o.who
	if who == "" {
		if u, err := user.Current(); err == nil {
			who = u.Username
		}
	}
	return directory.By{Who: who, At: time.Now(), Act: act, Subject: subject}
}

// today is the day on the terminals' walls.
func today() roster.Date { return roster.DateOf(time.Now()) }

// edit makes one change of the register and says its number.
func (o *operator) edit(cmd *cobra.Command, act, subject string, change func(*directory.Draft) error) error {
	return o.withStore(cmd.Context(), func(s *store.Store) error {
		n, err := directory.New(s, placement.Usual()).Edit(cmd.Context(), o.by(act, subject), change)
		if err != nil {
			return err
		}
		o.sayChange(cmd, n)
		return nil
	})
}

// sayChange says the number of a change of the register, or that there was none.
func (o *operator) sayChange(cmd *cobra.Command, n int64) {
	code := "done"
	if n == 0 {
		code = "nothing"
	}
	fmt.Fprintln(cmd.OutOrStdout(), o.sayRegister(code, phrase.Args{"change": n}))
}

// look reads the register and shows something of it.
func (o *operator) look(ctx context.Context, show func(*directory.Register) error) error {
	return o.withStore(ctx, func(s *store.Store) error {
		reg, err := directory.New(s, placement.Usual()).Register(ctx)
		if err != nil {
			return err
		}
		return show(reg)
	})
}

// register takes files in and out, and changes back.
func (o *operator) register() *cobra.Command {
	cmd := &cobra.Command{Use: "register", Short: o.sayRegister("short", nil)}
	cmd.AddCommand(o.registerImport(), o.registerExport(), o.registerChanges(), o.registerUndo())
	return cmd
}

func (o *operator) registerImport() *cobra.Command {
	var dry, skip bool
	var mapping map[string]string
	cmd := &cobra.Command{
		Use:   "import FILE.csv|FILE.xlsx",
		Short: o.sayRegister("import-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			table, err := readTable(args[0])
			if err != nil {
				return fmt.Errorf("read %s: %w", args[0], err)
			}
			return o.withStore(cmd.Context(), func(s *store.Store) error {
				d := directory.New(s, placement.Usual())
				var out directory.Outcome
				change := func(draft *directory.Draft) (err error) {
					if out, err = draft.Import(table, mapping); err == nil && len(out.Errors) > 0 && !dry && !skip {
						err = errors.New(o.sayRegister("import-refused", phrase.Args{"rows": out.Rows}))
					}
					return err
				}
				if dry {
					draft, err := d.Try(cmd.Context(), today(), change)
					o.showOutcome(cmd, out)
					if err != nil {
						return err
					}
					showDraft(cmd, draft)
					fmt.Fprintln(cmd.OutOrStdout(), o.sayRegister("import-dry", nil))
					return nil
				}
				n, err := d.Edit(cmd.Context(), o.by("register import", filepath.Base(args[0])), change)
				o.showOutcome(cmd, out)
				if err != nil {
					return err
				}
				code := "import-done"
				if n == 0 {
					code = "nothing"
				}
				fmt.Fprintln(cmd.OutOrStdout(), o.sayRegister(code, phrase.Args{"change": n}))
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, o.sayRegister("flag-dry-run", nil))
	cmd.Flags().StringToStringVar(&mapping, "column", nil, o.sayRegister("flag-column", nil))
	cmd.Flags().BoolVar(&skip, "skip-errors", false, o.sayRegister("flag-skip-errors", nil))
	return o.flagWho(cmd)
}

func readTable(path string) ([][]directory.Cell, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if strings.EqualFold(filepath.Ext(path), ".xlsx") {
		return directory.ReadXLSX(f)
	}
	return directory.ReadCSV(f)
}

// showOutcome says what the file holds, line by line where something is wrong.
func (o *operator) showOutcome(cmd *cobra.Command, out directory.Outcome) {
	w := cmd.OutOrStdout()
	for _, list := range []struct {
		code string
		rows []directory.RowError
	}{{"import-error", out.Errors}, {"import-doubt", out.Doubts}} {
		for _, e := range list.rows {
			fmt.Fprintln(w, o.sayRegister(list.code, phrase.Args{"row": e.Row, "problem": o.sayRegister(e.Problem.Code, e.Problem.Args)}))
		}
	}
	for _, head := range out.Ignored {
		fmt.Fprintln(w, o.sayRegister("import-ignored", phrase.Args{"column": head}))
	}
	fmt.Fprintln(w, o.sayRegister("import-counts", phrase.Args{"rows": out.Rows, "new": out.New, "changed": out.Changed,
		"same": out.Same, "wrong": out.Rows - out.New - out.Changed - out.Same}))
}

// showDraft prints what a change would void and make, a line for each.
func showDraft(cmd *cobra.Command, draft *directory.Draft) {
	for _, row := range draft.Voided {
		fmt.Fprintln(cmd.OutOrStdout(), "-", draft.Describe(row))
	}
	for _, row := range draft.Made {
		fmt.Fprintln(cmd.OutOrStdout(), "+", draft.Describe(row))
	}
}

func (o *operator) registerExport() *cobra.Command {
	var units bool
	var xlsx string
	cmd := &cobra.Command{
		Use:   "export",
		Short: o.sayRegister("export-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.look(cmd.Context(), func(reg *directory.Register) error {
				table := reg.Table(today())
				if units {
					table = reg.UnitTable(today())
				}
				if xlsx == "" {
					return csv.NewWriter(cmd.OutOrStdout()).WriteAll(table)
				}
				return writeXLSX(xlsx, table)
			})
		},
	}
	cmd.Flags().StringVar(&xlsx, "xlsx", "", o.sayRegister("flag-xlsx", nil))
	cmd.Flags().BoolVar(&units, "units", false, o.sayRegister("flag-units", nil))
	return cmd
}

// writeXLSX writes a new file for its owner only: it holds personal data.
func writeXLSX(path string, table [][]string) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return directory.WriteXLSX(f, table)
}

func (o *operator) registerChanges() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "changes",
		Short: o.sayRegister("changes-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.withStore(cmd.Context(), func(s *store.Store) error {
				changes, err := directory.New(s, placement.Usual()).Changes(cmd.Context(), limit)
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, o.sayRegister("changes-head", nil))
				for _, c := range changes {
					fmt.Fprintf(w, "%d\t%s\t%s\t%s %s\n", c.N, when(c.At), c.Who, c.Act, c.Subject)
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 20, o.sayRegister("flag-limit", nil))
	return cmd
}

func (o *operator) registerUndo() *cobra.Command {
	return o.flagWho(&cobra.Command{
		Use:   "undo NUMBER",
		Short: o.sayRegister("undo-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return directory.ErrNoChange
			}
			return o.withStore(cmd.Context(), func(s *store.Store) error {
				if err := directory.New(s, placement.Usual()).Undo(cmd.Context(), o.by("undo", args[0]), n); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), o.sayRegister("undo-done", phrase.Args{"change": n}))
				return nil
			})
		},
	})
}
