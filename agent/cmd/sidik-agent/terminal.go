package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/agent/config"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// technician reads a terminal without any configuration, and never writes.
type technician struct {
	*office
	address string
	udp     bool
	commKey uint32
	format  string
	timeout time.Duration
}

// errIncomplete ends a reading command that could not prove to have read all.
var errIncomplete = errors.New("the read could not be proven complete; run the command again")

// terminal is the family of commands that talk to a terminal directly.
func (o *office) terminal() *cobra.Command {
	t := &technician{office: o}
	cmd := &cobra.Command{Use: "terminal", Short: o.say("terminal-short", nil)}
	flags := cmd.PersistentFlags()
	flags.BoolVar(&t.udp, "udp", false, o.say("flag-udp", nil))
	flags.Uint32Var(&t.commKey, "comm-key", 0, o.say("flag-comm-key", nil))
	flags.StringVar(&t.format, "format", "table", "table | jsonl | csv | attlog")
	flags.DurationVar(&t.timeout, "timeout", 10*time.Second, o.say("flag-timeout", nil))
	for name, f := range map[string]func(context.Context, *zk.Conn, sheet) error{
		"info": t.info, "users": t.users, "punches": t.punches, "templates": t.templates, "clock": t.clock,
	} {
		ask := &cobra.Command{
			Use:   name + " --address HOST:PORT",
			Short: o.say("terminal-"+name+"-short", nil),
			Args:  cobra.NoArgs,
			RunE:  func(cmd *cobra.Command, _ []string) error { return t.ask(cmd, name, f) },
		}
		ask.Flags().StringVar(&t.address, "address", "", o.say("flag-address", nil))
		_ = ask.MarkFlagRequired("address") // the flag is defined above
		cmd.AddCommand(ask)
	}
	cmd.AddCommand(t.find())
	return cmd
}

// ask opens the terminal, lets f fill a sheet, and writes it only when f has
// succeeded: half an answer looks like a whole one.
func (t *technician) ask(cmd *cobra.Command, name string, f func(context.Context, *zk.Conn, sheet) error) error {
	if t.format == "attlog" && name != "punches" {
		return errors.New(t.say("attlog-only-punches", nil))
	}
	var out bytes.Buffer
	page, err := newSheet(&out, t.format)
	if err != nil {
		return err
	}
	network := "tcp"
	if t.udp {
		network = "udp"
	}
	if _, _, err := net.SplitHostPort(t.address); err != nil {
		t.address = net.JoinHostPort(t.address, config.DefaultPort)
	}
	conn, err := zk.Dial(cmd.Context(), zk.Options{Address: t.address, Network: network, CommKey: t.commKey, Timeout: t.timeout})
	if err != nil {
		return fmt.Errorf("terminal at %s: %w", t.address, err)
	}
	err = f(cmd.Context(), conn, page)
	if closing := conn.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return fmt.Errorf("terminal at %s: %w", t.address, err)
	}
	err = page.end()
	_, writing := out.WriteTo(cmd.OutOrStdout())
	return errors.Join(err, writing)
}

// field is one named value of a line of output.
type field struct {
	name  string
	value any
}

// sheet is an output in the making.
type sheet interface {
	line(fields ...field) error
	end() error
}

func newSheet(w io.Writer, format string) (sheet, error) {
	switch format {
	case "table":
		return &table{w: tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)}, nil
	case "jsonl":
		return jsonLines{w}, nil
	case "csv":
		return &commas{w: csv.NewWriter(w)}, nil
	case "attlog":
		return &attlog{w: w}, nil
	}
	return nil, fmt.Errorf("--format: %q is none of table, jsonl, csv, attlog", format)
}

type table struct {
	w    *tabwriter.Writer
	head bool
}

func (t *table) line(fields ...field) error {
	if !t.head {
		t.head = true
		for _, f := range fields {
			fmt.Fprintf(t.w, "%s\t", strings.ToUpper(f.name))
		}
		fmt.Fprintln(t.w)
	}
	for _, f := range fields {
		fmt.Fprintf(t.w, "%s\t", text(f.value))
	}
	_, err := fmt.Fprintln(t.w)
	return err
}

func (t *table) end() error { return t.w.Flush() }

// text shows a value in a table or a CSV; nil is a dash there.
func text(v any) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprint(v)
}

type jsonLines struct{ w io.Writer }

// line keeps the order of the fields, which a map would not.
func (j jsonLines) line(fields ...field) error {
	b := []byte{'{'}
	for i, f := range fields {
		if f.name == "raw_time" && f.value == nil {
			continue // only where time is null
		}
		if i > 0 {
			b = append(b, ',')
		}
		value, err := json.Marshal(f.value)
		if err != nil {
			return err
		}
		b = fmt.Appendf(b, "%q:%s", f.name, value)
	}
	_, err := j.w.Write(append(b, '}', '\n'))
	return err
}

func (j jsonLines) end() error { return nil }

type commas struct {
	w    *csv.Writer
	head bool
}

func (c *commas) line(fields ...field) error {
	row := make([]string, len(fields))
	if !c.head {
		c.head = true
		for i, f := range fields {
			row[i] = f.name
		}
		if err := c.w.Write(row); err != nil {
			return err
		}
	}
	for i, f := range fields {
		row[i] = ""
		if f.value != nil {
			row[i] = text(f.value)
		}
	}
	return c.w.Write(row)
}

func (c *commas) end() error {
	c.w.Flush()
	return c.w.Error()
}

// attlog writes the text file that terminals write on a stick.
type attlog struct {
	w    io.Writer
	left int
}

func (a *attlog) line(fields ...field) error {
	v := map[string]any{}
	for _, f := range fields {
		v[f.name] = f.value
	}
	when, ok := v["time"].(string)
	if !ok {
		a.left++
		return nil
	}
	_, err := fmt.Fprintf(a.w, "%9s\t%s\t1\t%v\t%v\t%v\r\n", v["pin"], strings.Replace(when, "T", " ", 1), v["status"], v["verify"], v["work_code"])
	return err
}

func (a *attlog) end() error {
	if a.left > 0 {
		return fmt.Errorf("%d punches with an impossible time cannot be written as attlog: use --format jsonl", a.left)
	}
	return nil
}

func (t *technician) info(ctx context.Context, conn *zk.Conn, out sheet) error {
	for _, name := range []string{"~SerialNumber", "~DeviceName", "~Platform", "~ZKFPVersion", "~PIN2Width", "MAC"} {
		value, err := conn.Option(ctx, name)
		if _, refused := errors.AsType[*zk.Refusal](err); refused {
			continue // not every firmware knows every option
		}
		if err != nil {
			return err
		}
		if err := out.line(field{"name", name}, field{"value", value}); err != nil {
			return err
		}
	}
	version, err := conn.Version(ctx)
	if err != nil {
		return err
	}
	sizes, err := conn.Sizes(ctx)
	if err != nil {
		return err
	}
	rows := []field{{"firmware", version}}
	if sizes.Known {
		rows = append(rows,
			field{"users", fmt.Sprintf("%d / %d", sizes.Users, sizes.UserCap)},
			field{"templates", fmt.Sprintf("%d / %d", sizes.Templates, sizes.TemplateCap)},
			field{"punches", fmt.Sprintf("%d / %d", sizes.Records, sizes.RecordCap)},
			field{"administrators", sizes.Admins})
	}
	for _, r := range rows {
		if err := out.line(field{"name", r.name}, field{"value", r.value}); err != nil {
			return err
		}
	}
	return nil
}

func (t *technician) clock(ctx context.Context, conn *zk.Conn, out sheet) error {
	before := time.Now()
	now, err := conn.Time(ctx)
	if err != nil {
		return err
	}
	wall, exists := now.Wall()
	fields := []field{{"time", nil}, {"raw_time", uint32(now)}, {"offset_seconds", nil}}
	if exists {
		ours := protocol.Wall(before.Add(time.Since(before) / 2))
		fields[0].value, fields[1].value = now.String(), nil
		fields[2].value = int(wall.Sub(ours).Round(time.Second) / time.Second)
	}
	return out.line(fields...)
}

func (t *technician) users(ctx context.Context, conn *zk.Conn, out sheet) error {
	users, _, err := conn.Users(ctx)
	if err != nil {
		return err
	}
	for _, u := range users {
		if err := out.line(field{"uid", u.UID}, field{"pin", u.PIN}, field{"name", name(u.Name)},
			field{"privilege", uint8(u.Privilege)}, field{"card", u.Card}, field{"group", u.Group}); err != nil {
			return err
		}
	}
	return nil
}

// name shows a name of an unknown code page: as it is when it is UTF-8, else
// with every other byte written out.
func name(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var s strings.Builder
	for _, c := range b {
		if c < 0x80 {
			s.WriteByte(c)
		} else {
			fmt.Fprintf(&s, "\\x%02x", c)
		}
	}
	return s.String()
}

func (t *technician) templates(ctx context.Context, conn *zk.Conn, out sheet) error {
	templates, err := conn.Templates(ctx)
	if err != nil {
		return err
	}
	for _, f := range templates {
		digest := f.Digest()
		if err := out.line(field{"uid", f.UID}, field{"finger", f.Finger}, field{"valid", f.Flag}, field{"algorithm", f.Algorithm()},
			field{"size", len(f.Data)}, field{"digest", hex.EncodeToString(digest[:])}); err != nil {
			return err
		}
	}
	return nil
}

func (t *technician) punches(ctx context.Context, conn *zk.Conn, out sheet) error {
	reading, err := conn.Attendance(ctx, zk.ReadOptions{Progress: t.bar(os.Stderr, t.address)})
	fmt.Fprintln(os.Stderr) // ends the line of the progress
	if errors.Is(err, zk.ErrUnproven) {
		return errors.Join(errIncomplete, err)
	}
	if err != nil {
		return err
	}
	pins := map[uint16]string{}
	if reading.Layout == zk.Row8A || reading.Layout == zk.Row8B { // rows that name only a slot
		users, _, err := conn.Users(ctx)
		if err != nil {
			return fmt.Errorf("read users for the PINs: %w", err)
		}
		for _, u := range users {
			pins[u.UID] = terminal.CleanPIN(u.PIN)
		}
	}
	for _, a := range reading.Rows {
		pin := terminal.CleanPIN(a.PIN)
		if pin == "" && a.HasSlot {
			if pin = pins[a.Slot]; pin == "" {
				pin = protocol.SlotPIN(a.Slot)
			}
		}
		when, raw := any(nil), any(uint32(a.Time))
		if _, exists := a.Time.Wall(); exists {
			when, raw = a.Time.String(), nil
		}
		if err := out.line(field{"pin", pin}, field{"time", when}, field{"raw_time", raw},
			field{"status", a.Status}, field{"verify", a.Verify}, field{"work_code", a.WorkCode}); err != nil {
			return err
		}
	}
	return nil
}
