// Package flush is the form of one flush on disk: a run of records of one
// terminal that became durable together, with their places in the chain.
//
// It knows bytes only: no bbolt, no receipts. A flush carries its own magic,
// length and checksum, so that it can be recognised in the ruins of a damaged
// file without the help of anything around it (Scan).
//
// Beware: what Parse returns aliases the bytes given to it.
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

// MaxEntries is the largest number of records in one flush: that of a segment.
const MaxEntries = protocol.MaxSegmentPunches

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
//	at       8   Unix seconds, signed
//	serial   1+n
//	count    2   then per record: mark 8, length 2, canonical bytes
type Flush struct {
	First      uint64
	Epoch      uint32
	Prev, Head protocol.Hash
	At         time.Time // whole seconds
	Serial     protocol.Serial
	Entries    []Entry
}

// Entry is one record with the collector's mark of it.
type Entry struct {
	Mark   uint64
	Record []byte // canonical
}

// Last is the position of the last record.
func (f Flush) Last() uint64 { return f.First + uint64(len(f.Entries)) - 1 }

const (
	magic    = "SfL\x01"
	preamble = len(magic) + 4 + 4 // magic, length, crc
	fixed    = preamble + 8 + 4 + 32 + 32 + 8 + 1 + 2
	perEntry = 8 + 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrFlush says that bytes are not a whole flush.
var ErrFlush = errors.New("not a flush")

// Append appends the flush's bytes to dst. It refuses what the layout cannot hold.
func (f Flush) Append(dst []byte) ([]byte, error) {
	if len(f.Entries) == 0 || len(f.Entries) > MaxEntries || len(f.Serial) > math.MaxUint8 || f.First == 0 {
		return dst, fmt.Errorf("%w: %d records from position %d", ErrFlush, len(f.Entries), f.First)
	}
	start := len(dst)
	dst = append(dst, magic...)
	dst = append(dst, make([]byte, preamble-len(magic))...)
	dst = binary.BigEndian.AppendUint64(dst, f.First)
	dst = binary.BigEndian.AppendUint32(dst, f.Epoch)
	dst = append(dst, f.Prev[:]...)
	dst = append(dst, f.Head[:]...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(f.At.Unix()))
	dst = append(append(dst, uint8(len(f.Serial))), f.Serial...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(f.Entries)))
	for _, e := range f.Entries {
		if len(e.Record) > math.MaxUint16 {
			return dst[:start], fmt.Errorf("%w: a record of %d bytes", ErrFlush, len(e.Record))
		}
		dst = binary.BigEndian.AppendUint64(dst, e.Mark)
		dst = append(binary.BigEndian.AppendUint16(dst, uint16(len(e.Record))), e.Record...)
	}
	binary.BigEndian.PutUint32(dst[start+4:], uint32(len(dst)-start))
	binary.BigEndian.PutUint32(dst[start+8:], crc32.Checksum(dst[start+preamble:], castagnoli))
	return dst, nil
}

// Parse reads a flush that fills b. The records alias b.
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
		Prev:  protocol.Hash(b[preamble+12 : preamble+44]),
		Head:  protocol.Hash(b[preamble+44 : preamble+76]),
		At:    time.Unix(int64(binary.BigEndian.Uint64(b[preamble+76:])), 0),
	}
	rest := b[preamble+84:]
	n := int(rest[0])
	if len(rest) < 1+n+2 {
		return Flush{}, fmt.Errorf("%w: cut off in the serial", ErrFlush)
	}
	f.Serial = protocol.Serial(rest[1 : 1+n])
	count := int(binary.BigEndian.Uint16(rest[1+n:]))
	rest = rest[1+n+2:]
	if f.First == 0 || count == 0 || count > MaxEntries || len(rest) < count*perEntry {
		return Flush{}, fmt.Errorf("%w: %d records from position %d", ErrFlush, count, f.First)
	}
	f.Entries = make([]Entry, count)
	for i := range f.Entries {
		if len(rest) < perEntry {
			return Flush{}, fmt.Errorf("%w: cut off before record %d", ErrFlush, i)
		}
		size := int(binary.BigEndian.Uint16(rest[8:]))
		if len(rest) < perEntry+size {
			return Flush{}, fmt.Errorf("%w: cut off in record %d", ErrFlush, i)
		}
		f.Entries[i] = Entry{binary.BigEndian.Uint64(rest), rest[perEntry : perEntry+size : perEntry+size]}
		rest = rest[perEntry+size:]
	}
	if len(rest) != 0 {
		return Flush{}, fmt.Errorf("%w: %d bytes too many", ErrFlush, len(rest))
	}
	return f, nil
}
