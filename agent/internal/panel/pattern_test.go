package panel_test

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/panel"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

func situations() []panel.Situation {
	return []panel.Situation{panel.Busy, panel.Well, panel.Offline, panel.Unreachable, panel.Person, panel.Removable, panel.Cannot}
}

func TestPatternsCanBeToldApartAndHarmNobody(t *testing.T) {
	if len(panel.Patterns()) != len(situations()) {
		t.Fatalf("%d patterns for %d situations", len(panel.Patterns()), len(situations()))
	}
	rhythms := map[string]panel.Situation{}
	for _, s := range situations() {
		i := slices.IndexFunc(panel.Patterns(), func(p panel.Pattern) bool { return p.Situation == s })
		if i < 0 {
			t.Fatalf("%s has no pattern", s)
		}
		p := panel.Patterns()[i]
		if other, taken := rhythms[fmt.Sprint(p.Steps)]; taken {
			t.Errorf("%s and %s blink alike: an office with one light cannot tell them apart", s, other)
		}
		rhythms[fmt.Sprint(p.Steps)] = s
		if len(p.Steps) < 2 || len(p.Steps)%2 != 0 {
			t.Errorf("%s is lit or dark for good, as a dead agent is: %v", s, p.Steps)
		}
		if most := mostInASecond(p.Steps); most > 3 {
			t.Errorf("%s flashes %d times in a second", s, most)
		}
		if got := lookOf(p.Steps); got != p.Look {
			t.Errorf("%s is told as %s and blinks as %s: %v", s, p.Look, got, p.Steps)
		}
	}
}

// mostInASecond counts the flashes that begin within one second at most.
func mostInASecond(steps []time.Duration) (most int) {
	var begins []time.Duration
	var at time.Duration
	for i := range 20 * len(steps) {
		if i%2 == 0 {
			begins = append(begins, at)
		}
		at += steps[i%len(steps)]
	}
	for i, from := range begins {
		n := 0
		for _, b := range begins[i:] {
			if b-from < time.Second {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// lookOf says in the catalogue's word how steps look to a person.
func lookOf(steps []time.Duration) panel.Look {
	short := func(d time.Duration) bool { return d <= 250*time.Millisecond }
	on, off := steps[0], steps[1]
	switch {
	case len(steps) == 2 && on > 2*time.Second && short(off):
		return panel.Steady
	case len(steps) == 2 && on == time.Second && off == time.Second:
		return panel.Slow
	case len(steps) == 2 && short(on) && short(off):
		return panel.Quick
	case len(steps) == 4 && !short(on) && short(off) && short(steps[2]) && !short(steps[3]):
		return panel.LongShort
	}
	for _, d := range steps[:len(steps)-1] {
		if !short(d) {
			return "?"
		}
	}
	if short(steps[len(steps)-1]) {
		return "?"
	}
	return panel.Look(fmt.Sprintf("flash-%d", len(steps)/2))
}

// The page that hangs in the office is the table, line by line.
func TestOfficePageIsTheTable(t *testing.T) {
	f, err := os.Open("PANDUAN.md")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var got []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if line := lines.Text(); strings.HasPrefix(line, "| ") {
			got = append(got, line)
		}
	}
	var want []string
	for _, r := range panel.Page(phrase.New(), phrase.Indonesian) {
		want = append(want, fmt.Sprintf("| %s | %s | %s | %s |", r.Lamp, r.Look, r.Meaning, r.Act))
	}
	if !slices.Equal(got, want) {
		t.Errorf("PANDUAN.md says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestJudge(t *testing.T) {
	now := time.Now()
	read := protocol.Terminal{Serial: "A1", LastRead: &now}
	fails := func(code string, severity protocol.Severity) protocol.Condition {
		return protocol.Condition{Code: code, Severity: severity}
	}
	for _, c := range []struct {
		name       string
		terminals  []protocol.Terminal
		conditions []protocol.Condition
		online     bool
		want       panel.Situation
	}{
		{"read and online is well", []protocol.Terminal{read}, nil, true, panel.Well},
		{"read and no hub is offline", []protocol.Terminal{read}, nil, false, panel.Offline},
		{"a terminal that was never read is busy", []protocol.Terminal{read, {Serial: "B2"}}, nil, true, panel.Busy},
		{"the first read failed once: that is no news yet", []protocol.Terminal{{Serial: "B2", LastError: "unreachable"}}, nil, true, panel.Well},
		{"a terminal that is off is unreachable", []protocol.Terminal{read}, []protocol.Condition{fails("terminal-unreachable", protocol.SeverityError)}, true, panel.Unreachable},
		{"one that is looked for is busy", []protocol.Terminal{{Serial: "B2", LastError: "unreachable"}}, []protocol.Condition{fails("terminal-sought", protocol.SeverityWarning)}, true, panel.Busy},
		{"one that was looked for in vain is unreachable", []protocol.Terminal{{Serial: "B2", LastError: "unreachable"}}, []protocol.Condition{
			fails("terminal-not-found", protocol.SeverityError), fails("terminal-sought", protocol.SeverityWarning)}, true, panel.Unreachable},
		{"also while the line is down", []protocol.Terminal{read}, []protocol.Condition{fails("terminal-not-found", protocol.SeverityError)}, false, panel.Unreachable},
		{"a full buffer needs a person", []protocol.Terminal{read}, []protocol.Condition{fails("buffer-full", protocol.SeverityError)}, false, panel.Person},
		{"a person comes before a cable", []protocol.Terminal{read}, []protocol.Condition{
			fails("terminal-unreachable", protocol.SeverityError), fails("terminal-key", protocol.SeverityError)}, true, panel.Person},
		{"warnings are the agency's", []protocol.Terminal{read}, []protocol.Condition{fails("terminal-clock", protocol.SeverityWarning)}, true, panel.Well},
	} {
		t.Run(c.name, func(t *testing.T) {
			site := panel.Site{State: protocol.State{Terminals: c.terminals, Conditions: c.conditions}, Online: c.online}
			if got := panel.Judge(site); got != c.want {
				t.Errorf("Judge = %s, want %s", got, c.want)
			}
		})
	}
}
