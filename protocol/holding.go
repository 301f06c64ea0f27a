package protocol

import (
	"errors"
	"fmt"

	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Roster is the body of a roster message. Its envelope's Seq is (generation,
// revision); its document is a roster.Roster in JSON, sealed to the site.
type Roster struct {
	AsOf    string `json:"as_of"` // the day that it was reckoned for
	Mode    string `json:"mode"`
	Users   int    `json:"users"`
	Fingers int    `json:"fingers"`
	// Approved is the digest of a plan that a person lets pass the agent's brake, see
	// Results.Plan. It comes with the order that the plan is for.
	Approved Hash     `json:"approved,omitzero"`
	Doc      Document `json:"document"`
}

// Check reports a roster message that cannot be one.
func (r Roster) Check() error {
	if r.AsOf == "" || r.Mode == "" || r.Users < 0 || r.Fingers < 0 {
		return errors.New("roster without a day or a mode")
	}
	return r.Doc.Check()
}

// RosterPurpose is what the boxes of a roster are for.
func RosterPurpose(site SiteID, serial Serial, order Seq) seal.Purpose {
	return seal.For("roster").With("site", string(site)).With("terminal", string(serial)).With("order", order.String())
}

// Inventory is the body of an inventory message: its document is a
// roster.Inventory in JSON, sealed to the hub.
type Inventory struct {
	Sealing seal.SealingPublic `json:"sealing"` // the key to which the site's rosters and templates are sealed
	Users   int                `json:"users"`
	Fingers int                `json:"fingers"`
	Doc     Document           `json:"document"`
}

// Check reports an inventory message that cannot be one.
func (i Inventory) Check() error {
	if i.Sealing.IsZero() || i.Users < 0 || i.Fingers < 0 {
		return errors.New("inventory without the site's sealing key")
	}
	return i.Doc.Check()
}

// InventoryPurpose is what the boxes of an inventory are for.
func InventoryPurpose(site SiteID, serial Serial) seal.Purpose {
	return seal.For("inventory").With("site", string(site)).With("terminal", string(serial))
}

// Templates is the body of a templates message, up or down.
type Templates struct {
	Serial Serial           `json:"serial"` // the terminal that they are of, or for
	Items  []SealedTemplate `json:"items"`
	// Kept are digests of templates from the site that the hub has stored durably.
	Kept []Hash `json:"kept,omitempty"`
	// Wants are digests of templates that the hub asks for: the terminal's inventory
	// showed them.
	Wants []Hash `json:"wants,omitempty"`
}

// SealedTemplate is one finger. What is clear about it is what the box is bound to.
type SealedTemplate struct {
	PIN       string   `json:"pin"`
	Finger    uint8    `json:"finger"`
	Algorithm uint8    `json:"algorithm"`
	Digest    Hash     `json:"digest"`
	Box       seal.Box `json:"box"`
	Job       Seq      `json:"job,omitzero"` // up: the capture that it is from
}

// MaxTemplate is the size of the largest template that is believed, in bytes, and
// MaxTemplates how many go into one message.
const (
	MaxTemplate  = 4 << 10
	MaxTemplates = 32
)

// Check reports a templates message that cannot be one.
func (t Templates) Check() error {
	if t.Serial == "" || len(t.Items)+len(t.Kept)+len(t.Wants) == 0 ||
		len(t.Items) > MaxTemplates || len(t.Kept) > maxOutcomes || len(t.Wants) > maxOutcomes {
		return fmt.Errorf("%d templates, %d confirmed, %d wanted, of terminal %q", len(t.Items), len(t.Kept), len(t.Wants), t.Serial)
	}
	for _, i := range t.Items {
		if i.PIN == "" || i.Finger > 9 || i.Digest.IsZero() || len(i.Box.Data) > MaxTemplate+seal.Overhead {
			return errors.New("a template without PIN or digest, or larger than templates are")
		}
	}
	return nil
}

// TemplatePurpose is what the box of a template is for: to bring this finger of
// this person to, or from, this terminal, and nothing else.
func TemplatePurpose(kind Kind, site SiteID, serial Serial, pin string, finger, algorithm uint8, digest Hash) seal.Purpose {
	return seal.For(string(kind)).With("site", string(site)).With("terminal", string(serial)).With("pin", pin).
		With("finger", fmt.Sprint(finger)).With("algorithm", fmt.Sprint(algorithm)).With("digest", digest.String())
}

// Results is the body of a results message: how a terminal stands to its roster.
type Results struct {
	Serial    Serial    `json:"serial"`
	Roster    Seq       `json:"roster"`    // the order of the roster it speaks of
	Inventory Hash      `json:"inventory"` // digest of the inventory after it
	State     Standing  `json:"state"`
	Outcomes  []Outcome `json:"outcomes"` // of changes made, or tried, since the last results
	Blocked   []Outcome `json:"blocked"`  // differences that stay, with the reason
	Wants     []Hash    `json:"wants"`    // digests of the templates that are missing here
	Plan      Hash      `json:"plan,omitzero"`
}

// Standing is how far a terminal is on the way to its roster.
type Standing string

// Equal: nothing is left to do. Blocked: nothing is left that may be done.
// Waiting: templates are missing. Braked: the plan deletes more than is allowed
// without an approval. Failed: the terminal did not take it; it is tried again.
const (
	StandingEqual   Standing = "equal"
	StandingBlocked Standing = "blocked"
	StandingWaiting Standing = "waiting"
	StandingBraked  Standing = "braked"
	StandingFailed  Standing = "failed"
)

// Outcome is one change and what became of it.
type Outcome struct {
	Act    string `json:"act"`
	PIN    string `json:"pin"`
	Finger uint8  `json:"finger"`
	Reason string `json:"reason,omitempty"` // why it is not done; empty: done and read back
}

// maxOutcomes bounds a results message; what is more comes with the next.
const maxOutcomes = 1000

// Check reports a results message that cannot be one.
func (r Results) Check() error {
	switch r.State {
	case StandingEqual, StandingBlocked, StandingWaiting, StandingBraked, StandingFailed:
	default:
		return fmt.Errorf("unknown standing %q", r.State)
	}
	if r.Serial == "" || len(r.Outcomes) > maxOutcomes || len(r.Blocked) > maxOutcomes || len(r.Wants) > maxOutcomes {
		return errors.New("results without a terminal, or with more than one message holds")
	}
	return nil
}
