package usbfile

import "bytes"

// An obfuscated log is a run of records of 256 bytes. Each byte b of a line is two bytes,
// 0x78 + its upper half and 0x7A + its lower half; zeros fill the record. It hides nothing
// and proves nothing.
const (
	recordSize = 256
	upperBase  = 0x78
	lowerBase  = 0x7A
)

// decode returns the text within an obfuscated log; encrypted is false for another file.
// Records need not be filled up: a line's end is found by its CR LF.
func decode(content []byte) (text []byte, encrypted bool) {
	if !looksEncrypted(content) {
		return nil, false
	}
	text = make([]byte, 0, len(content)/2)
	for i := 0; i < len(content); {
		if content[i] == 0 { // the rest of a record
			i++
			continue
		}
		if i+1 == len(content) || content[i+1] == 0 {
			text = append(text, 0) // half a byte: the line is damaged, and is to be seen as such
			i++
			continue
		}
		text = append(text, clear(content[i], upperBase)<<4|clear(content[i+1], lowerBase))
		i += 2
	}
	return text, true
}

// clear takes a base off half a byte; what lies below it counts as 0.
func clear(c, base byte) byte {
	if c < base {
		return 0
	}
	return (c - base) & 0x0F
}

// looksEncrypted tells by the first line: digits, blanks and tabs of a plain log never lie
// in the range of the code.
func looksEncrypted(content []byte) bool {
	head := content[:min(len(content), recordSize)]
	if end := bytes.IndexByte(head, 0); end >= 0 {
		head = head[:end]
	}
	if len(head) < 2*len("1\t2000-01-01 00:00:00") {
		return false
	}
	for i, c := range head {
		base := byte(upperBase)
		if i%2 == 1 {
			base = lowerBase
		}
		if c < base || c > base+0x0F {
			return false
		}
	}
	return true
}

// Encrypt obfuscates a plain log as terminals do: one record for each line.
func Encrypt(log []byte) []byte {
	var out []byte
	for line := range bytes.Lines(log) {
		start := len(out)
		for _, b := range line {
			out = append(out, upperBase+b>>4, lowerBase+b&0x0F)
		}
		for (len(out)-start)%recordSize != 0 {
			out = append(out, 0)
		}
	}
	return out
}
