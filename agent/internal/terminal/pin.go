package terminal

import (
	"strings"
	"unicode"
)

// longestPIN is how many bytes of a PIN are kept; no terminal known has more than 24.
const longestPIN = 60

// CleanPIN makes the text of a terminal's PIN field fit for a record: without the
// blanks that pad it, without control characters, valid UTF-8 and not too long.
// Leading zeros stay, they are part of what people type. What had to be left out is
// still in Raw.
func CleanPIN(text string) string {
	text = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return -1
		}
		return c
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.TrimSpace(text)
	if len(text) > longestPIN {
		text = strings.TrimSpace(strings.ToValidUTF8(text[:longestPIN], ""))
	}
	return text
}
