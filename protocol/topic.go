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

	KindDiagnosis Kind = "diagnosis" // up: how an installation is, sealed to the hub

	KindRelease Kind = "release" // down: which signed release of the agent to run
	KindConfig  Kind = "config"  // down: what the agency has set for the agent
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
	kind      Kind
	direction Direction
	retained  bool
	hub       bool // lives under sidik/v1/_/
	subject   bool // has one topic for each terminal, and more for its parts
}

// rules is the table of the kinds. The rights of agents on a broker are made from it:
// a kind that is missing here is refused everywhere.
func rules() [15]kindRule {
	return [...]kindRule{
		{kind: KindState, direction: Up, retained: true},
		{kind: KindPunches, direction: Up},
		{kind: KindReceipt, direction: Down, retained: true},
		{kind: KindHub, direction: Down, retained: true, hub: true},
		{kind: KindKeys, direction: Down, retained: true, hub: true},

		{kind: KindRoster, direction: Down, retained: true, subject: true},
		{kind: KindInventory, direction: Up, subject: true},
		{kind: KindTemplatesUp, direction: Up},
		{kind: KindTemplatesDown, direction: Down},
		{kind: KindResults, direction: Up},

		{kind: KindJobs, direction: Down},
		{kind: KindProgress, direction: Up},
		{kind: KindDiagnosis, direction: Up},

		{kind: KindRelease, direction: Down, retained: true},
		{kind: KindConfig, direction: Down, retained: true},
	}
}

// Kinds are all kinds of this version.
func Kinds() (kinds []Kind) {
	for _, r := range rules() {
		kinds = append(kinds, r.kind)
	}
	return kinds
}

// rule is what the table says of a kind; ok is false for an unknown one.
func (k Kind) rule() (r kindRule, ok bool) {
	for _, r := range rules() {
		if r.kind == k {
			return r, true
		}
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

// TopicOf is the subscription to one kind of a site, with all terminals and parts. The
// hub's own kinds are the same for every site.
func TopicOf(site SiteID, k Kind) string {
	r, _ := k.rule()
	if r.hub {
		site = HubSite
	}
	topic := root + string(site) + "/" + string(k)
	if r.subject {
		topic += "/#"
	}
	return topic
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
