package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/agent"
	"github.com/bkpsdmd-babel/sidik/agent/internal/collect"
	"github.com/bkpsdmd-babel/sidik/agent/internal/control"
	"github.com/bkpsdmd-babel/sidik/agent/internal/doctor"
	"github.com/bkpsdmd-babel/sidik/agent/internal/panel"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// status shows what the running agent tells.
func (o *office) status() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status --config FILE",
		Short: o.say("status-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.load()
			if err != nil {
				return err
			}
			s, err := control.Connect(c.Data).Status(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(s)
			}
			return o.show(cmd.OutOrStdout(), s)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, o.say("flag-json", nil))
	return o.withConfig(cmd)
}

func (o *office) show(out io.Writer, s control.Status) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	row := func(code string, value any) { fmt.Fprintf(w, "%s\t%v\n", o.say("status-"+code, nil), value) }
	line := "status-line-down"
	switch {
	case s.Uplink.Connected && s.Uplink.HubPresent:
		line = "status-line-up"
	case s.Uplink.Connected:
		line = "status-hub-absent"
	}
	row("site", s.Site)
	row("line", o.say(line, phrase.Args{"cause": s.Uplink.LastError}))
	row("backlog", o.say("status-waiting", phrase.Args{"waiting": s.State.Backlog.Punches, "oldest": at(s.State.Backlog.Oldest)}))
	row("receipt", at(s.Uplink.LastReceipt))
	row("room", o.say("status-room-value", phrase.Args{
		"used": s.State.Capacity.UsedBytes >> 20, "max": s.State.Capacity.MaxBytes >> 20, "days": days(s.State.Capacity.DaysLeft)}))
	row("clock", o.say("clock-"+string(s.State.Clock), nil))
	for _, t := range s.State.Terminals {
		fmt.Fprintln(w)
		row("terminal", fmt.Sprintf("%s  %s  %s %s", t.Serial, t.Address, t.Model, t.Firmware))
		row("watermark", dash(string(t.Watermark)))
		row("last-read", at(t.LastRead)+"  "+o.proof(t.Proof))
		row("log", fill(t.Logs))
		row("users", fill(t.Users))
		row("offset", offset(t.Offset))
		if t.LastError != "" {
			row("last-error", t.LastError)
		}
	}
	for _, c := range s.State.Conditions {
		fmt.Fprintf(w, "\n%s\t%s\n", mark(c.Severity), o.sentence(c))
	}
	return w.Flush()
}

// proof is how a read was proven complete, as people read it; nothing before the first.
func (o *office) proof(by string) string {
	if by == "" {
		return ""
	}
	return o.say("proof-"+by, nil)
}

// sentence is a condition as people read it.
func (o *office) sentence(c protocol.Condition) string {
	args := phrase.Args{"subject": c.Subject}
	for name, value := range c.Args {
		args[name] = value
	}
	return o.catalogue.Say(o.lang, "condition."+c.Code, args)
}

func mark(s protocol.Severity) string {
	switch s {
	case protocol.SeverityError:
		return "✗"
	case protocol.SeverityWarning:
		return "!"
	}
	return "i"
}

func at(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func fill(f protocol.Fill) string {
	if f.Capacity == 0 {
		return fmt.Sprint(f.Used)
	}
	return fmt.Sprintf("%d / %d (%d %%)", f.Used, f.Capacity, f.Used*100/f.Capacity)
}

func offset(o protocol.Offset) string {
	if o == protocol.OffsetUnknown {
		return "-"
	}
	return fmt.Sprintf("%+d s", o)
}

func days(n int) string {
	if n < 0 {
		return "?"
	}
	return fmt.Sprint(n)
}

// read reads one terminal now: through the running agent, or by itself.
func (o *office) read() *cobra.Command {
	var serial string
	cmd := &cobra.Command{
		Use:   "read --config FILE",
		Short: o.say("read-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			c, err := o.load()
			if err != nil {
				return err
			}
			serials := []protocol.Serial{protocol.Serial(serial)}
			if serial == "" {
				serials = serials[:0]
				for _, t := range c.Terminals {
					serials = append(serials, protocol.Serial(t.Serial))
				}
			}
			client := control.Connect(c.Data)
			readNow := client.ReadNow
			if _, err := client.Status(cmd.Context()); errors.Is(err, control.ErrNotRunning) {
				if len(serials) > 1 {
					return errors.New(o.say("read-one", nil))
				}
				a, opening := o.open(cmd, c, agent.Options{Logger: logger(cmd, slog.LevelWarn)})
				if opening != nil {
					return opening
				}
				defer func() { err = errors.Join(err, a.Close()) }()
				readNow = a.ReadOnce
			}
			for _, serial := range serials {
				bar := o.bar(cmd.ErrOrStderr(), string(serial))
				result, err := readNow(cmd.Context(), serial, func(p collect.Progress) { bar(p.Done, p.Total) })
				fmt.Fprintln(cmd.ErrOrStderr())
				if err != nil {
					return fmt.Errorf("read terminal %s: %w", serial, err)
				}
				fmt.Fprintln(cmd.OutOrStdout(), o.say("read-done", phrase.Args{
					"serial": serial, "rows": result.Rows, "new": result.New, "proof": o.proof(string(result.Proof)),
					"offset": offset(result.Offset), "took": result.Took.Round(time.Millisecond)}))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&serial, "serial", "", o.say("flag-serial", nil))
	return o.withConfig(cmd)
}

// bar shows the progress of a read on standard error.
func (o *office) bar(w io.Writer, name string) func(done, total int) {
	bar := progressbar.NewOptions(1, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(name),
		progressbar.OptionShowBytes(true), progressbar.OptionThrottle(100*time.Millisecond))
	return func(done, total int) {
		bar.ChangeMax(max(total, 1))
		_ = bar.Set(done) // only a display
	}
}

// errUnwell ends doctor with status 1 when something is wrong.
var errUnwell = errors.New("something needs a person; see above")

// doctor says what is wrong and what to do.
func (o *office) doctor() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor --config FILE",
		Short: o.say("doctor-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.load()
			if err != nil {
				return err
			}
			check, err := childCheck()
			if err != nil {
				return err
			}
			byName, _ := pinByName(c.Panel) // what is wrong shows as missing pins
			_, found, missing := panel.Find(panel.Names(c.Panel), byName)
			unwell := false
			doctor.Examine(cmd.Context(), doctor.Options{Config: c, Check: check, PinsFound: found, PinsMissing: missing}, func(f doctor.Finding) {
				unwell = unwell || !f.OK && f.Level == protocol.SeverityError
				if asJSON {
					_ = json.NewEncoder(cmd.OutOrStdout()).Encode(f) // to a pipe that is gone
					return
				}
				fmt.Fprintln(cmd.OutOrStdout(), o.finding(f))
			})
			if unwell {
				return errUnwell
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, o.say("flag-json", nil))
	return o.withConfig(cmd)
}

func (o *office) finding(f doctor.Finding) string {
	args := phrase.Args{}
	for name, value := range f.Args {
		args[name] = value
	}
	sign := "✓"
	if !f.OK {
		sign = mark(f.Level)
	}
	if f.Code == "condition" {
		return sign + " " + o.catalogue.Say(o.lang, "condition."+f.Args["condition"], args)
	}
	return sign + " " + o.catalogue.Say(o.lang, "doctor."+f.Code, args)
}
