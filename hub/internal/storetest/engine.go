package storetest

import (
	"path/filepath"
	"testing"
)

// Each runs one test body on both kinds of database, with the address of an
// empty one.
func Each(t *testing.T, p *Postgres, body func(t *testing.T, dsn string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { body(t, filepath.Join(t.TempDir(), "hub.db")) })
	t.Run("postgres", func(t *testing.T) { body(t, p.Database(t)) })
}
