package site

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/provision/internal/hubapi"
	"github.com/bkpsdmd-babel/sidik/provision/internal/kit"
	"github.com/bkpsdmd-babel/sidik/provision/internal/list"
)

// addAll registers all sites of a list that are not registered yet.
func (c *command) addAll(cmd *cobra.Command, h *hubapi.Client, file string) error {
	known, err := sitesByID(cmd.Context(), h)
	if err != nil {
		return err
	}
	return c.each(cmd, file, func(r list.Row) (done bool, err error) {
		if s, found := known[r.Site]; found && registered(r, s) {
			return true, nil
		}
		_, err = h.Register(cmd.Context(), r.Site, r.Terminals)
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
func registered(r list.Row, s hubapi.Site) bool {
	return !slices.ContainsFunc(r.Terminals, func(t protocol.Serial) bool { return !slices.Contains(s.Terminals, t) })
}

// writeAll registers all sites of a list and writes their kits into one folder, but those
// whose agent is in, and those that an earlier run wrote and whose code the hub still
// takes.
func (c *command) writeAll(cmd *cobra.Command, h *hubapi.Client, file string, to place, o order) (err error) {
	way, err := h.Way(cmd.Context())
	if err != nil {
		return err
	}
	known, err := sitesByID(cmd.Context(), h)
	if err != nil {
		return err
	}
	folder, err := take(to.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	p, err := openProgress(to.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	return c.each(cmd, file, func(r list.Row) (done bool, err error) {
		if s := known[r.Site]; registered(r, s) && (s.Standing == hubapi.Admitted || p.done(s)) {
			return true, nil
		}
		if len(r.Terminals) == 0 {
			return false, kit.ErrNoTerminal
		}
		s, err := h.Register(cmd.Context(), r.Site, r.Terminals)
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
func (c *command) each(cmd *cobra.Command, file string, do func(list.Row) (done bool, err error)) error {
	rows, err := list.Read(file)
	if err != nil {
		return err
	}
	bar := progressbar.NewOptions(len(rows), progressbar.OptionSetWriter(cmd.ErrOrStderr()), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetDescription(filepath.Base(file)), progressbar.OptionShowCount(), progressbar.OptionClearOnFinish())
	var fresh, before, wrong int
	for _, r := range rows {
		done := false
		if err = r.Err; err == nil {
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
			c.tell(cmd, "batch-line", phrase.Args{"line": r.Line, "error": c.explained(err)})
		default:
			return fmt.Errorf("line %d: %w", r.Line, err)
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
func ofTheRow(ctx context.Context, r list.Row, err error) bool {
	refused, is := errors.AsType[*hubapi.Refusal](err)
	return ctx.Err() == nil && (r.Err != nil || errors.Is(err, kit.ErrNoTerminal) ||
		is && (refused.Status == http.StatusNotFound || refused.Status == http.StatusUnprocessableEntity))
}
