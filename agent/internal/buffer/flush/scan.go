package flush

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// maxSize bounds what Scan believes of a length. MaxEntries of the largest
// records are far below it.
const maxSize = 4 << 20

// Found is a whole flush somewhere in a file.
type Found struct {
	Offset int64
	Size   int
	First  uint64
	Sum    uint32 // its checksum
}

// Read reads it again.
func (f Found) Read(file io.ReaderAt) (Flush, error) {
	b := make([]byte, f.Size)
	if _, err := file.ReadAt(b, f.Offset); err != nil {
		return Flush{}, fmt.Errorf("read flush at %d: %w", f.Offset, err)
	}
	return Parse(b)
}

// Scan looks for whole flushes in every byte of a file, whatever else is in it:
// in order of place, superseded and deleted copies included, each checked. It
// reads the file without mapping it, so that no damage can fault. What cannot
// be read is passed over.
func Scan(file io.ReaderAt, size int64, found func(Found)) {
	const step = 1 << 20
	window := make([]byte, step+len(magic)-1)
	for base := int64(0); base < size; base += step {
		n, _ := file.ReadAt(window, base) // an unreadable block costs what is in it, no more
		for at := 0; ; {
			i := bytes.Index(window[at:n], []byte(magic))
			if i < 0 {
				break
			}
			at += i
			if f, ok := probe(file, size, base+int64(at)); ok {
				found(f)
			}
			at++
		}
	}
}

func probe(file io.ReaderAt, size, offset int64) (Found, bool) {
	var head [8]byte
	if _, err := file.ReadAt(head[:], offset); err != nil {
		return Found{}, false
	}
	length := binary.BigEndian.Uint32(head[4:])
	if length < uint32(fixed) || length > min(maxSize, math.MaxInt32) || offset+int64(length) > size {
		return Found{}, false
	}
	b := make([]byte, length)
	if _, err := file.ReadAt(b, offset); err != nil {
		return Found{}, false
	}
	f, err := Parse(b)
	if err != nil {
		return Found{}, false
	}
	return Found{offset, len(b), f.First, binary.BigEndian.Uint32(b[8:])}, true
}
