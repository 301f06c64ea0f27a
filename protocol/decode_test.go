package protocol_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// The smallest text that makes the most of itself is refused before it does.
func TestTheMemoryOfATextIsBounded(t *testing.T) {
	many := func(name string, size int) string {
		return fmt.Sprintf(`{%q:[%s{}]}`, name, strings.Repeat("{},", size/3))
	}
	const whole = 64 * protocol.MaxWhole
	for _, c := range []struct {
		text string
		into any
	}{
		{many("terminals", protocol.MaxPayload), &protocol.State{}},
		{many("conditions", protocol.MaxPayload), &protocol.State{}},
		{many("records", protocol.MaxPayload), &protocol.Segment{}},
		{many("outcomes", protocol.MaxPayload), &protocol.Results{}},
		{many("items", protocol.MaxPayload), &protocol.Templates{}},
		{many("findings", whole), &protocol.DiagnosisReport{}},
		{`{"receipt":` + many("a\\\"{", protocol.MaxPayload) + `}`, &protocol.State{}},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := protocol.Decode([]byte(c.text), c.into)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, protocol.ErrCrowded) {
			t.Errorf("%.24s… of %d bytes: %v", c.text, len(c.text), err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 2*uint64(len(c.text)) {
			t.Errorf("%.24s… of %d bytes took %d", c.text, len(c.text), took)
		}
	}
}

func TestDecodeTakesOneValueOfKnownFields(t *testing.T) {
	var f protocol.Fill
	for text, fine := range map[string]bool{
		`{"used":1,"capacity":2}`:                     true,
		`{"used":1,"capacity":2,"more":3}`:            false,
		`{"used":1,"capacity":2}{}`:                   false,
		`{"used":1,"capacity":2} `:                    true,
		`{"used":"` + strings.Repeat("{", 200) + `"}`: false, // for its type
		`{"used":`:                              false,
		`[` + strings.Repeat("{},", 63) + `{}]`: false, // few, but no Fill
	} {
		err := protocol.Decode([]byte(text), &f)
		if (err == nil) != fine || errors.Is(err, protocol.ErrCrowded) {
			t.Errorf("%.40s: %v", text, err)
		}
	}
}
