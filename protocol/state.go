package protocol

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// State is the body of a state message: how a site is. Its envelope's Seq is
// (boot number, ConnectionCounter).
type State struct {
	Status     Status          `json:"status"`
	Boot       string          `json:"boot"` // random id of this start of the agent; two with one boot number are two agents
	Key        seal.PublicKey  `json:"key"`  // the agent's; the hub compares its fingerprint with the admitted one
	Version    string          `json:"version"`
	Clock      ClockState      `json:"clock"`
	Epoch      Hash            `json:"epoch"`
	Last       uint64          `json:"last"` // last sequence of the epoch, 0 for none
	Backlog    Backlog         `json:"backlog"`
	Capacity   Capacity        `json:"capacity"`
	Receipt    json.RawMessage `json:"receipt"` // the newest receipt message as the hub signed it, or null
	Conditions []Condition     `json:"conditions"`
	Terminals  []Terminal      `json:"terminals"`
	// Rosters is of each configured terminal the roster that is here whole. An agent of
	// before says nothing of it.
	Rosters []HeldRoster `json:"rosters,omitempty"`
	// Release is how far the newest order of a release is; nil: none was given.
	Release *ReleaseState `json:"release,omitempty"`
	Config  ConfigState   `json:"config,omitzero"`
}

// HeldRoster is the order of the newest roster of one terminal that its agent could
// open; zero: none since it started.
type HeldRoster struct {
	Serial Serial `json:"serial"`
	Order  Seq    `json:"order"`
}

// Status is how an agent is. Lost is written by the broker as the last will: a
// hint, until missed intervals confirm it.
type Status string

// The states of an agent (after the Homie convention).
const (
	StatusInit         Status = "init"
	StatusReady        Status = "ready"
	StatusSleeping     Status = "sleeping"
	StatusDisconnected Status = "disconnected"
	StatusLost         Status = "lost"
)

// ClockState is how far an agent's clock is to be trusted.
type ClockState string

// Synchronised by NTP or a fresh hub message in this boot; otherwise held: a
// lower bound only.
const (
	ClockSynchronised ClockState = "synchronised"
	ClockHeld         ClockState = "held"
)

// Backlog is what waits for a receipt.
type Backlog struct {
	Punches uint64     `json:"punches"`
	Oldest  *time.Time `json:"oldest"` // when the oldest of them was buffered; null when none waits
}

// Capacity is the room of the agent's buffer.
type Capacity struct {
	UsedBytes int64 `json:"used_bytes"`
	MaxBytes  int64 `json:"max_bytes"`
	DaysLeft  int   `json:"days_left"` // at the pace of the last weeks; -1 when not known yet
}

// Severity is how much a condition matters.
type Severity string

// Info needs nobody, warning needs somebody soon, error needs somebody now.
const (
	SeverityInfo    Severity = "info"
	SeverityWarning Severity = "warning"
	SeverityError   Severity = "error"
)

// Condition is a declared state of health. Its sentence for people is in the
// catalogue (package phrase) under "condition." + Code.
type Condition struct {
	Code     string            `json:"code"`
	Severity Severity          `json:"severity"`
	Subject  string            `json:"subject"` // a terminal's serial or address, or empty
	Since    *time.Time        `json:"since"`
	Args     map[string]string `json:"args,omitempty"`
}

// Terminal is the health of one terminal as its agent sees it.
type Terminal struct {
	Serial    Serial     `json:"serial"`
	Address   string     `json:"address"`
	Model     string     `json:"model"`
	Firmware  string     `json:"firmware"`
	Algorithm string     `json:"algorithm"`
	Users     Fill       `json:"users"`
	Fingers   Fill       `json:"fingers"`
	Logs      Fill       `json:"logs"`
	Offset    Offset     `json:"offset"`     // terminal's clock minus the agent's, seconds
	Watermark LocalTime  `json:"watermark"`  // time of the newest punch read; empty for none
	LastRead  *time.Time `json:"last_read"`  // last complete read
	Proof     string     `json:"proof"`      // count or repeat: how that read was proven complete
	LastError string     `json:"last_error"` // code of the last failed read, empty since the last good one
}

// Fill is how full one of a terminal's memories is. Capacity 0 is unknown.
type Fill struct {
	Used     int `json:"used"`
	Capacity int `json:"capacity"`
}

// Check reports a state that cannot be one.
func (s State) Check() error {
	switch s.Status {
	case StatusInit, StatusReady, StatusSleeping, StatusDisconnected, StatusLost:
	default:
		return fmt.Errorf("unknown status %q", s.Status)
	}
	if s.Key.IsZero() {
		return errors.New("state without the agent's key")
	}
	if len(s.Conditions) > 256 || len(s.Terminals) > 64 || len(s.Rosters) > 64 {
		return errors.New("state with more conditions or terminals than one site can have")
	}
	if s.Release != nil {
		if err := s.Release.Check(); err != nil {
			return err
		}
	}
	return s.Config.Check()
}
