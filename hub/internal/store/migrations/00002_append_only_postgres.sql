-- Raw data is only ever added to. The words of triggers are what the two databases do not share.

-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION refuse_change() RETURNS trigger AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END
$$ LANGUAGE plpgsql;
-- +goose StatementEnd
CREATE TRIGGER ledger_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER segment_change BEFORE UPDATE OR DELETE OR TRUNCATE ON segment FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER fork_change BEFORE UPDATE OR DELETE OR TRUNCATE ON fork FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER sighting_change BEFORE UPDATE OR DELETE OR TRUNCATE ON sighting FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
