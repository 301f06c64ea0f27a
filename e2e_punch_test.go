package sidik_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub"
)

// stored is what the hub holds of the office, in the form of expected.
func (o *office) stored() []string {
	t := o.w.t
	t.Helper()
	s, err := hub.OpenStore(t.Context(), o.w.hubData(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var lines []string
	for p, err := range s.Punches(t.Context(), hub.Filter{Site: o.site}) {
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%s %s %d verify %d work %d nth %d", p.PIN, p.Time, p.Status, p.Verify, p.WorkCode, p.Nth))
	}
	slices.Sort(lines)
	return lines
}

// When everything has stopped, only what the folders are for is left in them.
func TestNothingIsLeftBehind(t *testing.T) {
	onEachBroker(t, func(t *testing.T, w *world) {
		w.startHub()
		o := w.newOffice("samsat-belitung", "tft-new", 10)
		o.admit()
		o.start()
		o.arrive()
		o.stop()
		w.stopHub()
		for folder, allowed := range map[string][]string{
			o.config.Data: {"agent.key", "buffer.db", "buffer.lock", "clock", "errands", "jobs", "keys.json", "pass.json", "rosters", "sealing.key"},
			w.hubData():   {"authority.crt", "authority.key", "broker", "hub.db", "hub.key", "hub.lock", "keep.json", "keys.json", "sealing.key", "vault.key"},
		} {
			entries, err := os.ReadDir(folder)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if !slices.Contains(allowed, e.Name()) {
					t.Errorf("%s is left in %s", e.Name(), filepath.Base(folder))
				}
			}
		}
	})
}

// What an SD card has spoiled of rosters, jobs and copies keeps no punch back. The
// terminal is only read then, and somebody is told.
func TestDamagedFilesKeepNoPunchBack(t *testing.T) {
	w := newWorld(t, nil)
	w.startHub()
	o := w.newOffice("samsat-belitung", "tft-new", 10)
	o.admit()
	o.start()
	o.arrive()
	o.stop()
	for _, file := range []string{
		filepath.Join("rosters", o.terminal.Serial()+".json"), filepath.Join("rosters", "copies", strings.Repeat("ab", 32)+".copy"), filepath.Join("jobs", "jobs.json"),
	} {
		if err := os.WriteFile(filepath.Join(o.config.Data, file), []byte("{\"spoiled"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o.start()
	o.punch(5)
	o.arrive()
	o.shows("roster-failed")
}

func TestPunchesArriveFromEveryProfile(t *testing.T) {
	onEachBroker(t, func(t *testing.T, w *world) {
		w.startHub()
		var offices []*office
		for n, profile := range []string{"tft-k40", "tft-new", "vl-49", "bw-zem560", "bw-zem500", "d2-wl20"} {
			o := w.newOffice(fmt.Sprintf("office-%d", n), profile, 300)
			o.admit()
			o.start()
			offices = append(offices, o)
		}
		for _, o := range offices {
			o.arrive()
		}
	})
}

func TestPunchesArriveWhileTheyAreMade(t *testing.T) {
	onEachBroker(t, func(t *testing.T, w *world) {
		w.startHub()
		o := w.newOffice("samsat-belitung", "tft-new", 1000)
		o.admit()
		o.start()
		stop := o.punching(5 * time.Millisecond)
		eventually(t, func() bool { return len(o.stored()) > 1100 }, func() string { return "no live punches arrive" })
		stop()
		o.arrive()
	})
}

func TestAFullLogArrives(t *testing.T) {
	onEachBroker(t, func(t *testing.T, w *world) {
		punches := 100_000
		if testing.Short() {
			punches = 5_000
		}
		w.startHub()
		o := w.newOffice("rsud-soekarno", "tft-new", punches)
		o.admit()
		o.start()
		o.arrive()
	})
}

func TestRestartsLoseNothing(t *testing.T) {
	onEachBroker(t, func(t *testing.T, w *world) {
		w.startHub()
		o := w.newOffice("samsat-belitung", "tft-new", 200)
		o.admit()
		o.start()
		stop := o.punching(3 * time.Millisecond)
		defer stop()
		grows := func(what string) {
			t.Helper()
			before := len(o.expected())
			eventually(t, func() bool { return len(o.stored()) > before }, func() string { return what + ": nothing new arrives" })
		}
		grows("first start")
		w.stopHub()
		w.startHub()
		grows("hub restarted")
		o.stop()
		o.start()
		grows("agent restarted")
		if w.broker != nil {
			w.broker.Stop()
			w.broker.Start()
			grows("broker restarted")
		}
		stop()
		o.arrive()
	})
}

func TestAnOfficeWithoutALineCollects(t *testing.T) {
	onEachBroker(t, func(t *testing.T, w *world) {
		o := w.newOffice("sman-1-lepar-pongok", "tft-k40", 500)
		o.config.Hub = w.broken("tcp://no-such-host.invalid:1883")
		o.start()
		eventually(t, func() bool { return o.live.Load().Status().State.Backlog.Punches == 500 },
			func() string { return fmt.Sprintf("the agent holds %+v", o.live.Load().Status().State.Backlog) })
		o.stop()

		// Weeks later there is a line, and a hub.
		o.config.Hub = w.wayToHub()
		w.startHub()
		o.admit()
		o.start()
		o.arrive()
	})
}

func TestNothingOfAStrangerIsStored(t *testing.T) {
	onEachBroker(t, func(t *testing.T, w *world) {
		w.startHub()
		o := w.newOffice("samsat-belitung", "tft-new", 50)
		o.start()
		s, err := hub.OpenStore(t.Context(), w.hubData(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if w.certified { // without a code it does not get as far as the broker
			o.shows("enrol-no-code")
		} else {
			eventually(t, func() bool {
				attempts, err := s.Attempts(t.Context())
				return err == nil && len(attempts) == 1 && attempts[0].Site == o.site && attempts[0].Count > 1
			}, func() string { return "the attempts are not shown" })
		}
		if totals, err := s.Totals(t.Context()); err != nil || totals.Sightings != 0 {
			t.Fatalf("of a site that is not admitted the hub stored %+v (%v)", totals, err)
		}
		o.admit()
		o.arrive()
	})
}

func TestAnOldFolderOfTheAgentComesBack(t *testing.T) {
	onEachBroker(t, func(t *testing.T, w *world) {
		w.startHub()
		o := w.newOffice("samsat-belitung", "tft-new", 300)
		o.admit()
		o.start()
		o.arrive()
		o.stop()
		old := filepath.Join(w.dir, "old")
		copyFolder(t, o.config.Data, old)

		o.punch(100)
		o.start()
		o.arrive()
		o.stop()
		copyFolder(t, old, o.config.Data)
		o.punch(100)
		o.start()
		o.arrive()
		o.shows("buffer-fork")
	})
}

func TestTwoAgentsFromOneCopiedFolder(t *testing.T) {
	onEachBroker(t, func(t *testing.T, w *world) {
		w.startHub()
		o := w.newOffice("samsat-belitung", "tft-new", 300)
		o.admit()
		o.start()
		o.arrive()
		o.stop()
		twin := *o
		twin.agent = nil
		twin.config.Data = filepath.Join(w.dir, "twin")
		copyFolder(t, o.config.Data, twin.config.Data)
		t.Cleanup(func() { twin.stop() })
		o.start()
		twin.start()
		o.punch(200)
		o.arrive()
		o.w.shows("key-in-two-places")
		twin.stop()
		o.punch(50)
		o.arrive()
	})
}

func TestTheHubsDiskIsSilentlyPutBack(t *testing.T) {
	onEachBroker(t, func(t *testing.T, w *world) {
		w.startHub()
		o := w.newOffice("samsat-belitung", "tft-new", 300)
		o.admit()
		o.start()
		o.arrive()
		w.stopHub()
		old := filepath.Join(w.dir, "old")
		copyFolder(t, w.hubData(), old)
		w.startHub()
		o.punch(100)
		o.arrive()
		w.stopHub()
		copyFolder(t, old, w.hubData())
		w.startHub()
		o.arrive()
		w.shows("hub-went-back")
	})
}

func TestTheHubIsRestoredFromABackup(t *testing.T) {
	onEachBroker(t, func(t *testing.T, w *world) {
		w.startHub()
		o := w.newOffice("samsat-belitung", "tft-new", 300)
		o.admit()
		o.start()
		o.arrive()
		backup := filepath.Join(w.dir, "backup.db")
		if err := hub.Backup(t.Context(), w.hubData(), "", backup); err != nil {
			t.Fatal(err)
		}
		o.punch(100)
		o.arrive()
		w.stopHub()
		files, err := filepath.Glob(filepath.Join(w.hubData(), "hub.db*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no database in %s (%v)", w.hubData(), err)
		}
		for _, f := range files {
			if err := os.Remove(f); err != nil {
				t.Fatal(err)
			}
		}
		g, err := hub.Restore(t.Context(), w.hubData(), backup)
		if err != nil || g.Number != 2 {
			t.Fatalf("Restore = generation %d, %v; want 2", g.Number, err)
		}
		w.startHub()
		o.arrive()
	})
}

// A full disk, and one that refuses: the agent keeps running, says so, and goes
// on by itself.
func TestADiskThatRefusesIsToldAndGotOver(t *testing.T) {
	onEachBroker(t, func(t *testing.T, w *world) {
		w.startHub()
		o := w.newOffice("samsat-belitung", "tft-new", 50)
		o.admit()
		o.start()
		o.arrive()
		o.stop()
		o.config.Buffer.MaxMB = 4 // the least that a configuration may say; it fills up while nothing is receipted
		o.config.Hub = w.broken("tcp://127.0.0.1:1")
		if err := o.terminal.Fill(10, 0, 100_000); err != nil {
			t.Fatal(err)
		}
		o.start()
		o.shows("buffer-full")
		o.stop()
		o.config.Hub = w.wayToHub()
		o.start()
		o.arriveAtLeast()
	})
}
