package vault

import (
	"context"
	"database/sql"
	"errors"
)

// guard makes the database refuse every change of the audit. The words for that are
// the one thing that the two databases do not share; PostgreSQL has the function
// from the store's own tables.
func guard(ctx context.Context, tx *sql.Tx, engine string) error {
	var statements []string
	switch engine {
	case "sqlite":
		statements = []string{
			"CREATE TRIGGER IF NOT EXISTS vault_audit_update BEFORE UPDATE ON vault_audit BEGIN SELECT RAISE(ABORT, 'vault_audit is append-only'); END",
			"CREATE TRIGGER IF NOT EXISTS vault_audit_delete BEFORE DELETE ON vault_audit BEGIN SELECT RAISE(ABORT, 'vault_audit is append-only'); END",
		}
	case "postgres":
		statements = []string{
			"CREATE OR REPLACE TRIGGER vault_audit_change BEFORE UPDATE OR DELETE OR TRUNCATE ON vault_audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
		}
	default:
		return errors.New("no words to guard the audit of a database of kind " + engine)
	}
	for _, s := range statements {
		if _, err := tx.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}
