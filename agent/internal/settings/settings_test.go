package settings_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/settings"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// agent is the settings of an agent over its starts.
type agent struct {
	t          *testing.T
	dir        string
	unreadable string // settings that have this in them cannot be taken
	key        seal.SigningKey
	*settings.Settings
}

func newAgent(t *testing.T) *agent {
	t.Helper()
	key, err := seal.GenerateSigningKey()
	ok(t, err)
	a := &agent{t: t, dir: t.TempDir(), unreadable: "bad", key: key}
	a.start()
	return a
}

func (a *agent) start() {
	a.t.Helper()
	var err error
	a.Settings, err = settings.Open(settings.Options{Dir: a.dir, Log: slog.New(slog.DiscardHandler), Limit: time.Minute,
		Check: func(text string) error {
			if strings.Contains(text, a.unreadable) {
				return fmt.Errorf("%q cannot be taken", text)
			}
			return nil
		}})
	ok(a.t, err)
}

func order(n uint64) protocol.Seq { return protocol.Seq{Life: 1, Counter: n} }

// config is a message of the hub.
func (a *agent) config(n uint64, text string) protocol.Envelope {
	a.t.Helper()
	payload, err := protocol.Seal(protocol.Envelope{Kind: protocol.KindConfig, Site: "samsat", Seq: order(n)}, protocol.Config{Settings: text}, a.key)
	ok(a.t, err)
	e, err := protocol.Parse(protocol.Topic{Site: "samsat", Kind: protocol.KindConfig}.String(), payload)
	ok(a.t, err)
	return e
}

func (a *agent) take(n uint64, text string) {
	a.t.Helper()
	ok(a.t, a.Take(a.config(n, text)))
}

func (a *agent) want(text string, state protocol.ConfigState, codes ...string) {
	a.t.Helper()
	got := a.State()
	got.Detail = ""
	var found []string
	for _, c := range a.Conditions() {
		found = append(found, c.Code)
	}
	if a.Text() != text || got != state || fmt.Sprint(found) != fmt.Sprint(codes) {
		a.t.Errorf("runs %q as %+v with %v\nwant %q as %+v with %v", a.Text(), got, found, text, state, codes)
	}
}

// lives runs until something ends it, or for a time. It says whether a restart is asked for.
func (a *agent) lives(hub, network bool, d time.Duration) bool {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), d)
	defer cancel()
	err := a.Run(ctx, settings.Proof{Hub: func() bool { return hub }, Network: func() bool { return network }})
	if err != nil && !errors.Is(err, settings.ErrRestart) {
		a.t.Fatal(err)
	}
	return err != nil
}

func TestSettingsProveThemselvesByTheHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent(t)
		a.want("", protocol.ConfigState{})
		a.take(1, "one")
		if !a.lives(true, true, time.Hour) {
			t.Fatal("no restart with other settings")
		}
		a.start()
		a.want("one", protocol.ConfigState{Trying: order(1)})
		if a.lives(true, true, time.Minute) {
			t.Error("restarted after the proof")
		}
		a.want("one", protocol.ConfigState{Order: order(1)})
		a.take(1, "one") // the retained message
		a.take(2, "one") // the same in a new generation, say
		if a.lives(true, true, time.Minute) {
			t.Error("restarted for what runs already")
		}
		a.want("one", protocol.ConfigState{Order: order(2)})
		if err := a.Take(a.config(1, "zero")); protocol.ReasonOf(err) != protocol.ReasonReplay {
			t.Errorf("an older message: %v, want a replay", err)
		}
		a.start()
		a.want("one", protocol.ConfigState{Order: order(2)})
	})
}

func TestSettingsThatCutTheHubOffAreUndone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent(t)
		a.take(1, "one")
		a.lives(true, true, time.Hour)
		a.start()
		a.lives(true, true, time.Minute)
		a.take(2, "two")
		a.lives(true, true, time.Hour)
		a.start()
		if a.lives(false, false, 30*24*time.Hour) {
			t.Fatal("undone while there was no network to prove anything over")
		}
		began := time.Now()
		if !a.lives(false, true, time.Hour) || time.Since(began) != time.Minute {
			t.Errorf("undone after %s, want a minute", time.Since(began))
		}
		a.start()
		a.want("one", protocol.ConfigState{Order: order(1), Refused: order(2), Reason: settings.ReasonNoHub}, "config-no-hub")
		a.take(2, "two") // the retained message is not tried again
		if a.lives(true, true, time.Hour) {
			t.Error("the same settings were tried again")
		}
		a.take(3, "three")
		a.lives(true, true, time.Hour)
		a.start()
		a.lives(true, true, time.Minute)
		a.want("three", protocol.ConfigState{Order: order(3)})
	})
}

// The time of a trial is that of all its starts together.
func TestPowerCutsDoNotMakeATrialLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent(t)
		a.take(1, "one")
		a.start()
		if a.lives(false, true, 40*time.Second) {
			t.Fatal("undone too early")
		}
		a.start() // what is lost is 15 s at most
		if !a.lives(false, true, 35*time.Second) {
			t.Error("a power cut made the trial longer")
		}
	})
}

// With these settings nobody lives long enough to judge them.
func TestSettingsThatKeepTheAgentFromStartingAreUndone(t *testing.T) {
	a := newAgent(t)
	a.take(1, "one")
	for range 3 {
		a.start()
		a.want("one", protocol.ConfigState{Trying: order(1)})
	}
	a.start()
	a.want("", protocol.ConfigState{Refused: order(1), Reason: settings.ReasonNoStart}, "config-no-start")
}

func TestWhatCannotBeTakenIsToldAndChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent(t)
		a.take(1, "bad one")
		if a.lives(true, true, time.Minute) {
			t.Error("restarted for settings that cannot be taken")
		}
		a.want("", protocol.ConfigState{Refused: order(1), Reason: settings.ReasonUnreadable}, "config-unreadable")
		if detail := a.State().Detail; detail != `"bad one" cannot be taken` {
			t.Errorf("told %q", detail)
		}
		a.take(2, "two")
		a.take(3, "bad three") // ends the trial that has not even run
		if !a.lives(true, true, time.Minute) {
			t.Error("the trial goes on although something newer came")
		}
		a.start()
		a.want("", protocol.ConfigState{Refused: order(3), Reason: settings.ReasonUnreadable}, "config-unreadable")
		a.take(4, "bad "+strings.Repeat("ä", protocol.MaxConfigDetail))
		if err := a.State().Check(); err != nil {
			t.Errorf("what is told cannot be said: %v", err)
		}
	})
}

// An agent that went back to an older version may not understand what runs.
func TestSettingsOfANewerAgentAreLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent(t)
		a.take(1, "one")
		a.start()
		a.lives(true, true, time.Minute)
		a.unreadable = "one"
		a.start()
		a.want("", protocol.ConfigState{Refused: order(1), Reason: settings.ReasonUnreadable}, "config-unreadable")
	})
}

// Each state that a power cut can leave is one from which the agent starts.
func TestEveryFileThatAPowerCutLeavesIsOldOrNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent(t)
		path := filepath.Join(a.dir, "settings.json")
		a.take(1, "one")
		a.start()
		a.lives(true, true, time.Minute)
		old, err := os.ReadFile(path)
		ok(t, err)
		a.take(2, "two")
		text, err := os.ReadFile(path)
		ok(t, err)
		for n := range len(text) { // of the file beside, which takes the other's place when it is whole
			ok(t, os.WriteFile(path, old, 0o600))
			ok(t, os.WriteFile(path+".new", text[:n], 0o600))
			a.start()
			a.want("one", protocol.ConfigState{Order: order(1)})
		}
		ok(t, os.WriteFile(path, text[:len(text)/2], 0o600)) // a card that lies
		a.start()
		a.want("", protocol.ConfigState{})
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("what cannot be read is still there: %v", err)
		}
	})
}

func TestADiskThatRefusesEndsNothingHalfway(t *testing.T) {
	a := newAgent(t)
	a.take(1, "one")
	ok(t, os.Mkdir(filepath.Join(a.dir, "settings.json.new"), 0o700))
	if err := a.Take(a.config(2, "two")); err == nil || protocol.ReasonOf(err) == protocol.ReasonReplay {
		t.Errorf("a message that could not be kept: %v", err)
	}
	a.want("one", protocol.ConfigState{Trying: order(1)})
}

// A card that can no longer be written is no reason not to start: what has proven itself
// runs, and nothing is tried that could not be left again.
func TestADiskThatRefusesStopsNoAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent(t)
		a.take(1, "one")
		a.start()
		a.lives(true, true, time.Minute)
		a.take(2, "two")
		full := filepath.Join(a.dir, "settings.json.new")
		ok(t, os.Mkdir(full, 0o700))
		a.start()
		a.want("one", protocol.ConfigState{Order: order(1)})
		if err := a.Take(a.config(2, "two")); err == nil {
			t.Error("what was not written was taken")
		}
		a.want("one", protocol.ConfigState{Order: order(1)})

		ok(t, os.Remove(full))
		a.start()
		a.want("two", protocol.ConfigState{Order: order(1), Trying: order(2)})
		ok(t, os.Mkdir(full, 0o700))
		if a.lives(true, true, time.Minute) {
			t.Error("a restart is asked for because of a disk")
		}
		a.want("two", protocol.ConfigState{Order: order(1), Trying: order(2)})
		if !a.lives(false, true, 2*time.Minute) {
			t.Error("settings that reach no hub are not left")
		}
		a.start()
		a.want("one", protocol.ConfigState{Order: order(1)})

		ok(t, os.Remove(full))
		a.start()
		if a.lives(true, true, time.Minute) {
			t.Error("a restart is asked for")
		}
		a.want("two", protocol.ConfigState{Order: order(2)})
	})
}
