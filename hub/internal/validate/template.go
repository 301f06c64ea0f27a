package validate

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// stands tells whether the terminal's template is the wanted one; what it made of
// that one by itself is as good.
func stands(h roster.HeldFinger, want roster.Finger) bool {
	return h.Number == want.Number && h.Algorithm == want.Algorithm && (h.Digest == want.Digest || h.For == want.Digest)
}

func count(n int) string { return strconv.Itoa(n) }

// owners are those whose template it is in the vault, by the hub's PIN.
func (f *finder) owners(h roster.HeldFinger) []string {
	if owners := f.Known.owners[h.For]; len(owners) > 0 {
		return owners
	}
	return f.Known.owners[h.Digest]
}

// holder is a user with one of their templates.
type holder struct {
	user   *user
	finger roster.HeldFinger
}

// twice finds templates that are under two PINs (h): a finding for each user but
// the one whose template it is.
func (f *finder) twice() {
	holders := make(map[protocol.Hash][]holder, 3*len(f.users))
	var shared []protocol.Hash // in the order in which they are met
	for _, u := range f.users {
		for _, h := range u.Fingers {
			keys := []protocol.Hash{h.Digest, h.For}
			if h.For.IsZero() || h.For == h.Digest {
				keys = keys[:1]
			}
			for _, key := range keys {
				if len(holders[key]) == 1 {
					shared = append(shared, key)
				}
				holders[key] = append(holders[key], holder{u, h})
			}
		}
	}
	type pair struct{ user, rightful *user }
	fingers := map[pair][]int{}
	var pairs []pair
	for _, key := range shared {
		all := holders[key]
		rightful := slices.MinFunc(all, func(a, b holder) int {
			return cmp.Or(cmp.Compare(f.claim(a), f.claim(b)), cmp.Compare(a.user.Slot, b.user.Slot))
		}).user
		for _, c := range all {
			p := pair{c.user, rightful}
			if c.user == rightful || slices.Contains(fingers[p], int(c.finger.Number)) {
				continue
			}
			if fingers[p] == nil {
				pairs = append(pairs, p)
			}
			fingers[p] = append(fingers[p], int(c.finger.Number))
			c.user.name(c.finger.Number)
		}
	}
	for _, p := range pairs {
		acts := []Act{ActDelete, ActEnrol, ActAccept}
		if p.user.entry != nil && f.wanted(p.user, p.rightful) {
			acts = []Act{ActEnrol, ActAccept} // the vault has it as a finger of both: the roster ends nothing
		}
		f.add(p.user, Twice, Finding{Code: SameTemplate, Other: p.rightful.Held.PIN, Fingers: fingers[p], Acts: acts})
		p.user.told = p.user.told || p.user.entry == nil
	}
}

// claim orders the holders of a template: the rightful one first.
func (f *finder) claim(c holder) int {
	rank := 0
	if !slices.Contains(f.owners(c.finger), c.user.person) {
		rank += 2
	}
	if c.user.entry == nil {
		rank++
	}
	return rank
}

// wanted tells whether the roster names one template for both users.
func (f *finder) wanted(a, b *user) bool {
	return b.entry != nil && slices.ContainsFunc(a.entry.Fingers, func(x roster.Finger) bool {
		return slices.ContainsFunc(b.entry.Fingers, func(y roster.Finger) bool { return x.Digest == y.Digest })
	})
}

// foreign finds a PIN under which another person's fingers are (e): one finding for
// each such person.
func (f *finder) foreign(u *user) {
	if u.person == "" || u.told {
		return
	}
	fingers, own := map[string][]int{}, false
	var whose []string
	for _, h := range u.Fingers {
		owners := f.owners(h)
		if slices.Contains(owners, u.person) {
			own = true
			continue
		}
		if len(owners) == 0 || u.named[h.Number] {
			continue
		}
		if fingers[owners[0]] == nil {
			whose = append(whose, owners[0])
		}
		fingers[owners[0]] = append(fingers[owners[0]], int(h.Number))
		u.name(h.Number)
	}
	for _, other := range whose {
		n := Finding{Code: FingerOfOther, Other: other, Fingers: fingers[other], Acts: []Act{ActDelete, ActEnrol, ActAccept}}
		if u.entry == nil && !own {
			n.Acts = []Act{ActMap, ActDelete, ActAccept}
			f.found[other] = true
		}
		f.add(u, Foreign, n)
	}
	// With no finger of its owner under the PIN, all else about the user is the other's.
	u.told = len(whose) > 0 && (u.entry == nil || !own)
}

// fingers finds what is wrong with the templates of who belongs here: algorithm (j),
// template (g) and number of fingers (f).
func (f *finder) fingers(u *user) {
	if len(u.entry.Fingers) == 0 {
		if len(u.Fingers) == 0 {
			f.add(u, Fingers, Finding{Code: NoFinger, Acts: []Act{ActEnrol, ActAccept}})
		}
		return // nothing is stored: what the terminal holds waits to be accepted
	}
	held := map[uint8]roster.HeldFinger{}
	for _, h := range u.Fingers {
		held[h.Number] = h
	}
	by := map[Code][]int{}
	named := map[uint8]bool{}
	for _, want := range u.entry.Fingers {
		if named[want.Number] {
			continue
		}
		named[want.Number] = true
		h, here := held[want.Number]
		want, fits := f.choose(u.entry, want)
		switch {
		case u.named[want.Number]:
		case !fits:
			by[AlgorithmMismatch] = append(by[AlgorithmMismatch], int(want.Number))
		case !here && !u.told:
			by[FingersMissing] = append(by[FingersMissing], int(want.Number))
		case here && !stands(h, want):
			code := f.difference(u, h)
			by[code] = append(by[code], int(want.Number))
		}
	}
	for _, h := range u.Fingers {
		if named[h.Number] || u.named[h.Number] {
			continue
		}
		code := f.difference(u, h)
		if code == TemplateDiffers {
			code = TemplateExtra
		}
		by[code] = append(by[code], int(h.Number))
	}
	// A stored finger that is here under another number is not missing as well.
	if len(by[TemplateMoved]) > 0 {
		by[FingersMissing] = slices.DeleteFunc(by[FingersMissing], func(number int) bool {
			return slices.ContainsFunc(u.entry.Fingers, func(want roster.Finger) bool {
				return int(want.Number) == number && slices.ContainsFunc(u.Fingers, func(h roster.HeldFinger) bool {
					return h.Digest == want.Digest || h.For == want.Digest
				})
			})
		})
	}
	for _, row := range []struct {
		class Class
		code  Code
		acts  []Act
	}{
		{Algorithm, AlgorithmMismatch, []Act{ActEnrol, ActAccept}},
		{Template, TemplateDiffers, []Act{ActAdd, ActEnrol, ActAccept}},
		{Template, TemplateOlder, []Act{ActAdd, ActAccept}},
		{Template, TemplateMoved, []Act{ActAdd, ActAccept}},
		{Template, TemplateExtra, []Act{ActDelete, ActAccept}},
		{Fingers, FingersMissing, []Act{ActAdd, ActAccept}},
	} {
		if len(by[row.code]) > 0 {
			f.add(u, row.class, Finding{Code: row.code, Fingers: by[row.code], Acts: row.acts})
		}
	}
}

// choose is the stored template of a finger that the terminal reads; false where
// there is none.
func (f *finder) choose(e *roster.Entry, want roster.Finger) (roster.Finger, bool) {
	if f.algorithm == 0 {
		return want, true // neither it nor anything on it tells: any will do
	}
	for _, o := range e.Fingers {
		if o.Number == want.Number && o.Algorithm == f.algorithm {
			return o, true
		}
	}
	return want, false
}

// difference says what a template is that the roster does not name under its number.
func (f *finder) difference(u *user, h roster.HeldFinger) Code {
	for _, want := range u.entry.Fingers {
		if h.Digest == want.Digest || h.For == want.Digest {
			return TemplateMoved
		}
	}
	if slices.Contains(f.owners(h), u.person) {
		return TemplateOlder
	}
	return TemplateDiffers
}
