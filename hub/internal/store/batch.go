package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// batch is what one Accept knows and will write. Rows that concern it are read
// once at the start; what it adds waits here until write.
type batch struct {
	tx        *sql.Tx
	keys      map[protocol.SiteID]seal.KeyID
	epochs    map[epochKey]*epochRow
	terminals map[terminalKey]*terminalRow
	revisions map[protocol.SiteID]int64
	order     []*epochRow // heard, the last one last
	lastEpoch int64       // greatest ids given
	lastTerm  int64

	segments, sightings []any
	named               []*terminalRow // by what the batch adds
}

type epochKey struct {
	site protocol.SiteID
	name protocol.Hash
}

// epochRow is a row of table epoch. id 0: nothing is stored of it yet.
type epochRow struct {
	key     epochKey
	id      int64
	through uint64
	hash    protocol.Hash
	fork    uint64
	forks   int64
	seal    protocol.Hash

	before  uint64          // through at the start of the batch
	fresh   []protocol.Hash // hashes of what the batch adds after before
	changed bool
	heard   time.Time // zero: not in this batch
}

type terminalKey struct {
	site   protocol.SiteID
	serial protocol.Serial
}

type terminalRow struct {
	key        terminalKey
	id         int64
	registered int64
	sightings  int64
	named      bool
}

// loadBatch reads what the segments touch.
func loadBatch(ctx context.Context, tx *sql.Tx, in []Incoming) (*batch, error) {
	b := &batch{
		tx:        tx,
		keys:      map[protocol.SiteID]seal.KeyID{},
		epochs:    map[epochKey]*epochRow{},
		terminals: map[terminalKey]*terminalRow{},
		revisions: map[protocol.SiteID]int64{},
	}
	sites, serials := map[string]bool{}, map[string]bool{}
	var siteList, serialList []string
	var names [][]byte
	known := map[protocol.Hash]bool{}
	for i := range in {
		siteList = distinct(siteList, sites, string(in[i].Site))
		if name := in[i].Segment.Epoch; !known[name] {
			known[name] = true
			names = append(names, name[:])
		}
		for j := range in[i].Segment.Records {
			serialList = distinct(serialList, serials, string(in[i].Segment.Records[j].Serial))
		}
	}
	for _, load := range []func() error{
		func() error { return b.loadSites(ctx, siteList) },
		func() error { return b.loadEpochs(ctx, names) },
		func() error { return b.loadTerminals(ctx, serialList) },
		func() error {
			return tx.QueryRowContext(ctx, "SELECT (SELECT COALESCE(MAX(id), 0) FROM epoch), (SELECT COALESCE(MAX(id), 0) FROM terminal)").
				Scan(&b.lastEpoch, &b.lastTerm)
		},
	} {
		if err := load(); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func distinct(list []string, seen map[string]bool, s string) []string {
	if seen[s] {
		return list
	}
	seen[s] = true
	return append(list, s)
}

func (b *batch) loadSites(ctx context.Context, sites []string) error {
	in, args := list(sites)
	return each(ctx, b.tx, func(rows *sql.Rows) error {
		var site protocol.SiteID
		var agent seal.Fingerprint
		var revision int64
		err := rows.Scan(&site, &agent, &revision)
		b.keys[site] = agent.KeyID()
		b.revisions[site] = revision
		return err
	}, `SELECT k.site, k.fingerprint, COALESCE(r.revision, 0) FROM agent_key k LEFT JOIN receipt r ON r.site = k.site
		WHERE k.retired = 0 AND k.site IN `+in, args...)
}

func (b *batch) loadEpochs(ctx context.Context, names [][]byte) error {
	in, args := list(names)
	return each(ctx, b.tx, func(rows *sql.Rows) error {
		var e epochRow
		if err := rows.Scan(&e.id, &e.key.site, hashColumn{&e.key.name}, &e.through, hashColumn{&e.hash},
			&e.fork, &e.forks, hashColumn{&e.seal}); err != nil {
			return err
		}
		e.before = e.through
		b.epochs[e.key] = &e
		return nil
	}, "SELECT id, site, name, through, hash, fork, forks, seal FROM epoch WHERE name IN "+in, args...)
}

func (b *batch) loadTerminals(ctx context.Context, serials []string) error {
	in, args := list(serials)
	return each(ctx, b.tx, func(rows *sql.Rows) error {
		var t terminalRow
		err := rows.Scan(&t.id, &t.key.site, &t.key.serial, &t.registered, &t.sightings)
		b.terminals[t.key] = &t
		return err
	}, "SELECT id, site, serial, registered, sightings FROM terminal WHERE serial IN "+in, args...)
}

// epoch finds an epoch, or one of which nothing is held yet.
func (b *batch) epoch(site protocol.SiteID, name protocol.Hash) *epochRow {
	key := epochKey{site, name}
	e, found := b.epochs[key]
	if !found {
		e = &epochRow{key: key, hash: name, seal: name}
		b.epochs[key] = e
	}
	return e
}

// hear notes that an epoch was heard of: the newest ones are in the receipt.
func (b *batch) hear(e *epochRow, at time.Time) {
	if e.heard.IsZero() {
		b.order = append(b.order, e)
	}
	e.heard = at
}

// terminal finds the terminal that one more sighting names, or makes one that is
// only heard of.
func (b *batch) terminal(site protocol.SiteID, serial protocol.Serial) *terminalRow {
	key := terminalKey{site, serial}
	t, found := b.terminals[key]
	if !found {
		b.lastTerm++
		t = &terminalRow{key: key, id: b.lastTerm}
		b.terminals[key] = t
	}
	if !t.named {
		t.named = true
		b.named = append(b.named, t)
	}
	t.sightings++
	return t
}

// hashes returns h(from) to h(to) of what is held, also by this batch.
func (b *batch) hashes(ctx context.Context, e *epochRow, from, to uint64) ([]protocol.Hash, error) {
	held := make([]protocol.Hash, 0, to-from+1)
	if from == 0 {
		held = append(held, e.key.name)
		from = 1
	}
	switch {
	case from == to && to == e.through:
		return append(held, e.hash), nil // what every new segment asks
	case from <= e.before && from <= to:
		if err := each(ctx, b.tx, func(rows *sql.Rows) error {
			var h protocol.Hash
			err := rows.Scan(hashColumn{&h})
			held = append(held, h)
			return err
		}, "SELECT hash FROM sighting WHERE epoch = $1 AND seq >= $2 AND seq <= $3 ORDER BY seq",
			e.id, int64(from), int64(min(to, e.before))); err != nil {
			return nil, err
		}
		from = e.before + 1
	}
	for seq := from; seq <= to; seq++ {
		held = append(held, e.fresh[seq-e.before-1])
	}
	return held, nil
}

// keepApart stores a segment that contradicts what is held, once.
func (b *batch) keepApart(ctx context.Context, e *epochRow, in *Incoming, packed []byte, at uint64) (fork uint64, err error) {
	if e.fork == 0 || at < e.fork {
		e.fork = at
	}
	e.changed = true
	b.number(e)
	sum := sealOf(in.Segment.Head, at, in.Segment.First, in.Received, packed)
	result, err := b.tx.ExecContext(ctx, `INSERT INTO fork (epoch, head, at, received, message, seal) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (epoch, head) DO NOTHING`,
		e.id, in.Segment.Head[:], int64(at), millis(in.Received), packed, sum[:])
	if err != nil {
		return e.fork, fmt.Errorf("insert into fork: %w", err)
	}
	n, err := result.RowsAffected()
	e.forks += n
	return e.fork, err
}

// number gives an epoch its id when it gets its first row.
func (b *batch) number(e *epochRow) {
	if e.id == 0 {
		b.lastEpoch++
		e.id = b.lastEpoch
	}
}

// write adds everything to the database.
func (b *batch) write(ctx context.Context, statements bulk) error {
	var terminals, epochs, heard, revisions []any
	for _, t := range b.named {
		terminals = append(terminals, t.id, string(t.key.site), string(t.key.serial), t.registered, t.sightings)
	}
	raised := map[protocol.SiteID]bool{}
	for _, e := range b.order {
		site := e.key.site
		if !raised[site] {
			raised[site] = true
			b.revisions[site]++
			revisions = append(revisions, string(site), b.revisions[site])
		}
		heard = append(heard, string(site), e.key.name[:], b.revisions[site], millis(e.heard))
		if e.changed {
			epochs = append(epochs, e.id, string(site), e.key.name[:], int64(e.through), e.hash[:], int64(e.fork), e.forks, e.seal[:])
		}
	}
	for _, step := range []struct {
		into   statement
		values []any
	}{
		{upsertTerminal, terminals}, {upsertEpoch, epochs}, {insertSegment, b.segments}, {insertSighting, b.sightings},
		{upsertHeard, heard}, {upsertRevision, revisions},
	} {
		if err := statements.insert(ctx, b.tx, step.into, step.values); err != nil {
			return err
		}
	}
	return nil
}
