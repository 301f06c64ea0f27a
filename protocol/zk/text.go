package zk

import (
	"bytes"
	"fmt"
)

// cutText gives a text field up to its first NUL; what follows a NUL is whatever the
// terminal's memory held before.
func cutText(field []byte) []byte {
	if i := bytes.IndexByte(field, 0); i >= 0 {
		return field[:i]
	}
	return field
}

// putText writes a text into its field. A field that already says the same keeps the
// bytes after its NUL, so that a row read and written back is the same row.
func putText[T string | []byte](field []byte, text T) error {
	if len(text) > len(field) {
		return fmt.Errorf("text of %d bytes in a field of %d: %w", len(text), len(field), ErrTooLong)
	}
	if bytes.IndexByte([]byte(text), 0) >= 0 {
		return fmt.Errorf("text with a NUL: %w", ErrTooLong)
	}
	if string(cutText(field)) == string(text) {
		return nil
	}
	clear(field[copy(field, text):])
	return nil
}

// growRow appends one row of n bytes to dst, beginning as raw when that is a row of
// this size and as zeros otherwise, and returns dst and the row in it.
func growRow(dst []byte, n int, raw []byte) (grown, row []byte) {
	start := len(dst)
	if len(raw) == n {
		dst = append(dst, raw...)
	} else {
		dst = append(dst, make([]byte, n)...)
	}
	return dst, dst[start:]
}

// plausibleID tells whether a PIN field holds printable ASCII and is not empty.
func plausibleID(field []byte) bool {
	text := cutText(field)
	for _, b := range text {
		if b <= ' ' || b > '~' {
			return false
		}
	}
	return len(text) > 0
}
