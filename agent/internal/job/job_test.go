package job_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal/zkdriver"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

func TestFingersAreCapturedInARow(t *testing.T) {
	o := newOffice(t)
	ok(t, o.send(number(2), o.capture(ani, 6)))
	ok(t, o.send(number(2), o.capture(ani, 6))) // the hub says it until it is answered
	o.asks(ani, 6)
	ok(t, o.send(number(4), o.capture(budi, 1)))
	ok(t, o.send(number(3), o.capture(ani, 1))) // overtaken
	ok(t, o.terminal.PlaceFinger(template(6), false))
	o.hear("that an image is bad", func() bool {
		return slices.ContainsFunc(o.said[number(2)], func(p protocol.Progress) bool { return p.Step == protocol.StepBad && p.Bad == 1 })
	})
	o.places(6)
	p := o.ends(number(2), protocol.EndedDone)
	if p.Good != 3 || p.Bad != 1 || p.Step != protocol.StepStored {
		t.Errorf("in the end %+v", p)
	}
	o.arrives(number(2), ani, 6, 6)
	o.asks(ani, 1)
	if got := o.people(); len(got) != 1 || got[0] != ani {
		t.Errorf("at the terminal are %v: who still waits for another finger stays", got)
	}
	o.places(1)
	o.ends(number(3), protocol.EndedDone)
	o.asks(budi, 1)
	o.places(2)
	o.ends(number(4), protocol.EndedDone)
	// Nobody goes before the hub has their fingers.
	if got := o.people(); len(got) != 2 {
		t.Errorf("at the terminal are %v", got)
	}
	o.arrives(number(3), ani, 1, 1)
	o.arrives(number(4), budi, 1, 2)
	o.empties()
	if o.asked() != 3 {
		t.Errorf("the terminal was made to ask %d times, want 3", o.asked())
	}
	o.eventually("the hub is told what the terminal holds", func() bool {
		o.holdings.mu.Lock()
		defer o.holdings.mu.Unlock()
		return o.holdings.looked > 0
	})
}

func TestCaptureEndsAsTheTerminalSays(t *testing.T) {
	for _, row := range []struct {
		name   string
		before func(o *office)
		act    func(o *office) // when the terminal asks; nil: it never does
		want   protocol.Ending
		reason string
		stay   int // people who stay, beside the strangers
	}{
		{name: "nobody comes", act: func(o *office) { ok(o.t, o.terminal.EndEnrolment(4)) }, want: protocol.EndedNobody},
		{name: "nobody comes and the terminal does not say so", act: func(*office) {}, want: protocol.EndedNobody},
		{name: "the finger is somebody else's", before: func(o *office) {
			ok(o.t, o.terminal.AddTemplate(zk.Template{UID: 1, Finger: 0, Flag: 1, Data: template(1)}))
		}, act: func(o *office) { o.places(1) }, want: protocol.EndedDuplicate},
		{name: "the terminal fails", act: func(o *office) { ok(o.t, o.terminal.EndEnrolment(6)) }, want: protocol.EndedFailed},
		{name: "the terminal has it already", before: func(o *office) {
			ok(o.t, o.terminal.AddUser(zk.User{UID: 20, PIN: ani, Group: 1}))
			ok(o.t, o.terminal.AddTemplate(zk.Template{UID: 20, Finger: 1, Flag: 1, Data: template(1)}))
		}, want: protocol.EndedPresent, stay: 1},
		{name: "the terminal takes nobody", before: func(o *office) {
			o.terminal.Inject(zktest.Fault{Kind: zktest.ReadOnly})
		}, want: protocol.EndedFailed},
		{name: "the terminal has no slot left", before: func(o *office) { o.holdings.last = 1<<16 - 1 }, want: protocol.EndedBlocked, reason: "users-full"},
		{name: "the terminal cannot be reached", before: func(o *office) {
			ok(o.t, o.driver.Close())
			o.terminal.Reboot(time.Hour)
		}, want: protocol.EndedUnreachable, reason: "unreachable", stay: -1},
		{name: "the line drops", act: func(o *office) { o.terminal.HangUp() }, want: protocol.EndedUnreachable, reason: "unreachable", stay: -1},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			if row.before != nil {
				row.before(o)
			}
			ok(t, o.send(number(1), o.capture(ani, 1)))
			if row.act != nil {
				o.asks(ani, 1)
				row.act(o)
			}
			p := o.ends(number(1), row.want)
			if row.reason != "" && p.Reason != row.reason {
				t.Errorf("reason %q, want %q", p.Reason, row.reason)
			}
			if len(o.templates) > 0 {
				t.Errorf("%d templates came of it", len(o.templates))
			}
			switch row.stay {
			case 0:
				o.empties()
			case 1:
				if got := o.people(); len(got) != 1 {
					t.Errorf("at the terminal are %v", got)
				}
			}
		})
	}
}

// A terminal that says something all the time, and never the end, is not let ask for ever.
func TestNobodyIsAskedForEver(t *testing.T) {
	o := newOffice(t)
	o.longest = 500 * time.Millisecond
	o.start()
	ok(t, o.send(number(1), o.capture(ani, 1)))
	o.asks(ani, 1)
	stop := make(chan struct{})
	var fidgeting sync.WaitGroup
	fidgeting.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_ = o.terminal.PlaceFinger(template(1), false) // an error is that nobody is asked any more
			case <-stop:
				return
			}
		}
	})
	o.ends(number(1), protocol.EndedNobody)
	close(stop)
	fidgeting.Wait()
	o.empties()
}

func TestTerminalWithoutRoomIsNotAsked(t *testing.T) {
	for _, row := range []struct {
		name string
		kind func(p *zktest.Profile, c *zkdriver.Config)
		want string
	}{
		{"no room for users", func(p *zktest.Profile, _ *zkdriver.Config) { p.UserCap = 10 }, "users-full"},
		{"no room for fingers", func(p *zktest.Profile, _ *zkdriver.Config) { p.TemplateCap = 1 }, "fingers-full"},
		{"no room for the PIN", func(p *zktest.Profile, _ *zkdriver.Config) { p.PINWidth = 5 }, "pin-width"},
		{"that only reads", func(_ *zktest.Profile, c *zkdriver.Config) { c.ReadOnly = true }, "read-only"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t, row.kind)
			ok(t, o.terminal.AddTemplate(zk.Template{UID: 1, Finger: 0, Flag: 1, Data: template(9)}))
			ok(t, o.send(number(1), o.capture(ani, 1)))
			if p := o.ends(number(1), protocol.EndedBlocked); p.Reason != row.want {
				t.Errorf("reason %q, want %q", p.Reason, row.want)
			}
			if o.asked() != 0 || len(o.people()) != 0 {
				t.Errorf("asked %d times, people %v", o.asked(), o.people())
			}
		})
	}
}

// Whoever says a number again that was begun hears what became of it, and nothing is
// begun: not after a restart from any copy of the disk, and not when many came since.
func TestNumberIsBegunOnce(t *testing.T) {
	o := newOffice(t)
	first := o.capture(ani, 1)
	ok(t, o.send(number(1), first))
	o.asks(ani, 1)
	begun, err := os.ReadFile(filepath.Join(o.dir, "jobs.json"))
	ok(t, err)
	if bytes.Contains(begun, template(1)) {
		t.Error("a template is on disk")
	}
	o.places(1)
	digest := o.ends(number(1), protocol.EndedDone).Digest
	o.arrives(number(1), ani, 1, 1)
	o.empties()

	again := func(what string) {
		t.Helper()
		clear(o.said)
		ok(t, o.send(number(1), first))
		if p := o.ends(number(1), protocol.EndedDone); p.Digest != digest {
			t.Errorf("%s it tells of another template", what)
		}
		if o.asked() != 1 {
			t.Errorf("%s the terminal was made to ask again", what)
		}
	}
	again("said once more")
	o.start()
	again("after a restart")

	other := first
	other.Finger = 2
	o.refused(number(1), other, protocol.ReasonReplay) // the number of another job

	// The disk is put back to the moment at which it had begun, with the terminal as it
	// is now: the finger is gone, so it was interrupted.
	o.stop()
	ok(t, os.WriteFile(filepath.Join(o.dir, "jobs.json"), begun, 0o600))
	clear(o.said)
	o.start()
	ok(t, o.send(number(1), first))
	o.ends(number(1), protocol.EndedInterrupted)
	if o.asked() != 1 {
		t.Error("from an older disk the terminal was made to ask again")
	}

	// Many later, it is forgotten, and still not begun.
	for n := range uint64(300) {
		cancel := first
		cancel.Kind = protocol.JobCancel
		ok(t, o.send(number(n+2), cancel))
	}
	o.refused(number(1), first, protocol.ReasonReplay)
	o.refused(protocol.Seq{Life: 2, Counter: 1000}, first, protocol.ReasonReplay) // of an earlier life of the hub
	if o.asked() != 1 {
		t.Error("a forgotten job was begun again")
	}
}

func TestStaleForeignAndWrongJobsChangeNothing(t *testing.T) {
	o := newOffice(t)
	before, _ := os.ReadFile(filepath.Join(o.dir, "jobs.json"))
	expired := o.capture(ani, 1)
	expired.Expires = o.clock
	o.refused(number(1), expired, protocol.ReasonReplay)
	wrong := o.capture("0"+ani, 1)
	o.refused(number(1), wrong, protocol.ReasonBody)
	wrong = o.capture(ani, 1)
	wrong.Kind = "format"
	o.refused(number(1), wrong, protocol.ReasonBody)
	late := o.capture(ani, 1)
	late.NotBefore = o.clock.Add(time.Hour)
	late.Expires = late.NotBefore.Add(time.Hour)
	for n := range uint64(64) {
		ok(t, o.send(number(n+10), late))
	}
	o.refused(number(99), late, protocol.ReasonSize)
	if after, _ := os.ReadFile(filepath.Join(o.dir, "jobs.json")); !bytes.Equal(before, after) || o.asked() != 0 {
		t.Errorf("something was begun: %s", after)
	}
	elsewhere := o.capture(ani, 1)
	elsewhere.Serial = "DOOR1"
	ok(t, o.send(number(100), elsewhere))
	o.ends(number(100), protocol.EndedElsewhere)
}

func TestCancelledJobNeverBegins(t *testing.T) {
	o := newOffice(t)
	running, waits, unheard := o.capture(ani, 1), o.capture(budi, 1), o.capture(budi, 6)
	ok(t, o.send(number(1), running))
	ok(t, o.send(number(2), waits))
	o.asks(ani, 1)
	cancel := func(n uint64, j protocol.Job) {
		t.Helper()
		j.Kind = protocol.JobCancel
		ok(t, o.send(number(n), j))
		o.ends(number(n), protocol.EndedCancelled)
	}
	cancel(2, waits)
	cancel(3, unheard) // it overtook the job
	cancel(1, running)
	o.empties()
	clear(o.said)
	ok(t, o.send(number(3), unheard))
	ok(t, o.send(number(2), waits))
	o.ends(number(3), protocol.EndedCancelled)
	o.ends(number(2), protocol.EndedCancelled)
	if o.asked() != 1 {
		t.Errorf("the terminal was made to ask %d times, want once", o.asked())
	}
}

func TestTimeIsKept(t *testing.T) {
	o := newOffice(t)
	j := o.capture(ani, 1)
	j.NotBefore = o.clock.Add(10 * time.Minute)
	short := o.capture(budi, 1)
	short.NotBefore, short.Expires = j.NotBefore, j.NotBefore.Add(time.Minute)
	o.set(func() { o.trusted = false }) // a replayed message shows the time at which it was said
	ok(t, o.send(number(1), j))
	ok(t, o.send(number(2), short))
	o.hear("nothing yet", func() bool { return true })
	if o.asked() != 0 {
		t.Error("it began too early")
	}
	o.set(func() { o.clock = short.Expires })
	ok(t, o.send(number(1), j)) // the hub says it again, with its time
	o.asks(ani, 1)
	o.ends(number(2), protocol.EndedExpired)
	o.set(func() { o.trusted = true })
	o.places(1)
	o.ends(number(1), protocol.EndedDone)
	o.arrives(number(1), ani, 1, 1)
	o.empties()

	// One that nobody answers ends with its time.
	o.set(func() { o.clock = o.clock.Add(time.Minute) })
	quick := o.capture(ani, 2)
	quick.Expires = o.clock.Add(time.Second)
	ok(t, o.send(number(3), quick))
	o.asks(ani, 2)
	o.ends(number(3), protocol.EndedExpired)
	o.empties()
}

func TestWhoStaysAtTheTerminal(t *testing.T) {
	capture := func(o *office) {
		o.t.Helper()
		ok(o.t, o.send(number(1), o.capture(ani, 1)))
		o.asks(ani, 1)
		o.places(1)
		o.ends(number(1), protocol.EndedDone)
	}
	settled := func(o *office) {
		o.t.Helper()
		o.eventually("nothing is left to do", func() bool {
			text, err := os.ReadFile(filepath.Join(o.dir, "jobs.json"))
			return err == nil && !bytes.Contains(text, []byte(`"left":true`))
		})
	}
	t.Run("whom the roster names", func(t *testing.T) {
		o := newOffice(t)
		o.holdings.named = []string{ani}
		capture(o)
		o.arrives(number(1), ani, 1, 1)
		settled(o)
		if len(o.people()) != 1 {
			t.Error("somebody was taken off whom the roster names")
		}
	})
	t.Run("everybody while there is no roster", func(t *testing.T) {
		o := newOffice(t)
		o.holdings.known = false
		capture(o)
		o.arrives(number(1), ani, 1, 1)
		if len(o.people()) != 1 {
			t.Error("somebody was taken off before a roster could name them")
		}
		o.holdings.mu.Lock()
		o.holdings.known = true
		o.holdings.mu.Unlock()
		o.empties()
	})
	t.Run("whom somebody has given another finger", func(t *testing.T) {
		o := newOffice(t)
		capture(o)
		ok(t, o.terminal.AddTemplate(zk.Template{UID: 11, Finger: 3, Flag: 1, Data: template(3)}))
		o.arrives(number(1), ani, 1, 1)
		settled(o)
		if len(o.people()) != 1 {
			t.Error("a finger that nobody has a copy of was deleted")
		}
	})
	t.Run("who was there before", func(t *testing.T) {
		o := newOffice(t)
		ok(t, o.terminal.AddUser(zk.User{UID: 20, PIN: ani, Group: 1}))
		capture(o)
		o.arrives(number(1), ani, 1, 1)
		settled(o)
		if len(o.people()) != 1 {
			t.Error("somebody was taken off whom no job had put there")
		}
	})
	t.Run("everybody while people come and go", func(t *testing.T) {
		o := newOffice(t)
		o.set(func() { o.calm = false })
		capture(o) // that is what somebody asked for
		o.arrives(number(1), ani, 1, 1)
		o.start()
		if len(o.people()) != 1 {
			t.Error("the terminal was written to in the rush")
		}
		o.set(func() { o.calm = true })
		o.empties()
	})
}

// The template is on the disk, sealed, until the hub has it, whatever happens between.
func TestTemplateIsKeptUntilTheHubHasIt(t *testing.T) {
	o := newOffice(t)
	ok(t, o.send(number(1), o.capture(ani, 1)))
	o.asks(ani, 1)
	o.places(1)
	o.ends(number(1), protocol.EndedDone)
	err := filepath.WalkDir(o.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		for _, form := range [][]byte{template(1)[100:130], []byte(base64.StdEncoding.EncodeToString(template(1)[99:129]))} {
			if bytes.Contains(text, form) {
				t.Errorf("%s holds a template that anybody can read", path)
			}
		}
		return err
	})
	ok(t, err)
	o.templates = nil
	o.start() // what was said is lost
	if len(o.people()) != 1 {
		t.Error("somebody was taken off before the hub had their finger")
	}
	o.arrives(number(1), ani, 1, 1)
	o.empties()
}

// An agent that was stopped in the middle looks what there is: a finger that has come
// since is the one that was asked for.
func TestStoppedInTheMiddle(t *testing.T) {
	o := newOffice(t)
	ok(t, o.send(number(1), o.capture(ani, 1)))
	o.asks(ani, 1)
	o.stop()
	if _, _, asked := o.terminal.Asked(); asked {
		t.Error("the terminal goes on asking")
	}
	ok(t, o.terminal.AddTemplate(zk.Template{UID: 11, Finger: 1, Flag: 1, Data: template(1)}))
	o.start()
	o.ends(number(1), protocol.EndedDone)
	o.arrives(number(1), ani, 1, 1)
	o.empties()

	ok(t, o.send(number(2), o.capture(budi, 1)))
	o.asks(budi, 1)
	o.start()
	o.ends(number(2), protocol.EndedInterrupted)
	o.empties()

	// The terminal is away until the job's time is over.
	ok(t, o.send(number(3), o.capture(budi, 1)))
	o.asks(budi, 1)
	o.stop()
	ok(t, o.driver.Close())
	o.terminal.Reboot(time.Hour)
	o.set(func() { o.clock = o.clock.Add(time.Hour) })
	o.start()
	o.ends(number(3), protocol.EndedInterrupted)
}

func TestBrokenLedgerIsNotPassedOver(t *testing.T) {
	o := newOffice(t)
	o.stop()
	path := filepath.Join(o.dir, "jobs.json")
	ok(t, os.WriteFile(path, []byte("{"), 0o600))
	o.start() // the agent has more to do than jobs
	o.refused(number(1), o.capture("7", 1), protocol.ReasonReceiver)
	if text, err := os.ReadFile(path); err != nil || string(text) != "{" {
		t.Errorf("the file is %q, %v now: nobody can look at it", text, err)
	}
}

// An agent that was stopped before it had looked at the terminal knows nothing of the
// finger that it finds there: it may be anybody's, recorded long ago.
func TestFingerThatWasThereBeforeIsNeverTheCapturedOne(t *testing.T) {
	o := newOffice(t)
	somebody := o.terminal.Users()[0]
	ok(t, o.terminal.AddTemplate(zk.Template{UID: somebody.UID, Finger: 1, Flag: 1, Data: template(7)}))
	busy, release := make(chan struct{}), make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() { // the log is read, say
		ok(t, o.driver.Hold(t.Context(), func(context.Context, terminal.Session) error { close(busy); <-release; return nil }))
	})
	<-busy
	ok(t, o.send(number(1), o.capture(protocol.NormalPIN(somebody.PIN), 1)))
	o.hear("that it begins", func() bool { return len(o.said[number(1)]) > 0 })
	o.stop()
	close(release)
	reading.Wait()
	o.start()
	o.ends(number(1), protocol.EndedInterrupted)
	if len(o.templates) > 0 {
		t.Error("a finger of before came as the one that was asked for")
	}
}
