package buffer

import (
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// maxBody bounds a segment as JSON, in which control characters of a garbled PIN
// take six times their room, well below what an envelope may hold.
const maxBody = protocol.MaxPayload - protocol.MaxPayload/8

// Segment returns the next records after a sequence of the current epoch, as
// many as one segment may hold; ok is false when there are none. It may be
// called again for the same sequence: reading removes nothing.
func (b *Buffer) Segment(after uint64) (segment protocol.Segment, ok bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	err = b.view(func(tx *bbolt.Tx) error {
		segment, ok, err = b.segment(tx, after)
		return err
	})
	if err != nil {
		return protocol.Segment{}, false, fmt.Errorf("read segment after %d: %w", after, err)
	}
	return segment, ok, nil
}

func (b *Buffer) segment(tx *bbolt.Tx, after uint64) (protocol.Segment, bool, error) {
	e := b.state.current()
	if after >= b.last+1-e.Start {
		return protocol.Segment{}, false, nil
	}
	at := e.Start - 1 + after // position before the first one wanted
	prev, known, err := hashAt(tx, e, at, &b.way)
	if err != nil {
		return protocol.Segment{}, false, err
	}
	if !known {
		return protocol.Segment{}, false, fmt.Errorf("sequence %d of epoch %s is no longer kept", after+1, e.ID.Short())
	}
	s := protocol.Segment{Epoch: e.ID, First: after + 1, Prev: prev, Head: prev}
	canonicalBytes, body := 0, 0
	for f, err := range ascend(tx, at+1) {
		if err != nil {
			return protocol.Segment{}, false, err
		}
		if at+1 < f.First || at+1 > f.Last() {
			return protocol.Segment{}, false, fmt.Errorf("%w: no record at position %d", ErrDamaged, at+1)
		}
		for _, entry := range f.Entries[at+1-f.First:] {
			r, err := protocol.ParseCanonical(entry.Record)
			if err != nil {
				return protocol.Segment{}, false, fmt.Errorf("%w: position %d: %w", ErrDamaged, at+1, err)
			}
			canonicalBytes += len(entry.Record)
			body += bodySize(r)
			full := canonicalBytes > protocol.MaxSegmentBytes || body > maxBody || len(s.Records) == protocol.MaxSegmentPunches
			if full && len(s.Records) > 0 {
				return b.sealed(s, at)
			}
			s.Records = append(s.Records, r)
			s.Head = s.Head.Next(entry.Record)
			at++
		}
	}
	return b.sealed(s, at)
}

func (b *Buffer) sealed(s protocol.Segment, at uint64) (protocol.Segment, bool, error) {
	s.Last = s.First + uint64(len(s.Records)) - 1
	b.way.add(point{at, s.Head})
	return s, true, nil
}

// bodySize is at least the size of a record in a segment's JSON.
func bodySize(r protocol.Record) int {
	size := 192 + len(r.Raw)*4/3 // names, numbers, punctuation
	for _, text := range []string{string(r.Serial), r.PIN, string(r.Time), string(r.Source), r.Read} {
		for _, c := range []byte(text) {
			if c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
				size += 5
			}
			size++
		}
	}
	return size
}
