package store

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// packer deflates messages, reusing its memory (a new writer takes a megabyte).
type packer struct {
	w   *flate.Writer
	out bytes.Buffer
}

func newPacker() (*packer, error) {
	w, err := flate.NewWriter(io.Discard, flate.BestSpeed)
	return &packer{w: w}, err
}

// pack returns the deflated bytes in memory of their own.
func (p *packer) pack(message []byte) ([]byte, error) {
	p.out.Reset()
	p.w.Reset(&p.out)
	if _, err := p.w.Write(message); err != nil {
		return nil, err
	}
	if err := p.w.Close(); err != nil {
		return nil, err
	}
	return bytes.Clone(p.out.Bytes()), nil
}

// unpack reads what pack wrote, and only that.
func unpack(packed []byte) ([]byte, error) {
	in := bytes.NewReader(packed)
	r := flate.NewReader(in)
	message, err := io.ReadAll(io.LimitReader(r, protocol.MaxPayload+1))
	if err != nil {
		return nil, fmt.Errorf("kept message: %w", err)
	}
	if len(message) > protocol.MaxPayload || in.Len() != 0 {
		return nil, fmt.Errorf("kept message: not what was written")
	}
	return message, nil
}

// sealOf chains a row that keeps a message to the row before it, so that what no
// agent has signed (the time of receiving, the order) cannot change unseen.
func sealOf(prev protocol.Hash, at, first uint64, received time.Time, packed []byte) protocol.Hash {
	h := sha256.New()
	h.Write(prev[:])
	var n [24]byte
	binary.BigEndian.PutUint64(n[:], at)
	binary.BigEndian.PutUint64(n[8:], first)
	binary.BigEndian.PutUint64(n[16:], uint64(millis(received)))
	h.Write(n[:])
	h.Write(packed)
	return protocol.Hash(h.Sum(nil))
}
