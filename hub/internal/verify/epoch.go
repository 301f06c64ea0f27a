package verify

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// epochs checks every chain, and that no row is left over.
func (v *verifier) epochs(ctx context.Context) error {
	rows, err := v.evidence.Epochs(ctx)
	if err != nil {
		return v.unreadable(Break{}, err)
	}
	known := map[int64]bool{}
	for _, r := range rows {
		known[r.ID] = true
		if err := v.epoch(ctx, r); err != nil {
			return err
		}
	}
	if err := v.strays(ctx, known); err != nil {
		return err
	}
	for id, r := range v.terminals {
		if r.Registered.IsZero() && !v.used[id] {
			v.broken(Break{Table: "terminal", Site: r.Site, Seq: uint64(id), Code: Extra, Detail: "nobody registered it and no record names it"})
		}
		if n := v.counted[id]; n != r.Sightings {
			v.broken(Break{Table: "terminal", Site: r.Site, Seq: uint64(id), Column: "sightings", Code: Changed, Detail: fmt.Sprintf("%d name it", n)})
		}
	}
	return nil
}

// strays names rows of epochs that are not in table epoch, and the epoch itself
// where it looks as if it had been there.
func (v *verifier) strays(ctx context.Context, known map[int64]bool) error {
	tables := map[int64]int{}
	for _, table := range []string{"segment", "fork", "sighting"} {
		ids, err := v.evidence.EpochsOf(ctx, table)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if known[id] {
				continue
			}
			v.broken(Break{Table: table, Seq: uint64(id), Code: Extra, Detail: "rows of an epoch that is not in table epoch"})
			if tables[id]++; tables[id] == 2 {
				v.broken(Break{Table: "epoch", Seq: uint64(id), Code: Missing})
			}
		}
	}
	return nil
}

// walk goes along one epoch's chain.
type walk struct {
	*verifier
	row       store.EpochRow
	hash      protocol.Hash // h(at)
	at        int64         // the last sequence that was passed
	seal      protocol.Hash
	sighting  func() (store.SightingRow, error, bool)
	waiting   *store.SightingRow // read, but beyond what was asked for
	exhausted bool
	named     bool // a signed segment names this epoch
	misnamed  bool // a signed segment names another
}

func (v *verifier) epoch(ctx context.Context, r store.EpochRow) error {
	v.report.Epochs++
	next, stop := iter.Pull2(v.evidence.Sightings(ctx, r.ID))
	defer stop()
	w := &walk{verifier: v, row: r, hash: r.Name, seal: r.Name, sighting: next}
	if _, found := v.decided.sites[r.Site]; !found {
		w.broken(w.is("epoch", 0, "site", Changed, "no such site was added"))
	}
	for seg, err := range v.evidence.Segments(ctx, r.ID, math.MinInt64+1) {
		if err != nil {
			if err := v.unreadable(w.is("segment", w.at+1, "", Unreadable, ""), err); err != nil {
				return err
			}
			break
		}
		if err := w.segment(seg); err != nil {
			return err
		}
	}
	if w.misnamed && !w.named {
		w.broken(w.is("epoch", 0, "name", Changed, "all its segments name another epoch"))
	}
	if w.at < r.Through && w.seal != r.Seal {
		w.broken(w.is("segment", r.Through, "", Missing, fmt.Sprintf("nothing signs the records from %d", w.at+1)))
	}
	if err := w.pass(1<<63-1, time.Time{}, nil); err != nil {
		return err
	}
	for _, column := range []struct {
		name string
		same bool
	}{
		{"through", w.at == r.Through}, {"hash", w.hash == r.Hash}, {"seal", w.seal == r.Seal},
	} {
		if !column.same {
			w.broken(w.is("epoch", r.Through, column.name, Changed, fmt.Sprintf("the records end at %d with %s", w.at, w.hash.Short())))
		}
	}
	if r.Through == 0 && r.Forks == 0 {
		w.broken(w.is("epoch", 0, "", Extra, "nothing is stored of it"))
	}
	return w.forks(ctx)
}

func (w *walk) is(table string, seq int64, column string, code Code, detail string) Break {
	return Break{Table: table, Site: w.row.Site, Epoch: w.row.Name, Seq: uint64(max(seq, 0)), Column: column, Code: code, Detail: detail}
}

// segment checks a kept segment and then the sightings that it brought.
func (w *walk) segment(row store.SegmentRow) error {
	w.report.Segments++
	bad := func(column string, code Code, detail string) {
		w.broken(w.is("segment", row.Last, column, code, detail))
	}
	if row.Sum(w.seal) != row.Seal {
		bad("", Changed, "its seal does not follow from the one before and its columns")
	}
	w.seal = row.Seal
	if row.First > w.at+1 {
		w.broken(w.is("segment", row.First-1, "", Missing, fmt.Sprintf("nothing signs the records from %d", w.at+1)))
		if err := w.pass(row.First-1, time.Time{}, nil); err != nil {
			return err
		}
	}
	signed, err := w.signed(row)
	if err != nil {
		bad("message", Unreadable, err.Error())
		return w.pass(row.Last, row.Received, nil)
	}
	if signed == nil {
		bad("message", Unsigned, "no admitted key of the site has signed it")
		return w.pass(row.Last, row.Received, nil)
	}
	if signed.Epoch == w.row.Name {
		w.named = true
	} else {
		w.misnamed = true
	}
	if signed.First != uint64(row.First) || signed.Last != uint64(row.Last) || signed.Epoch != w.row.Name {
		bad("first, last or epoch", Changed, fmt.Sprintf("the message says %d to %d", signed.First, signed.Last))
		return w.pass(row.Last, row.Received, nil)
	}
	links, err := signed.Links()
	if err != nil {
		bad("message", Unreadable, err.Error())
		return w.pass(row.Last, row.Received, nil)
	}
	if row.Last <= w.at {
		bad("", Extra, "all of it came before")
		return nil
	}
	return w.pass(row.Last, row.Received, links[w.at+1-row.First:])
}

// signed returns what a kept message says; nil when its signature does not hold.
func (w *walk) signed(row store.SegmentRow) (*protocol.Segment, error) {
	message, err := row.Message()
	if err != nil {
		return nil, err
	}
	e, err := protocol.Parse("", message)
	if err != nil {
		return nil, err
	}
	key, found := w.keysOf(w.row.Site, e.From)
	if !found || !e.SignedBy(key) || e.Kind != protocol.KindPunches || e.Site != w.row.Site {
		return nil, nil
	}
	var s protocol.Segment
	return &s, e.Into(&s)
}

// pass goes over the sightings through a sequence. links are what was signed of
// them; nil when that is not known.
func (w *walk) pass(through int64, received time.Time, links []protocol.Link) error {
	from := w.at + 1
	for {
		r, err := w.next(through)
		if err != nil {
			return err
		}
		if r == nil {
			break
		}
		w.report.Sightings++
		if r.Seq != w.at+1 {
			if r.Seq <= w.at {
				w.broken(w.is("sighting", r.Seq, "", Extra, "no such place in the chain"))
				continue
			}
			w.missing(w.at+1, r.Seq-1)
			w.at = r.Seq - 1
			if i := w.at - from; i >= 0 && i < int64(len(links)) {
				w.hash = links[i].Hash
			}
		}
		w.at = r.Seq
		var link *protocol.Link
		if i := r.Seq - from; i < int64(len(links)) {
			link = &links[i]
		}
		w.one(*r, link, received)
	}
	if last := from + int64(len(links)) - 1; len(links) > 0 && w.at < last {
		w.missing(w.at+1, last)
		w.at, w.hash = last, links[len(links)-1].Hash
	} else if links == nil && w.at < through && !received.IsZero() {
		w.missing(w.at+1, through) // a segment that cannot be read still says how far it went
		w.at = through
	}
	return nil
}

func (w *walk) missing(from, to int64) {
	w.broken(w.is("sighting", from, "", Missing, fmt.Sprintf("%d to %d", from, to)))
}

// next returns the next sighting up to a sequence, nil when there is none.
func (w *walk) next(through int64) (*store.SightingRow, error) {
	if w.waiting == nil && !w.exhausted {
		r, err, some := w.sighting()
		switch {
		case err != nil:
			w.exhausted = true
			return nil, w.unreadable(w.is("sighting", w.at+1, "", Unreadable, ""), err)
		case !some:
			w.exhausted = true
		default:
			w.waiting = &r
		}
	}
	if w.waiting == nil || w.waiting.Seq > through {
		return nil, nil
	}
	r := w.waiting
	w.waiting = nil
	return r, nil
}

// one checks one sighting against the chain, what was signed, and itself.
func (w *walk) one(r store.SightingRow, link *protocol.Link, received time.Time) {
	bad := func(column string, code Code, detail string) {
		w.broken(w.is("sighting", r.Seq, column, code, detail))
	}
	switch {
	case link == nil && received.IsZero():
		bad("", Unsigned, "no segment brought it")
	case link != nil && !bytes.Equal(link.Canonical, r.Canonical):
		bad("canonical", Changed, "the agent signed another record")
	}
	if w.hash.Next(r.Canonical) != r.Hash || link != nil && link.Hash != r.Hash {
		bad("hash", Changed, "the chain breaks here")
	}
	w.hash = r.Hash
	if link != nil {
		w.hash = link.Hash // what was signed leads on
	}
	record, err := protocol.ParseCanonical(r.Canonical)
	if err != nil {
		bad("canonical", Unreadable, err.Error())
		return
	}
	w.counted[r.Terminal]++
	t, found := w.terminals[r.Terminal]
	fits := found && t.Site == w.row.Site && t.Serial == record.Serial
	if !found && !w.used[r.Terminal] {
		w.broken(Break{Table: "terminal", Site: w.row.Site, Seq: uint64(r.Terminal), Code: Missing})
	}
	w.used[r.Terminal] = w.used[r.Terminal] || fits || !found
	for _, column := range []struct {
		name string
		same bool
	}{
		{"terminal", fits},
		{"time", r.Time == string(record.Time)},
		{"pin", r.PIN == protocol.NormalPIN(record.PIN)},
		{"status", r.Status == int64(record.Status)},
		{"nth", r.Nth == int64(record.Nth)},
		{"flags", received.IsZero() || r.Flags == int64(store.FlagsOf(record, received))},
	} {
		if !column.same {
			bad(column.name, Changed, "it does not follow from the record")
		}
	}
}

// forks checks what was kept apart.
func (w *walk) forks(ctx context.Context) error {
	rows, err := w.evidence.Forks(ctx, w.row.ID)
	if err != nil {
		return w.unreadable(w.is("fork", 0, "", Unreadable, ""), err)
	}
	var places []int64
	for _, r := range rows {
		w.report.Forks++
		places = append(places, r.Last)
		signed, err := w.signed(r)
		switch {
		case err != nil:
			w.broken(w.is("fork", r.Last, "message", Unreadable, err.Error()))
			continue
		case signed == nil || signed.Epoch != w.row.Name:
			w.broken(w.is("fork", r.Last, "message", Unsigned, "no admitted key of the site has signed it"))
			continue
		case signed.Head != r.Head:
			w.broken(w.is("fork", r.Last, "head", Changed, "it does not follow from the message"))
		}
		r.First = int64(signed.First)
		if r.Sum(r.Head) != r.Seal {
			w.broken(w.is("fork", r.Last, "", Changed, "its seal does not follow from its columns"))
		}
	}
	if n := int64(len(rows)); n != w.row.Forks {
		w.broken(w.is("epoch", 0, "forks", Changed, fmt.Sprintf("%d are kept", n)))
		if n < w.row.Forks {
			w.broken(w.is("fork", 0, "", Missing, fmt.Sprintf("%d of %d are kept", n, w.row.Forks)))
		}
	}
	lowest := int64(0)
	if len(places) > 0 {
		lowest = slices.Min(places)
	}
	if lowest != w.row.Fork {
		w.broken(w.is("epoch", 0, "fork", Changed, fmt.Sprintf("the lowest is %d", lowest)))
	}
	return nil
}
