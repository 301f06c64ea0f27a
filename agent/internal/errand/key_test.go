package errand_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/commkey"
	"github.com/bkpsdmd-babel/sidik/agent/internal/errand"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// lock is a terminal with a communication key, as an agent knows it.
type lock struct {
	keys  commkey.Terminal
	has   uint32
	takes bool  // what is written
	loses error // of an answer that did not come
}

func (l *lock) SetKey(_ context.Context, key uint32) error {
	if l.takes {
		l.has = key
	}
	if l.loses != nil {
		return l.loses
	}
	return l.keys.Opened(l.has)
}

func (l *lock) Present() uint32 { return l.keys.Present() }

// locked is an office whose terminal may get a communication key.
func locked(t *testing.T, l *lock) (*office, *commkey.Keys) {
	t.Helper()
	o := &office{t: t, dir: t.TempDir()}
	keys, err := commkey.Open(o.dir)
	if err != nil {
		t.Fatal(err)
	}
	l.keys, l.has = keys.Of(serial, 77), 77
	o.made, err = errand.New(errand.Options{
		Dir: o.dir, Terminals: []errand.Terminal{{Serial: serial, Keeper: nobody{}, Lock: l}}, Out: o, Keys: keys,
		Seal: func(_ protocol.Serial, key string) (seal.Box, error) {
			return seal.Box{Data: []byte("box of " + key)}, nil
		},
		Now: func() (time.Time, bool) { return time.Now(), true }, Calm: func(time.Time) bool { return true },
		Restart: errRestart, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return o, keys
}

// write asks for the key of a box to be written.
func (o *office) write(n uint64, box []byte) {
	o.t.Helper()
	err := o.asks(protocol.Seq{Life: 1, Counter: n}, protocol.Job{Kind: protocol.JobKeyWrite, Serial: serial, Kept: sha256.Sum256(box), Expires: time.Now().Add(time.Minute)})
	if err != nil {
		o.t.Fatalf("errand %d: %v", n, err)
	}
	if err := o.works(); err != nil {
		o.t.Fatal(err)
	}
}

// makes asks for a key to be made, and returns its box.
func (o *office) makes(n uint64) []byte {
	o.t.Helper()
	o.take(n, protocol.JobKeyMake, serial)
	if err := o.works(); err != nil {
		o.t.Fatal(err)
	}
	o.ended(n, protocol.EndedDone)
	if r := o.last(n).Result; r != nil && r.Key != nil {
		return r.Key.Data
	}
	o.t.Fatal("no key was told to the hub")
	return nil
}

func TestAKeyIsWrittenOnceTheHubHasIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lock{takes: true}
		o, keys := locked(t, l)
		box := o.makes(1)
		if l.has != 77 {
			t.Fatal("a key was written of which the hub has no copy")
		}
		o.write(2, []byte("another box"))
		o.ended(2, protocol.EndedBlocked)
		if got := o.last(2).Reason; got != protocol.KeyOther || l.has != 77 {
			t.Errorf("for another box: %q, the terminal has %d", got, l.has)
		}
		o.write(3, box)
		o.ended(3, protocol.EndedDone)
		if l.has == 77 || keys.Of(serial, 77).Present() != l.has {
			t.Errorf("the terminal has %d, the agent uses %d", l.has, keys.Of(serial, 77).Present())
		}
	})
}

func TestATerminalThatKeepsItsKeyIsToldAndTheNewOneForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lock{}
		o, keys := locked(t, l)
		box := o.makes(1)
		o.write(2, box)
		o.ended(2, protocol.EndedFailed)
		if tried := keys.Of(serial, 77).Keys(); len(tried) != 1 || tried[0] != 77 {
			t.Errorf("tries %v afterwards", tried)
		}
		if again := o.makes(3); string(again) == string(box) {
			t.Error("a key that was forgotten came back")
		}
	})
}

// Where the answer is lost, both keys are tried, and a new order goes on with the same.
func TestAKeyOfWhichNobodyKnowsIsKept(t *testing.T) {
	for _, takes := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			l := &lock{takes: takes, loses: errors.Join(terminal.ErrUnreachable)}
			o, keys := locked(t, l)
			box := o.makes(1)
			o.write(2, box)
			o.ended(2, protocol.EndedUnreachable)
			tried := keys.Of(serial, 77).Keys()
			if len(tried) != 2 || tried[0] == tried[1] || l.has != tried[0] && l.has != tried[1] {
				t.Fatalf("tries %v, the terminal has %d", tried, l.has)
			}
			if again := o.makes(3); string(again) != string(box) {
				t.Error("another key was made while the terminal may have the first")
			}
			l.loses, l.takes = nil, true
			o.write(4, box)
			o.ended(4, protocol.EndedDone)
		})
	}
}
