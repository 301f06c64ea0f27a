// Package report turns a validation into documents for people: the minutes of one
// terminal (Berita Acara Validasi) as PDF, the summary of a campaign as PDF and XLSX,
// and a finding into a sentence.
//
// It is pure: content in, bytes out, and equal content gives equal bytes. It must not
// know a clock, a database or where the content came from.
//
// Beware: documents name people. They belong to those who sign them, not into a log.
package report

import (
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Named is a finding with the names by which people know whom and what it is about.
type Named struct {
	validate.Finding
	Who   string `json:"who,omitempty"`   // the register's name, or what the terminal shows under PIN
	Whose string `json:"whose,omitempty"` // the register's name of Other
	Where string `json:"where,omitempty"` // the name of Unit
}

// Campaign is a validation over some units and days.
type Campaign struct {
	Number int64       `json:"number"`
	Name   string      `json:"name"`
	From   roster.Date `json:"from"`
	To     roster.Date `json:"to"`
	Lead   string      `json:"lead"`
	Units  []string    `json:"units"` // names of those that were chosen
}

// Terminal is how one was when its newest inventory was read.
type Terminal struct {
	Site           protocol.SiteID `json:"site"`
	Serial         protocol.Serial `json:"serial"`
	Unit           string          `json:"unit"` // the name of the responsible one
	Read           time.Time       `json:"read,omitzero"`
	Inventory      protocol.Hash   `json:"inventory"` // digest
	Users          int             `json:"users"`
	Fingers        int             `json:"fingers"`
	Administrators int             `json:"administrators"`
	Placed         int             `json:"placed"` // people whom the register wants there
}

// Row is one finding with what was decided.
type Row struct {
	Named
	Act     validate.Act `json:"act"`
	Reason  string       `json:"reason"`
	By      string       `json:"by"`
	Decided time.Time    `json:"decided"`
	Closed  time.Time    `json:"closed,omitzero"` // when it was found no more; zero: not yet
}

// Signer is who answers for the minutes with their name.
type Signer struct {
	Name     string `json:"name"`
	NIP      string `json:"nip"` // empty: has none
	Position string `json:"position"`
}

// Minutes are the minutes of one terminal's validation, as they were signed.
type Minutes struct {
	Version  int         `json:"version"`
	Number   string      `json:"number"`
	Place    string      `json:"place"`
	Day      roster.Date `json:"day"`
	Campaign Campaign    `json:"campaign"`
	Terminal Terminal    `json:"terminal"`
	Rows     []Row       `json:"rows"` // by class, PIN and evidence
	Agency   Signer      `json:"agency"`
	Office   Signer      `json:"office"`
	SignedBy string      `json:"signed_by"` // who entered it
	SignedAt time.Time   `json:"signed_at"`
}

// State is how far the validation of a terminal is.
type State string

// The states, in their order.
const (
	Unread  State = "unread"  // nothing was read since the campaign began
	Open    State = "open"    // somebody has to decide
	Decided State = "decided" // all is decided, and may be signed
	Signed  State = "signed"
)

// Line is one terminal of a campaign's summary.
type Line struct {
	Terminal
	Planned roster.Date `json:"planned"` // empty: not planned
	Officer string      `json:"officer"`
	State   State       `json:"state"`
	Open    int         `json:"open"`   // findings without a decision
	Agreed  int         `json:"agreed"` // with one, but still found
	Kept    int         `json:"kept"`   // accepted with a reason
	Closed  int         `json:"closed"` // found no more since the campaign began
	Number  string      `json:"signed"` // of the minutes; empty: not signed
	Day     roster.Date `json:"signed_day"`
}

// Summary is how a campaign stands on a day.
type Summary struct {
	Campaign Campaign
	Day      roster.Date
	Lines    []Line
}
