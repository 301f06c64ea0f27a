package stick

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/usbfile"
)

// Why is what speaks against files being those of the terminal.
type Why string

// The reasons to doubt.
const (
	Unlike Why = "unlike" // most people whom the terminal held before are not in them
	Like   Why = "like"   // they show more of what another terminal holds
	Other  Why = "other"  // the terminal has another algorithm or another kind of records
)

// Doubt is one reason, with the terminal that it points to.
type Doubt struct {
	Why    Why
	Site   protocol.SiteID // of Like
	Serial protocol.Serial
	Shared int // users who are in both
	Of     int // of Unlike: those whom the terminal held; of Like: those in the files
}

// DoubtError says that files look like those of another terminal. A person who knows
// better gives a reason.
type DoubtError struct{ Doubts []Doubt }

func (e *DoubtError) Error() string {
	whys := make([]string, len(e.Doubts))
	for i, d := range e.Doubts {
		whys[i] = string(d.Why)
	}
	return fmt.Sprintf("the files look like those of another terminal (%s), and no reason is given", strings.Join(whys, ", "))
}

// known is what the hub holds of terminals already.
type known struct {
	own    *roster.Inventory // nil: nothing
	others []holding.Terminal
	read   []roster.Inventory // of the others
}

// known gathers it. An inventory later than the files ends the matter at once.
func (s *Stick) known(ctx context.Context, f Files) (k known, err error) {
	terminals, err := s.holding.Terminals(ctx)
	if err != nil {
		return k, err
	}
	for _, t := range terminals {
		if t.Read.IsZero() {
			continue
		}
		inv, err := s.holding.Inventory(ctx, t.Site, t.Serial)
		if errors.Is(err, holding.ErrNone) {
			continue
		}
		if err != nil {
			return k, err
		}
		if t.Site != f.Site || t.Serial != f.Serial {
			k.others, k.read = append(k.others, t), append(k.read, inv.Inventory)
			continue
		}
		if !inv.At.Before(f.Copied) {
			return k, holding.ErrReplay
		}
		k.own = &inv.Inventory
	}
	return k, nil
}

// few is how many users prove nothing yet.
const few = 3

// doubts looks for what speaks against the files.
func (k known) doubts(p usbfile.Pair, h held) (all []Doubt) {
	own := 0
	if k.own != nil {
		own = slots(*k.own, h)
		if people := pins(*k.own, h); len(k.own.Users) >= few && 2*people < len(k.own.Users) {
			all = append(all, Doubt{Why: Unlike, Shared: people, Of: len(k.own.Users)})
		}
		able := k.own.Capabilities
		small := able.NameBytes == name28
		if able.Algorithm != 0 && able.Algorithm != uint8(p.Templates.Algorithm) ||
			able.NameBytes != 0 && small != (p.Users.Layout == usbfile.User28) {
			all = append(all, Doubt{Why: Other})
		}
	}
	best, most := -1, max(own, few-1)
	for i, inv := range k.read {
		if n := slots(inv, h); n > most && 2*n > len(h.users) {
			best, most = i, n
		}
	}
	if best >= 0 {
		t := k.others[best]
		all = append(all, Doubt{Why: Like, Site: t.Site, Serial: t.Serial, Shared: most, Of: len(h.users)})
	}
	return all
}

// pins is how many PINs of an inventory are in the files.
func pins(inv roster.Inventory, h held) (n int) {
	there := make(map[string]bool, len(h.users))
	for _, u := range h.users {
		there[protocol.NormalPIN(u.PIN)] = true
	}
	for _, u := range inv.Users {
		if there[protocol.NormalPIN(u.PIN)] {
			n++
		}
	}
	return n
}

// slots is how many users stand in the same slot under the same PIN in both: people are
// on many terminals, but hardly ever in the same places.
func slots(inv roster.Inventory, h held) (n int) {
	there := make(map[uint16]string, len(inv.Users))
	for _, u := range inv.Users {
		there[u.Slot] = protocol.NormalPIN(u.PIN)
	}
	for _, u := range h.users {
		if there[u.Slot] == protocol.NormalPIN(u.PIN) {
			n++
		}
	}
	return n
}
