package usbfile

import (
	"bytes"
	"errors"
	"fmt"
)

// Loss is bytes of a packed file that are no record. It does not hold them: they may be
// somebody's password or finger.
type Loss struct {
	Offset int
	Size   int
	Why    Fault
}

// The faults of packed records. FaultPIN is one of them too.
const (
	FaultSlot      Fault = "slot"      // 0
	FaultPrivilege Fault = "privilege" // such as no terminal knows
	FaultText      Fault = "text"      // control characters in a name or password
	FaultFinger    Fault = "finger"    // not 0 to 9
	FaultFlag      Fault = "flag"      // not invalid, valid or duress
	FaultSize      Fault = "size"      // of a template: none, or more than fits
	FaultShort     Fault = "short"     // the file ends within it
)

// Errors of packed files.
var (
	ErrNotUsers     = errors.New("not a terminal's file of users")
	ErrNotTemplates = errors.New("not a terminal's file of templates in this format")
	ErrTooLong      = errors.New("does not fit the record")
)

// MaxPacked is the size of the largest file of users or templates, in bytes: 30 000
// templates of 2 KB.
const MaxPacked = 64 << 20

// text gives a text field up to its first NUL; it may fill the field without one.
func text(field []byte) []byte {
	if i := bytes.IndexByte(field, 0); i >= 0 {
		return field[:i]
	}
	return field
}

// printable tells whether no byte of a text is a control character. Which letters the
// others are, the code page says.
func printable(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

// putText writes a text into its field. A field that already says the same keeps what
// is after its NUL, so that a record read and written back is the same record.
func putText(field, value []byte) error {
	if len(value) > len(field) || bytes.IndexByte(value, 0) >= 0 {
		return fmt.Errorf("text of %d bytes in a field of %d: %w", len(value), len(field), ErrTooLong)
	}
	if bytes.Equal(text(field), value) {
		return nil
	}
	n := copy(field, value)
	copy(field[n:], make([]byte, len(field)-n))
	return nil
}

// grow appends a record of n bytes to dst, as raw when that has this size and zeros
// otherwise, and returns dst and the record in it.
func grow(dst []byte, n int, raw []byte) (grown, record []byte) {
	start := len(dst)
	if len(raw) == n {
		dst = append(dst, raw...)
	} else {
		dst = append(dst, make([]byte, n)...)
	}
	return dst, dst[start:]
}
