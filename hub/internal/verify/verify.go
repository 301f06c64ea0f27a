// Package verify proves that a hub's database holds what the agents signed and
// what persons decided: nothing changed, left out or put in. It also takes the
// evidence of one site and month out for an auditor, and checks such a file with
// public keys alone.
//
// It knows the store's rows and the contract. It must not change anything, and
// believes no column that it can compute.
//
// Beware: it names single changes. Whoever rewrites a whole chain still cannot
// forge an agent's signature, but can cut the end off an epoch in all tables at
// once; the receipts that the agents hold show that.
package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Code says what is wrong with a record.
type Code string

// The codes of breaks.
const (
	Missing    Code = "missing"    // it must be there
	Extra      Code = "extra"      // nothing accounts for it
	Changed    Code = "changed"    // a column holds something else than it must
	Unreadable Code = "unreadable" // a column holds no such thing at all
	Unsigned   Code = "unsigned"   // no key of its site has signed it
)

// Break is one record that is not as it must be.
type Break struct {
	Table  string
	Site   protocol.SiteID // empty where it concerns none
	Epoch  protocol.Hash   // zero where it concerns none
	Seq    uint64          // of the record; for a segment its last; elsewhere the row's number
	Column string          // empty: the whole row
	Code   Code
	Detail string // for developers, in English
}

func (b Break) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s %s", b.Table, b.Code)
	if b.Column != "" {
		fmt.Fprintf(&s, ": column %s", b.Column)
	}
	if b.Site != "" {
		fmt.Fprintf(&s, ", site %s", b.Site)
	}
	if !b.Epoch.IsZero() {
		fmt.Fprintf(&s, ", epoch %s", b.Epoch)
	}
	if b.Seq != 0 {
		fmt.Fprintf(&s, ", number %d", b.Seq)
	}
	if b.Detail != "" {
		fmt.Fprintf(&s, " (%s)", b.Detail)
	}
	return s.String()
}

// Report counts what was looked at.
type Report struct {
	Sites, Terminals, Epochs, Segments, Forks, Sightings int64
	Breaks                                               int64
}

// Verify looks at everything in the database as it is at one moment, while the
// hub may go on, and calls found for every break, in the order in which it meets
// them. Memory does not grow with the number of records.
func Verify(ctx context.Context, s *store.Store, found func(Break)) (Report, error) {
	e, err := s.Evidence(ctx)
	if err != nil {
		return Report{}, err
	}
	defer e.Close() // it only reads
	v := &verifier{evidence: e, found: found}
	for _, part := range []func(context.Context) error{v.decisions, v.states, v.epochs} {
		if err := part(ctx); err != nil {
			return v.report, fmt.Errorf("verify: %w", err)
		}
	}
	return v.report, nil
}

// Store is Verify for those who only want to know whether to go on: the error
// tells the first breaks.
func Store(ctx context.Context, s *store.Store) error {
	var first []string
	report, err := Verify(ctx, s, func(b Break) {
		if len(first) < 5 {
			first = append(first, b.String())
		}
	})
	if err != nil {
		return err
	}
	if report.Breaks > 0 {
		return fmt.Errorf("%w: %d, first %s", ErrBroken, report.Breaks, strings.Join(first, "; "))
	}
	return nil
}

// ErrBroken says that records are not as they must be.
var ErrBroken = errors.New("the database has been changed")

// verifier goes through one database.
type verifier struct {
	evidence  *store.Evidence
	found     func(Break)
	report    Report
	decided   decided
	terminals map[int64]store.TerminalRow
	used      map[int64]bool  // terminals that a sighting names rightly
	counted   map[int64]int64 // sightings by terminal
}

func (v *verifier) broken(b Break) {
	v.report.Breaks++
	v.found(b)
}

// unreadable turns a row that cannot be read into a break; every other error
// ends the verification.
func (v *verifier) unreadable(b Break, err error) error {
	var row *store.UnreadableRow
	if !errors.As(err, &row) {
		return err
	}
	b.Table, b.Code, b.Detail = row.Table, Unreadable, row.Cause.Error()
	v.broken(b)
	return nil
}
