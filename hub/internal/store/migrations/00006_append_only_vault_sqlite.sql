-- The vault's audit is only ever added to.

-- +goose Up
-- +goose StatementBegin
CREATE TRIGGER vault_audit_update BEFORE UPDATE ON vault_audit BEGIN SELECT RAISE(ABORT, 'vault_audit is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER vault_audit_delete BEFORE DELETE ON vault_audit BEGIN SELECT RAISE(ABORT, 'vault_audit is append-only'); END;
-- +goose StatementEnd
