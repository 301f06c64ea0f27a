package holding

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Terminal is how a registered terminal stands to its roster.
type Terminal struct {
	Site   protocol.SiteID
	Serial protocol.Serial
	Sealed bool // the site's sealing key is known: a roster can be sent

	Order         protocol.Seq // of the current roster; zero: none was issued
	Mode          roster.Mode
	ShouldUsers   int
	ShouldFingers int

	Read        time.Time // when the newest inventory came; zero: none did
	HeldUsers   int
	HeldFingers int
	ReadBy      string // who loaded it from files of the terminal; empty: its agent read it

	Reported time.Time        // when the newest results came; zero: none did
	Results  protocol.Results // the newest
}

// Ahead tells that the site follows a later roster than this database has: it was
// put back to an older copy, and what it would now issue a person should see first.
func (t Terminal) Ahead() bool { return t.Order.Less(t.Results.Roster) }

// Standing is the newest results' word where it is about the current roster, and
// empty where the agent has not answered to that yet.
func (t Terminal) Standing() protocol.Standing {
	if t.Results.Roster != t.Order {
		return ""
	}
	return t.Results.State
}

// Terminals returns all registered terminals, by site and serial, those of sites
// without an admitted agent too.
func (h *Holding) Terminals(ctx context.Context) (all []Terminal, err error) {
	err = h.db.Query(ctx, func(rows *sql.Rows) error {
		var t Terminal
		var sealed, read, reported int64
		var results []byte
		if err := rows.Scan(&t.Site, &t.Serial, &sealed, &t.Order.Life, &t.Order.Counter, &t.Mode, &t.ShouldUsers, &t.ShouldFingers,
			&read, &t.HeldUsers, &t.HeldFingers, &t.ReadBy, &reported, &results); err != nil {
			return err
		}
		t.Sealed = sealed > 0
		if read > 0 {
			t.Read = instant(read)
		}
		if reported > 0 {
			t.Reported = instant(reported)
			if err := json.Unmarshal(results, &t.Results); err != nil {
				return err
			}
		}
		all = append(all, t)
		return nil
	}, `SELECT t.site, t.serial, (SELECT COUNT(*) FROM sealing_key s WHERE s.site = t.site AND s.agent = SUBSTR(k.fingerprint, 1, 16)),
			COALESCE(r.generation, 0), COALESCE(r.revision, 0), COALESCE(r.mode, ''), COALESCE(r.users, 0), COALESCE(r.fingers, 0),
			COALESCE(i.at, 0), COALESCE(i.users, 0), COALESCE(i.fingers, 0), COALESCE(f.loaded_by, ''), COALESCE(e.at, 0), e.content
		FROM terminal t LEFT JOIN agent_key k ON k.site = t.site AND k.retired = 0
		LEFT JOIN roster_revision r ON r.site = t.site AND r.serial = t.serial AND r.current = 1
		LEFT JOIN said i ON i.site = t.site AND i.serial = t.serial AND i.kind = $1
		LEFT JOIN stick f ON f.id = i.stick
		LEFT JOIN said e ON e.site = t.site AND e.serial = t.serial AND e.kind = $2
		WHERE t.registered > 0 ORDER BY t.site, t.serial`, string(protocol.KindInventory), string(protocol.KindResults))
	if err != nil {
		return nil, fmt.Errorf("read how terminals stand: %w", err)
	}
	return all, nil
}
