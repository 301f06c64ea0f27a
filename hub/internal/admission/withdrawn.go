package admission

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
)

// Withdrawn are the numbers of certificates that have not ended but count no more,
// because the key that asked for them is not the admitted one of their site. The embedded
// broker asks Holder; other brokers need this list.
func (a *Admissions) Withdrawn(ctx context.Context) (numbers []authority.Number, err error) {
	err = a.o.Database.Query(ctx, func(rows *sql.Rows) error {
		var n authority.Number
		err := rows.Scan(&n)
		numbers = append(numbers, n)
		return err
	}, `SELECT c.serial FROM certificate c WHERE c.expiry > $1 AND NOT EXISTS
		(SELECT 1 FROM agent_key k WHERE k.site = c.site AND k.fingerprint = c.agent AND k.retired = 0) ORDER BY c.serial`, millis(a.o.Now()))
	if err != nil {
		return nil, fmt.Errorf("read withdrawn certificates: %w", err)
	}
	return numbers, nil
}
