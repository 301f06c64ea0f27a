// Package config reads the agent's file: which site this is, which hub it
// belongs to and which terminals stand in the office.
//
// It knows no other part of the agent. Beware: an unknown key is an error, not
// a warning, because a mistyped "every" would otherwise silently read once a day.
package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Config is the agent's file. Durations are written like "5m" or "30s".
type Config struct {
	Site      string     `toml:"site"`     // the site's id, as the hub knows it
	Data      string     `toml:"data"`     // the folder of key, buffer and socket
	Language  string     `toml:"language"` // id (default) or en
	Hub       Hub        `toml:"hub"`
	Buffer    Buffer     `toml:"buffer"`
	Apply     Apply      `toml:"apply"`
	Panel     Panel      `toml:"panel"`
	Finder    Finder     `toml:"finder"`
	Terminals []Terminal `toml:"terminal"`
}

// Hub is where punches go.
type Hub struct {
	Root    string `toml:"root"`    // fingerprint of the agency's root key: `sidik-provision root show`
	Address string `toml:"address"` // https://HOST:PORT of the hub's door for agents
	// Broker, tcp://HOST:PORT, is for an agent without certificates whose key was admitted
	// by hand: on one machine, or behind somebody else's encryption. Then Address is empty.
	Broker string `toml:"broker"`
}

// complete returns what is wrong with the way to the hub.
func (h *Hub) complete() (wrong []error) {
	switch {
	case h.Broker == "":
		if u, err := url.Parse(h.Address); err != nil || u.Host == "" || u.Scheme != "https" || strings.Trim(u.Path, "/") != "" {
			wrong = append(wrong, fmt.Errorf("hub.address: %q is no address of a hub: write it like https://hub.example.go.id:8443", h.Address))
		}
	case h.Address != "":
		wrong = append(wrong, errors.New("hub: write either address or broker; with an address the hub names its brokers itself"))
	default:
		if u, err := url.Parse(h.Broker); err != nil || u.Host == "" || u.Scheme != "tcp" {
			wrong = append(wrong, fmt.Errorf("hub.broker: %q is no broker address: write it like tcp://127.0.0.1:1883, or write hub.address instead", h.Broker))
		}
	}
	root, err := seal.ParseFingerprint(h.Root)
	if err != nil {
		return append(wrong, errors.New("hub.root: write the fingerprint of the agency's root key, as `sidik-provision root show` prints it"))
	}
	h.Root = string(root)
	return wrong
}

// Buffer is how much is kept on disk. Zero values take the defaults.
type Buffer struct {
	MaxMB         int64 `toml:"max_mb"`         // size of the file at most; default 256
	RetentionDays int   `toml:"retention_days"` // how long receipted punches stay; default 90
	RetainPunches int   `toml:"retain_punches"` // how many receipted punches stay; default 50 000
}

// Apply is how far the agent may go when it makes terminals hold their rosters.
type Apply struct {
	// Rush are the hours in which people come and go, and nothing is written to a
	// terminal, like ["06:30-08:00"]. Left out: DefaultRush. Empty: none.
	Rush []Span `toml:"rush"`
	// A plan that deletes more users within a week than both of these stops.
	MaxDeletedUsers   int `toml:"max_deleted_users"`   // default 5
	MaxDeletedPercent int `toml:"max_deleted_percent"` // of the terminal's users; default 10
}

// Span is a part of the day in the terminals' zone, in minutes since midnight.
type Span struct{ From, Until int }

// UnmarshalText reads "06:30-08:00".
func (s *Span) UnmarshalText(text []byte) error {
	from, until, _ := strings.Cut(string(text), "-")
	begins, err := time.Parse("15:04", from)
	ends, err2 := time.Parse("15:04", until)
	if err := errors.Join(err, err2); err != nil || !begins.Before(ends) {
		return fmt.Errorf("%q is no part of a day: write it like 06:30-08:00", text)
	}
	*s = Span{begins.Hour()*60 + begins.Minute(), ends.Hour()*60 + ends.Minute()}
	return nil
}

// DefaultRush is when people come, go to lunch and go home.
func DefaultRush() []Span {
	return []Span{{6*60 + 30, 8 * 60}, {11*60 + 30, 14 * 60}, {15*60 + 30, 17*60 + 30}}
}

// Calm tells whether terminals may be written to at t.
func (a Apply) Calm(t time.Time) bool {
	wall := protocol.Wall(t)
	minute := wall.Hour()*60 + wall.Minute()
	for _, s := range a.Rush {
		if minute >= s.From && minute < s.Until {
			return false
		}
	}
	return true
}

// Terminal is one fingerprint machine of the office.
type Terminal struct {
	Serial  string   `toml:"serial"`   // the machine must tell this serial number, or nothing is read
	Address string   `toml:"address"`  // HOST:PORT; the port is 4370 if left out. Left out whole: the agent finds it
	Network string   `toml:"network"`  // tcp (default) or udp
	CommKey uint32   `toml:"comm_key"` // 0 for none
	Every   Duration `toml:"every"`    // time between two scheduled reads; default 5m
	Live    *bool    `toml:"live"`     // listen for live events; default true

	// What a terminal does not say of itself.
	ReadOnly     bool `toml:"read_only"`     // its firmware takes no users
	UniqueFinger bool `toml:"unique_finger"` // it refuses one finger under two PINs
}

// Duration is a time.Duration in its text form.
type Duration time.Duration

// UnmarshalText reads "5m" and the like.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// Defaults of what the file leaves out.
const (
	DefaultEvery  = 5 * time.Minute
	DefaultPort   = "4370"
	defaultMaxMB  = 256
	defaultDays   = 90
	defaultKept   = 50_000
	shortestEvery = time.Second

	defaultDeleted        = 5
	defaultDeletedPercent = 10
)

// ErrConfig marks every error of the file's content: a person has to edit it.
var ErrConfig = errors.New("configuration")

// Load reads and checks the file. All that is wrong is told at once.
func Load(path string) (Config, error) {
	var c Config
	meta, err := toml.DecodeFile(path, &c)
	if err != nil {
		if _, missing := errors.AsType[*os.PathError](err); missing {
			return Config{}, fmt.Errorf("read configuration: %w", err)
		}
		return Config{}, fmt.Errorf("%w %s: %w", ErrConfig, path, err)
	}
	var wrong []error
	for _, key := range meta.Undecoded() {
		wrong = append(wrong, fmt.Errorf("unknown key %q: remove it or correct its spelling", key))
	}
	wrong = append(wrong, c.complete(filepath.Dir(path))...)
	if len(wrong) > 0 {
		return Config{}, fmt.Errorf("%w %s: %w", ErrConfig, path, errors.Join(wrong...))
	}
	return c, nil
}

// complete fills the defaults and returns everything that is wrong.
func (c *Config) complete(folder string) (wrong []error) {
	if _, err := protocol.ParseSiteID(c.Site); err != nil {
		wrong = append(wrong, fmt.Errorf("site: %w", err))
	}
	if c.Data == "" {
		wrong = append(wrong, errors.New("data: name the folder in which the agent keeps its key and punches"))
	} else if !filepath.IsAbs(c.Data) {
		c.Data = filepath.Join(folder, c.Data)
	}
	wrong = append(wrong, c.Hub.complete()...)
	c.Buffer.MaxMB = or(c.Buffer.MaxMB, defaultMaxMB)
	c.Buffer.RetentionDays = or(c.Buffer.RetentionDays, defaultDays)
	c.Buffer.RetainPunches = or(c.Buffer.RetainPunches, defaultKept)
	if c.Buffer.MaxMB < 4 || c.Buffer.RetentionDays < 1 || c.Buffer.RetainPunches < 1 {
		wrong = append(wrong, errors.New("buffer: max_mb must be at least 4, retention_days and retain_punches at least 1"))
	}
	if c.Apply.Rush == nil {
		c.Apply.Rush = DefaultRush()
	}
	c.Apply.MaxDeletedUsers = or(c.Apply.MaxDeletedUsers, defaultDeleted)
	c.Apply.MaxDeletedPercent = or(c.Apply.MaxDeletedPercent, defaultDeletedPercent)
	if c.Apply.MaxDeletedUsers < 0 || c.Apply.MaxDeletedPercent < 0 || c.Apply.MaxDeletedPercent > 100 {
		wrong = append(wrong, errors.New("apply: max_deleted_users must not be negative, max_deleted_percent between 0 and 100"))
	}
	wrong = append(wrong, c.Panel.check()...)
	wrong = append(wrong, c.Finder.complete()...)
	if len(c.Terminals) == 0 {
		wrong = append(wrong, errors.New("terminal: name at least one, in a [[terminal]] part with its serial"))
	}
	seen := map[string]bool{}
	for i := range c.Terminals {
		t := &c.Terminals[i]
		for _, err := range t.complete() {
			wrong = append(wrong, fmt.Errorf("terminal %d: %w", i+1, err))
		}
		if t.Address == "" && !*c.Finder.Scan {
			wrong = append(wrong, fmt.Errorf("terminal %d: address: write it like 192.168.1.201:4370, because finder.scan is off", i+1))
		}
		if seen[t.Serial] {
			wrong = append(wrong, fmt.Errorf("terminal %d: serial %s is named twice", i+1, t.Serial))
		}
		seen[t.Serial] = true
	}
	return wrong
}

func (t *Terminal) complete() (wrong []error) {
	if _, err := protocol.ParseSerial(t.Serial); err != nil {
		wrong = append(wrong, fmt.Errorf("serial: %w", err))
	}
	if t.Address == "" {
		// it is found by its serial number
	} else if _, _, err := net.SplitHostPort(t.Address); err != nil {
		t.Address = net.JoinHostPort(strings.Trim(t.Address, "[]"), DefaultPort)
	}
	switch t.Network = or(t.Network, "tcp"); t.Network {
	case "tcp", "udp":
	default:
		wrong = append(wrong, fmt.Errorf("network: %q is neither tcp nor udp", t.Network))
	}
	t.Every = or(t.Every, Duration(DefaultEvery))
	if time.Duration(t.Every) < shortestEvery {
		wrong = append(wrong, fmt.Errorf("every: %s is too short, the least is %s", time.Duration(t.Every), shortestEvery))
	}
	if t.Live == nil {
		live := true
		t.Live = &live
	}
	return wrong
}

// Lang is the language in which the agent speaks to people.
func (c Config) Lang() phrase.Lang { return phrase.ParseLang(c.Language) }

func or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}
