// Package flush is the form on disk of records that became durable together: a
// run of one terminal's records at consecutive positions, with their places in
// the chain.
//
// It knows bytes only: no bbolt, no receipts. A flush carries its own magic,
// length and checksum, so that it can be recognised in the ruins of a damaged
// file without the help of anything around it (Scan).
//
// Beware: a flush of many records becomes several values (see Limit), which are
// whole each by itself; that they become durable together is the caller's part.
package flush

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Flush is a run of records at consecutive positions.
//
// Layout, big-endian:
//
//	magic    4   "SfL\x01", the last byte is the version
//	length   4   of the whole, magic included
//	crc      4   CRC-32C of everything after this field
//	first    8   position of the first record
//	epoch    4   number of the epoch under which prev and head were computed
//	prev    32   h(first−1)
//	head    32   h(last)
//	serial   1+n
//	count    2
//
// and per record: when it was kept, as varint of the Unix seconds since the
// record before it (0 before the first); mark 8; the record as delta.go tells.
type Flush struct {
	First      uint64
	Epoch      uint32
	Prev, Head protocol.Hash
	Serial     protocol.Serial
	Entries    []Entry
}

// Entry is one record with the collector's mark of it.
type Entry struct {
	Mark   uint64
	At     time.Time // when it was kept, whole seconds
	Record []byte    // canonical
}

// Last is the position of the last record.
func (f Flush) Last() uint64 { return f.First + uint64(len(f.Entries)) - 1 }

// Limit is the size in bytes at which a value is closed. Four of them fill a page
// of bbolt. It splits a page only from the fifth value on, so with larger ones
// every append would write up to five of them anew.
const Limit = 980

const (
	magic     = "SfL\x01"
	preamble  = len(magic) + 4 + 4 // magic, length, crc
	headAt    = preamble + 8 + 4 + 32
	serialAt  = headAt + 32
	fixed     = serialAt + 1 + 2
	maxCount  = math.MaxUint16
	maxRecord = 16 << 10 // far above any record
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrFlush says that bytes are not a whole flush.
var ErrFlush = errors.New("not a flush")

// Encode returns the bytes of as many of f's first entries as fit into limit
// bytes, at least of one, and f with only these entries and its head computed.
func Encode(f Flush, limit int) ([]byte, Flush, error) {
	if len(f.Entries) == 0 || len(f.Serial) > math.MaxUint8 || f.First == 0 {
		return nil, f, fmt.Errorf("%w: %d records from position %d", ErrFlush, len(f.Entries), f.First)
	}
	b := append(make([]byte, 0, min(limit, 4096)+fixed), magic...)
	b = append(b, make([]byte, preamble-len(magic))...)
	b = binary.BigEndian.AppendUint64(b, f.First)
	b = binary.BigEndian.AppendUint32(b, f.Epoch)
	b = append(b, f.Prev[:]...)
	b = append(b, make([]byte, len(f.Head))...)
	b = append(append(b, uint8(len(f.Serial))), f.Serial...)
	countAt := len(b)
	b = append(b, 0, 0)
	var previous []byte
	n, at := 0, int64(0)
	for _, e := range f.Entries {
		if len(e.Record) > maxRecord {
			return nil, f, fmt.Errorf("%w: a record of %d bytes", ErrFlush, len(e.Record))
		}
		before := len(b)
		b = binary.AppendVarint(b, e.At.Unix()-at)
		b = appendDelta(binary.BigEndian.AppendUint64(b, e.Mark), previous, e.Record)
		if n > 0 && len(b) > limit || n == maxCount {
			b = b[:before]
			break
		}
		previous, at = e.Record, e.At.Unix()
		n++
	}
	f.Entries = f.Entries[:n]
	f.Head = f.Prev
	for _, e := range f.Entries {
		f.Head = f.Head.Next(e.Record)
	}
	copy(b[headAt:], f.Head[:])
	binary.BigEndian.PutUint16(b[countAt:], uint16(n))
	binary.BigEndian.PutUint32(b[4:], uint32(len(b)))
	binary.BigEndian.PutUint32(b[8:], crc32.Checksum(b[preamble:], castagnoli))
	return b, f, nil
}

// Parse reads a flush that fills b. Nothing of what it returns aliases b.
func Parse(b []byte) (Flush, error) {
	if len(b) < fixed || string(b[:len(magic)]) != magic {
		return Flush{}, fmt.Errorf("%w: %d bytes without its beginning", ErrFlush, len(b))
	}
	if int64(binary.BigEndian.Uint32(b[4:])) != int64(len(b)) {
		return Flush{}, fmt.Errorf("%w: another length than its %d bytes", ErrFlush, len(b))
	}
	if binary.BigEndian.Uint32(b[8:]) != crc32.Checksum(b[preamble:], castagnoli) {
		return Flush{}, fmt.Errorf("%w: wrong checksum", ErrFlush)
	}
	f := Flush{
		First: binary.BigEndian.Uint64(b[preamble:]),
		Epoch: binary.BigEndian.Uint32(b[preamble+8:]),
		Prev:  protocol.Hash(b[preamble+12 : headAt]),
		Head:  protocol.Hash(b[headAt : headAt+32]),
	}
	rest := b[serialAt:]
	n := int(rest[0])
	if len(rest) < 1+n+2 {
		return Flush{}, fmt.Errorf("%w: cut off in the serial", ErrFlush)
	}
	f.Serial = protocol.Serial(rest[1 : 1+n])
	count := int(binary.BigEndian.Uint16(rest[1+n:]))
	rest = rest[1+n+2:]
	if f.First == 0 || count == 0 || count > len(rest)/9 {
		return Flush{}, fmt.Errorf("%w: %d records from position %d", ErrFlush, count, f.First)
	}
	f.Entries = make([]Entry, count)
	var previous []byte
	at := int64(0)
	for i := range f.Entries {
		since, n := binary.Varint(rest)
		if n <= 0 || len(rest)-n < 8 {
			return Flush{}, fmt.Errorf("%w: cut off before record %d", ErrFlush, i)
		}
		at += since
		rest = rest[n:]
		mark := binary.BigEndian.Uint64(rest)
		record, after, ok := parseDelta(rest[8:], previous)
		if !ok {
			return Flush{}, fmt.Errorf("%w: cut off in record %d", ErrFlush, i)
		}
		f.Entries[i] = Entry{mark, time.Unix(at, 0), record}
		previous, rest = record, after
	}
	if len(rest) != 0 {
		return Flush{}, fmt.Errorf("%w: %d bytes too many", ErrFlush, len(rest))
	}
	return f, nil
}
