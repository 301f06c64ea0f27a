package holding_test

import (
	"crypto/sha256"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// load takes one user under a PIN from files that were copied at a time.
func (w *world) load(pin string, copied time.Time) (holding.Stick, error) {
	w.t.Helper()
	_, text := inventory(w.t, pin)
	s := holding.Stick{Site: demo, Serial: serial, Copied: copied, At: copied.Add(time.Hour), By: "Ujang Demo", Reason: "exchanged",
		UserFile: protocol.Hash{1}, Templates: protocol.Hash{2}, Users: 1, Fingers: 1, Digest: sha256.Sum256(text)}
	id, err := w.TakeStick(w.t.Context(), s, text)
	s.ID = id
	return s, err
}

func (w *world) held() (pin, by string, at time.Time) {
	w.t.Helper()
	inv, err := w.Inventory(w.t.Context(), demo, serial)
	ok(w.t, err)
	return inv.Users[0].PIN, inv.By, inv.At
}

// What is later counts, whichever way it came, and each stick is written down.
func TestStickBesideTheAgent(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		morning := storetest.Morning()
		first, err := w.load("1", morning.Add(-time.Hour))
		ok(t, err)
		if pin, by, at := w.held(); pin != "1" || by != "Ujang Demo" || !at.Equal(first.Copied) {
			t.Errorf("held after the first: %s by %q at %s", pin, by, at)
		}
		ok(t, w.take(w.said(1, 1), "2")) // this morning
		if pin, by, at := w.held(); pin != "2" || by != "" || !at.Equal(morning) {
			t.Errorf("held after the agent: %s by %q at %s", pin, by, at)
		}
		for _, late := range []time.Duration{-time.Minute, 0} {
			_, err = w.load("3", morning.Add(late))
			is(t, err, holding.ErrReplay)
		}
		if pin, _, _ := w.held(); pin != "2" {
			t.Errorf("an older stick has put %s in place of the agent's word", pin)
		}
		second, err := w.load("4", morning.Add(time.Minute))
		ok(t, err)
		if pin, by, _ := w.held(); pin != "4" || by == "" {
			t.Errorf("held after the second: %s by %q", pin, by)
		}
		terminals, err := w.Terminals(t.Context())
		ok(t, err)
		if read := terminals[0]; read.ReadBy != "Ujang Demo" || read.HeldUsers != 1 || terminals[1].ReadBy != "" {
			t.Errorf("listed as read by %q and %q", read.ReadBy, terminals[1].ReadBy)
		}
		all, err := w.Sticks(t.Context(), demo, serial)
		ok(t, err)
		if !reflect.DeepEqual(all, []holding.Stick{second, first}) {
			t.Errorf("loaded: %+v", all)
		}
		none, err := w.Sticks(t.Context(), demo, "DEMO2")
		ok(t, err)
		if len(none) > 0 {
			t.Errorf("loaded elsewhere: %+v", none)
		}
	})
}

func TestStickOfNoTerminal(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		inv := roster.Inventory{Serial: "DEMO9"}
		text, err := json.Marshal(inv)
		ok(t, err)
		_, err = w.TakeStick(t.Context(), holding.Stick{Site: demo, Serial: "DEMO9", Copied: storetest.Morning(), By: "Ujang Demo"}, text)
		is(t, err, holding.ErrNoTerminal)
		_, err = w.Inventory(t.Context(), demo, "DEMO9")
		is(t, err, holding.ErrNone)
	})
}
