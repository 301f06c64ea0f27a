// Package settings keeps what the agency has set for this agent, and tries it: what is
// new is applied, has to prove itself by contact with the hub, and is otherwise undone.
//
// It knows one file. It must not know what a setting means, nor how the hub is reached:
// both are asked of whoever made it.
//
// Beware: a trial is counted before it begins. Settings with which the agent does not
// even start are left after a few starts, with nobody there to judge them.
package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/durable"
)

// file of the data folder.
const file = "settings.json"

// Reasons why settings were not taken or not kept; their sentences are in the catalogue
// under "condition." with conditionRefused before them.
const (
	ReasonUnreadable = "unreadable" // this agent cannot make sense of them
	ReasonNoHub      = "no-hub"     // with them the hub was not reached
	ReasonNoStart    = "no-start"   // with them the agent did not stay up
)

// ErrRestart ends Run: the agent is to start again, with what Text says then.
var ErrRestart = errors.New("start again with other settings")

// Options are what settings are tried with. All but the times are needed.
type Options struct {
	Dir    string
	Check  func(text string) error // of settings that the agent cannot take
	Log    *slog.Logger
	Limit  time.Duration // in which the hub has to be reached; default 10 minutes
	Starts int           // with which the hub has to be reached; default 3
}

// Settings is safe for concurrent use. Open it once for each start of the agent.
type Settings struct {
	o       Options
	restart chan struct{} // capacity 1: what is saved asks for another start

	mu     sync.Mutex // guards saved
	saved  saved
	broken error // of the file that could not be read at Open
}

// saved is what survives a start.
type saved struct {
	Current held     `json:"current"` // has proven itself
	Trying  *trial   `json:"trying,omitempty"`
	Refused *refusal `json:"refused,omitempty"` // the newest, as long as nothing newer came
}

// held is settings as they came.
type held struct {
	Order protocol.Seq `json:"order"`
	Text  string       `json:"text"`
}

// trial is settings that have yet to prove themselves.
type trial struct {
	held
	Starts int           `json:"starts"` // with them so far
	Up     time.Duration `json:"up"`     // while there was a network
}

// refusal is why settings were not kept.
type refusal struct {
	Order  protocol.Seq `json:"order"`
	Reason string       `json:"reason"`
	Detail string       `json:"detail,omitempty"`
}

// Open reads what is kept, and counts this start. A file with which nothing can be done is
// set aside, and the agent's own configuration counts alone.
func Open(o Options) (*Settings, error) {
	if o.Limit == 0 {
		o.Limit = 10 * time.Minute
	}
	if o.Starts == 0 {
		o.Starts = 3
	}
	s := &Settings{o: o, restart: make(chan struct{}, 1)}
	path := filepath.Join(o.Dir, file)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	if s.broken = json.Unmarshal(text, &s.saved); s.broken != nil {
		o.Log.Error("the settings of the agency cannot be read and are set aside; the agent's own file counts", "error", s.broken)
		s.saved = saved{}
		if err := durable.SetAside(path); err != nil {
			o.Log.Error("the settings that cannot be read stay where they are", "error", err)
		}
		return s, nil
	}
	s.start()
	return s, nil
}

// start counts a start, and settles what can be settled without the hub. Where the disk
// refuses, what has proven itself runs: a trial that cannot be counted might never end.
func (s *Settings) start() {
	next := s.saved
	if t := next.Trying; t != nil {
		counted := *t
		counted.Starts++
		next.Trying = &counted
		switch err := s.o.Check(t.Text); {
		case err != nil:
			next = next.refuse(t.Order, ReasonUnreadable, err)
		case counted.Starts > s.o.Starts:
			next = next.refuse(t.Order, ReasonNoStart, nil)
		}
	}
	if err := s.o.Check(next.Current.Text); err != nil { // of a newer version of the agent, which is gone
		next = saved{Trying: next.Trying}.refuse(next.Current.Order, ReasonUnreadable, err)
	}
	if next == s.saved {
		return
	}
	if err := s.save(next); err != nil {
		s.o.Log.Error("settings are not tried, for this start cannot be counted", "error", err)
		next.Trying = nil
		s.saved = next
	}
}

// refuse is s without the trial, and with why.
func (s saved) refuse(order protocol.Seq, reason string, cause error) saved {
	s.Trying = nil
	s.Refused = &refusal{Order: order, Reason: reason}
	if cause != nil {
		detail := []rune(cause.Error())
		for len(string(detail)) > protocol.MaxConfigDetail {
			detail = detail[:len(detail)-1]
		}
		s.Refused.Detail = string(detail)
	}
	return s
}

// save makes next what is kept, once it is on disk.
func (s *Settings) save(next saved) error {
	text, err := json.Marshal(next)
	if err == nil {
		err = durable.Write(filepath.Join(s.o.Dir, file), text)
	}
	if err != nil {
		return fmt.Errorf("keep settings: %w", err)
	}
	s.saved = next
	return nil
}

// Text is the settings that count in this start; empty for none.
func (s *Settings) Text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.saved.Trying != nil {
		return s.saved.Trying.Text
	}
	return s.saved.Current.Text
}

// State is what the hub is told.
func (s *Settings) State() protocol.ConfigState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.saved.state()
}

func (s saved) state() protocol.ConfigState {
	state := protocol.ConfigState{Order: s.Current.Order}
	if s.Trying != nil {
		state.Trying = s.Trying.Order
	}
	if s.Refused != nil {
		state.Refused, state.Reason, state.Detail = s.Refused.Order, s.Refused.Reason, s.Refused.Detail
	}
	return state
}

// conditionRefused begins the codes of conditions; a reason ends them.
const conditionRefused = "config-"

// Conditions are what a person should know: that the newest settings do not count.
func (s *Settings) Conditions() []protocol.Condition {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.saved.Refused
	if r == nil {
		return nil
	}
	c := protocol.Condition{Code: conditionRefused + r.Reason, Severity: protocol.SeverityWarning}
	if r.Detail != "" {
		c.Args = map[string]string{"cause": r.Detail}
	}
	return []protocol.Condition{c}
}
