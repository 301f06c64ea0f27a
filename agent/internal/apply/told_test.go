package apply_test

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// A terminal on which nothing changes is told of all the same, now and then: a
// validation must know that it was looked at.
func TestUnchangedInventoryIsToldAgain(t *testing.T) {
	o := newOffice(t)
	o.every = 20 * time.Millisecond
	o.start()
	o.machine.enrol(3, "1234", "user", []byte("somebody's"))
	deadline := time.After(20 * time.Second)
	for told := 0; told < 3; {
		_, said, found := o.out.Next()
		if !found {
			select {
			case <-o.out.Outgoing():
			case <-deadline:
				t.Fatalf("the inventory was told %d times, want again and again", told)
			}
			continue
		}
		if _, is := said.(protocol.Inventory); is {
			told++
		}
	}
}

// The agent tells which roster it has, so that the hub says again what got lost: one of
// which a part is missing it does not have. Said again, it is no reason to read the
// terminal.
func TestRosterIsHeldOnceItIsWhole(t *testing.T) {
	o := newOffice(t)
	holds := func(want protocol.Seq) {
		t.Helper()
		if held := o.apply.Rosters(); len(held) != 1 || held[0] != (protocol.HeldRoster{Serial: serial, Order: want}) {
			t.Errorf("the agent holds %v, want %s", held, want)
		}
	}
	holds(protocol.Seq{})
	o.apply.Resend()
	large := o.people()
	for n := range 3000 {
		large.Entries = append(large.Entries, roster.Entry{PIN: fmt.Sprint(200001 + n), Name: "Pegawai Demo", Privilege: roster.User})
	}
	large.Mode = roster.Observe
	o.loses = 2
	ok(t, o.give(seq(1, 1), large))
	holds(protocol.Seq{})
	o.loses = 0
	ok(t, o.give(seq(1, 1), large))
	holds(seq(1, 1))
	o.serve(func(protocol.Results) bool { return true })
	read := o.machine.reads.Load()
	ok(t, o.give(seq(1, 1), large))
	holds(seq(1, 1))
	o.apply.Resend()
	o.serve(func(protocol.Results) bool { return true })
	if again := o.machine.reads.Load(); again != read {
		t.Errorf("the terminal was read %d times more for a roster that was there", again-read)
	}
	o.start() // only the order is on disk
	holds(protocol.Seq{})
}

// The asking for templates, or the answer, gets lost on a line that never breaks: they
// are asked for again.
func TestTemplatesThatDoNotComeAreAskedForAgain(t *testing.T) {
	o := newOffice(t)
	o.ask = time.Millisecond
	o.start()
	o.lost = 3
	ok(t, o.give(seq(1, 1), o.people()))
	o.serve(equal)
	if o.lost > 0 {
		t.Errorf("%d answers were not lost", o.lost)
	}
}

// The hub asks for what it sees in an inventory; a finger that a job has captured comes
// with its job all the same, because what confirms it confirms the job's copy.
func TestCapturedTemplateComesWithItsJobAlone(t *testing.T) {
	o := newOffice(t)
	o.machine.enrol(3, "100009", roster.User, []byte("captured"), []byte("another"))
	digest := func(text string) protocol.Hash { return sha256.Sum256([]byte(text)) }
	item := protocol.SealedTemplate{PIN: "100009", Finger: 0, Algorithm: 10, Digest: digest("captured"), Job: seq(1, 5)}
	item, err := o.out.Seal(serial, item, []byte("captured"))
	ok(t, err)
	ok(t, o.out.Keep(serial, item))
	e := protocol.Envelope{Kind: protocol.KindTemplatesDown, Site: site}
	ok(t, o.apply.TakeTemplates(o.with(e, protocol.Templates{Serial: serial, Wants: []protocol.Hash{digest("captured"), digest("another")}})))
	var came []protocol.SealedTemplate
	for deadline := time.After(20 * time.Second); len(came) < 2; {
		_, said, found := o.out.Next()
		if m, is := said.(protocol.Templates); is {
			came = append(came, m.Items...)
		}
		if found {
			continue
		}
		select {
		case <-o.out.Outgoing():
		case <-deadline:
			t.Fatalf("%d templates came, want 2", len(came))
		}
	}
	for _, item := range came {
		if item.Digest == digest("captured") && item.Job != seq(1, 5) {
			t.Error("a captured template came without its job")
		}
	}
}
