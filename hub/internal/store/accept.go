package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Incoming is a segment whose signature, form and chain were checked.
type Incoming struct {
	Site     protocol.SiteID
	From     seal.KeyID
	Message  []byte // the whole envelope as it came
	Segment  protocol.Segment
	Links    []protocol.Link // Segment.Links()
	Received time.Time
}

// Outcome is what became of a segment.
type Outcome string

// The outcomes.
const (
	OutcomeStored    Outcome = "stored"    // all of it is new
	OutcomePart      Outcome = "part"      // the rest was held and equal
	OutcomeDuplicate Outcome = "duplicate" // all of it was held and equal
	OutcomeGap       Outcome = "gap"       // records before it are missing: nothing of it is stored
	OutcomeFork      Outcome = "fork"      // it contradicts what is held: kept apart
	OutcomeRefused   Outcome = "refused"   // the key is not the site's admitted one: nothing is stored
)

// Verdict is the answer to one segment.
type Verdict struct {
	Outcome      Outcome
	New          int               // records stored now
	Through      uint64            // how far its epoch is held now
	Fork         uint64            // lowest sequence that was contradicted, 0 for none
	Unregistered []protocol.Serial // terminals in it that nobody registered, each once
}

// Accept stores many segments of many sites in one transaction, in their order,
// and judges each on its own. When it returns nil, what it stored is durable;
// when it returns an error, nothing of it is.
func (s *Store) Accept(ctx context.Context, in []Incoming) ([]Verdict, error) {
	if len(in) == 0 {
		return nil, nil
	}
	packed, err := packAll(in)
	if err != nil {
		return nil, fmt.Errorf("store segments: %w", err)
	}
	in = slices.Clone(in)
	for i := range in {
		in[i].Received = instant(millis(in[i].Received)) // what is judged is what is kept
	}
	statements, err := s.prepareBulk(ctx)
	if err != nil {
		return nil, fmt.Errorf("store segments: %w", s.engine.mapped(err))
	}
	var verdicts []Verdict
	err = s.update(ctx, func(tx *sql.Tx) error {
		b, err := loadBatch(ctx, tx, in)
		if err != nil {
			return err
		}
		verdicts = make([]Verdict, len(in))
		for i := range in {
			if verdicts[i], err = b.take(ctx, &in[i], packed[i]); err != nil {
				return err
			}
		}
		return b.write(ctx, statements)
	})
	if err != nil {
		return nil, fmt.Errorf("store segments: %w", err)
	}
	return verdicts, nil
}

func packAll(in []Incoming) ([][]byte, error) {
	p, err := newPacker()
	if err != nil {
		return nil, err
	}
	packed := make([][]byte, len(in))
	for i := range in {
		if packed[i], err = p.pack(in[i].Message); err != nil {
			return nil, err
		}
	}
	return packed, nil
}

// take judges one segment and adds to the batch what it brings.
func (b *batch) take(ctx context.Context, in *Incoming, packed []byte) (Verdict, error) {
	if b.keys[in.Site] != in.From || in.From == "" {
		return Verdict{Outcome: OutcomeRefused}, nil
	}
	e := b.epoch(in.Site, in.Segment.Epoch)
	b.hear(e, in.Received)
	v := Verdict{Through: e.through, Fork: e.fork}
	if in.Segment.First > e.through+1 {
		v.Outcome = OutcomeGap
		return v, nil
	}
	at, err := b.contradiction(ctx, e, in)
	if err != nil {
		return v, err
	}
	if at > 0 {
		v.Outcome = OutcomeFork
		v.Fork, err = b.keepApart(ctx, e, in, packed, at)
		return v, err
	}
	if in.Segment.Last <= e.through {
		v.Outcome = OutcomeDuplicate
		return v, nil
	}
	held := int(e.through + 1 - in.Segment.First)
	v.Outcome, v.New = OutcomeStored, len(in.Links)-held
	if held > 0 {
		v.Outcome = OutcomePart
	}
	v.Unregistered = b.append(e, in, packed, held)
	v.Through = e.through
	return v, nil
}

// contradiction returns the lowest sequence at which a segment that touches what
// is held differs from it, 0 for none. Equal hashes at one sequence prove that
// everything before it is equal too.
func (b *batch) contradiction(ctx context.Context, e *epochRow, in *Incoming) (uint64, error) {
	common := min(in.Segment.Last, e.through) // may be First−1: only Prev is compared
	held, err := b.hashes(ctx, e, in.Segment.First-1, common)
	if err != nil {
		return 0, err
	}
	if uint64(len(held)) != common-in.Segment.First+2 {
		return 0, fmt.Errorf("epoch %s of site %s is held through %d but misses sightings before it: run verify", e.key.name.Short(), e.key.site, e.through)
	}
	if held[0] != in.Segment.Prev {
		return max(1, in.Segment.First-1), nil
	}
	for i, hash := range held[1:] {
		if in.Links[i].Hash != hash {
			return in.Links[i].Seq, nil
		}
	}
	return 0, nil
}

// append adds the records after the held ones, and the segment that signs them.
func (b *batch) append(e *epochRow, in *Incoming, packed []byte, held int) (unregistered []protocol.Serial) {
	b.number(e)
	for i := held; i < len(in.Links); i++ {
		link, r := &in.Links[i], &in.Segment.Records[i]
		t := b.terminal(in.Site, r.Serial)
		if t.registered == 0 && !slices.Contains(unregistered, r.Serial) {
			unregistered = append(unregistered, r.Serial)
		}
		b.sightings = append(b.sightings, e.id, int64(link.Seq), link.Canonical, link.Hash[:], t.id,
			string(r.Time), protocol.NormalPIN(r.PIN), int64(r.Status), int64(r.Nth), int64(FlagsOf(*r, in.Received)))
		e.fresh = append(e.fresh, link.Hash)
	}
	last := in.Segment.Last
	e.seal = sealOf(e.seal, last, in.Segment.First, in.Received, packed)
	sum := e.seal
	b.segments = append(b.segments, e.id, int64(last), int64(in.Segment.First), millis(in.Received), packed, sum[:])
	e.through, e.hash, e.changed = last, in.Segment.Head, true
	return unregistered
}
