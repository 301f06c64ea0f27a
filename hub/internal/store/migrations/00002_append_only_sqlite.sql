-- Raw data is only ever added to. The words of triggers are what the two databases do not share.

-- +goose Up
-- +goose StatementBegin
CREATE TRIGGER ledger_update BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, 'ledger is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER ledger_delete BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, 'ledger is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER segment_update BEFORE UPDATE ON segment BEGIN SELECT RAISE(ABORT, 'segment is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER segment_delete BEFORE DELETE ON segment BEGIN SELECT RAISE(ABORT, 'segment is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER fork_update BEFORE UPDATE ON fork BEGIN SELECT RAISE(ABORT, 'fork is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER fork_delete BEFORE DELETE ON fork BEGIN SELECT RAISE(ABORT, 'fork is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER sighting_update BEFORE UPDATE ON sighting BEGIN SELECT RAISE(ABORT, 'sighting is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER sighting_delete BEFORE DELETE ON sighting BEGIN SELECT RAISE(ABORT, 'sighting is append-only'); END;
-- +goose StatementEnd
