package protocol_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

func TestDocumentArrivesWhole(t *testing.T) {
	key := sealingKey(t)
	purpose := protocol.RosterPurpose(site, "T1", protocol.Seq{Life: 3, Counter: 7})
	for _, size := range []int{0, 1, protocol.MaxWhole, protocol.MaxWhole + 1, 3*protocol.MaxWhole + 5} {
		text := bytes.Repeat([]byte("roster "), size/7+1)[:size]
		head, parts, err := protocol.SealDocument(key.Public(), purpose, text)
		if err != nil {
			t.Fatal(err)
		}
		if err := head.Check(); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		largest := protocol.Roster{AsOf: "2026-02-01", Mode: "enforce", Doc: head}
		if len(parts) > 0 {
			largest.Doc = protocol.Document{Digest: head.Digest, Size: head.Size, Box: parts[0].Box}
		}
		e := protocol.Envelope{Kind: protocol.KindRoster, Site: site, Subject: "T1", At: instant("2026-01-02T00:31:07Z")}
		if _, err := protocol.Seal(e, largest, hubKey(t)); err != nil {
			t.Errorf("%d bytes do not fit into messages: %v", size, err)
		}
		// Parts come in any order, some before the head, some twice.
		var g protocol.Gathering
		for i := len(parts) - 1; i >= 0; i-- {
			if err := parts[i].Check(); err != nil {
				t.Error(err)
			}
			g.Part(parts[i])
			g.Part(parts[i])
			if i == len(parts)/2 {
				if _, missing, err := g.Open(key, purpose); !missing || err != nil {
					t.Errorf("%d bytes opened without their head: %v", size, err)
				}
				g.Head(head)
			}
			if _, missing, err := g.Open(key, purpose); i > 0 && (!missing || err != nil) {
				t.Errorf("%d bytes opened before part %d: %v", size, i, err)
			}
		}
		g.Head(head)
		got, missing, err := g.Open(key, purpose)
		if err != nil || missing || !bytes.Equal(got, text) {
			t.Errorf("%d bytes came as %d, %t, %v", size, len(got), missing, err)
		}
	}
	if _, _, err := protocol.SealDocument(key.Public(), purpose, make([]byte, 65*protocol.MaxWhole)); err == nil {
		t.Error("a document beyond the limit was sealed")
	}
}

// A broker can hand out the right boxes in the wrong places. None of it opens.
func TestDocumentOpensForItsPurposeOnly(t *testing.T) {
	key := sealingKey(t)
	order := protocol.Seq{Life: 3, Counter: 7}
	purpose := protocol.RosterPurpose(site, "T1", order)
	text := bytes.Repeat([]byte("roster "), 50_000)
	head, parts, err := protocol.SealDocument(key.Public(), purpose, text)
	if err != nil {
		t.Fatal(err)
	}
	open := func(purpose seal.Purpose, head protocol.Document, parts []protocol.Part) error {
		var g protocol.Gathering
		g.Head(head)
		for _, p := range parts {
			g.Part(p)
		}
		_, missing, err := g.Open(key, purpose)
		if missing {
			return errors.New("missing")
		}
		return err
	}
	if err := open(purpose, head, parts); err != nil {
		t.Fatal(err)
	}
	swapped := append([]protocol.Part(nil), parts...)
	swapped[0].Box, swapped[1].Box = swapped[1].Box, swapped[0].Box
	shorter := head
	shorter.Size--
	_, other, err := protocol.SealDocument(key.Public(), purpose, append([]byte("R"), text[1:]...))
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"another site":       open(protocol.RosterPurpose("samsat-bangka", "T1", order), head, parts),
		"another terminal":   open(protocol.RosterPurpose(site, "T2", order), head, parts),
		"another revision":   open(protocol.RosterPurpose(site, "T1", protocol.Seq{Life: 3, Counter: 6}), head, parts),
		"another kind":       open(protocol.InventoryPurpose(site, "T1"), head, parts),
		"parts swapped":      open(purpose, head, swapped),
		"another length":     open(purpose, shorter, parts),
		"a part of another":  open(purpose, head, append(append([]protocol.Part(nil), parts...), other[0])),
		"a part that lacks":  open(purpose, head, parts[1:]),
		"nothing but a head": open(purpose, head, nil),
	} {
		if err == nil {
			t.Errorf("%s opened", name)
		}
	}
}

func TestTemplateGoesToItsPersonOnly(t *testing.T) {
	key := sealingKey(t)
	digest := fixedHash("template")
	purpose := func(kind protocol.Kind, site protocol.SiteID, serial protocol.Serial, pin string, finger, algorithm uint8, d protocol.Hash) seal.Purpose {
		return protocol.TemplatePurpose(kind, site, serial, pin, finger, algorithm, d)
	}
	box, err := key.Public().Seal(purpose(protocol.KindTemplatesDown, site, "T1", "100001", 6, 10, digest), []byte("a finger"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := key.Open(purpose(protocol.KindTemplatesDown, site, "T1", "100001", 6, 10, digest), box); err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]seal.Purpose{
		"another person":    purpose(protocol.KindTemplatesDown, site, "T1", "100002", 6, 10, digest),
		"another finger":    purpose(protocol.KindTemplatesDown, site, "T1", "100001", 5, 10, digest),
		"another terminal":  purpose(protocol.KindTemplatesDown, site, "T2", "100001", 6, 10, digest),
		"another site":      purpose(protocol.KindTemplatesDown, "samsat-bangka", "T1", "100001", 6, 10, digest),
		"another algorithm": purpose(protocol.KindTemplatesDown, site, "T1", "100001", 6, 9, digest),
		"another template":  purpose(protocol.KindTemplatesDown, site, "T1", "100001", 6, 10, fixedHash("other")),
		"the way up":        purpose(protocol.KindTemplatesUp, site, "T1", "100001", 6, 10, digest),
	} {
		if _, err := key.Open(p, box); !errors.Is(err, seal.ErrBox) {
			t.Errorf("for %s it opened, or %v", name, err)
		}
	}
}

func TestHoldingsThatCannotBeAreRefused(t *testing.T) {
	good := messages(t)
	for name, spoil := range map[string]func() interface{ Check() error }{
		"a roster without a day": func() interface{ Check() error } {
			r := good["roster"].body.(protocol.Roster)
			r.AsOf = ""
			return r
		},
		"a document without a digest": func() interface{ Check() error } {
			r := good["roster"].body.(protocol.Roster)
			r.Doc.Digest = protocol.Hash{}
			return r
		},
		"a whole and parts": func() interface{ Check() error } {
			r := good["roster"].body.(protocol.Roster)
			r.Doc.Parts = 2
			return r
		},
		"more parts than there are": func() interface{ Check() error } {
			return protocol.Part{Digest: fixedHash("x"), N: 3, Parts: 2, Box: fixedBox()}
		},
		"an inventory without a key": func() interface{ Check() error } {
			i := good["inventory"].body.(protocol.Inventory)
			i.Sealing = seal.SealingPublic{}
			return i
		},
		"no templates":          func() interface{ Check() error } { return protocol.Templates{Serial: "T1"} },
		"an unknown standing":   func() interface{ Check() error } { return protocol.Results{Serial: "T1", State: "fine"} },
		"results without whose": func() interface{ Check() error } { return protocol.Results{State: protocol.StandingEqual} },
		"a template too large": func() interface{ Check() error } {
			m := good["templates-up"].body.(protocol.Templates)
			item := m.Items[0]
			item.Box.Data = make([]byte, protocol.MaxTemplate+seal.Overhead+1)
			m.Items = []protocol.SealedTemplate{item}
			return m
		},
	} {
		if spoil().Check() == nil {
			t.Errorf("%s passed", name)
		}
	}
	for name, m := range good {
		text, err := json.Marshal(m.body)
		if err != nil || len(text) > protocol.MaxPayload {
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
		}
	}
}
