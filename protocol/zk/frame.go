package zk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// PrefixSize is the length of what precedes a packet on TCP.
//
//	0 4  50 50 82 7D
//	4 4  u32 length of the packet that follows, header included
//
// Frames arrive coalesced and cut; after a wrong prefix there is no way back into step.
const PrefixSize = 8

const (
	framePrefix uint32 = 0x7D825050
	panelMark   byte   = 0xAA // the first byte of an access panel
)

// MaxFrame is the longest packet the client accepts in one frame: a terminal that
// announces 65536 bytes a packet, or a small data set in one piece, stays far below.
const MaxFrame = 1 << 20

var (
	// ErrMagic says that the other side does not speak this protocol.
	ErrMagic = errors.New("not the protocol of port 4370")
	// ErrAccessPanel says that the other side is an access panel (C3, inBio), which
	// shares the port but not the protocol.
	ErrAccessPanel = errors.New("an access panel, not an attendance terminal")
)

// AppendFrame writes the packet with the prefix it needs on TCP.
func AppendFrame(dst []byte, p Packet) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, framePrefix)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(HeaderSize+len(p.Body)))
	return p.Append(dst)
}

// ReadFrame reads one frame whose packet is at most limit bytes long into buf, which
// it grows when needed and returns; the packet's Body aliases it. io.EOF means that
// the stream ended between frames. With ErrChecksum the packet is returned as well.
func ReadFrame(r io.Reader, limit int, buf []byte) (Packet, []byte, error) {
	var prefix [PrefixSize]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return Packet{}, buf, err
	}
	n, err := packetLength(prefix[:], limit)
	if err != nil {
		return Packet{}, buf, err
	}
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if _, err := io.ReadFull(r, buf); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return Packet{}, buf, err
	}
	p, err := ParsePacket(buf)
	return p, buf, err
}

// packetLength checks a frame's prefix, of which 8 bytes are given, before anything
// is allocated for the packet.
func packetLength(prefix []byte, limit int) (int, error) {
	if binary.LittleEndian.Uint32(prefix) != framePrefix {
		if prefix[0] == panelMark {
			return 0, ErrAccessPanel
		}
		return 0, ErrMagic
	}
	n := binary.LittleEndian.Uint32(prefix[4:])
	if n < HeaderSize {
		return 0, fmt.Errorf("frame of %d bytes: %w", n, ErrShort)
	}
	if uint64(n) > uint64(limit) {
		return 0, fmt.Errorf("frame of %d bytes: %w", n, ErrTooLong)
	}
	return int(n), nil
}
