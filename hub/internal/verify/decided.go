package verify

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// decided is what the tables of decisions must hold, by the ledger.
type decided struct {
	generations map[int64]store.GenerationRow
	sites       map[protocol.SiteID]store.SiteRow
	keys        map[keyName]store.KeyRow
	terminals   map[int64]store.TerminalRow
}

type keyName struct {
	site        protocol.SiteID
	fingerprint string
}

// decisions checks the ledger's chain, and the tables that follow from it.
func (v *verifier) decisions(ctx context.Context) error {
	v.decided = decided{
		generations: map[int64]store.GenerationRow{},
		sites:       map[protocol.SiteID]store.SiteRow{},
		keys:        map[keyName]store.KeyRow{},
		terminals:   map[int64]store.TerminalRow{},
	}
	var prev protocol.Hash
	var n int64
	for d, err := range v.evidence.Deeds(ctx) {
		if err != nil {
			if err := v.unreadable(Break{Seq: uint64(n + 1)}, err); err != nil {
				return err
			}
			break
		}
		n++
		at := Break{Table: "ledger", Site: d.Site, Seq: uint64(d.N)}
		switch {
		case d.N != n:
			at.Seq, at.Code = uint64(n), Missing
			v.broken(at)
			n = d.N
		case d.Sum(prev) != d.Hash:
			at.Code, at.Detail = Changed, "its hash does not follow from the line before and its columns"
			v.broken(at)
		}
		prev = d.Hash
		if !v.decided.apply(d) {
			at.Code, at.Column, at.Detail = Changed, "kind", "nothing of this kind is ever decided"
			v.broken(at)
		}
	}
	for _, compare := range []func(context.Context) error{v.generations, v.sites, v.keys, v.terminalRows} {
		if err := compare(ctx); err != nil {
			return err
		}
	}
	return nil
}

// apply does what a deed did; known is false for one that this program never writes.
func (want *decided) apply(d store.Deed) (known bool) {
	key := keyName{d.Site, d.Subject}
	switch d.Kind {
	case store.DeedGeneration:
		number, reason, _ := strings.Cut(d.Detail, " ")
		if n, err := strconv.ParseInt(number, 10, 64); err == nil {
			want.generations[n] = store.GenerationRow{Number: n, ID: d.Subject, Reason: reason, Since: d.At}
		}
	case store.DeedSite:
		want.sites[d.Site] = store.SiteRow{ID: d.Site, Added: d.At}
	case store.DeedAdmit:
		for name, r := range want.keys {
			if name.site == d.Site && r.Retired.IsZero() {
				r.Retired = d.At
				want.keys[name] = r
			}
		}
		r := want.keys[key]
		r.Site, r.Fingerprint, r.Admitted, r.Retired = d.Site, d.Subject, d.At, time.Time{}
		want.keys[key] = r
	case store.DeedRetire:
		r := want.keys[key]
		r.Retired = d.At
		want.keys[key] = r
	case store.DeedKey:
		r := want.keys[key]
		r.PublicKey = d.Detail
		want.keys[key] = r
	case store.DeedTerminal:
		if id, err := strconv.ParseInt(d.Detail, 10, 64); err == nil {
			want.terminals[id] = store.TerminalRow{ID: id, Site: d.Site, Serial: protocol.Serial(d.Subject), Registered: d.At}
		}
	case store.DeedPINs: // what it tells of is no more
	default:
		return false
	}
	return true
}

// compare names the rows of a small table that differ from what they must be.
func compare[K comparable, R comparable](v *verifier, want map[K]R, rows []R, name func(R) (K, Break)) {
	seen := map[K]bool{}
	for _, r := range rows {
		key, b := name(r)
		seen[key] = true
		w, found := want[key]
		switch {
		case !found:
			b.Code = Extra
			v.broken(b)
		case w != r:
			b.Code, b.Detail = Changed, fmt.Sprintf("is %+v, must be %+v", r, w)
			v.broken(b)
		}
	}
	for key, w := range want {
		if !seen[key] {
			_, b := name(w)
			b.Code = Missing
			v.broken(b)
		}
	}
}

func (v *verifier) generations(ctx context.Context) error {
	rows, err := v.evidence.Generations(ctx)
	if err != nil {
		return v.unreadable(Break{}, err)
	}
	compare(v, v.decided.generations, rows, func(r store.GenerationRow) (int64, Break) {
		return r.Number, Break{Table: "generation", Seq: uint64(r.Number)}
	})
	return nil
}

func (v *verifier) sites(ctx context.Context) error {
	rows, err := v.evidence.Sites(ctx)
	if err != nil {
		return v.unreadable(Break{}, err)
	}
	v.report.Sites = int64(len(rows))
	compare(v, v.decided.sites, rows, func(r store.SiteRow) (protocol.SiteID, Break) {
		return r.ID, Break{Table: "site", Site: r.ID}
	})
	return nil
}

func (v *verifier) keys(ctx context.Context) error {
	rows, err := v.evidence.Keys(ctx)
	if err != nil {
		return v.unreadable(Break{}, err)
	}
	compare(v, v.decided.keys, rows, func(r store.KeyRow) (keyName, Break) {
		return keyName{r.Site, r.Fingerprint}, Break{Table: "agent_key", Site: r.Site}
	})
	return nil
}

// terminalRows keeps the table for the sightings, and leaves those that nobody
// registered to them.
func (v *verifier) terminalRows(ctx context.Context) error {
	rows, err := v.evidence.Terminals(ctx)
	if err != nil {
		return v.unreadable(Break{}, err)
	}
	v.report.Terminals = int64(len(rows))
	v.terminals, v.used, v.counted = map[int64]store.TerminalRow{}, map[int64]bool{}, map[int64]int64{}
	var registered []store.TerminalRow
	for _, r := range rows {
		v.terminals[r.ID] = r
		if !r.Registered.IsZero() {
			r.Sightings = 0 // counted later
			registered = append(registered, r)
		}
	}
	compare(v, v.decided.terminals, registered, func(r store.TerminalRow) (int64, Break) {
		return r.ID, Break{Table: "terminal", Site: r.Site, Seq: uint64(r.ID)}
	})
	return nil
}

// keysOf finds the keys by which a site's agents may have signed: those whose
// fingerprint was admitted and is that of the key.
func (v *verifier) keysOf(site protocol.SiteID, id seal.KeyID) (seal.PublicKey, bool) {
	for name, r := range v.decided.keys {
		if name.site != site || seal.Fingerprint(r.Fingerprint).KeyID() != id {
			continue
		}
		key, err := seal.ParsePublicKey(r.PublicKey)
		if err == nil && string(key.Fingerprint()) == r.Fingerprint {
			return key, true
		}
	}
	return seal.PublicKey{}, false
}

// states checks that what a site said last was said by its agent.
func (v *verifier) states(ctx context.Context) error {
	rows, err := v.evidence.States(ctx)
	if err != nil {
		return v.unreadable(Break{}, err)
	}
	for _, r := range rows {
		b := Break{Table: "site_state", Site: r.Site}
		e, err := protocol.Parse("", r.Message)
		if err != nil {
			b.Code, b.Column, b.Detail = Unreadable, "message", err.Error()
			v.broken(b)
			continue
		}
		key, found := v.keysOf(r.Site, e.From)
		switch {
		case !found || !e.SignedBy(key) || e.Kind != protocol.KindState || e.Site != r.Site:
			b.Code, b.Column = Unsigned, "message"
			v.broken(b)
		case e.Seq != r.Seq:
			b.Code, b.Column = Changed, "life or counter"
			v.broken(b)
		}
	}
	return nil
}
