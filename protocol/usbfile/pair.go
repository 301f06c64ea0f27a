package usbfile

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Pair is a user file and a template file of exactly one terminal, complete. Whether a
// terminal joins the two by slot or by PIN is not known for every model: files of two
// terminals together can give one person's finger to another.
type Pair struct {
	Terminal  string // of which both are, as the caller knows it
	Users     UserFile
	Templates TemplateFile
}

// Errors of pairs.
var (
	ErrMixture    = errors.New("the files are not of one terminal, or not of one moment")
	ErrIncomplete = errors.New("a part of the file is lost")
)

// Place is where a template belongs.
type Place struct {
	Slot   uint16
	Finger uint8
}

// Orphans are the places of templates whose slot has no user, in order: those of somebody
// whom the terminal has let go of halfway, or the sign of a mixture.
func (p Pair) Orphans() []Place {
	slots := map[uint16]bool{}
	for _, u := range p.Users.Users {
		slots[u.Slot] = true
	}
	orphans := map[Place]bool{}
	for _, t := range p.Templates.Templates {
		if !slots[t.Slot] {
			orphans[Place{t.Slot, t.Finger}] = true
		}
	}
	return slices.SortedFunc(maps.Keys(orphans), func(a, b Place) int {
		return (int(a.Slot)-int(b.Slot))*10 + int(a.Finger) - int(b.Finger)
	})
}

// Fingers is how many templates each slot has, those without any too.
func (p Pair) Fingers() map[uint16]int {
	count := map[uint16]int{}
	for _, u := range p.Users.Users {
		count[u.Slot] = 0
	}
	for _, t := range p.Templates.Templates {
		count[t.Slot]++
	}
	return count
}

// Unambiguous reports two records for one slot, one PIN or one finger, and templates
// that say that they are of the other algorithm: nobody knows which of them counts.
func (p Pair) Unambiguous() error {
	slots, pins := map[uint16]bool{}, map[string]bool{}
	for _, u := range p.Users.Users {
		if slots[u.Slot] || pins[u.PIN] {
			return fmt.Errorf("slot %d, or its PIN, stands twice among the users: %w", u.Slot, ErrMixture)
		}
		slots[u.Slot], pins[u.PIN] = true, true
	}
	places := map[Place]bool{}
	for _, t := range p.Templates.Templates {
		at := Place{t.Slot, t.Finger}
		if places[at] {
			return fmt.Errorf("finger %d of slot %d stands twice among the templates: %w", t.Finger, t.Slot, ErrMixture)
		}
		if p.Templates.Algorithm == Algorithm9 && says10(t.Data.Bytes()) {
			return fmt.Errorf("finger %d of slot %d is of algorithm 10 in a file of algorithm 9: %w", t.Finger, t.Slot, ErrMixture)
		}
		places[at] = true
	}
	return nil
}

// says10 tells whether a template has the mark that many of algorithm 10 have.
func says10(data []byte) bool { return len(data) >= 10 && bytes.Equal(data[2:6], []byte("SS21")) }

// Check reports what keeps a pair from being written to its terminal.
func (p Pair) Check() error {
	switch orphans := p.Orphans(); {
	case p.Terminal == "":
		return fmt.Errorf("of no named terminal: %w", ErrMixture)
	case len(p.Users.Lost)+len(p.Templates.Lost) > 0:
		return fmt.Errorf("%d places of users and %d of templates: %w", len(p.Users.Lost), len(p.Templates.Lost), ErrIncomplete)
	case len(orphans) > 0:
		return fmt.Errorf("%d templates of slots without a user, the first of slot %d: %w", len(orphans), orphans[0].Slot, ErrMixture)
	}
	return p.Unambiguous()
}

// Files writes both files, of which the terminal reads each by its name; see Check. Both
// hold secrets in clear.
func (p Pair) Files() (users, templates Secret, err error) {
	if err = p.Check(); err != nil {
		return users, templates, fmt.Errorf("write files for terminal %s: %w", p.Terminal, err)
	}
	first, err := p.Users.Append(nil)
	if err != nil {
		return users, templates, fmt.Errorf("write %s: %w", UsersName, err)
	}
	second, err := p.Templates.Append(nil)
	if err != nil {
		return users, templates, fmt.Errorf("write %s: %w", p.Templates.Algorithm.TemplatesName(), err)
	}
	return Secret{func() []byte { return first }}, Secret{func() []byte { return second }}, nil
}

// Forget overwrites what is secret in both. The pair is not to be used afterwards.
func (p Pair) Forget() {
	p.Users.Forget()
	p.Templates.Forget()
}
