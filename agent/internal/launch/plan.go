// Package launch decides which program is the agent: the packaged one, or a release that
// was put into the data folder. The packaged program asks it first, and gives its process
// to the one that is named.
//
// It knows the folder of programs and its plan. It must not know where programs come
// from, the hub or a terminal: that is package release's.
//
// Beware: whatever is wrong with the plan or with a program in it, the packaged program
// starts. A start of a program that has not proven itself is on disk before it begins, or
// a program that ends at once would be started for ever.
package launch

import (
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Program is one release's program in the folder, where its digest is its name.
type Program struct {
	SHA256  protocol.Hash    `json:"sha256"`
	Version protocol.Edition `json:"version"`
	// Over is the version of the packaged program at that time: a newer package than that
	// was installed by somebody who wants it to run.
	Over  string       `json:"over"`
	Order protocol.Seq `json:"order"` // by which the agency asked for it
}

// Needs is what the program before could do, and the next one has to show: nobody proves
// more than there was.
type Needs struct {
	Terminal bool `json:"terminal"` // it had read a terminal
	Hub      bool `json:"hub"`      // it had heard the hub
}

// Plan says which program is the agent. The zero value is the packaged one.
type Plan struct {
	Current *Program  `json:"current,omitempty"` // has proven itself; nil: the packaged one
	Trying  *Program  `json:"trying,omitempty"`  // has not yet
	Needs   Needs     `json:"needs"`             // of Trying
	Starts  int       `json:"starts"`            // of Trying, since it last ran for Steady
	Up      Seconds   `json:"up_seconds"`        // of Trying, while the hub could be reached
	Total   Seconds   `json:"total_seconds"`     // of Trying, altogether
	Refused []Refused `json:"refused,omitempty"` // the last few, the newest last
}

// Seconds is a time that was counted while the program ran.
type Seconds int64

// Refused is a program that is not run any more.
type Refused struct {
	Program
	Reason Reason `json:"reason"`
}

// Reason is why a program is not run. Its sentence is that of the condition
// "release-refused-" + reason.
type Reason string

// The reasons that a plan can have.
const (
	Starts   Reason = "starts"   // it ended again and again
	Damaged  Reason = "damaged"  // it is not what was signed
	Exec     Reason = "exec"     // the system does not start it
	Unproven Reason = "unproven" // it did not prove itself, and could not say of what
	Terminal Reason = "terminal" // it read no terminal
	Hub      Reason = "hub"      // it did not hear the hub
)

// Bounds of a trial.
const (
	MaxStarts  = 3                // without a proof and without Steady in between
	Steady     = 10 * time.Minute // a program that ran so long does not end by itself: only a machine that is turned off does
	Limit      = 15 * time.Minute // while the hub could be reached
	TotalLimit = 24 * time.Hour   // also where it could not: perhaps it is the program that cannot
	maxRefused = 8
)

// Try has a program tried in place of what runs.
func (p Plan) Try(next Program, needs Needs) Plan {
	p.Trying, p.Needs = &next, needs
	p.Starts, p.Up, p.Total = 0, 0, 0
	return p
}

// Launch decides what to start, and what to write down before. run is nil for the
// packaged program. fit reports what is wrong with a program's file.
func (p Plan) Launch(packaged string, fit func(Program) error) (next Plan, run *Program) {
	if p.Trying != nil {
		switch {
		case outdated(*p.Trying, packaged):
			p = p.drop()
		case p.Overdue():
			p = p.Refuse(Unproven)
		case p.Starts >= MaxStarts:
			p = p.Refuse(Starts)
		case fit(*p.Trying) != nil:
			p = p.Refuse(Damaged)
		default:
			p.Starts++
			return p, p.Trying
		}
	}
	if p.Current != nil {
		switch {
		case outdated(*p.Current, packaged):
			p.Current = nil
		case fit(*p.Current) != nil:
			p = p.retire(Damaged)
		}
	}
	return p, p.Current
}

// outdated reports whether a package was installed since that is to run instead.
func outdated(p Program, packaged string) bool {
	edition := protocol.EditionOf(packaged)
	return protocol.EditionOf(p.Over).Less(edition) && !edition.Less(p.Version)
}

// drop forgets the trial.
func (p Plan) drop() Plan {
	p.Trying, p.Needs, p.Starts, p.Up, p.Total = nil, Needs{}, 0, 0, 0
	return p
}

// Refuse ends the trial: what was before runs again.
func (p Plan) Refuse(reason Reason) Plan {
	if p.Trying == nil {
		return p
	}
	return p.refused(*p.Trying, reason).drop()
}

// retire ends the use of a program that had proven itself.
func (p Plan) retire(reason Reason) Plan {
	p = p.refused(*p.Current, reason)
	p.Current = nil
	return p
}

func (p Plan) refused(program Program, reason Reason) Plan {
	p.Refused = append(slices.Clone(p.Refused), Refused{program, reason})
	p.Refused = p.Refused[max(0, len(p.Refused)-maxRefused):]
	return p
}

// Failed ends the use of a program that the system did not start.
func (p Plan) Failed(program Program) Plan {
	switch {
	case p.Trying != nil && p.Trying.SHA256 == program.SHA256:
		return p.Refuse(Exec)
	case p.Current != nil && p.Current.SHA256 == program.SHA256:
		return p.retire(Exec)
	}
	return p
}

// Proven ends the trial well.
func (p Plan) Proven() Plan {
	if p.Trying == nil {
		return p
	}
	p.Current = p.Trying
	return p.drop()
}

// Passed counts time of the trial: since is how long this start of it lasts, ran the time
// since it was last counted.
func (p Plan) Passed(ran time.Duration, reachable bool, since time.Duration) Plan {
	p.Total += Seconds(ran / time.Second)
	if reachable {
		p.Up += Seconds(ran / time.Second)
	}
	if since >= Steady {
		p.Starts = 0
	}
	return p
}

// Overdue reports whether a trial has lasted too long.
func (p Plan) Overdue() bool {
	return p.Trying != nil && (p.Up >= Seconds(Limit/time.Second) || p.Total >= Seconds(TotalLimit/time.Second))
}

// Reject refuses a program that was never tried.
func (p Plan) Reject(program Program, reason Reason) Plan { return p.refused(program, reason) }

// Why is the reason for which an order's program was refused; empty for none.
func (p Plan) Why(order protocol.Seq) Reason {
	for _, r := range slices.Backward(p.Refused) {
		if r.Order == order {
			return r.Reason
		}
	}
	return ""
}
