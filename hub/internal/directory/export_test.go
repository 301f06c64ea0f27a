package directory

import (
	"context"
	"database/sql"

	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Afresh is another directory on the same database, which holds nothing yet.
func (d *Directory) Afresh() *Directory { return New(d.db, d.settings) }

// EmptyDraft is a draft of a register with nothing in it.
func EmptyDraft(today roster.Date) *Draft {
	nothing := func(context.Context, func(*sql.Rows) error, string, ...any) error { return nil }
	reg, err := load(context.Background(), nothing)
	if err != nil {
		panic(err) // reading nothing cannot fail
	}
	return newDraft(reg, today)
}
