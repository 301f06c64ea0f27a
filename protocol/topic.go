package protocol

import (
	"errors"
	"fmt"
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
func TopicUp(k Kind) string { return root + "+/" + string(k) }

// Topic is where a message belongs: sidik/v1/<site>/<kind>.
type Topic struct {
	Site SiteID // HubSite for the hub's own
	Kind Kind
}

// ErrTopic says that a topic is none of ours.
var ErrTopic = errors.New("not a topic of sidik/v1")

func (t Topic) String() string { return root + string(t.Site) + "/" + string(t.Kind) }

// ParseTopic reads a topic of this version; site and kind must agree.
func ParseTopic(s string) (Topic, error) {
	rest, found := strings.CutPrefix(s, root)
	site, kind, cut := strings.Cut(rest, "/")
	r, known := Kind(kind).rule()
	if !found || !cut || !known {
		return Topic{}, fmt.Errorf("%q: %w", s, ErrTopic)
	}
	t := Topic{SiteID(site), Kind(kind)}
	if r.hub {
		if t.Site != HubSite {
			return Topic{}, fmt.Errorf("%q: %w", s, ErrTopic)
		}
		return t, nil
	}
	if _, err := ParseSiteID(site); err != nil {
		return Topic{}, fmt.Errorf("%q: %w", s, ErrTopic)
	}
	return t, nil
}
