package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/meeting"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// punches prints stored punches, with what the register says of them.
func (o *operator) punches() *cobra.Command {
	var site, serial, pin, employee, from, to, format string
	var unknown, unplaced bool
	cmd := &cobra.Command{
		Use:   "punches",
		Short: o.say("punches-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f := meeting.Filter{Filter: store.Filter{Site: protocol.SiteID(site), Serial: protocol.Serial(serial), PIN: pin}}
			if unknown {
				f.Flags |= store.FlagUnknownPIN
			}
			if unplaced {
				f.Flags |= store.FlagNotPlaced
			}
			var err error
			if f.From, err = day(from, 0); err != nil {
				return fmt.Errorf("--from: %w", err)
			}
			if f.To, err = day(to, 1); err != nil { // the last day is whole
				return fmt.Errorf("--to: %w", err)
			}
			begin, known := formats(cmd.OutOrStdout(), o)[format]
			if !known {
				return fmt.Errorf("--format: %q is none of table, csv, jsonl, attlog", format)
			}
			return o.withStore(cmd.Context(), func(s *store.Store) error {
				if f.Site != "" {
					if _, err := s.Agent(cmd.Context(), f.Site); err != nil {
						return fmt.Errorf("site %s: %w", f.Site, err)
					}
				}
				reg, err := directory.New(s, placement.Usual()).Register(cmd.Context())
				if err != nil {
					return err
				}
				if employee != "" {
					e, err := findEmployee(reg, employee)
					if err != nil {
						return err
					}
					f.Employee = e.ID
				}
				write, end := begin()
				for p, err := range meeting.New(reg, placement.Usual()).Punches(cmd.Context(), s, f) {
					if err != nil {
						return err
					}
					if err := write(p); err != nil {
						return err
					}
				}
				return end()
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&site, "site", "", o.say("flag-site", nil))
	flags.StringVar(&serial, "serial", "", o.say("flag-serial", nil))
	flags.StringVar(&pin, "pin", "", o.say("flag-pin", nil))
	flags.StringVar(&employee, "employee", "", o.say("flag-employee", nil))
	flags.BoolVar(&unknown, "unknown", false, o.say("flag-unknown", nil))
	flags.BoolVar(&unplaced, "unplaced", false, o.say("flag-unplaced", nil))
	flags.StringVar(&from, "from", "", o.say("flag-from", nil))
	flags.StringVar(&to, "to", "", o.say("flag-to", nil))
	flags.StringVar(&format, "format", "table", "table | csv | jsonl | attlog")
	return cmd
}

// day reads a date and moves it by some days; empty stays open.
func day(s string, later int) (protocol.LocalTime, error) {
	if s == "" {
		return "", nil
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return "", directory.Problem{Code: "date", Args: map[string]any{"date": s}}
	}
	return protocol.LocalTime(t.AddDate(0, 0, later).Format(time.DateOnly)), nil
}

// punchLine is a punch as a JSON line, in the form of `sidik-agent terminal punches`
// with what the hub adds. A time that names no date is null and told raw.
type punchLine struct {
	Site     protocol.SiteID     `json:"site"`
	Serial   protocol.Serial     `json:"serial"`
	PIN      string              `json:"pin"`
	Time     *protocol.LocalTime `json:"time"`
	RawTime  json.RawMessage     `json:"raw_time,omitempty"`
	Status   uint8               `json:"status"`
	Verify   uint8               `json:"verify"`
	WorkCode uint32              `json:"work_code"`
	Nth      uint32              `json:"nth"`
	Received time.Time           `json:"received"`
	Employee string              `json:"employee,omitempty"` // the hub's PIN of whose it is; none: nobody's
	Name     string              `json:"name,omitempty"`
	Flags    []string            `json:"flags"`
}

func line(p meeting.Punch) punchLine {
	l := punchLine{
		Site: p.Site, Serial: p.Record.Serial, PIN: p.PIN, Status: p.Record.Status, Verify: p.Record.Verify,
		WorkCode: p.Record.WorkCode, Nth: p.Record.Nth, Received: p.Received.UTC().Truncate(time.Second),
		Employee: p.Owner(), Name: p.Name(), Flags: p.Flags.Names(),
	}
	if _, exists := p.Record.Time.Wall(); exists {
		l.Time = &p.Record.Time
		return l
	}
	raw := strings.TrimPrefix(string(p.Record.Time), string(protocol.SourceZK)+":")
	if !json.Valid([]byte(raw)) { // another kind of terminal's
		raw = strconv.Quote(raw)
	}
	l.RawTime = json.RawMessage(raw)
	return l
}

// flags are a punch's flags as people read them.
func (o *operator) flags(f store.Flags) string {
	names := f.Names()
	for i, name := range names {
		names[i] = o.catalogue.Say(o.lang, "page.flag-"+name, nil)
	}
	return strings.Join(names, ", ")
}

// writer begins an output and returns how a punch is written and how it ends.
type writer func() (write func(meeting.Punch) error, end func() error)

func formats(out io.Writer, o *operator) map[string]writer {
	return map[string]writer{
		"table": func() (func(meeting.Punch) error, func() error) {
			w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
			fmt.Fprintln(w, o.say("punches-head", nil))
			return func(p meeting.Punch) error {
				_, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\n", p.Record.Time, p.PIN, or(p.Name(), "-"), p.Site, p.Record.Serial,
					p.Record.Status, p.Record.Verify, p.Record.WorkCode, o.flags(p.Flags))
				return err
			}, w.Flush
		},
		"csv": func() (func(meeting.Punch) error, func() error) {
			w := csv.NewWriter(out)
			_ = w.Write([]string{"site", "serial", "pin", "time", "status", "verify", "work_code", "nth", "received", "employee", "name", "flags"}) // kept until Flush
			return func(p meeting.Punch) error {
					return w.Write([]string{string(p.Site), string(p.Record.Serial), p.PIN, string(p.Record.Time),
						strconv.Itoa(int(p.Record.Status)), strconv.Itoa(int(p.Record.Verify)), strconv.FormatUint(uint64(p.Record.WorkCode), 10),
						strconv.FormatUint(uint64(p.Record.Nth), 10), p.Received.UTC().Format(time.RFC3339), p.Owner(), p.Name(), strings.Join(p.Flags.Names(), " ")})
				}, func() error {
					w.Flush()
					return w.Error()
				}
		},
		"jsonl": func() (func(meeting.Punch) error, func() error) {
			e := json.NewEncoder(out)
			return func(p meeting.Punch) error { return e.Encode(line(p)) }, func() error { return nil }
		},
		// The terminals' own text file; an impossible time has no place in it.
		"attlog": func() (func(meeting.Punch) error, func() error) {
			left := 0
			return func(p meeting.Punch) error {
					wall, exists := p.Record.Time.Wall()
					if !exists {
						left++
						return nil
					}
					_, err := fmt.Fprintf(out, "%9s\t%s\t1\t%d\t%d\t%d\r\n", p.PIN, wall.Format(time.DateTime),
						p.Record.Status, p.Record.Verify, p.Record.WorkCode)
					return err
				}, func() error {
					if left > 0 {
						return fmt.Errorf("%d punches with an impossible time cannot be written as attlog: use --format csv", left)
					}
					return nil
				}
		},
	}
}
