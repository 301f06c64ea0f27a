package account

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// How long somebody stays logged in: while they do something, and at most a working day.
const (
	SessionIdle = 2 * time.Hour
	SessionMost = 12 * time.Hour
	seenEvery   = time.Minute // so exactly is it kept when a session was last used
)

// Sessions keeps what browsers are logged in as, for the session library of web/door. What
// it is given as a token is a hash already.
type Sessions struct {
	db  Database
	now func() time.Time
}

// Sessions are where logged-in browsers are kept.
func (a *Accounts) Sessions() *Sessions { return &Sessions{a.db, a.now} }

// oldest are the moments before which a session was made, or used, that counts no more.
func (s *Sessions) oldest() (made, seen int64) {
	return s.now().Add(-SessionMost).UnixMilli(), s.now().Add(-SessionIdle).UnixMilli()
}

// FindCtx returns a session's data; false where there is none that still counts.
func (s *Sessions) FindCtx(ctx context.Context, token string) (data []byte, found bool, err error) {
	made, seen := s.oldest()
	err = s.db.Query(ctx, func(rows *sql.Rows) error {
		found = true
		return rows.Scan(&data)
	}, "SELECT data FROM account_session WHERE token = $1 AND made_at > $2 AND seen_at > $3", token, made, seen)
	if err != nil {
		return nil, false, fmt.Errorf("read session: %w", err)
	}
	return data, found, nil
}

// CommitCtx keeps a session, and that it was used just now; it lets go of those that have
// ended. When a session ends is not the library's to say.
func (s *Sessions) CommitCtx(ctx context.Context, token string, data []byte, _ time.Time) error {
	now, fresh := s.now(), false
	err := s.db.Query(ctx, func(rows *sql.Rows) error {
		var kept []byte
		err := rows.Scan(&kept)
		fresh = bytes.Equal(kept, data)
		return err
	}, "SELECT data FROM account_session WHERE token = $1 AND seen_at > $2", token, now.Add(-seenEvery).UnixMilli())
	if err != nil || fresh {
		return err
	}
	return s.db.Update(ctx, func(tx *sql.Tx) error {
		made, seen := s.oldest()
		if _, err := tx.ExecContext(ctx, "DELETE FROM account_session WHERE made_at <= $1 OR seen_at <= $2", made, seen); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO account_session (token, data, made_at, seen_at) VALUES ($1, $2, $3, $3)
			ON CONFLICT (token) DO UPDATE SET data = excluded.data, seen_at = excluded.seen_at`, token, data, now.UnixMilli())
		return err
	})
}

// DeleteCtx ends a session.
func (s *Sessions) DeleteCtx(ctx context.Context, token string) error {
	return s.db.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM account_session WHERE token = $1", token)
		return err
	})
}

// Find, Commit and Delete are for callers without a context.
func (s *Sessions) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}
func (s *Sessions) Commit(token string, data []byte, end time.Time) error {
	return s.CommitCtx(context.Background(), token, data, end)
}
func (s *Sessions) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }

// Ticket is what a session keeps of who is logged in: the account and its life, and the
// life of the hub. A database that was brought back from a copy lets nobody in who had
// been logged out since.
func (a *Accounts) Ticket(ctx context.Context, who Account) (string, error) {
	life, err := generation(ctx, a.db.Query)
	return fmt.Sprint(who.ID, who.life, life), err
}

// Redeem returns the account of a ticket; ErrWrong where it is none, or the account was
// disabled or chose another password since.
func (a *Accounts) Redeem(ctx context.Context, ticket string) (Account, error) {
	var id ID
	var life, hub int64
	if _, err := fmt.Sscan(ticket, &id, &life, &hub); err != nil {
		return Account{}, ErrWrong
	}
	now, err := generation(ctx, a.db.Query)
	if err != nil {
		return Account{}, err
	}
	who, err := a.Get(ctx, id)
	switch {
	case errors.Is(err, ErrNone), err == nil && (now != hub || who.life != life || !who.Disabled.IsZero()):
		return Account{}, ErrWrong
	}
	return who, err
}

// generation is the number of the hub's life.
func generation(ctx context.Context, query reader) (n int64, err error) {
	err = query(ctx, func(rows *sql.Rows) error { return rows.Scan(&n) }, "SELECT COALESCE(MAX(number), 0) FROM generation")
	if err != nil {
		return 0, fmt.Errorf("read generation: %w", err)
	}
	return n, nil
}
