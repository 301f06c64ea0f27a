package store_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/verify"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// model is what the store must hold of one site, in the simplest words.
type model struct {
	agent   *storetest.Agent
	records []protocol.Record // of the epoch that goes on
	hashes  []protocol.Hash   // h(0), h(1) …
	through int
	fork    uint64
	seen    map[string]bool // keys of what was stored, with serial first
	before  []protocol.EpochStore
}

func (m *model) begin() {
	if m.hashes != nil && (m.through > 0 || m.fork > 0) {
		m.before = append(m.before, m.receipt())
	}
	m.agent.Begin()
	m.hashes, m.records, m.through, m.fork = []protocol.Hash{m.agent.Epoch}, nil, 0, 0
}

func (m *model) receipt() protocol.EpochStore {
	return protocol.EpochStore{Epoch: m.agent.Epoch, Through: uint64(m.through), Hash: m.hashes[m.through], Fork: m.fork}
}

func (m *model) append(r protocol.Record) {
	m.records = append(m.records, r)
	m.hashes = append(m.hashes, m.hashes[len(m.hashes)-1].Next(r.AppendCanonical(nil)))
}

// segment is records first to last of the epoch.
func (m *model) segment(first, last int) protocol.Segment {
	return protocol.Segment{
		Epoch: m.agent.Epoch, First: uint64(first), Last: uint64(last),
		Prev: m.hashes[first-1], Head: m.hashes[last], Records: m.records[first-1 : last],
	}
}

// take says what must become of a segment, and notes it.
func (m *model) take(first, last int) store.Outcome {
	switch {
	case first > m.through+1:
		return store.OutcomeGap
	case last <= m.through:
		return store.OutcomeDuplicate
	}
	outcome := store.OutcomeStored
	if first <= m.through {
		outcome = store.OutcomePart
	}
	for _, r := range m.records[m.through:last] {
		m.seen[fmt.Sprintf("%s %s %s %d %d", r.Serial, protocol.NormalPIN(r.PIN), r.Time, r.Status, r.Nth)] = true
	}
	m.through = last
	return outcome
}

// TestWhateverComesInWhateverOrder lets agents append, repeat, overlap, leave
// out, fork and begin anew, and compares with the model.
func TestWhateverComesInWhateverOrder(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		site := 0
		rapid.Check(t, func(rt *rapid.T) {
			site++
			m := &model{agent: office(t, s, protocol.SiteID(fmt.Sprintf("site-%d", site)), "T-1"), seen: map[string]bool{}}
			m.begin()
			registered := false
			for range rapid.IntRange(1, 6).Draw(rt, "batches") {
				var in []store.Incoming
				var want []store.Outcome
				for range rapid.IntRange(1, 5).Draw(rt, "segments") {
					for range rapid.IntRange(0, 4).Draw(rt, "appended") {
						m.append(randomRecord(rt))
					}
					if len(m.records) == 0 {
						continue
					}
					first := rapid.IntRange(1, len(m.records)).Draw(rt, "first")
					last := rapid.IntRange(first, len(m.records)).Draw(rt, "last")
					if m.through >= first && rapid.IntRange(0, 9).Draw(rt, "fork") == 0 {
						wrong := m.segment(first, last)
						wrong.Records = append([]protocol.Record{wrong.Records[0]}, wrong.Records[1:]...)
						wrong.Records[0].WorkCode++
						wrong.Head = wrong.Prev
						for _, r := range wrong.Records {
							wrong.Head = wrong.Head.Next(r.AppendCanonical(nil))
						}
						in, want = append(in, incoming(t, m.agent, wrong, m.agent.Sign(t, wrong))), append(want, store.OutcomeFork)
						if m.fork == 0 || uint64(first) < m.fork {
							m.fork = uint64(first)
						}
						continue
					}
					seg := m.segment(first, last)
					in, want = append(in, incoming(t, m.agent, seg, m.agent.Sign(t, seg))), append(want, m.take(first, last))
				}
				if len(in) > 0 {
					accept(t, s, want, in...)
				}
				switch rapid.IntRange(0, 9).Draw(rt, "between") {
				case 0:
					ok(t, s.AddTerminal(t.Context(), m.agent.Site, "T-2", noon))
					registered = true
				case 1: // all that the agent still has comes again
					records := m.records
					m.begin()
					for _, r := range records {
						m.append(r)
					}
				}
			}
			compare(rt, s, m, registered)
		})
		if err := verify.Store(t.Context(), s); err != nil {
			t.Error(err)
		}
	})
}

// randomRecord is one of few, so that equal ones are common.
func randomRecord(t *rapid.T) protocol.Record {
	r := storetest.Punches("T-1", rapid.IntRange(0, 12).Draw(t, "number"), 1)[0]
	if rapid.IntRange(0, 3).Draw(t, "serial") == 0 {
		r.Serial = "T-2"
	}
	r.PIN = rapid.SampledFrom([]string{r.PIN, "0" + r.PIN}).Draw(t, "pin")
	r.Nth = uint32(rapid.IntRange(0, 1).Draw(t, "nth"))
	r.Time = rapid.SampledFrom([]protocol.LocalTime{r.Time, r.Time, "zk:77"}).Draw(t, "time")
	return r
}

func compare(t *rapid.T, s *store.Store, m *model, registered bool) {
	got, want := map[string]bool{}, 0
	for p, err := range s.Punches(t.Context(), store.Filter{Site: m.agent.Site}) {
		if err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprintf("%s %s %s %d %d", p.Serial, p.Normal, p.Time, p.Status, p.Nth)
		if got[key] || !m.seen[key] {
			t.Errorf("punch %s came twice or from nowhere", key)
		}
		got[key] = true
	}
	for key := range m.seen {
		if registered || key[:3] == "T-1" {
			want++
		}
	}
	if len(got) != want {
		t.Errorf("%d punches, want %d", len(got), want)
	}
	receipt, _, err := s.Receipt(t.Context(), m.agent.Site)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range append(m.before, m.receipt()) {
		if held, heard := receipt.Of(e.Epoch); heard && held != e || !heard && e.Through > 0 && len(receipt.Epochs) < protocol.MaxReceiptEpochs {
			t.Errorf("receipt says %+v, want %+v", held, e)
		}
	}
}
