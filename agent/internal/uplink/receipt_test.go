package uplink_test

import (
	"bytes"
	"testing"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// halfway is a world whose agent has ten punches proven and ten more sent; the
// newest receipt is 5.100.
func halfway(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.sayKeys(w.hub)
	w.sayReceipt(1, 0)
	w.keep(10)
	w.start(w.options())
	w.next()
	w.sayReceipt(100, 10)
	until(t, "ten punches proven", func() bool { return w.buffer.Receipted() == 10 })
	w.keep(10)
	if s := w.next(); s.First != 11 || s.Last != 20 {
		t.Fatalf("segment %d–%d, want 11–20", s.First, s.Last)
	}
	for len(w.outcomes) > 0 {
		<-w.outcomes
	}
	return w
}

func TestReceiptThatIsNotTheHubsNewestWord(t *testing.T) {
	altered := func(t *testing.T, message []byte, from, to string) []byte {
		t.Helper()
		if !bytes.Contains(message, []byte(from)) {
			t.Fatalf("%s is not in the message", from)
		}
		return bytes.Replace(message, []byte(from), []byte(to), 1)
	}
	for _, c := range []struct {
		name    string
		message func(t *testing.T, w *world) []byte
		refused protocol.Reason
		verdict buffer.Verdict
	}{
		{"of another key is refused", func(t *testing.T, w *world) []byte {
			return sealed(t, w.envelope(5, 101), w.stored(5, 20), newKey(t))
		}, protocol.ReasonKey, ""},
		{"of another key under the hub's name is refused", func(t *testing.T, w *world) []byte {
			other := newKey(t)
			return altered(t, sealed(t, w.envelope(5, 101), w.stored(5, 20), other), string(other.Public().KeyID()), string(w.hub.Public().KeyID()))
		}, protocol.ReasonSignature, ""},
		{"signed by the agent itself is refused", func(t *testing.T, w *world) []byte {
			return sealed(t, w.envelope(5, 101), w.stored(5, 20), w.agent)
		}, protocol.ReasonKey, ""},
		{"with one bit altered is refused", func(t *testing.T, w *world) []byte {
			return altered(t, sealed(t, w.envelope(5, 101), w.stored(5, 20), w.hub), `"through":20`, `"through":21`)
		}, protocol.ReasonSignature, ""},
		{"with another order is refused", func(t *testing.T, w *world) []byte {
			return altered(t, sealed(t, w.envelope(5, 101), w.stored(5, 20), w.hub), `[5,101]`, `[5,103]`)
		}, protocol.ReasonSignature, ""},
		{"for another agent's key is refused", func(t *testing.T, w *world) []byte {
			e := w.envelope(5, 101)
			e.To = newKey(t).Public().KeyID()
			return sealed(t, e, w.stored(5, 20), w.hub)
		}, protocol.ReasonReceiver, ""},
		{"for nobody is refused", func(t *testing.T, w *world) []byte {
			e := w.envelope(5, 101)
			e.To = ""
			return sealed(t, e, w.stored(5, 20), w.hub)
		}, protocol.ReasonReceiver, ""},
		{"of another site is refused", func(t *testing.T, w *world) []byte {
			e := w.envelope(5, 101)
			e.Site = "other-site"
			return sealed(t, e, w.stored(5, 20), w.hub)
		}, protocol.ReasonTopic, ""},
		{"whose order is not of its generation is refused", func(t *testing.T, w *world) []byte {
			return sealed(t, w.envelope(6, 101), w.stored(5, 20), w.hub)
		}, protocol.ReasonBody, ""},
		{"known already changes nothing", func(t *testing.T, w *world) []byte {
			return sealed(t, w.envelope(5, 100), w.stored(5, 10), w.hub)
		}, "", buffer.Known},
		{"replayed changes nothing", func(t *testing.T, w *world) []byte {
			return sealed(t, w.envelope(5, 99), w.stored(5, 20), w.hub)
		}, "", buffer.Replayed},
		{"of an older generation changes nothing", func(t *testing.T, w *world) []byte {
			return sealed(t, w.envelope(4, 999), w.stored(4, 20), w.hub)
		}, "", buffer.OlderGeneration},
		{"of this generation's number with another id changes nothing", func(t *testing.T, w *world) []byte {
			r := w.stored(5, 20)
			r.Generation.ID = protocol.Hash{0xff}
			return sealed(t, w.envelope(5, 101), r, w.hub)
		}, "", buffer.OtherHub},
		{"over less than was proven changes nothing", func(t *testing.T, w *world) []byte {
			return sealed(t, w.envelope(5, 101), w.stored(5, 5), w.hub)
		}, "", buffer.Behind},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := halfway(t)
			before, receipt, verdicts := w.buffer.Place(), w.buffer.NewestReceipt(), w.verdicts(c.verdict)
			w.publish(receiptTopic, c.message(t, w))
			if c.refused != "" {
				until(t, "refused: "+string(c.refused), func() bool { return w.uplink.Status().Refused[c.refused] == 1 })
				if len(w.outcomes) > 0 {
					t.Errorf("a refused receipt reached the buffer: %+v", <-w.outcomes)
				}
			} else {
				until(t, "judged: "+string(c.verdict), func() bool { return w.verdicts(c.verdict) == verdicts+1 })
			}
			if after := w.buffer.Place(); after != before {
				t.Errorf("place %+v, before it was %+v", after, before)
			}
			if !bytes.Equal(w.buffer.NewestReceipt(), receipt) {
				t.Error("the newest receipt is another")
			}
			w.silent()
			w.sayReceipt(102, 20) // and the next good one counts
			until(t, "twenty punches proven", func() bool { return w.buffer.Receipted() == 20 })
		})
	}
}

func (w *world) verdicts(v buffer.Verdict) uint64 {
	w.t.Helper()
	s, err := w.buffer.Status()
	if err != nil {
		w.t.Fatal(err)
	}
	return s.Verdicts[v]
}

func TestReceiptThatContradicts(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(w *world, r *protocol.Receipt)
		cause  string
	}{
		{"beyond the last sequence begins a new epoch", func(w *world, r *protocol.Receipt) {
			r.Epochs[0].Through, r.Epochs[0].Hash = 25, protocol.Hash{1}
		}, buffer.CauseBeyondLast},
		{"with another hash begins a new epoch", func(w *world, r *protocol.Receipt) {
			r.Epochs[0].Hash = protocol.Hash{1}
		}, buffer.CauseOtherHash},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := halfway(t)
			old := w.buffer.Epoch()
			proven := w.stored(5, 10).Epochs[0]
			r := w.stored(5, 20)
			c.change(w, &r)
			w.publish(receiptTopic, sealed(t, w.envelope(5, 101), r, w.hub))
			if o := wait(t, "the buffer's outcome", w.outcomes); !o.NewEpoch || o.Cause != c.cause {
				t.Fatalf("outcome %+v, want a new epoch because of %s", o, c.cause)
			}
			s := w.next()
			if s.Epoch == old || s.First != 1 || s.Last != 10 || s.Records[0].PIN != "11" || s.Records[9].PIN != "20" {
				t.Errorf("segment %d–%d from punch %s on, same epoch %t; want the ten unproven punches in a new epoch",
					s.First, s.Last, s.Records[0].PIN, s.Epoch == old)
			}
			r = w.stored(5, 10) // of the new epoch
			r.Epochs = append(r.Epochs, proven)
			w.publish(receiptTopic, sealed(t, w.envelope(5, 102), r, w.hub))
			until(t, "the new epoch proven", func() bool { return w.buffer.Receipted() == 10 && w.buffer.Epoch() == s.Epoch })
		})
	}
}

func TestNewGenerationTakesTheMarkBackAndSendsAgain(t *testing.T) {
	w := halfway(t)
	w.publish(receiptTopic, sealed(t, w.envelope(6, 1), w.stored(6, 5), w.hub))
	if o := wait(t, "the buffer's outcome", w.outcomes); !o.Restored || o.NewEpoch {
		t.Fatalf("outcome %+v, want restored in the same epoch", o)
	}
	if s := w.next(); s.First != 6 || s.Last != 20 {
		t.Errorf("segment %d–%d, want 6–20 again", s.First, s.Last)
	}
}

func TestNothingIsAcceptedBeforeTheKeysDocument(t *testing.T) {
	w := newWorld(t)
	w.sayHub(1, protocol.HubBorn)
	w.sayReceipt(1, 0)
	w.start(w.options())
	w.signKeys(newKey(t), w.hub) // not the root that the configuration names
	until(t, "the foreign keys document refused", func() bool { return w.uplink.Status().Refused[protocol.ReasonKey] == 1 })
	if s := w.uplink.Status(); len(w.outcomes) > 0 || s.HubPresent {
		t.Fatalf("without a key: %d receipts reached the buffer, hub present %t", len(w.outcomes), s.HubPresent)
	}
	w.sayKeys(w.hub)
	if o := wait(t, "the receipt that waited for the key", w.outcomes); o.Verdict != buffer.Applied {
		t.Errorf("verdict %s, want applied", o.Verdict)
	}
	until(t, "the birth that waited for the key", func() bool { return w.uplink.Status().HubPresent })
}
