package simulate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Office says how a whole small system is simulated: a hub, and two offices with
// their agents and terminals. At the agency's terminal fingers are recorded; the
// other one's is kept at its roster.
type Office struct {
	Dir        string        // everything is kept here; a second run goes on from it
	Programs   string        // folder of sidik-hub and sidik-agent; empty: beside this program
	PunchEvery time.Duration // how often somebody punches
	Pages      string        // address of the hub's pages
}

// office is one of them.
type office struct {
	site, serial string
	unit, name   string
	kind         string
	mode         string
	enrolment    string
}

// offices are the ones that are shown, the one of the page first.
func offices() []office {
	return []office{
		{site: "samsat-belitung", serial: "X100C0000001", unit: "samsat-belitung", name: "UPTD Samsat Belitung", kind: "uptd", mode: "add", enrolment: "no"},
		{site: "bkpsdmd", serial: "X100C0000002", unit: "bkpsdmd", name: "BKPSDMD", kind: "opd", mode: "observe", enrolment: "yes"},
	}
}

// newcomer is somebody invented, whom nobody has placed yet.
const newcomer = "199001012015012902"

// Run does what an operator and a technician do by hand, and says each step:
// the hub makes its key, the agents' configurations name it, the operator admits
// the agents' keys and registers terminals, units and a newcomer. It ends everything
// when ctx ends.
func (o Office) Run(ctx context.Context, out io.Writer) (err error) {
	if o.Programs == "" {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
		o.Programs = filepath.Dir(self)
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &stage{o: o, out: out, cancel: cancel}
	defer func() { err = errors.Join(err, s.end()) }()

	hubData := filepath.Join(o.Dir, "hub")
	_, err = os.Stat(hubData)
	first := errors.Is(err, os.ErrNotExist)
	addresses := map[string]string{}
	for _, place := range offices() { // before the programs that read them, and ended after them
		if addresses[place.site], err = s.terminal(ctx, place); err != nil {
			return err
		}
	}
	var hub struct {
		Brokers []string `json:"brokers"`
		Pages   string   `json:"pages"`
		Key     string   `json:"key"`
	}
	if err := s.start(ctx, &hub, "sidik-hub", "sidik-hub", "run", "--data", hubData, "--mqtt", "127.0.0.1:0", "--pages", o.Pages); err != nil {
		return err
	}
	for _, place := range offices() {
		file := filepath.Join(o.Dir, place.site+".toml")
		if err := o.configure(file, hub.Brokers[0], hub.Key, place, addresses[place.site]); err != nil {
			return err
		}
		fingerprint, err := s.run(ctx, "sidik-agent", "identity", "--config", file)
		if err != nil {
			return err
		}
		if err := s.all(ctx, hubData, place.admission(fingerprint)); err != nil {
			return err
		}
		if first {
			if err := s.all(ctx, hubData, place.register()); err != nil {
				return err
			}
		}
		if err := s.start(ctx, nil, place.site, "sidik-agent", "run", "--config", file); err != nil {
			return err
		}
	}
	if first {
		if err := s.all(ctx, hubData, [][]string{
			{"employee", "add", "Ani Demo", "--kind", "pns", "--nip", newcomer, "--from", "2026-01-01", "--status", "aktif"},
		}); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, `
Sidik berjalan / is running.
  Halaman / pages:   %[1]s/sites/%[2]s
  Pantau / watch:    bin/sidik-hub watch --data %[3]s
  Agen / agent:      bin/sidik-agent status --config %[4]s
  Log:               %[5]s

Jalan sebuah sidik jari / the way of a fingerprint: Ani Demo, NIP %[6]s
  ditemukan di mesin perekaman / found at the terminal of enrolment:
    bin/sidik-hub finger found --data %[3]s
  diakui miliknya / accepted as hers:
    bin/sidik-hub finger accept ID --employee %[6]s --data %[3]s
  ditempatkan / placed:
    bin/sidik-hub place %[6]s --unit %[2]s --from 2026-01-01 --sk 800/1/2026 --data %[3]s
  sampai di mesin / arrived at the terminal:
    bin/sidik-hub terminal holdings --data %[3]s
Ctrl-C mengakhiri semuanya / ends all of it.
`, hub.Pages, offices()[0].site, hubData, filepath.Join(o.Dir, offices()[0].site+".toml"), filepath.Join(o.Dir, "*.log"), newcomer)
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// admission is what the operator says to let an office in. Saying it again changes
// nothing.
func (o office) admission(fingerprint string) [][]string {
	return [][]string{
		{"site", "add", o.site, "--agent-key", fingerprint},
		{"terminal", "add", "--site", o.site, "--serial", o.serial},
	}
}

// register is what the operator says once about whom an office's terminal serves.
func (o office) register() [][]string {
	return [][]string{
		{"unit", "add", o.unit, o.name, "--kind", o.kind, "--from", "2026-01-01"},
		{"terminal", "serve", "--serial", o.serial, "--unit", o.unit, "--responsible", "--from", "2026-01-01"},
		{"terminal", "mode", o.mode, "--serial", o.serial, "--enrolment", o.enrolment},
	}
}

// all runs commands of the operator one after the other.
func (s *stage) all(ctx context.Context, hubData string, commands [][]string) error {
	for _, c := range commands {
		if _, err := s.run(ctx, "sidik-hub", append(c, "--data", hubData)...); err != nil {
			return err
		}
	}
	return nil
}

// configure writes an agent's file as a technician would. People punch here at any
// hour, so there is no rush hour to wait for.
func (o Office) configure(file, broker, key string, place office, terminal string) error {
	text := fmt.Sprintf(`# Made by: sidik-provision simulate office
site = %q
data = %q

[hub]
broker = %q
key = %q

[apply]
rush = []

[[terminal]]
serial = %q
address = %q
every = "30s"
`, place.site, "agent-"+place.site, broker, key, place.serial, terminal)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}
