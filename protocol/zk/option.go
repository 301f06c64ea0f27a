package zk

import (
	"bytes"
	"strings"
)

// ParseOption reads the answer to OPTIONS_RRQ: name=value up to a NUL. Some firmware
// writes a second equals sign or strange bytes before the value, and some answers with
// the value alone: then name is empty.
func ParseOption(body []byte) (name, value string) {
	text := cutText(body)
	if before, after, found := bytes.Cut(text, []byte{'='}); found {
		name, text = string(before), after
	}
	value = strings.TrimFunc(string(text), func(r rune) bool { return r <= ' ' || r == 0x7F })
	if name != "" {
		value = strings.TrimLeftFunc(value, func(r rune) bool { return r <= ' ' || r == '=' || r == 0x7F })
	}
	return name, value
}

// AppendOption writes name=value and a NUL: the answer to OPTIONS_RRQ, and the body of
// OPTIONS_WRQ. Without a name it writes the value alone.
func AppendOption(dst []byte, name, value string) []byte {
	if name != "" {
		dst = append(append(dst, name...), '=')
	}
	return append(append(dst, value...), 0)
}
