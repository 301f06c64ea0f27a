package seal

import (
	"encoding/hex"
	"strings"
)

// Words is the fingerprint's beginning as six words of five letters that can be read
// out, such as "lusab babad gutih tugad dotis fibin": two people compare them over the
// telephone. They stand for 96 bits, in the manner of proquints: sixteen bits a word, as
// consonant, vowel, consonant, vowel, consonant. A text that is no fingerprint has none.
func (f Fingerprint) Words() string {
	const consonants, vowels, count = "bdfghjklmnprstvz", "aiou", 6
	b, err := hex.DecodeString(string(f))
	if err != nil || len(b) < 2*count {
		return ""
	}
	words := make([]string, count)
	for i := range words {
		n := uint(b[2*i])<<8 | uint(b[2*i+1])
		words[i] = string([]byte{
			consonants[n>>12], vowels[n>>10&3], consonants[n>>6&15], vowels[n>>4&3], consonants[n&15],
		})
	}
	return strings.Join(words, " ")
}
