-- Whose a PIN is the register says. The list that was imported before there was one
-- goes; the ledger keeps that it was. Whether a template was ever seen the vault's
-- audit says.

-- +goose Up
DROP TABLE pin;
CREATE INDEX vault_audit_digest ON vault_audit (digest);
