package zk

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// HeaderSize is the length of a packet's header.
//
//	0 2  command or reply
//	2 2  checksum
//	4 2  session, or what else the terminal puts there (event code, packet index, state)
//	6 2  reply id
//	8 …  body
//
// All numbers of this protocol are little-endian.
const HeaderSize = 8

var (
	// ErrShort says that bytes end before the smallest possible packet, row or answer.
	ErrShort = errors.New("too short")
	// ErrChecksum says that a packet's checksum is not the one of its bytes.
	ErrChecksum = errors.New("wrong checksum")
	// ErrTooLong says that a text, number or length does not fit its field or its limit.
	ErrTooLong = errors.New("too long for its field or limit")
)

// Packet is one request or one part of an answer; a UDP datagram is exactly one.
type Packet struct {
	Code    Code
	Session uint16
	Reply   uint16
	Body    []byte
}

// Append writes the packet with its right checksum.
func (p Packet) Append(dst []byte) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(p.Code))
	dst = append(dst, 0, 0)
	dst = binary.LittleEndian.AppendUint16(dst, p.Session)
	dst = binary.LittleEndian.AppendUint16(dst, p.Reply)
	dst = append(dst, p.Body...)
	packet := dst[start:]
	binary.LittleEndian.PutUint16(packet[2:], Checksum(packet))
	return dst
}

// ParsePacket reads one packet; Body aliases b. With ErrChecksum the packet is
// returned all the same, for who chooses to be lenient.
func ParsePacket(b []byte) (Packet, error) {
	if len(b) < HeaderSize {
		return Packet{}, ErrShort
	}
	p := Packet{
		Code:    Code(binary.LittleEndian.Uint16(b)),
		Session: binary.LittleEndian.Uint16(b[4:]),
		Reply:   binary.LittleEndian.Uint16(b[6:]),
		Body:    b[HeaderSize:],
	}
	if Checksum(b) != binary.LittleEndian.Uint16(b[2:]) {
		return p, ErrChecksum
	}
	return p, nil
}

// Checksum is the ones'-complement sum of the packet's 16-bit words, complemented,
// with bytes 2 and 3 taken as zero and an odd last byte as the low half of a word.
//
// The sum is the same modulo 65535 however the words are grouped, so eight bytes are
// added at a time with the carry brought round.
func Checksum(packet []byte) uint16 {
	var sum uint64
	rest := packet
	if len(packet) >= 4 {
		sum = uint64(binary.LittleEndian.Uint16(packet))
		rest = packet[4:]
	} else if len(packet) > 2 {
		rest = packet[:2]
	}
	var carry uint64
	for len(rest) >= 32 {
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(rest), carry)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(rest[8:]), carry)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(rest[16:]), carry)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(rest[24:]), carry)
		rest = rest[32:]
	}
	for len(rest) >= 2 {
		sum, carry = bits.Add64(sum, uint64(binary.LittleEndian.Uint16(rest)), carry)
		rest = rest[2:]
	}
	if len(rest) == 1 {
		sum, carry = bits.Add64(sum, uint64(rest[0]), carry)
	}
	// The carry of the last addition can carry once more.
	sum, carry = bits.Add64(sum, 0, carry)
	sum += carry
	for sum > 0xFFFF {
		sum = sum>>16 + sum&0xFFFF
	}
	return ^uint16(sum)
}
