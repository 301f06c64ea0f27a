package roster

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Inventory is what one terminal holds, as one complete read showed it.
type Inventory struct {
	Serial       protocol.Serial `json:"serial"`
	Capabilities Capabilities    `json:"capabilities"`
	Users        []Held          `json:"users"` // by slot, each once
}

// Capabilities is what a kind of terminal can hold. The zero value of a limit
// means that it is not known, and holds nothing back.
type Capabilities struct {
	Users        int   `json:"users"`         // how many fit
	Fingers      int   `json:"fingers"`       // how many fit in all
	Algorithm    uint8 `json:"algorithm"`     // 9 or 10; 0 not known: no finger is written
	PINWidth     int   `json:"pin_width"`     // digits
	PINLetters   bool  `json:"pin_letters"`   // takes letters too
	NameBytes    int   `json:"name_bytes"`    // bytes of a name; 0: names are not written
	NameASCII    bool  `json:"name_ascii"`    // shows nothing but ASCII rightly
	ReadOnly     bool  `json:"read_only"`     // refuses what is written
	UniqueFinger bool  `json:"unique_finger"` // refuses one finger under two PINs
}

// Held is one user as the terminal has it.
type Held struct {
	Slot      uint16       `json:"slot"`
	PIN       string       `json:"pin"`
	Name      []byte       `json:"name"` // in the terminal's code page
	Privilege Privilege    `json:"privilege"`
	Disabled  bool         `json:"disabled"` // may not identify
	Password  bool         `json:"password"` // there is one; never which
	Card      uint32       `json:"card"`     // 0: none
	Fingers   []HeldFinger `json:"fingers"`  // by number
}

// HeldFinger is one template as the terminal gives it back.
type HeldFinger struct {
	Number    uint8         `json:"number"`
	Algorithm uint8         `json:"algorithm"`
	Digest    protocol.Hash `json:"digest"`
	// For is the digest of the template that was written when the terminal gave these
	// other bytes back, twice: what it holds is equivalent at this terminal.
	For protocol.Hash `json:"for,omitzero"`
}

// stands tells whether the terminal's template is the wanted one.
func (h HeldFinger) stands(want Finger) bool {
	return h.Number == want.Number && h.Algorithm == want.Algorithm && (h.Digest == want.Digest || h.For == want.Digest)
}

func (h Held) finger(number uint8) (HeldFinger, bool) {
	for _, f := range h.Fingers {
		if f.Number == number {
			return f, true
		}
	}
	return HeldFinger{}, false
}

// administrates tells whether somebody can open the terminal's menu as this user.
func (h Held) administrates() bool { return h.Privilege == Administrator && !h.Disabled }

// Check reports an inventory that contradicts itself.
func (inv Inventory) Check() error {
	if inv.Serial == "" || len(inv.Users) > MaxUsers {
		return fmt.Errorf("%w: an inventory of %d users of terminal %q", ErrRoster, len(inv.Users), inv.Serial)
	}
	for i, u := range inv.Users {
		if u.Slot == 0 || i > 0 && inv.Users[i-1].Slot >= u.Slot {
			return fmt.Errorf("%w: slot %d does not follow in order", ErrRoster, u.Slot)
		}
		if len(u.PIN) > maxPIN || len(u.Name) > maxHeld || u.Privilege.rank() < 0 || len(u.Fingers) > 10 {
			return fmt.Errorf("%w: slot %d holds what no terminal can", ErrRoster, u.Slot)
		}
		for j, f := range u.Fingers {
			if f.Number > 9 || f.Digest.IsZero() || j > 0 && u.Fingers[j-1].Number >= f.Number {
				return fmt.Errorf("%w: finger %d of slot %d", ErrRoster, f.Number, u.Slot)
			}
		}
	}
	return nil
}

// takesPIN tells why a terminal has no room for a PIN; empty when it has.
func (c Capabilities) takesPIN(pin string) Reason {
	if c.PINWidth > 0 && len(pin) > c.PINWidth {
		return ReasonPINWidth
	}
	if !c.PINLetters && strings.ContainsFunc(pin, func(r rune) bool { return r < '0' || r > '9' }) {
		return ReasonPINLetters
	}
	return ""
}

// Name is what a terminal shows of a name: letters with marks without them where
// it knows only ASCII, cut at the boundary of a character.
func (c Capabilities) Name(name string) []byte {
	if c.NameASCII {
		name = fold(name)
	}
	cut := 0
	for i, r := range name {
		end := i + utf8.RuneLen(r)
		if r == utf8.RuneError || end > c.NameBytes {
			break
		}
		cut = end
	}
	return []byte(strings.TrimRight(name[:cut], " "))
}

// folded is what stands for letters outside ASCII that occur in names here.
const folded = "ÀAÁAÂAÃAÄAÅAÇCÈEÉEÊEËEÌIÍIÎIÏIÑNÒOÓOÔOÕOÖOØOÙUÚUÛUÜUÝY" +
	"àaáaâaãaäaåaçcèeéeêeëeìiíiîiïiñnòoóoôoõoöoøoùuúuûuüuýyÿy" +
	"ĀAāaĒEēeĪIīiŌOōoŪUūuŞSşsŠSšsŽZžz’'‘'ʼ'–-—-"

// fold writes a name in ASCII; what has no letter there becomes a question mark.
func fold(name string) string {
	pairs := []rune(folded)
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf {
			return r
		}
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == r {
				return pairs[i+1]
			}
		}
		return '?'
	}, name)
}
