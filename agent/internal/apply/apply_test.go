package apply_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/agent/internal/apply"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func equal(r protocol.Results) bool { return r.State == protocol.StandingEqual }

func seq(generation, revision uint64) protocol.Seq {
	return protocol.Seq{Life: generation, Counter: revision}
}

// people is a roster of an administrator and two employees.
func (o *office) people() roster.Roster {
	return roster.Roster{Serial: serial, AsOf: "2026-02-01", Mode: roster.Enforce, Entries: []roster.Entry{
		{PIN: "100001", Name: "Admin Demo", Privilege: roster.Administrator, Fingers: []roster.Finger{o.finger(0, "admin 0")}},
		{PIN: "100002", Name: "Ani Demo", Privilege: roster.User, Fingers: []roster.Finger{o.finger(1, "ani 1"), o.finger(6, "ani 6")}},
		{PIN: "100003", Name: "Budi Demo", Privilege: roster.User, Fingers: []roster.Finger{o.finger(1, "budi 1")}},
	}}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t *testing.T, err error, want protocol.Reason) {
	t.Helper()
	var r *protocol.Refusal
	if !errors.As(err, &r) || r.Reason != want {
		t.Errorf("%v, want refused: %s", err, want)
	}
}

func TestTerminalComesToHoldItsRoster(t *testing.T) {
	o := newOffice(t)
	o.machine.enrol(3, "1234", roster.Administrator, []byte("a stranger's"))
	o.apply.Resend()
	ok(t, o.give(seq(1, 1), roster.Roster{Serial: serial, AsOf: "2026-02-01", Mode: roster.Observe, MaxAdmins: 3}))
	o.serve(func(protocol.Results) bool { return true })
	if c := o.apply.Conditions(); len(c) != 1 || c[0].Code != "administrator-unexpected" || c[0].Args["count"] != "1" {
		t.Errorf("of an administrator whom nobody made one the agent says %+v", c)
	}
	ok(t, o.give(seq(1, 2), o.people()))
	r := o.serve(equal)
	if r.Roster != seq(1, 2) || len(r.Wants) > 0 || len(r.Blocked) > 0 {
		t.Errorf("results %+v", r)
	}
	if plan := roster.Diff(o.newest, o.last); len(plan.Changes)+len(plan.Blocked) > 0 || len(o.last.Users) != 3 {
		t.Errorf("the inventory that was sent: %+v", o.last)
	}
	for _, u := range o.last.Users {
		if u.Slot <= 3 {
			t.Errorf("slot %d was given again", u.Slot)
		}
	}
	if len(o.copies) != 1 || o.copies[0].PIN != "1234" {
		t.Fatalf("copies %+v", o.copies)
	}
	item := o.copies[0]
	template, err := o.hub.Open(protocol.TemplatePurpose(protocol.KindTemplatesUp, site, serial, item.PIN, item.Finger, item.Algorithm, item.Digest), item.Box)
	if err != nil || !bytes.Equal(template, []byte("a stranger's")) {
		t.Errorf("the copy holds %q, %v", template, err)
	}
	// Until the hub has it, the copy is there, also after a restart.
	o.start()
	if files, _ := filepath.Glob(filepath.Join(o.dir, "copies", "*.copy")); len(files) != 1 {
		t.Errorf("%d copies on disk, want 1", len(files))
	}
	e := protocol.Envelope{Kind: protocol.KindTemplatesDown, Site: site}
	ok(t, o.apply.TakeTemplates(o.with(e, protocol.Templates{Serial: serial, Kept: []protocol.Hash{item.Digest}})))
	if files, _ := filepath.Glob(filepath.Join(o.dir, "copies", "*")); len(files) != 0 {
		t.Errorf("%d copies on disk although the hub has them", len(files))
	}
}

// Every single write fails once, before or after it took effect; in the end the
// terminal holds the same, and nothing more was deleted than had to be.
func TestInterruptedAfterEveryWriteItEndsTheSame(t *testing.T) {
	run := func(t *testing.T, failAt int, after bool) (content []string, writes int) {
		o := newOffice(t)
		o.machine.failAt, o.machine.after = failAt, after
		o.machine.enrol(3, "100002", roster.User, []byte("an older finger"))
		o.machine.enrol(4, "1234", roster.Administrator, []byte("a stranger's"))
		ok(t, o.give(seq(1, 1), o.people()))
		o.serve(equal)
		return o.machine.content(), o.machine.count().writes
	}
	want, writes := run(t, 0, false)
	if writes < 8 || len(want) != 3 {
		t.Fatalf("%d writes for %q", writes, want)
	}
	for _, after := range []bool{false, true} {
		for n := 1; n <= writes; n++ {
			if got, _ := run(t, n, after); !slices.Equal(got, want) {
				t.Errorf("with write %d failing (after its effect: %t) it ends %q, want %q", n, after, got, want)
			}
		}
	}
}

func TestOlderRosterIsRefusedAlsoAfterARestart(t *testing.T) {
	o := newOffice(t)
	ok(t, o.give(seq(1, 7), o.people()))
	o.serve(equal)
	empty := o.people()
	empty.Entries = nil
	refused(t, o.give(seq(1, 6), empty), protocol.ReasonReplay)
	o.start()
	refused(t, o.give(seq(1, 6), empty), protocol.ReasonReplay)
	ok(t, o.give(seq(1, 7), o.people()))
	o.serve(equal)
	if n := o.machine.count(); n.deletions != 0 || len(o.machine.content()) != 3 {
		t.Errorf("%d deletions, %q", n.deletions, o.machine.content())
	}
}

func TestWhatIsNotForThisTerminalIsRefused(t *testing.T) {
	o := newOffice(t)
	ok(t, o.give(seq(1, 1), o.people()))
	o.serve(func(r protocol.Results) bool { return len(r.Wants) > 0 })
	r := o.people()
	r.Serial = "T2"
	refused(t, o.give(seq(1, 2), r), protocol.ReasonBody)
	topic := protocol.Topic{Site: site, Kind: protocol.KindRoster, Serial: "T2"}
	refused(t, o.apply.TakeRoster(topic, protocol.Envelope{}), protocol.ReasonReceiver)
	o.newest = o.people()
	items := o.sealed(o.newest.Entries[1].Fingers[0].Digest)
	for name, spoil := range map[string]func(*protocol.SealedTemplate){
		"another person":   func(i *protocol.SealedTemplate) { i.PIN = "100003" },
		"another finger":   func(i *protocol.SealedTemplate) { i.Finger = 6 },
		"another template": func(i *protocol.SealedTemplate) { i.Digest = o.newest.Entries[2].Fingers[0].Digest },
	} {
		item := items[0]
		spoil(&item)
		e := protocol.Envelope{Kind: protocol.KindTemplatesDown, Site: site}
		err := o.apply.TakeTemplates(o.with(e, protocol.Templates{Serial: serial, Items: []protocol.SealedTemplate{item}}))
		t.Run(name, func(t *testing.T) { refused(t, err, protocol.ReasonBody) })
	}
	// A template that is sealed rightly, but that no roster here asked for.
	template := []byte("template of somebody")
	item := protocol.SealedTemplate{PIN: "100009", Finger: 1, Algorithm: 10, Digest: sha256.Sum256(template)}
	var err error
	item.Box, err = o.site.Public().Seal(protocol.TemplatePurpose(protocol.KindTemplatesDown, site, serial, item.PIN, 1, 10, item.Digest), template)
	ok(t, err)
	e := protocol.Envelope{Kind: protocol.KindTemplatesDown, Site: site}
	refused(t, o.apply.TakeTemplates(o.with(e, protocol.Templates{Serial: serial, Items: []protocol.SealedTemplate{item}})), protocol.ReasonReplay)
}

func TestOtherBytesAreWrittenTwiceAndThenEquivalent(t *testing.T) {
	o := newOffice(t)
	o.machine.recode = true
	ok(t, o.give(seq(1, 1), o.people()))
	o.serve(equal)
	if o.machine.count().fingers != 8 {
		t.Errorf("4 fingers were written %d times, want twice each", o.machine.count().fingers)
	}
	o.start()
	ok(t, o.give(seq(1, 1), o.people()))
	o.serve(equal)
	if o.machine.count().fingers != 8 {
		t.Errorf("after a restart they were written again: %d", o.machine.count().fingers)
	}
	if len(o.copies) != 0 {
		t.Errorf("%d copies of what the agent itself wrote", len(o.copies))
	}
}

func TestWhomTheTerminalKnowsByAnotherPINStaysUnderIt(t *testing.T) {
	o := newOffice(t)
	o.machine.recode = true // what is written under the old PIN is known again under it too
	o.machine.enrol(3, "0771", roster.User)
	r := o.people()
	r.Entries[1].Also = []string{"771"}
	ok(t, o.give(seq(1, 1), r))
	o.serve(equal)
	if n := o.machine.count(); n.fingers != 8 || n.deletions != 0 {
		t.Errorf("4 fingers were written %d times, want twice each; %d deletions", n.fingers, n.deletions)
	}
	if got := o.machine.content(); len(got) != 3 || !slices.ContainsFunc(got, func(line string) bool { return strings.Contains(line, "771") }) {
		t.Errorf("the terminal has %q, want three people, one under 0771", got)
	}
	o.start()
	ok(t, o.give(seq(1, 1), r))
	o.serve(equal)
	if o.machine.count().fingers != 8 || len(o.copies) != 0 {
		t.Errorf("after a restart %d writes, %d copies of what the agent itself wrote", o.machine.count().fingers, len(o.copies))
	}
}

func TestBrakeStopsAPlanThatEmptiesTheTerminal(t *testing.T) {
	o := newOffice(t)
	o.brake = apply.Brake{Users: 2, Percent: 10}
	o.start()
	o.machine.enrol(1, "100001", roster.Administrator)
	for i := range uint16(9) {
		o.machine.enrol(i+2, string(rune('1'+i)), roster.User)
	}
	r := roster.Roster{Serial: serial, AsOf: "2026-02-01", Mode: roster.Enforce, Entries: []roster.Entry{{PIN: "100001", Privilege: roster.Administrator}}}
	for i := range 7 { // the last two are to go
		r.Entries = append(r.Entries, roster.Entry{PIN: string(rune('1' + i)), Privilege: roster.User})
	}
	slices.SortFunc(r.Entries, func(a, b roster.Entry) int { return bytes.Compare([]byte(a.PIN), []byte(b.PIN)) })
	ok(t, o.give(seq(1, 1), r))
	o.serve(equal)
	// One more within the week is too many, also for an agent that was restarted.
	o.start()
	r.Entries = slices.DeleteFunc(slices.Clone(r.Entries), func(e roster.Entry) bool { return e.PIN == "1" })
	ok(t, o.give(seq(1, 2), r))
	got := o.serve(braked)
	if n := o.machine.count(); n.deletions != 2 || got.Plan.IsZero() || len(got.Blocked) != 1 || got.Blocked[0].PIN != "1" {
		t.Errorf("%d deletions, results %+v", n.deletions, got)
	}
	conditions := o.apply.Conditions()
	if len(conditions) == 0 || conditions[0].Code != "roster-braked" || conditions[0].Subject != string(serial) {
		t.Errorf("the agent shows %+v", conditions)
	}
	// A person approves this plan, and no other.
	o.approve = sha256.Sum256([]byte("another plan"))
	ok(t, o.give(seq(1, 2), r))
	o.apply.Resend()
	o.serve(braked)
	o.approve = got.Plan
	ok(t, o.give(seq(1, 2), r))
	o.serve(equal)
	if n := o.machine.count(); n.deletions != 3 {
		t.Errorf("%d deletions after the approval, want 3", n.deletions)
	}
	// It is spent: who is put there later was not in the plan.
	for slot := range uint16(5) {
		o.machine.enrol(100+slot, string(rune('a'+slot)), roster.User)
	}
	o.start()
	ok(t, o.give(seq(1, 2), r))
	o.serve(braked)
	if n := o.machine.count(); n.deletions != 3 {
		t.Errorf("%d deletions by an approval of another plan, want 3", n.deletions)
	}
}

// A roster that arrives while an older one is being applied keeps it from deleting.
func TestANewerRosterStopsWhatAnOlderOneWouldDelete(t *testing.T) {
	o := newOffice(t)
	o.machine.enrol(3, "1234", roster.User)
	older, newer := o.people(), o.people()
	for i := range older.Entries {
		older.Entries[i].Fingers, newer.Entries[i].Fingers = nil, nil
	}
	newer.Entries = append(newer.Entries, roster.Entry{PIN: "1234", Privilege: roster.User})
	came := make(chan error, 1)
	o.machine.first = func() { came <- o.give(seq(1, 2), newer) }
	ok(t, o.give(seq(1, 1), older))
	o.serve(func(r protocol.Results) bool { return equal(r) && r.Roster == seq(1, 2) })
	ok(t, <-came)
	if n := o.machine.count(); n.deletions != 0 || len(o.machine.content()) != 4 {
		t.Errorf("%d deletions: %q", n.deletions, o.machine.content())
	}
}

func braked(r protocol.Results) bool { return r.State == protocol.StandingBraked }

func TestUnderANewLifeOfTheHubNothingIsDeletedOfItself(t *testing.T) {
	o := newOffice(t)
	ok(t, o.give(seq(1, 5), o.people()))
	o.serve(equal)
	yesterday := o.people()
	yesterday.Entries = yesterday.Entries[:2]
	ok(t, o.give(seq(2, 1), yesterday))
	got := o.serve(braked)
	if n := o.machine.count(); n.deletions != 0 || len(o.machine.content()) != 3 {
		t.Errorf("%d deletions: %q", n.deletions, o.machine.content())
	}
	// What the older life still says counts no more.
	refused(t, o.give(seq(1, 6), yesterday), protocol.ReasonReplay)
	o.approve = got.Plan
	ok(t, o.give(seq(2, 1), yesterday))
	o.serve(equal)
	if len(o.machine.content()) != 2 {
		t.Errorf("after the approval %q", o.machine.content())
	}
}

func TestHubGetsTheTemplatesItAsksFor(t *testing.T) {
	o := newOffice(t)
	o.machine.enrol(3, "1234", roster.User, []byte("one"), []byte("two"), []byte("three"))
	e := protocol.Envelope{Kind: protocol.KindTemplatesDown, Site: site}
	for _, name := range []string{"one", "two", "none"} { // a long list comes in several messages
		ok(t, o.apply.TakeTemplates(o.with(e, protocol.Templates{Serial: serial, Wants: []protocol.Hash{sha256.Sum256([]byte(name))}})))
	}
	for deadline := time.After(20 * time.Second); len(o.copies) < 2; {
		_, said, found := o.out.Next()
		if m, isTemplates := said.(protocol.Templates); isTemplates {
			o.copies = append(o.copies, m.Items...)
		}
		if found {
			continue
		}
		select {
		case <-o.out.Outgoing():
		case <-deadline:
			t.Fatalf("%d templates came, want 2", len(o.copies))
		}
	}
	var got []string
	for _, item := range o.copies {
		template, err := o.hub.Open(protocol.TemplatePurpose(protocol.KindTemplatesUp, site, serial, item.PIN, item.Finger, item.Algorithm, item.Digest), item.Box)
		ok(t, err)
		got = append(got, string(template))
	}
	slices.Sort(got)
	if !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("the hub got %q", got)
	}
}

func TestNothingIsWrittenInRushHours(t *testing.T) {
	o := newOffice(t)
	calm := make(chan bool, 1)
	calm <- false
	o.calm = func() bool { return <-calm }
	ok(t, o.give(seq(1, 1), o.people()))
	o.serve(func(r protocol.Results) bool { return r.State == protocol.StandingWaiting })
	if n := o.machine.count(); n.writes != 0 {
		t.Errorf("%d writes in rush hours", n.writes)
	}
	o.calm = nil
	close(calm)
}

func TestNoTemplateAndNoNameOnDisk(t *testing.T) {
	o := newOffice(t)
	o.machine.enrol(3, "1234", roster.User, []byte("a stranger's"))
	ok(t, o.give(seq(1, 1), o.people()))
	o.serve(equal)
	o.stop()
	err := filepath.WalkDir(o.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		for _, secret := range []string{"template of", "stranger", "Ani Demo"} {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s holds %q", path, secret)
			}
		}
		return err
	})
	ok(t, err)
}
