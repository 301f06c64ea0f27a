package terminal

import (
	"strings"
	"unicode"
)

// CleanPIN makes the text of a terminal's PIN field fit for a record: without the
// blanks that pad it, without control characters, and valid UTF-8. Leading zeros
// stay, they are part of what people type. What had to be left out is still in Raw.
func CleanPIN(text string) string {
	text = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return -1
		}
		return c // a byte that is no UTF-8 becomes U+FFFD
	}, text)
	return strings.TrimSpace(text)
}
