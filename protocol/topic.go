package protocol

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Kind says what a message is. It is the last level of the message's topic.
type Kind string

// The kinds of this version. Directions and retention are in the table below.
const (
	KindState   Kind = "state"   // up: how a site is; also the agent's last will
	KindPunches Kind = "punches" // up: a segment
	KindReceipt Kind = "receipt" // down: what the hub has stored durably
	KindHub     Kind = "hub"     // the hub's birth and will
	KindKeys    Kind = "keys"    // the hub's public keys

	KindRoster        Kind = "roster"         // down, of one terminal: what it should hold
	KindInventory     Kind = "inventory"      // up, of one terminal: what it does hold
	KindTemplatesUp   Kind = "templates/up"   // up: templates, sealed to the hub
	KindTemplatesDown Kind = "templates/down" // down: templates, sealed to the site
	KindResults       Kind = "results"        // up: how applying a roster went, and what is missing for it

	KindJobs     Kind = "jobs"     // down: one thing to be done once
	KindProgress Kind = "progress" // up: how far a job is, and what became of it
)

// Direction says who writes a kind.
type Direction int

// Up is from an agent to the hub, Down the other way.
const (
	Up Direction = iota
	Down
)

// kindRule is what every message of a kind has in common.
type kindRule struct {
	direction Direction
	retained  bool
	hub       bool // lives under sidik/v1/_/
	subject   bool // has one topic for each terminal, and more for its parts
}

// rule is the table of the kinds; ok is false for an unknown one.
func (k Kind) rule() (r kindRule, ok bool) {
	switch k {
	case KindState:
		return kindRule{direction: Up, retained: true}, true
	case KindPunches:
		return kindRule{direction: Up}, true
	case KindReceipt:
		return kindRule{direction: Down, retained: true}, true
	case KindRoster:
		return kindRule{direction: Down, retained: true, subject: true}, true
	case KindInventory:
		return kindRule{direction: Up, subject: true}, true
	case KindTemplatesUp, KindResults, KindProgress:
		return kindRule{direction: Up}, true
	case KindTemplatesDown, KindJobs:
		return kindRule{direction: Down}, true
	case KindHub, KindKeys:
		return kindRule{direction: Down, retained: true, hub: true}, true
	}
	return kindRule{}, false
}

// Retained reports whether the broker keeps the newest message of this kind.
func (k Kind) Retained() bool { r, _ := k.rule(); return r.retained }

// Direction reports who writes this kind.
func (k Kind) Direction() Direction { r, _ := k.rule(); return r.direction }

// root begins every topic of this version.
const root = "sidik/v1/"

// TopicAll is the subscription that sees everything: the hub's and the operators'.
const TopicAll = root + "#"

// TopicUp is the hub's subscription to one kind of all sites.
func TopicUp(k Kind) string { return TopicOf("+", k) }

// TopicOf is the subscription to one kind of a site, with all terminals and parts.
func TopicOf(site SiteID, k Kind) string {
	if r, _ := k.rule(); r.subject {
		return root + string(site) + "/" + string(k) + "/#"
	}
	return root + string(site) + "/" + string(k)
}

// Topic is where a message belongs: sidik/v1/<site>/<kind>, and for what is of one
// terminal /<serial> behind it, and /<part> where it travels in parts.
type Topic struct {
	Site   SiteID // HubSite for the hub's own
	Kind   Kind
	Serial Serial // of kinds that are of one terminal
	Part   int    // from 1; 0 is the whole or the head of the parts
}

// maxParts is how many parts a document has at most: 10 MiB.
const maxParts = 64

// ErrTopic says that a topic is none of ours.
var ErrTopic = errors.New("not a topic of sidik/v1")

func (t Topic) String() string {
	text := root + string(t.Site) + "/" + string(t.Kind)
	if r, _ := t.Kind.rule(); r.subject {
		text += "/" + string(t.Serial)
	}
	if t.Part > 0 {
		text += "/" + strconv.Itoa(t.Part)
	}
	return text
}

// ParseTopic reads a topic of this version; site and kind must agree.
func ParseTopic(s string) (Topic, error) {
	t, ok := parseTopic(s)
	if !ok || t.String() != s {
		return Topic{}, fmt.Errorf("%q: %w", s, ErrTopic)
	}
	return t, nil
}

func parseTopic(s string) (t Topic, ok bool) {
	rest, found := strings.CutPrefix(s, root)
	site, rest, cut := strings.Cut(rest, "/")
	if !found || !cut {
		return t, false
	}
	t = Topic{Site: SiteID(site), Kind: Kind(rest)}
	r, known := t.Kind.rule()
	if !known {
		kind, serial, _ := strings.Cut(rest, "/")
		serial, part, parted := strings.Cut(serial, "/")
		t.Kind, t.Serial = Kind(kind), Serial(serial)
		if r, known = t.Kind.rule(); !known || !r.subject {
			return t, false
		}
		if parted {
			n, err := strconv.Atoi(part)
			if err != nil || n < 1 || n > maxParts {
				return t, false
			}
			t.Part = n
		}
	}
	if r.subject {
		if _, err := ParseSerial(string(t.Serial)); err != nil {
			return t, false
		}
	}
	if r.hub {
		return t, t.Site == HubSite
	}
	_, err := ParseSiteID(site)
	return t, err == nil
}
