// Package stick takes what a terminal wrote on a USB stick, its users and its templates,
// for what the terminal holds: as its inventory, with the person who vouches for it, and
// the templates into the vault as found there.
//
// It knows terminals' files, what is known of terminals already, and a rule for when
// files look like those of another one. It must not know SQL, pages or the way of a file
// to the hub, and keeps no file: what it is given is forgotten when it returns.
//
// Beware: nothing in such files says of which terminal they are, or of when. Both is what
// a person says; what speaks against it is looked for, and asks for a reason.
package stick

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/usbfile"
)

// Holding is what is needed of what terminals hold.
type Holding interface {
	Registered(ctx context.Context, site protocol.SiteID, serial protocol.Serial) error
	Terminals(ctx context.Context) ([]holding.Terminal, error)
	Inventory(ctx context.Context, site protocol.SiteID, serial protocol.Serial) (holding.Inventory, error)
	TakeStick(ctx context.Context, s holding.Stick, text []byte) (int64, error)
}

// Vault is what is needed of the vault.
type Vault interface {
	Seen(ctx context.Context, digest protocol.Hash) (bool, error)
	Find(ctx context.Context, by vault.By, finds ...vault.Find) error
}

// Stick loads files.
type Stick struct {
	holding Holding
	vault   Vault
}

// New returns a Stick of these.
func New(h Holding, v Vault) *Stick { return &Stick{h, v} }

// Files are both files of one terminal, copied in one go, and what a person says of them.
type Files struct {
	Site      protocol.SiteID
	Serial    protocol.Serial
	Users     []byte // user.dat
	Templates []byte
	Algorithm usbfile.Algorithm // which the template file's name tells
	Copied    time.Time         // from the terminal
	At        time.Time         // now
	By        string
	Reason    string // why it counts though something speaks against it; empty: none is given
}

// Report is what is in the files, and what came of them.
type Report struct {
	Layout        usbfile.UserLayout
	Algorithm     usbfile.Algorithm
	Users         int // of the inventory
	Fingers       int
	Invalid       int            // templates that the terminal itself does not use
	Orphans       int            // templates of nobody, which are left out
	LostUsers     []usbfile.Loss // what of user.dat is damaged
	LostTemplates []usbfile.Loss // what of the template file is damaged
	Kept          int            // templates that the vault did not know
	Load          int64          // the number under which it is written down; 0: it was not taken
}

// Errors by which callers decide; usbfile's and holding.ErrReplay (something later is
// known) and holding.ErrNoTerminal are others.
var (
	ErrDamaged = errors.New("a part of the files is damaged, so they do not show all that the terminal holds")
	ErrMoment  = errors.New("the files cannot have been copied at that time")
	ErrWho     = errors.New("nobody vouches for the files")
)

// oldest is how long ago files may have been copied.
const oldest = 366 * 24 * time.Hour

// Load takes files for what a terminal holds. Without an error all of it is kept; with
// one nothing is, but templates that the vault may have got before.
func (s *Stick) Load(ctx context.Context, f Files) (Report, error) {
	r, err := s.load(ctx, f)
	if err != nil {
		return r, fmt.Errorf("load files of terminal %s of site %s: %w", f.Serial, f.Site, err)
	}
	return r, nil
}

func (s *Stick) load(ctx context.Context, f Files) (r Report, err error) {
	switch {
	case f.By == "":
		return r, ErrWho
	case f.Copied.After(f.At) || f.Copied.Before(f.At.Add(-oldest)):
		return r, ErrMoment
	}
	if err := s.holding.Registered(ctx, f.Site, f.Serial); err != nil {
		return r, err
	}
	pair, r, err := read(f)
	if err != nil {
		return r, err
	}
	defer pair.Forget()
	known, err := s.known(ctx, f)
	if err != nil {
		return r, err
	}
	held := hold(pair, &r)
	if doubts := known.doubts(pair, held); len(doubts) > 0 && f.Reason == "" {
		return r, &DoubtError{doubts}
	}
	inv := roster.Inventory{Serial: f.Serial, Capabilities: capabilities(pair, known.own), Users: held.users}
	if err := inv.Check(); err != nil {
		return r, err
	}
	text, err := json.Marshal(inv)
	if err != nil {
		return r, err
	}
	if r.Kept, err = s.keep(ctx, f, held.templates); err != nil {
		return r, err
	}
	r.Load, err = s.holding.TakeStick(ctx, holding.Stick{
		Site: f.Site, Serial: f.Serial, Copied: f.Copied, At: f.At, By: f.By, Reason: f.Reason,
		UserFile: sha256.Sum256(f.Users), Templates: sha256.Sum256(f.Templates), Users: r.Users, Fingers: r.Fingers, Digest: sha256.Sum256(text),
	}, text)
	return r, err
}

// read makes a pair of the files. One that is damaged does not show all that a terminal
// holds, and nobody's absence from it proves anything.
func read(f Files) (usbfile.Pair, Report, error) {
	users, err := usbfile.ParseUsers(f.Users)
	if err != nil {
		return usbfile.Pair{}, Report{}, err
	}
	r := Report{Layout: users.Layout, Algorithm: f.Algorithm, Users: len(users.Users), LostUsers: users.Lost}
	templates, err := usbfile.ParseTemplates(f.Templates, f.Algorithm)
	if err != nil {
		users.Forget()
		return usbfile.Pair{}, r, err
	}
	r.LostTemplates = templates.Lost
	pair := usbfile.Pair{Terminal: string(f.Serial), Users: users, Templates: templates}
	r.Orphans = len(pair.Orphans())
	switch err = pair.Unambiguous(); {
	case err != nil:
	case len(r.LostUsers)+len(r.LostTemplates) > 0:
		err = ErrDamaged
	case 2*r.Orphans > len(templates.Templates):
		err = usbfile.ErrMixture
	default:
		return pair, r, nil
	}
	pair.Forget()
	return usbfile.Pair{}, r, err
}

// keep puts templates into the vault that it never had, and returns how many.
func (s *Stick) keep(ctx context.Context, f Files, templates []vault.Find) (int, error) {
	fresh := templates[:0]
	for _, t := range templates {
		seen, err := s.vault.Seen(ctx, t.Digest)
		if err != nil {
			return 0, err
		}
		if !seen {
			t.Site, t.Serial = f.Site, f.Serial
			fresh = append(fresh, t)
		}
	}
	if len(fresh) == 0 {
		return 0, nil
	}
	return len(fresh), s.vault.Find(ctx, vault.By{Who: f.By, Why: "read from files of terminal " + string(f.Serial)}, fresh...)
}
