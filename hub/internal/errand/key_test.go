package errand_test

import (
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/errand"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// makes orders a new key and answers with it, as the site's agent does.
func (o office) makes(digits string, to seal.SealingPublic, at time.Time) (box seal.Box) {
	o.t.Helper()
	e, err := o.Start(o.t.Context(), errand.Order{Site: one, Kind: protocol.JobKeyMake, Alone: true, Who: "operator"}, at)
	ok(o.t, err)
	box, err = to.Seal(protocol.CommKeyPurpose(one, "K1"), []byte(digits))
	ok(o.t, err)
	p := protocol.Progress{Job: e.Number, Kind: e.Kind, Serial: "K1", Step: protocol.StepBegun, Ended: protocol.EndedDone, Result: &protocol.ErrandResult{Key: &box}}
	ok(o.t, p.Check())
	ok(o.t, o.Tell(o.t.Context(), one, p, at))
	ok(o.t, o.Tell(o.t.Context(), one, p, at)) // said again
	if got := o.is(e, errand.Done, protocol.EndedDone); got.Result != nil {
		o.t.Error("the key is kept in two places")
	}
	return box
}

func TestAKeyIsKeptBeforeItIsOrderedToBeWritten(t *testing.T) {
	each(t, func(t *testing.T, o office) {
		key, err := seal.GenerateSealingKey()
		ok(t, err)
		if _, err := o.Keys(t.Context(), one, "K1", key); !errors.Is(err, errand.ErrNone) {
			t.Errorf("keys of a terminal without any: %v", err)
		}
		box := o.makes("424242", key.Public(), noon())
		write := o.due(noon(), 1)[0]
		if job := write.Message(); job.Check() != nil || job.Kind != protocol.JobKeyWrite || job.Kept != sha256.Sum256(box.Data) || write.OrderedBy != "operator" {
			t.Fatalf("then %+v is asked for, by %s", job, write.OrderedBy)
		}
		keys, err := o.Keys(t.Context(), one, "K1", key)
		ok(t, err)
		if len(keys) != 1 || keys[0].Digits != "424242" || !keys[0].Proven.IsZero() {
			t.Errorf("before it was written: %+v", keys)
		}
		later := noon().Add(time.Minute)
		ok(t, o.Tell(t.Context(), one, protocol.Progress{Job: write.Number, Kind: write.Kind, Serial: "K1", Step: protocol.StepBegun, Ended: protocol.EndedDone}, later))
		o.is(write, errand.Done, protocol.EndedDone)
		o.makes("777", key.Public(), later) // a second one, which is never written
		keys, err = o.Keys(t.Context(), one, "K1", key)
		ok(t, err)
		if len(keys) != 2 || keys[0].Digits != "777" || !keys[0].Proven.IsZero() || keys[1].Digits != "424242" || !keys[1].Proven.Equal(later) {
			t.Errorf("afterwards: %+v", keys)
		}
		other, err := seal.GenerateSealingKey()
		ok(t, err)
		o.due(later.Add(errand.Lasts), 0)
		o.makes("\x1b[2J", key.Public(), later) // no key, but what moves a screen
		o.due(later.Add(errand.Lasts), 0)
		o.makes("5", other.Public(), later)
		keys, err = o.Keys(t.Context(), one, "K1", key)
		ok(t, err)
		if len(keys) != 4 || keys[0].Digits != "" || keys[1].Digits != "" || keys[3].Digits != "424242" {
			t.Errorf("beside boxes that hold none: %+v", keys)
		}
		stranger, err := seal.GenerateSealingKey()
		ok(t, err)
		if _, err := o.Keys(t.Context(), one, "K1", stranger); err == nil {
			t.Error("opened with another hub's key")
		}
	})
}

func TestAKeyIsNotMadeUnasked(t *testing.T) {
	each(t, func(t *testing.T, o office) {
		for kind, want := range map[protocol.JobKind]errand.Refusal{protocol.JobKeyMake: errand.ErrAlone, protocol.JobKeyWrite: errand.ErrKind} {
			if _, err := o.Start(t.Context(), errand.Order{Site: one, Kind: kind, Who: "operator"}, noon()); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", kind, err, want)
			}
		}
		o.due(noon(), 0)
	})
}
