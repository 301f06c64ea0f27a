package sidik_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/config"
)

// set sends settings to the office's agent, as the hub's operator does.
func (op operator) set(o *office, settings string) {
	op.w.t.Helper()
	file := filepath.Join(op.w.dir, "settings.toml")
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		op.w.t.Fatal(err)
	}
	op.says("site", "settings", string(o.site), "--set", file)
}

// sees waits until the hub's operator sees something of the office's settings.
func (op operator) sees(o *office, what string) {
	op.w.t.Helper()
	var seen string
	eventually(op.w.t, func() bool { seen = op.says("site", "settings", string(o.site)); return strings.Contains(seen, what) },
		func() string {
			return fmt.Sprintf("settings of %s: %s\nwant: %s\nits agent: %+v", o.site, seen, what, o.live.Load().Status())
		})
}

// What the agency sets is tried by an agent that collects meanwhile, and counts from then
// on; what cannot be used, or cuts it off, leaves it as it was and says why.
func TestSettingsAreTriedAndTakenBack(t *testing.T) {
	onEachBroker(t, func(t *testing.T, w *world) {
		w.startHub()
		op := operator{w, filepath.Join(build(t), "sidik-hub")}
		o := w.newOffice("samsat-belitung", "tft-new", 30)
		o.admit()
		o.start()
		o.arrive()
		if said := op.says("site", "settings", string(o.site)); !strings.Contains(said, "nothing is set") {
			t.Errorf("of a site without settings: %s", said)
		}

		op.set(o, "[buffer]\nretention_days = 30\n")
		op.sees(o, "runs with these settings")
		if err := o.terminal.Punch(o.terminal.Users()[0].PIN, 0); err != nil {
			t.Fatal(err)
		}
		o.arrive()

		op.set(o, "[buffer]\nretention = 30\n")
		op.sees(o, `unknown key "buffer.retention"`)
		o.shows("config-unreadable")

		if w.certified { // with a broker of its own file an agent cannot be sent elsewhere
			op.set(o, "[hub]\naddress = \"https://127.0.0.1:1\"\n")
			op.sees(o, "is trying these settings")
			op.sees(o, "was not reached")
			o.shows("config-no-hub")
		}

		op.says("site", "settings", string(o.site), "--clear")
		op.sees(o, "runs with these settings")
		o.arrive()
		if history := op.says("site", "settings", string(o.site), "--history"); !strings.Contains(history, "retention_days = 30") {
			t.Errorf("history: %s", history)
		}
	})
}

// An agent is killed again and again while other settings come. In the end it runs with
// the newest, and no punch is missing.
func TestKillsWhileSettingsChange(t *testing.T) {
	w := certifiedWorld(t, time.Hour)
	w.startHub()
	programs := build(t)
	op := operator{w, filepath.Join(programs, "sidik-hub")}
	o := w.newOffice("samsat-belitung", "tft-new", 20)
	o.config.Apply = config.Apply{Rush: []config.Span{}}
	o.admit()
	process := newProcess(t, filepath.Join(programs, "sidik-agent"), "run", "--config", o.writeConfig())
	stop := o.punching(20 * time.Millisecond)
	defer stop()
	for n := range 8 {
		op.set(o, fmt.Sprintf("[buffer]\nretention_days = %d\n", 30+n))
		process.start()
		pause := time.NewTimer(time.Duration(200+97*n) * time.Millisecond)
		<-pause.C
		process.kill()
	}
	stop()
	process.start()
	eventually(t, func() bool {
		return strings.Contains(op.says("site", "settings", string(o.site)), "runs with these settings")
	},
		func() string { return op.says("site", "settings", string(o.site)) })
	o.arrive()
	process.end()
	text, err := os.ReadFile(filepath.Join(o.config.Data, "settings.json"))
	if err != nil || !strings.Contains(string(text), "retention_days = 37") {
		t.Errorf("the agent holds %s (%v)", text, err)
	}
}

// An agent is killed in each start of a trial that cuts it off from the hub's door. It
// comes back with what was set before, says so, and takes the next.
func TestKillsDuringATrialThatCutsTheHubOff(t *testing.T) {
	w := certifiedWorld(t, 0)
	w.startHub()
	programs := build(t)
	op := operator{w, filepath.Join(programs, "sidik-hub")}
	o := w.newOffice("samsat-belitung", "tft-new", 20)
	o.admit()
	process := newProcess(t, filepath.Join(programs, "sidik-agent"), "run", "--config", o.writeConfig())
	shown := func(what string) {
		t.Helper()
		var said string
		eventually(t, func() bool { said = op.says("site", "settings", string(o.site)); return strings.Contains(said, what) },
			func() string { return fmt.Sprintf("%s\nwant: %s", said, what) })
	}
	process.start()
	op.set(o, "[buffer]\nretention_days = 31\n")
	shown("runs with these settings")
	op.set(o, "[hub]\naddress = \"https://127.0.0.1:1\"\n")
	shown("is trying these settings")
	held := func() string {
		text, err := os.ReadFile(filepath.Join(o.config.Data, "settings.json"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for range 3 { // the first start was in its own place
		process.kill()
		before := held()
		process.start()
		eventually(t, func() bool { return held() != before }, func() string { return "a start is not counted" })
	}
	shown("stopped several times")
	if text := held(); strings.Contains(text, "trying") || !strings.Contains(text, "retention_days = 31") {
		t.Errorf("the agent holds %s", text)
	}
	op.set(o, "[buffer]\nretention_days = 32\n")
	shown("runs with these settings")
	o.punch(3)
	o.arrive()
	process.end()
}
