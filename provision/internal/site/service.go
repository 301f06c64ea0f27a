package site

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/provision/internal/hubapi"
)

// followEvery is how often the hub is asked how far an errand is.
const followEvery = time.Second

// ask asks a site for service and waits for its end, saying how far it is. An end without
// success is an error.
func (c *command) ask(cmd *cobra.Command, h *hubapi.Client, site protocol.SiteID, order func(context.Context) (hubapi.Errand, error)) (hubapi.Errand, error) {
	e, err := order(cmd.Context())
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for last := ""; err == nil; {
		said := c.errand(e)
		if !e.Open() && e.State != hubapi.Done {
			return e, errors.New(said)
		}
		if said != last {
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", site, said)
			last = said
		}
		if !e.Open() {
			return e, nil
		}
		select {
		case <-cmd.Context().Done():
			return e, context.Cause(cmd.Context())
		case <-tick.C:
		}
		e, err = h.Errand(cmd.Context(), site, e.ID)
	}
	return e, err
}

// errand is how far an errand is, in words.
func (c *command) errand(e hubapi.Errand) string {
	said := c.all("errand.state-"+e.State, nil)
	if e.State == hubapi.Failed {
		reason := ""
		if e.Reason != "" {
			reason = c.all("errand.reason-"+e.Reason, nil)
		}
		said += ": " + c.all("errand.ended-"+e.Ended, phrase.Args{"reason": reason})
	}
	return said
}

// diagnose returns what a site tells of itself now.
func (c *command) diagnose(cmd *cobra.Command, name string, show func(r protocol.DiagnosisReport) error) error {
	site, err := protocol.ParseSiteID(name)
	if err != nil {
		return err
	}
	return c.withHub(cmd, func(h *hubapi.Client) error {
		e, err := c.ask(cmd, h, site, func(ctx context.Context) (hubapi.Errand, error) {
			return h.Order(ctx, site, protocol.JobDiagnose, "", false)
		})
		if err != nil {
			return err
		}
		r, err := h.Diagnosis(cmd.Context(), site, e.ID)
		if err != nil {
			return err
		}
		return show(r)
	})
}

// doctor shows what is wrong at a site and what to do, as the doctor there says it.
func (c *command) doctor() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor SITE",
		Short: c.say("site-doctor-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.diagnose(cmd, args[0], func(r protocol.DiagnosisReport) error { return c.report(cmd.OutOrStdout(), r) })
		},
	}
}

// errUnwell ends doctor with status 1 when something is wrong.
var errUnwell = errors.New("the doctor of the site found what needs a person")

func (c *command) report(out io.Writer, r protocol.DiagnosisReport) error {
	fmt.Fprintln(out, c.say("doctor-head", phrase.Args{"version": r.Version, "hours": r.Uptime / 3600, "minutes": r.Uptime / 60 % 60,
		"free": r.DiskFree >> 20, "waiting": r.Backlog.Punches, "at": when(r.At)}))
	unwell := false
	for _, f := range r.Findings {
		unwell = unwell || !f.OK && f.Level == protocol.SeverityError
		fmt.Fprintln(out, c.finding(f))
	}
	if unwell {
		return errUnwell
	}
	return nil
}

func (c *command) finding(f protocol.DiagnosisFinding) string {
	args := phrase.Args{}
	for name, value := range f.Args {
		args[name] = value
	}
	if f.Code == "condition" {
		return sign(f) + " " + c.all("condition."+f.Args["condition"], args)
	}
	return sign(f) + " " + c.all("doctor."+f.Code, args)
}

func sign(f protocol.DiagnosisFinding) string {
	switch {
	case f.OK:
		return "✓"
	case f.Level == protocol.SeverityError:
		return "✗"
	case f.Level == protocol.SeverityWarning:
		return "!"
	}
	return "i"
}

// usualLines is how many lines of a log people read at once.
const usualLines = 100

// logs shows the newest lines of the log of a site's agent.
func (c *command) logs() *cobra.Command {
	var lines int
	cmd := &cobra.Command{
		Use:   "logs SITE",
		Short: c.say("site-logs-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.diagnose(cmd, args[0], func(r protocol.DiagnosisReport) error {
				all := strings.Split(strings.TrimSuffix(r.Log, "\n"), "\n")
				for _, line := range all[max(0, len(all)-max(0, lines)):] {
					fmt.Fprintln(cmd.OutOrStdout(), phrase.Plain(line))
				}
				return nil
			})
		},
	}
	cmd.Flags().IntVar(&lines, "lines", usualLines, c.say("flag-lines", nil))
	return cmd
}
