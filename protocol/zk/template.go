package zk

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// Template is one finger of one user, as a row of the bulk data set.
//
//	0 2 size of the row   2 2 slot   4 1 finger 0-9   5 1 flag   6 … template
//
// Flag is 0 invalid, 1 valid, 3 duress.
type Template struct {
	UID    uint16
	Finger uint8
	Flag   uint8
	Data   []byte
}

const (
	templateHead  = 6
	templateMagic = "SS21" // at 2 in a template of algorithm 10; u16 length, big-endian, at 8
)

// ParseTemplates reads rows without the u32 total that precedes them on the wire; Data
// aliases data. Where a row's size is smaller than its head or larger than what is
// left, it stops: the error comes with the templates before.
func ParseTemplates(data []byte) ([]Template, error) {
	var templates []Template
	for len(data) > 0 {
		if len(data) < templateHead {
			return templates, fmt.Errorf("template row %d: %w", len(templates), ErrShort)
		}
		size := int(binary.LittleEndian.Uint16(data))
		if size < templateHead || size > len(data) {
			return templates, fmt.Errorf("template row %d of %d bytes, %d left: %w", len(templates), size, len(data), ErrLayout)
		}
		templates = append(templates, Template{
			UID:    binary.LittleEndian.Uint16(data[2:]),
			Finger: data[4],
			Flag:   data[5],
			Data:   data[templateHead:size:size],
		})
		data = data[size:]
	}
	return templates, nil
}

// Append writes the row; ErrTooLong when its size does not fit 16 bits.
func (t Template) Append(dst []byte) ([]byte, error) {
	size := templateHead + len(t.Data)
	if size > 0xFFFF {
		return dst, fmt.Errorf("template of %d bytes: %w", len(t.Data), ErrTooLong)
	}
	dst = binary.LittleEndian.AppendUint16(dst, uint16(size))
	dst = binary.LittleEndian.AppendUint16(dst, t.UID)
	dst = append(dst, t.Finger, t.Flag)
	return append(dst, t.Data...), nil
}

// Digest is the SHA-256 of the template without what a transfer put after it.
func (t Template) Digest() [sha256.Size]byte {
	return sha256.Sum256(t.Data[:TemplateLength(t.Data)])
}

// Algorithm is 10 for a template of that fingerprint algorithm and 0 when the bytes do
// not say; ask the terminal for ~ZKFPVersion then.
func (t Template) Algorithm() int {
	if hasTemplateMagic(t.Data) {
		return 10
	}
	return 0
}

// TemplateLength is the length that a template of algorithm 10 states in its head, and
// the length of data for all others and where the head states more than there is.
func TemplateLength(data []byte) int {
	if hasTemplateMagic(data) {
		if n := int(binary.BigEndian.Uint16(data[8:])); n >= 10 {
			return min(n, len(data))
		}
	}
	return len(data)
}

func hasTemplateMagic(data []byte) bool {
	return len(data) >= 10 && string(data[2:6]) == templateMagic
}
