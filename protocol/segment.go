package protocol

import (
	"errors"
	"fmt"
)

// Limits of a segment. Four of them under way without a receipt are the flow
// control of the whole system.
const (
	MaxSegmentPunches = 500
	MaxSegmentBytes   = 64 << 10 // of the records' canonical bytes
	SegmentWindow     = 4
)

// Segment is the body of a punches message: a run of consecutive records from
// one agent's buffer. The chain makes it impossible to leave one out.
type Segment struct {
	Epoch   Hash     `json:"epoch"`
	First   uint64   `json:"first"` // sequence of Records[0], from 1
	Last    uint64   `json:"last"`
	Prev    Hash     `json:"prev"` // h(First−1)
	Head    Hash     `json:"head"` // h(Last)
	Records []Record `json:"records"`
}

// ErrSegment says that a segment contradicts itself.
var ErrSegment = errors.New("not a segment")

// Check recomputes the chain and the numbers.
func (s Segment) Check() error {
	if _, err := s.Links(); err != nil {
		return err
	}
	return nil
}

// Link is one record's place in the chain.
type Link struct {
	Seq       uint64
	Canonical []byte
	Hash      Hash
}

// Links returns canonical bytes and hash of every record, having checked that
// they lead from Prev to Head.
func (s Segment) Links() ([]Link, error) {
	n := len(s.Records)
	if n == 0 || n > MaxSegmentPunches || s.First == 0 || s.Last-s.First+1 != uint64(n) || s.Last < s.First {
		return nil, fmt.Errorf("%w: %d records from %d to %d", ErrSegment, n, s.First, s.Last)
	}
	if s.First == 1 && s.Prev != s.Epoch {
		return nil, fmt.Errorf("%w: the chain does not begin with the epoch's id", ErrSegment)
	}
	links, h := make([]Link, n), s.Prev
	for i, r := range s.Records {
		if err := r.Check(); err != nil {
			return nil, fmt.Errorf("%w: record %d: %w", ErrSegment, s.First+uint64(i), err)
		}
		canonical := r.AppendCanonical(make([]byte, 0, 192))
		h = h.Next(canonical)
		links[i] = Link{s.First + uint64(i), canonical, h}
	}
	if h != s.Head {
		return nil, fmt.Errorf("%w: the chain from %d does not end in its head", ErrSegment, s.First)
	}
	return links, nil
}
