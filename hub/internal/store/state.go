package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// State is the newest state message of a site.
type State struct {
	Site     protocol.SiteID
	Seq      protocol.Seq
	Message  []byte // the whole envelope as it came; nil: never heard
	Received time.Time
}

// SaveState keeps a state message if it comes after the one that is held; newer
// tells. Order alone decides, never the time of receiving. It is an order of one key's
// words: after another agent was admitted, the former one's count says nothing, however
// high whoever stole it has driven it.
func (s *Store) SaveState(ctx context.Context, st State) (newer bool, err error) {
	err = s.update(ctx, func(tx *sql.Tx) error {
		before, err := scanState(tx.QueryRowContext(ctx, stateColumns+"WHERE site = $1", string(st.Site)))
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		newer = err != nil || before.Seq.Less(st.Seq) || before.Speaker() != st.Speaker()
		if !newer {
			return nil
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO site_state (site, life, counter, message, received) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (site) DO UPDATE SET life = excluded.life, counter = excluded.counter, message = excluded.message, received = excluded.received`,
			string(st.Site), ordered(st.Seq.Life), ordered(st.Seq.Counter), st.Message, millis(st.Received))
		return err
	})
	if err != nil {
		return false, fmt.Errorf("save state of site %s: %w", st.Site, err)
	}
	return newer, nil
}

// Speaker is the key that signed the message; empty where it is none.
func (st State) Speaker() seal.KeyID {
	e, err := protocol.Parse("", st.Message)
	if err != nil {
		return ""
	}
	return e.From
}

// State returns the newest state of a site; found is false when none ever came.
func (s *Store) State(ctx context.Context, site protocol.SiteID) (st State, found bool, err error) {
	st, err = scanState(s.read.QueryRowContext(ctx, stateColumns+"WHERE site = $1", string(site)))
	if errors.Is(err, sql.ErrNoRows) {
		return State{}, false, nil
	}
	if err != nil {
		return State{}, false, fmt.Errorf("read state of site %s: %w", site, s.engine.mapped(err))
	}
	return st, true, nil
}

const stateColumns = "SELECT site, life, counter, message, received FROM site_state "

func scanState(row scanner) (st State, err error) {
	var life, counter, received int64
	err = row.Scan(&st.Site, &life, &counter, &st.Message, &received)
	st.Seq = protocol.Seq{Life: unordered(life), Counter: unordered(counter)}
	st.Received = instant(received)
	return st, err
}

// ordered maps all of uint64 to int64 so that the order stays: BIGINT has a sign.
func ordered(n uint64) int64 { return int64(n ^ 1<<63) }

func unordered(n int64) uint64 { return uint64(n) ^ 1<<63 }
