package holding

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// ErrNoPlan says that a plan does not wait for an approval, or not any more.
var ErrNoPlan = errors.New("no such plan waits for an approval")

// Approve lets a plan pass the agent's brake. Only the one that the agent stopped at
// under the current roster can be approved, and who does it is kept; another roster
// or another inventory makes another plan.
func (h *Holding) Approve(ctx context.Context, site protocol.SiteID, serial protocol.Serial, plan protocol.Hash, who string, at time.Time) error {
	err := h.db.Update(ctx, func(tx *sql.Tx) error {
		v, err := head(ctx, h.db.Within(tx), site, serial)
		if err != nil {
			return err
		}
		var r protocol.Results
		if _, _, _, err := said(ctx, h.db.Within(tx), site, serial, protocol.KindResults, &r); err != nil {
			return err
		}
		if plan.IsZero() || r.State != protocol.StandingBraked || r.Plan != plan || r.Roster != v.Order {
			return ErrNoPlan
		}
		_, err = tx.ExecContext(ctx, `UPDATE roster_revision SET approved = $1, approved_by = $2, approved_at = $3
			WHERE site = $4 AND serial = $5 AND current = 1`, plan[:], who, at.UnixMilli(), string(site), string(serial))
		return err
	})
	if err != nil {
		return fmt.Errorf("approve plan for terminal %s of site %s: %w", serial, site, err)
	}
	return nil
}
