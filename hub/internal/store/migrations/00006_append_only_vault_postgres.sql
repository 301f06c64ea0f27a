-- The vault's audit is only ever added to; the function is that of 00002.

-- +goose Up
CREATE TRIGGER vault_audit_change BEFORE UPDATE OR DELETE OR TRUNCATE ON vault_audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
