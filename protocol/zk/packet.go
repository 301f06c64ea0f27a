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
	p := headerOf(b, b[HeaderSize:])
	if Checksum(b) != binary.LittleEndian.Uint16(b[2:]) {
		return p, ErrChecksum
	}
	return p, nil
}

// headerOf is the packet with this header and body.
func headerOf(header, body []byte) Packet {
	return Packet{
		Code:    Code(binary.LittleEndian.Uint16(header)),
		Session: binary.LittleEndian.Uint16(header[4:]),
		Reply:   binary.LittleEndian.Uint16(header[6:]),
		Body:    body,
	}
}

// Checksum is the ones'-complement sum of the packet's 16-bit words, complemented,
// with bytes 2 and 3 taken as zero and an odd last byte as the low half of a word.
func Checksum(packet []byte) uint16 {
	if len(packet) < 4 {
		return ^sum(0, packet[:min(len(packet), 2)])
	}
	return ^sum(sum(0, packet[:2]), packet[4:])
}

// sum adds the words of b to what was summed before, which must have had an even
// length. The sum is the same modulo 65535 however the words are grouped, so eight
// bytes are added at a time with the carry brought round.
func sum(before uint16, b []byte) uint16 {
	s, carry := uint64(before), uint64(0)
	for len(b) >= 32 {
		s, carry = bits.Add64(s, binary.LittleEndian.Uint64(b), carry)
		s, carry = bits.Add64(s, binary.LittleEndian.Uint64(b[8:]), carry)
		s, carry = bits.Add64(s, binary.LittleEndian.Uint64(b[16:]), carry)
		s, carry = bits.Add64(s, binary.LittleEndian.Uint64(b[24:]), carry)
		b = b[32:]
	}
	for len(b) >= 2 {
		s, carry = bits.Add64(s, uint64(binary.LittleEndian.Uint16(b)), carry)
		b = b[2:]
	}
	if len(b) == 1 {
		s, carry = bits.Add64(s, uint64(b[0]), carry)
	}
	// The carry of the last addition can carry once more.
	s, carry = bits.Add64(s, 0, carry)
	s += carry
	for s > 0xFFFF {
		s = s>>16 + s&0xFFFF
	}
	return uint16(s)
}
