package zk

import (
	"encoding/binary"
	"math/bits"
)

// Scramble hides the communication key for AUTH: the key with its bits reversed, plus
// the session, mixed with "ZKSO", halves swapped, mixed with tick, which takes the
// place of the third byte and so travels in clear. Any tick is accepted.
//
// It keeps nobody out: 24 of the 32 bits are compared, and one exchange seen on the
// line gives the key away.
func Scramble(key uint32, session uint16, tick byte) [4]byte {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], bits.Reverse32(key)+uint32(session))
	return [4]byte{b[2] ^ 'S' ^ tick, b[3] ^ 'O' ^ tick, tick, b[1] ^ 'K' ^ tick}
}

// CheckScramble is the terminal's side of AUTH: it tells whether body was made of key
// and session.
func CheckScramble(body []byte, key uint32, session uint16) bool {
	return len(body) >= 4 && Scramble(key, session, body[2]) == [4]byte(body[:4])
}
