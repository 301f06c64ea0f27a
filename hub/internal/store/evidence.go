package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Evidence shows the rows of one moment as they are, while the hub goes on: for
// package verify. It belongs to one goroutine.
type Evidence struct {
	tx *sql.Tx
}

// UnreadableRow is a row whose columns do not hold what this program writes.
type UnreadableRow struct {
	Table string
	Cause error
}

func (u *UnreadableRow) Error() string {
	return "unreadable row in " + u.Table + ": " + u.Cause.Error()
}

func (u *UnreadableRow) Unwrap() error { return u.Cause }

// Evidence begins to look; Close ends it.
func (s *Store) Evidence(ctx context.Context) (*Evidence, error) {
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{Isolation: s.engine.snapshot, ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("read evidence: %w", s.engine.mapped(err))
	}
	var lives int64
	if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM generation").Scan(&lives); err != nil { // the first reading fixes the moment
		return nil, errors.Join(fmt.Errorf("read evidence: %w", s.engine.mapped(err)), tx.Rollback())
	}
	return &Evidence{tx}, nil
}

// Close ends the look at this moment.
func (e *Evidence) Close() error { return e.tx.Rollback() }

// anyHash scans a hash; what is none becomes one that no record has, so that it
// is seen as a difference in its place.
type anyHash struct{ to *protocol.Hash }

func (h anyHash) Scan(v any) error {
	if hashColumn(h).Scan(v) != nil {
		*h.to = sha256.Sum256(fmt.Appendf(nil, "no hash: %v", v))
	}
	return nil
}

// GenerationRow, SiteRow, KeyRow and TerminalRow are rows that follow from the ledger.
type (
	GenerationRow struct {
		Number int64
		ID     string
		Reason string
		Since  time.Time
	}
	SiteRow struct {
		ID    protocol.SiteID
		Added time.Time
	}
	KeyRow struct {
		Site              protocol.SiteID
		Fingerprint       string
		PublicKey         string
		Admitted, Retired time.Time
	}
	TerminalRow struct {
		ID         int64
		Site       protocol.SiteID
		Serial     protocol.Serial
		Registered time.Time
		Sightings  int64
	}
)

// EpochRow says how far an epoch is held.
type EpochRow struct {
	ID      int64
	Site    protocol.SiteID
	Name    protocol.Hash
	Through int64
	Hash    protocol.Hash
	Fork    int64
	Forks   int64
	Seal    protocol.Hash
}

// SegmentRow is a kept segment, or a fork: then Last is where it contradicts and
// Head names it.
type SegmentRow struct {
	Last     int64
	First    int64
	Head     protocol.Hash
	Received time.Time
	Packed   []byte
	Seal     protocol.Hash
}

// Message returns the signed envelope.
func (r SegmentRow) Message() ([]byte, error) { return unpack(r.Packed) }

// Sum is the seal that the row must have after the one with seal prev. For a
// fork, prev is its head and first what its message says.
func (r SegmentRow) Sum(prev protocol.Hash) protocol.Hash {
	return sealOf(prev, uint64(r.Last), uint64(r.First), r.Received, r.Packed)
}

// SightingRow is a kept record with the key of its punch.
type SightingRow struct {
	Seq       int64
	Canonical []byte
	Hash      protocol.Hash
	Terminal  int64
	Time, PIN string
	Status    int64
	Nth       int64
	Flags     int64
}

// Deeds yields the ledger in order.
func (e *Evidence) Deeds(ctx context.Context) iter.Seq2[Deed, error] {
	return paged(ctx, e.tx, "ledger", math.MinInt64, func(row scanner) (d Deed, at int64, err error) {
		var ms int64
		err = row.Scan(&d.N, &ms, &d.Kind, &d.Site, &d.Subject, &d.Detail, anyHash{&d.Hash})
		d.At = instant(ms)
		return d, d.N, err
	}, "SELECT n, at, kind, site, subject, detail, hash FROM ledger WHERE n > $1 ORDER BY n LIMIT 500")
}

// Generations returns the hub's lives.
func (e *Evidence) Generations(ctx context.Context) (all []GenerationRow, err error) {
	err = e.rows(ctx, "generation", func(row scanner) error {
		var r GenerationRow
		var since int64
		err := row.Scan(&r.Number, &r.ID, &r.Reason, &since)
		r.Since = instant(since)
		all = append(all, r)
		return err
	}, "SELECT number, id, reason, since FROM generation ORDER BY number")
	return all, err
}

// Sites returns the sites.
func (e *Evidence) Sites(ctx context.Context) (all []SiteRow, err error) {
	err = e.rows(ctx, "site", func(row scanner) error {
		var r SiteRow
		var added int64
		err := row.Scan(&r.ID, &added)
		r.Added = instant(added)
		all = append(all, r)
		return err
	}, "SELECT id, added FROM site ORDER BY id")
	return all, err
}

// Keys returns every key that a site's agents ever had.
func (e *Evidence) Keys(ctx context.Context) (all []KeyRow, err error) {
	err = e.rows(ctx, "agent_key", func(row scanner) error {
		var r KeyRow
		var admitted, retired int64
		err := row.Scan(&r.Site, &r.Fingerprint, &r.PublicKey, &admitted, &retired)
		r.Admitted, r.Retired = instant(admitted), instant(retired)
		all = append(all, r)
		return err
	}, "SELECT site, fingerprint, public_key, admitted, retired FROM agent_key ORDER BY site, fingerprint")
	return all, err
}

// Terminals returns the terminals, registered or not.
func (e *Evidence) Terminals(ctx context.Context) (all []TerminalRow, err error) {
	err = e.rows(ctx, "terminal", func(row scanner) error {
		var r TerminalRow
		var registered int64
		err := row.Scan(&r.ID, &r.Site, &r.Serial, &registered, &r.Sightings)
		r.Registered = instant(registered)
		all = append(all, r)
		return err
	}, "SELECT id, site, serial, registered, sightings FROM terminal ORDER BY id")
	return all, err
}

// Epochs returns the epochs, by id.
func (e *Evidence) Epochs(ctx context.Context) (all []EpochRow, err error) {
	err = e.rows(ctx, "epoch", func(row scanner) error {
		var r EpochRow
		err := row.Scan(&r.ID, &r.Site, anyHash{&r.Name}, &r.Through, anyHash{&r.Hash}, &r.Fork, &r.Forks, anyHash{&r.Seal})
		all = append(all, r)
		return err
	}, "SELECT id, site, name, through, hash, fork, forks, seal FROM epoch ORDER BY id")
	return all, err
}

// States returns the newest state of every site.
func (e *Evidence) States(ctx context.Context) (all []State, err error) {
	err = e.rows(ctx, "site_state", func(row scanner) error {
		st, err := scanState(row)
		all = append(all, st)
		return err
	}, stateColumns+"ORDER BY site")
	return all, err
}

// Segments yields an epoch's segments in order, from the one that holds a
// sequence on.
func (e *Evidence) Segments(ctx context.Context, epoch, from int64) iter.Seq2[SegmentRow, error] {
	return paged(ctx, e.tx, "segment", from-1, func(row scanner) (r SegmentRow, at int64, err error) {
		var ms int64
		err = row.Scan(&r.Last, &r.First, &ms, &r.Packed, anyHash{&r.Seal})
		r.Received = instant(ms)
		return r, r.Last, err
	}, "SELECT last, first, received, message, seal FROM segment WHERE last > $1 AND epoch = $2 ORDER BY last LIMIT 64", epoch)
}

// Sightings yields an epoch's sightings in order.
func (e *Evidence) Sightings(ctx context.Context, epoch int64) iter.Seq2[SightingRow, error] {
	return paged(ctx, e.tx, "sighting", math.MinInt64, func(row scanner) (r SightingRow, at int64, err error) {
		err = row.Scan(&r.Seq, &r.Canonical, anyHash{&r.Hash}, &r.Terminal, &r.Time, &r.PIN, &r.Status, &r.Nth, &r.Flags)
		return r, r.Seq, err
	}, "SELECT seq, canonical, hash, terminal, time, pin, status, nth, flags FROM sighting WHERE seq > $1 AND epoch = $2 ORDER BY seq LIMIT 500", epoch)
}

// Forks returns what was kept apart of an epoch. Their First is in the message.
func (e *Evidence) Forks(ctx context.Context, epoch int64) (all []SegmentRow, err error) {
	err = e.rows(ctx, "fork", func(row scanner) error {
		var r SegmentRow
		var ms int64
		err := row.Scan(anyHash{&r.Head}, &r.Last, &ms, &r.Packed, anyHash{&r.Seal})
		r.Received = instant(ms)
		all = append(all, r)
		return err
	}, "SELECT head, at, received, message, seal FROM fork WHERE epoch = $1 ORDER BY at, head", epoch)
	return all, err
}

// Span is the part of an epoch that holds what somebody asked for.
type Span struct {
	Epoch    EpochRow
	From, To int64 // sequences
}

// Spans returns where the records of a site's registered terminals are whose
// time lies in [from, to), or names no date and came in [since, until).
func (e *Evidence) Spans(ctx context.Context, site protocol.SiteID, from, to protocol.LocalTime, since, until time.Time) ([]Span, error) {
	epochs, err := e.Epochs(ctx)
	if err != nil {
		return nil, err
	}
	byID := map[int64]EpochRow{}
	for _, r := range epochs {
		byID[r.ID] = r
	}
	found := map[int64]Span{}
	err = each(ctx, e.tx, func(rows *sql.Rows) error {
		var id int64
		var s Span
		if err := rows.Scan(&id, &s.From, &s.To); err != nil {
			return err
		}
		s.Epoch = byID[id]
		if before, both := found[id]; both {
			s.From, s.To = min(s.From, before.From), max(s.To, before.To)
		}
		found[id] = s
		return nil
	}, `SELECT v.epoch, MIN(v.seq), MAX(v.seq) FROM sighting v JOIN terminal t ON t.id = v.terminal
		WHERE t.site = $1 AND t.registered > 0 AND v.time >= $2 AND v.time < $3 GROUP BY v.epoch
		UNION ALL
		SELECT v.epoch, MIN(v.seq), MAX(v.seq) FROM sighting v JOIN terminal t ON t.id = v.terminal
		WHERE t.site = $1 AND t.registered > 0 AND v.time >= $4
			AND (SELECT MIN(g.last) FROM segment g WHERE g.epoch = v.epoch AND g.last >= v.seq) IN
				(SELECT g.last FROM segment g WHERE g.epoch = v.epoch AND g.received >= $5 AND g.received < $6)
		GROUP BY v.epoch`, string(site), string(from), string(to), impossible, millis(since), millis(until))
	if err != nil {
		return nil, fmt.Errorf("read sightings: %w", err)
	}
	return slices.SortedFunc(maps.Values(found), func(a, b Span) int { return cmp.Compare(a.Epoch.ID, b.Epoch.ID) }), nil
}

// EpochsOf returns the numbers of the epochs that rows of a raw table belong to:
// segment, fork or sighting.
func (e *Evidence) EpochsOf(ctx context.Context, table string) (all []int64, err error) {
	at := int64(math.MinInt64)
	for {
		var next sql.NullInt64
		// One look into the index for each epoch, however many rows it has.
		if err := e.tx.QueryRowContext(ctx, "SELECT MIN(epoch) FROM "+table+" WHERE epoch > $1", at).Scan(&next); err != nil {
			return nil, fmt.Errorf("read epochs of %s: %w", table, err)
		}
		if !next.Valid {
			return all, nil
		}
		all, at = append(all, next.Int64), next.Int64
	}
}

// rows reads a small table as a whole.
func (e *Evidence) rows(ctx context.Context, table string, scan func(scanner) error, query string, args ...any) error {
	return each(ctx, e.tx, func(rows *sql.Rows) error {
		if err := scan(rows); err != nil {
			return &UnreadableRow{table, err}
		}
		return nil
	}, query, args...)
}

// paged reads a table of any size, in pages of what comes after a number, which
// is $1.
func paged[R any](ctx context.Context, q querier, table string, after int64, scan func(scanner) (R, int64, error), query string, args ...any) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		at := after
		for {
			var page []R
			err := each(ctx, q, func(rows *sql.Rows) error {
				r, n, err := scan(rows)
				if err != nil {
					return &UnreadableRow{table, err}
				}
				page, at = append(page, r), n
				return nil
			}, query, append([]any{at}, args...)...)
			for _, r := range page {
				if !yield(r, nil) {
					return
				}
			}
			if err != nil {
				var none R
				yield(none, fmt.Errorf("read %s: %w", table, err))
				return
			}
			if len(page) == 0 {
				return
			}
		}
	}
}
