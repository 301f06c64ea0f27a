package directory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Errors of Undo.
var (
	ErrNoChange = errors.New("there is no such change that could be undone")
	ErrUndone   = errors.New("the change is undone already")
)

// LaterError says that what a change made was changed again; those must be undone
// first.
type LaterError struct{ Changes []int64 }

func (e *LaterError) Error() string { return fmt.Sprintf("later changes build on it: %v", e.Changes) }

// Undo takes back a whole change: what it made no longer holds, what it voided
// holds again. An undo itself is not undone; the same is done again.
func (d *Directory) Undo(ctx context.Context, by By, change int64) error {
	if by.Who == "" {
		return ErrWho
	}
	by.Act, by.Subject = "undo", strconv.FormatInt(change, 10)
	err := d.db.Update(ctx, func(tx *sql.Tx) error {
		if err := undoable(ctx, tx, d.db.Within(tx), change); err != nil {
			return err
		}
		if _, err := recordChange(ctx, tx, by, change); err != nil {
			return err
		}
		reg, err := load(ctx, d.db.Within(tx))
		if err != nil {
			return err
		}
		return newDraft(reg, roster.DateOf(by.At)).Check() // something later may stand on what is gone
	})
	if err != nil {
		return fmt.Errorf("undo change %d of the register: %w", change, err)
	}
	return nil
}

func undoable(ctx context.Context, tx *sql.Tx, read reader, change int64) error {
	var undoes, undone int64
	err := tx.QueryRowContext(ctx, `SELECT undoes, (SELECT COUNT(*) FROM register_change WHERE undoes = $1)
		FROM register_change WHERE n = $1`, change).Scan(&undoes, &undone)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && undoes != 0:
		return ErrNoChange
	case err != nil:
		return err
	case undone > 0:
		return ErrUndone
	}
	var later []int64
	for _, table := range tables() {
		err := read(ctx, func(rows *sql.Rows) error {
			var n int64
			err := rows.Scan(&n)
			later = append(later, n)
			return err
		}, "SELECT DISTINCT voided FROM "+table.name+` WHERE made = $1 AND voided > 0
			AND voided NOT IN (SELECT undoes FROM register_change)`, change)
		if err != nil {
			return err
		}
	}
	if len(later) > 0 {
		return &LaterError{sortedUnique(later)}
	}
	return nil
}

func sortedUnique(list []int64) []int64 {
	slices.Sort(list)
	return slices.Compact(list)
}
