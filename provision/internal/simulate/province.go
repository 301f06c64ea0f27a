package simulate

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The register of the province: real units, invented people, whose NIPs have serial
// numbers that are not given out. At the school's terminal it finds one fault of each
// of several classes.
//
//go:embed province
var province embed.FS

// newcomer is somebody invented, whom nobody has recorded or placed yet.
const newcomer = "199001012015012902"

// fill gives the hub its register, as an operator would on the first day.
func (s *stage) fill(ctx context.Context, hubData string) error {
	for _, name := range []string{"unit.csv", "pegawai.csv"} {
		text, err := province.ReadFile("province/" + name)
		if err != nil {
			return fmt.Errorf("read register: %w", err)
		}
		file := filepath.Join(s.o.Dir, name)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return fmt.Errorf("write register: %w", err)
		}
		if err := s.all(ctx, hubData, [][]string{{"register", "import", file}}); err != nil {
			return err
		}
	}
	return s.all(ctx, hubData, [][]string{
		{"employee", "add", "Ani Demo", "--kind", "pns", "--nip", newcomer, "--from", "2026-01-01", "--status", "aktif"},
	})
}

// register is what the operator says once about an office's terminal.
func (o office) register() [][]string {
	return [][]string{
		{"terminal", "serve", "--serial", o.serial, "--unit", o.site, "--responsible", "--from", "2026-01-01"},
		{"terminal", "mode", o.mode, "--serial", o.serial, "--enrolment", o.enrolment},
	}
}

// fingersPatience is how long the agency's fingers may take to the hub.
const fingersPatience = time.Minute

// open waits for the fingers that were recorded at the agency, has them accepted, and
// begins the campaign in which the school's terminal is validated.
func (s *stage) open(ctx context.Context, hubData string) error {
	recorded := 0
	for _, place := range s.o.offices() {
		if place.enrolment == "yes" {
			recorded += 2 * place.users
		}
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(fingersPatience); ; {
		found, err := s.ask(ctx, "sidik-hub", "finger", "found", "--data", hubData)
		if err != nil {
			return err
		}
		if found != "" && strings.Count(found, "\n")+1 >= recorded {
			break
		}
		if time.Now().After(deadline) {
			return errors.New("the fingers of the agency's terminal did not come to the hub; look at the logs of sidik-hub and of the agent " + agency)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	today := time.Now()
	return s.all(ctx, hubData, [][]string{
		{"finger", "adopt"},
		{"terminal", "grant", nipBagus, "--serial", s.serial(school), "--from", "2026-01-01"},
		{"terminal", "grant", nipIndra, "--serial", s.serial(samsat), "--from", "2026-01-01"},
		{"campaign", "add", "Validasi Data Sidik Jari", "--unit", school, "--lead", "Umar Contoh 29",
			"--from", today.Format(time.DateOnly), "--to", today.AddDate(0, 0, 8).Format(time.DateOnly)},
	})
}

// Those who administer the terminals of the school and the samsat.
const (
	nipBagus = "198807042012011902"
	nipIndra = "198606302010011909"
)

func (s *stage) serial(site string) string {
	for _, place := range s.o.offices() {
		if place.site == site {
			return place.serial
		}
	}
	return ""
}
