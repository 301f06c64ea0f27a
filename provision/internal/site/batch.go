package site

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/provision/internal/hubapi"
	"github.com/bkpsdmd-babel/sidik/provision/internal/kit"
)

// row is one site of a list.
type row struct {
	line      int
	site      protocol.SiteID
	terminals []protocol.Serial
	err       error // what is wrong with the line itself
}

// readRows reads a list with the columns site, terminal, terminal2 and so on, apart by
// commas or, as offices' programs write it, by semicolons. A line that cannot be used has
// an error; the others count.
func readRows(path string) (rows []row, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read list of sites: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxList+1))
	if err != nil {
		return nil, fmt.Errorf("read list of sites: %w", err)
	}
	if len(text) > maxList {
		return nil, fmt.Errorf("read list of sites: more than %d bytes", maxList)
	}
	content := strings.TrimPrefix(string(text), "\ufeff")
	head, _, _ := strings.Cut(content, "\n")
	r := csv.NewReader(strings.NewReader(content))
	r.FieldsPerRecord, r.TrimLeadingSpace = -1, true
	if strings.Contains(head, ";") {
		r.Comma = ';'
	}
	if first, err := r.Read(); err != nil || !strings.EqualFold(strings.TrimSpace(first[0]), "site") {
		return nil, errors.Join(errHead, err)
	}
	seen := map[protocol.SiteID]int{}
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if broken, is := errors.AsType[*csv.ParseError](err); is {
			rows = append(rows, row{line: broken.Line, err: broken.Err})
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read list of sites: %w", err)
		}
		line, _ := r.FieldPos(0)
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
		}
		serials := slices.DeleteFunc(fields[1:], func(s string) bool { return s == "" })
		if fields[0] == "" && len(serials) == 0 {
			continue
		}
		n := row{line: line}
		n.site, n.terminals, n.err = parse(fields[0], serials)
		if before := seen[n.site]; n.err == nil && before > 0 {
			n.err = fmt.Errorf("site %s stands in line %d already", n.site, before)
		}
		seen[n.site] = line
		rows = append(rows, n)
	}
}

// maxList bounds a list of sites, in bytes.
const maxList = 4 << 20

// errHead says that a list is none.
var errHead = errors.New("the first line of the list must name the columns: site,terminal,terminal2")

// addAll registers all sites of a list that are not registered yet.
func (c *command) addAll(cmd *cobra.Command, h *hubapi.Client, list string) error {
	known, err := sitesByID(cmd.Context(), h)
	if err != nil {
		return err
	}
	return c.each(cmd, list, func(r row) (done bool, err error) {
		if s, found := known[r.site]; found && r.registered(s) {
			return true, nil
		}
		_, err = h.Register(cmd.Context(), r.site, r.terminals)
		return false, err
	})
}

func sitesByID(ctx context.Context, h *hubapi.Client) (map[protocol.SiteID]hubapi.Site, error) {
	all, err := h.Sites(ctx)
	known := map[protocol.SiteID]hubapi.Site{}
	for _, s := range all {
		known[s.Site] = s
	}
	return known, err
}

// registered tells whether the hub knows all terminals of a line.
func (r row) registered(s hubapi.Site) bool {
	return !slices.ContainsFunc(r.terminals, func(t protocol.Serial) bool { return !slices.Contains(s.Terminals, t) })
}

// writeAll registers all sites of a list and writes their kits into one folder, but those
// whose agent is in, and those that an earlier run wrote and whose code the hub still
// takes.
func (c *command) writeAll(cmd *cobra.Command, h *hubapi.Client, list, to string, o order) (err error) {
	way, err := h.Way(cmd.Context())
	if err != nil {
		return err
	}
	known, err := sitesByID(cmd.Context(), h)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return fmt.Errorf("make folder of kits: %w", err)
	}
	p, err := openProgress(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	return c.each(cmd, list, func(r row) (done bool, err error) {
		if s := known[r.site]; r.registered(s) && (s.Standing == hubapi.Admitted || p.done(s)) {
			return true, nil
		}
		if len(r.terminals) == 0 {
			return false, kit.ErrNoTerminal
		}
		s, err := h.Register(cmd.Context(), r.site, r.terminals)
		if err != nil {
			return false, err
		}
		_, until, err := c.make(cmd, h, way, s, to, o)
		if err != nil {
			return false, err
		}
		return false, p.note(s, until)
	})
}

// errRows ends a batch some of whose lines could not be done; they were told one by one.
var errRows = errors.New("some lines of the list were not done")

// each does something for every line, shows how far it is, and tells what is wrong with a
// line. What is wrong with more than the line ends it; doing it again goes on there.
func (c *command) each(cmd *cobra.Command, list string, do func(row) (done bool, err error)) error {
	rows, err := readRows(list)
	if err != nil {
		return err
	}
	bar := progressbar.NewOptions(len(rows), progressbar.OptionSetWriter(cmd.ErrOrStderr()), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetDescription(filepath.Base(list)), progressbar.OptionShowCount(), progressbar.OptionClearOnFinish())
	var fresh, before, wrong int
	for _, r := range rows {
		done := false
		if err = r.err; err == nil {
			done, err = do(r)
		}
		switch {
		case err == nil && done:
			before++
		case err == nil:
			fresh++
		case ofTheRow(cmd.Context(), r, err):
			wrong++
			_ = bar.Clear() // a bar that cannot be drawn is no reason to stop
			c.tell(cmd, "batch-line", phrase.Args{"line": r.line, "error": c.explained(err)})
		default:
			return fmt.Errorf("line %d: %w", r.line, err)
		}
		_ = bar.Add(1)
	}
	_ = bar.Finish()
	c.tell(cmd, "batch-done", phrase.Args{"fresh": fresh, "before": before, "wrong": wrong})
	if wrong > 0 {
		return errRows
	}
	return nil
}

// ofTheRow tells whether an error is about one line of a list.
func ofTheRow(ctx context.Context, r row, err error) bool {
	refused, is := errors.AsType[*hubapi.Refusal](err)
	return ctx.Err() == nil && (r.err != nil || errors.Is(err, kit.ErrNoTerminal) ||
		is && (refused.Status == http.StatusNotFound || refused.Status == http.StatusUnprocessableEntity))
}
