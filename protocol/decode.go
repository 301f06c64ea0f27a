package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// What a text may make of itself in memory is bounded by how many objects it has: the
// smallest that anybody writes takes 23 bytes, but two bytes of a stranger's make a whole
// one too.
const (
	fewObjects = 64 // that any text may have
	perObject  = 20 // bytes of a text that has more, on average
)

// ErrCrowded says that a text has more objects than anybody writes in so few bytes.
var ErrCrowded = errors.New("too many objects for its size")

// Decode reads one JSON value: the body of a message, or what was sealed in one. Unknown
// fields refuse it, and so does whatever follows it. The error may quote the text.
func Decode(text []byte, to any) error {
	if n := objects(text); n > fewObjects && n > len(text)/perObject {
		return fmt.Errorf("%w: %d in %d bytes", ErrCrowded, n, len(text))
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return err
	}
	if d.More() {
		return fmt.Errorf("%d bytes follow it", len(text)-int(d.InputOffset()))
	}
	return nil
}

// objects counts those that a text begins, outside of its strings.
func objects(text []byte) (n int) {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '{' && !quoted:
			n++
		}
	}
	return n
}
