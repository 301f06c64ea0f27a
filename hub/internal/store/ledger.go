package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Deed is one line of the ledger: something that a person or the hub decided.
type Deed struct {
	N       int64 // from 1
	At      time.Time
	Kind    DeedKind
	Site    protocol.SiteID // empty where it concerns no site
	Subject string
	Detail  string
	Hash    protocol.Hash // over the line before and this one
}

// DeedKind says what was decided; subject and detail are in brackets.
type DeedKind string

// The kinds of deeds.
const (
	DeedGeneration DeedKind = "generation" // the hub began a life (its id; number and reason)
	DeedSite       DeedKind = "site"       // a site was added
	DeedAdmit      DeedKind = "admit"      // an agent's key was admitted, the one before retired (fingerprint)
	DeedRetire     DeedKind = "retire"     // the admitted key is no longer, and none is in its place (fingerprint)
	DeedKey        DeedKind = "key"        // the admitted key was seen (fingerprint; public key)
	DeedTerminal   DeedKind = "terminal"   // a terminal was registered (serial; its row's id)
	DeedPINs       DeedKind = "pins"       // no longer written: a list of PINs grew, before there was a register (its digest)
)

// Sum is the hash of a deed that follows the one with hash prev.
func (d Deed) Sum(prev protocol.Hash) protocol.Hash {
	h := sha256.New()
	h.Write(prev[:])
	var n [8]byte
	for _, number := range []int64{d.N, millis(d.At)} {
		binary.BigEndian.PutUint64(n[:], uint64(number))
		h.Write(n[:])
	}
	for _, text := range []string{string(d.Kind), string(d.Site), d.Subject, d.Detail} {
		binary.BigEndian.PutUint64(n[:], uint64(len(text)))
		h.Write(n[:])
		h.Write([]byte(text))
	}
	return protocol.Hash(h.Sum(nil))
}

// record adds a line to the ledger.
func record(ctx context.Context, tx *sql.Tx, d Deed) error {
	var prev protocol.Hash
	err := tx.QueryRowContext(ctx, "SELECT n, hash FROM ledger ORDER BY n DESC LIMIT 1").Scan(&d.N, hashColumn{&prev})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	d.N++
	sum := d.Sum(prev)
	_, err = tx.ExecContext(ctx, "INSERT INTO ledger (n, at, kind, site, subject, detail, hash) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		d.N, millis(d.At), string(d.Kind), string(d.Site), d.Subject, d.Detail, sum[:])
	return err
}
