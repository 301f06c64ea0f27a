package protocol

import (
	"fmt"
	"unicode/utf8"
)

// Config is the body of a config message: what the agency has set for a site's agent. Its
// envelope's Seq is (generation, revision).
type Config struct {
	// Settings is TOML of the form of the agent's own file, and wins over it. It has no
	// secrets: operators read it. Empty: the file alone counts.
	Settings string `json:"settings"`
}

// MaxSettings is the size of settings at most, in bytes.
const MaxSettings = 32 << 10

// Check reports a config that cannot be one.
func (c Config) Check() error {
	if len(c.Settings) > MaxSettings || !utf8.ValidString(c.Settings) {
		return fmt.Errorf("settings of %d bytes that are too long or no text", len(c.Settings))
	}
	return nil
}

// ConfigState is how far a site is with its config, as its agent tells it.
type ConfigState struct {
	Order   Seq    `json:"order"`            // of the config that it runs and that has proven itself; zero: its own file alone
	Trying  Seq    `json:"trying,omitzero"`  // of one that runs and has yet to prove itself
	Refused Seq    `json:"refused,omitzero"` // of the newest that it went back from or never took
	Reason  string `json:"reason,omitempty"` // why, a code
	Detail  string `json:"detail,omitempty"` // what is wrong with the text, for an engineer
}

// Bounds of what an agent tells of a refused config.
const (
	maxConfigReason = 64
	MaxConfigDetail = 1024
)

// Check reports a state that cannot be one.
func (c ConfigState) Check() error {
	if len(c.Reason) > maxConfigReason || len(c.Detail) > MaxConfigDetail {
		return fmt.Errorf("refusal of a config with a reason of %d and a detail of %d bytes", len(c.Reason), len(c.Detail))
	}
	return nil
}

// Newest is the order of the newest config that the agent has heard of.
func (c ConfigState) Newest() Seq {
	newest := c.Order
	for _, order := range []Seq{c.Trying, c.Refused} {
		if newest.Less(order) {
			newest = order
		}
	}
	return newest
}
