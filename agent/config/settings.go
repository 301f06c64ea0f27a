package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// With is c with what the agency has set, in the form of the agent's own file. What makes
// an agent itself stays as it is, and so do the communication keys of its terminals,
// which are never set from afar.
func (c Config) With(settings string) (Config, error) {
	var set Config
	meta, err := toml.Decode(settings, &set)
	if err != nil {
		return Config{}, fmt.Errorf("%w of the agency: %w", ErrConfig, err)
	}
	var wrong []error
	// The reader of TOML takes "Root" for "root"; what is judged by name below does not.
	unknown := append(meta.Undecoded(), slices.DeleteFunc(meta.Keys(), spelled)...)
	for _, key := range unknown {
		wrong = append(wrong, fmt.Errorf("unknown key %q: this version of the agent does not have it", key))
	}
	for _, own := range [][]string{{"site"}, {"data"}, {"hub", "root"}, {"hub", "broker"}} {
		if meta.IsDefined(own...) {
			wrong = append(wrong, fmt.Errorf("%s: is the agent's own and cannot be set", toml.Key(own)))
		}
	}
	if slices.ContainsFunc(set.Terminals, func(t Terminal) bool { return t.CommKey != 0 }) {
		wrong = append(wrong, errors.New("terminal.comm_key: is secret and cannot be set"))
	}
	if len(wrong) > 0 {
		return Config{}, fmt.Errorf("%w of the agency: %w", ErrConfig, errors.Join(wrong...))
	}
	before := c.Terminals
	// A list is replaced whole: decoding into one that is there would mix the two.
	if meta.IsDefined("terminal") {
		c.Terminals = nil
	}
	if meta.IsDefined("apply", "rush") {
		c.Apply.Rush = nil
	}
	if meta.IsDefined("finder", "subnets") {
		c.Finder.Subnets = nil
	}
	if _, err := toml.Decode(settings, &c); err != nil {
		return Config{}, fmt.Errorf("%w of the agency: %w", ErrConfig, err)
	}
	for i, t := range c.Terminals {
		if n := slices.IndexFunc(before, func(b Terminal) bool { return b.Serial == t.Serial }); n >= 0 {
			c.Terminals[i].CommKey = before[n].CommKey
		}
	}
	if wrong := c.complete(""); len(wrong) > 0 {
		return Config{}, fmt.Errorf("%w of the agency: %w", ErrConfig, errors.Join(wrong...))
	}
	return c, nil
}

// spelled reports whether a key is written as keys of this file are.
func spelled(key toml.Key) bool {
	return strings.Trim(strings.Join(key, ""), "abcdefghijklmnopqrstuvwxyz_") == ""
}
