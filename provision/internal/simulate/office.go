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

// Office says how a whole small system is simulated: a hub, and offices with their
// agents and terminals, of a province whose units are real and whose people are not.
type Office struct {
	Dir        string        // everything is kept here; a second run goes on from it
	Programs   string        // folder of sidik-hub and sidik-agent; empty: beside this program
	PunchEvery time.Duration // how often somebody punches at each office
	Pages      string        // address of the hub's pages
}

// office is one of them, with what its terminal holds at first.
type office struct {
	site, serial   string
	mode           string
	enrolment      string
	users, punches int
	punchEvery     time.Duration
	fingerEvery    time.Duration // whoever is asked for a finger puts it on this often
}

// offices are the ones that are shown: one whose terminal is new and empty and gets
// its people from the hub, one whose terminal has been in use for years and is to be
// validated, and the agency, where fingers are recorded.
func (o Office) offices() []office {
	return []office{
		{site: samsat, serial: "X100C0000001", mode: "add", enrolment: "no", punchEvery: o.PunchEvery},
		{site: school, serial: "X100C0000003", mode: "observe", enrolment: "no", users: 9, punches: 40, punchEvery: o.PunchEvery},
		{site: agency, serial: "X100C0000002", mode: "observe", enrolment: "yes", users: 12, fingerEvery: time.Second},
	}
}

// Sites, each named like the unit that its terminal serves.
const (
	samsat = "samsat-belitung"
	school = "smkn-1-selat-nasik"
	agency = "bkpsdmd"
)

// Run does what an operator and a technician do by hand, and says each step:
// the agency makes its root key, which signs the hub's keys, the agents' configurations
// name it, the operator fills the
// register, and each office is let in by a code. It ends everything
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
	first, err := missing(hubData)
	if err != nil {
		return err
	}
	addresses := map[string]string{}
	for _, place := range o.offices() { // before the programs that read them, and ended after them
		if addresses[place.site], err = s.terminal(ctx, place); err != nil {
			return err
		}
	}
	var hub struct {
		Agents string `json:"agents"`
		Pages  string `json:"pages"`
	}
	root, err := s.vouch(ctx, hubData)
	if err != nil {
		return err
	}
	if err := s.start(ctx, &hub, "sidik-hub", "sidik-hub", "run", "--data", hubData, "--mqtt", "127.0.0.1:0", "--agents", "127.0.0.1:0", "--pages", o.Pages); err != nil {
		return err
	}
	login, err := s.administrator(ctx, hubData)
	if err != nil {
		return err
	}
	if first {
		if err := s.fill(ctx, hubData); err != nil {
			return err
		}
	}
	for _, place := range o.offices() {
		file := filepath.Join(o.Dir, place.site+".toml")
		if err := o.configure(file, hub.Agents, root, place, addresses[place.site]); err != nil {
			return err
		}
		if first {
			if err := s.expect(ctx, hubData, file, place); err != nil {
				return err
			}
			if err := s.all(ctx, hubData, place.register()); err != nil {
				return err
			}
		}
		if err := s.start(ctx, nil, place.site, "sidik-agent", "run", "--config", file); err != nil {
			return err
		}
	}
	if first {
		if err := s.open(ctx, hubData); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, `
Sidik berjalan / is running.
  Halaman / pages:   %[1]s
  Masuk / log in:    %[10]s, kata sandi demo / demo password: %[9]s
  Pantau / watch:    bin/sidik-hub watch --data %[3]s
  Agen / agent:      bin/sidik-agent status --config %[4]s
  Log:               %[5]s

Setiap langkah di bawah ini juga ada di halaman / each step below is on the pages too.

Jalan sebuah sidik jari / the way of a fingerprint: Ani Demo, NIP %[6]s
  direkam di BKPSDMD / recorded at the agency:
    bin/sidik-hub capture start --serial %[8]s --employee %[6]s --finger 1 --finger 6 --notice-shown --follow --data %[3]s
  ditempatkan / placed:
    bin/sidik-hub place %[6]s --unit %[2]s --from 2026-01-01 --sk 800/1/2026 --data %[3]s
  sampai di mesin / arrived at the terminal:
    bin/sidik-hub employee where %[6]s --data %[3]s
  presensi / punches:
    bin/sidik-hub punches --employee %[6]s --data %[3]s

Validasi mesin lama / validation of an old terminal: SMKN 1 Selat Nasik
    bin/sidik-hub finding list %[7]s --data %[3]s
    bin/sidik-hub finding decide --help
    bin/sidik-hub campaign show 1 --data %[3]s
Ctrl-C mengakhiri semuanya / ends all of it.
`, hub.Pages, samsat, hubData, filepath.Join(o.Dir, samsat+".toml"), filepath.Join(o.Dir, "*.log"), newcomer, s.serial(school), s.serial(agency), login, adminName)
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// expect does what lets an office in: the operator registers it and makes a claim code,
// and somebody at the office gives the code to the agent.
func (s *stage) expect(ctx context.Context, hubData, config string, place office) error {
	if _, err := s.run(ctx, "sidik-hub", "site", "register", place.site, "--terminal", place.serial, "--data", hubData); err != nil {
		return err
	}
	code, err := s.run(ctx, "sidik-hub", "site", "claim", place.site, "--data", hubData)
	if err != nil {
		return err
	}
	_, err = s.run(ctx, "sidik-agent", "claim", code, "--config", config)
	return err
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
func (o Office) configure(file, hub, root string, place office, terminal string) error {
	text := fmt.Sprintf(`# Made by: sidik-provision simulate office
site = %q
data = %q

[hub]
address = %q
root = %q

[apply]
rush = []

[finder]
scan = false

[[terminal]]
serial = %q
address = %q
every = "30s"
`, place.site, "agent-"+place.site, hub, root, place.serial, terminal)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

// vouch makes the agency's root key on the first day and has it sign the hub's keys. It
// returns the root's fingerprint. Here the root lies beside the hub, with its passphrase
// in a file: a demonstration has nothing to lose.
func (s *stage) vouch(ctx context.Context, hubData string) (fingerprint string, err error) {
	folder, passphrase := filepath.Join(s.o.Dir, "root"), filepath.Join(s.o.Dir, "root-passphrase.txt")
	first, err := missing(folder)
	if err != nil {
		return "", err
	}
	if !first {
		return s.ask(ctx, "sidik-provision", "root", "show", "--dir", folder)
	}
	if err := os.WriteFile(passphrase, []byte("only for the demonstration\n"), 0o600); err != nil {
		return "", fmt.Errorf("write passphrase: %w", err)
	}
	fingerprint, err = s.run(ctx, "sidik-provision", "root", "init", "--dir", folder, "--passphrase-file", passphrase)
	if err != nil {
		return "", err
	}
	request, document := filepath.Join(s.o.Dir, "key-request.json"), filepath.Join(s.o.Dir, "keys.json")
	for _, c := range [][]string{
		{"sidik-hub", "key", "request", "--out", request, "--data", hubData},
		{"sidik-provision", "root", "sign", request, "--dir", folder, "--passphrase-file", passphrase, "--out", document, "--yes"},
		{"sidik-hub", "key", "install", document, "--data", hubData},
	} {
		if _, err := s.run(ctx, c[0], c[1:]...); err != nil {
			return "", err
		}
	}
	return fingerprint, nil
}

// missing reports whether nothing is at a path yet.
func missing(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	return false, err
}
