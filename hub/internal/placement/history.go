package placement

import (
	"sort"

	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Dated is a value that holds from a day on, until the next one.
type Dated[T any] struct {
	From  roster.Date
	Value T
}

// History is how a value changed, by day.
type History[T any] []Dated[T]

// At is the value on a day; false before the first.
func (h History[T]) At(day roster.Date) (value T, found bool) {
	i := sort.Search(len(h), func(i int) bool { return h[i].From > day })
	if i == 0 {
		return value, false
	}
	return h[i-1].Value, true
}

// Near is the value on a day, or before the first one that: a person who is
// registered ahead has a name today.
func (h History[T]) Near(day roster.Date) (value T) {
	value, found := h.At(day)
	if !found && len(h) > 0 {
		return h[0].Value
	}
	return value
}

// Period is the days From <= day < To.
type Period struct {
	From roster.Date
	To   roster.Date
}

// Holds tells whether a day lies in the period.
func (p Period) Holds(day roster.Date) bool { return p.From <= day && day < p.To }

// Meets tells whether two periods share a day.
func (p Period) Meets(o Period) bool { return p.From < o.To && o.From < p.To }
