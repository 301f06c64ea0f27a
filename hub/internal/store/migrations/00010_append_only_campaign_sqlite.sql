-- Decisions and signed minutes are only ever added to.

-- +goose Up
-- +goose StatementBegin
CREATE TRIGGER decision_update BEFORE UPDATE ON decision BEGIN SELECT RAISE(ABORT, 'decision is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER decision_delete BEFORE DELETE ON decision BEGIN SELECT RAISE(ABORT, 'decision is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER closing_update BEFORE UPDATE ON closing BEGIN SELECT RAISE(ABORT, 'closing is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER closing_delete BEFORE DELETE ON closing BEGIN SELECT RAISE(ABORT, 'closing is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER campaign_update BEFORE UPDATE ON campaign BEGIN SELECT RAISE(ABORT, 'campaign is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER campaign_delete BEFORE DELETE ON campaign BEGIN SELECT RAISE(ABORT, 'campaign is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER campaign_unit_update BEFORE UPDATE ON campaign_unit BEGIN SELECT RAISE(ABORT, 'campaign_unit is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER campaign_unit_delete BEFORE DELETE ON campaign_unit BEGIN SELECT RAISE(ABORT, 'campaign_unit is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER visit_update BEFORE UPDATE ON visit BEGIN SELECT RAISE(ABORT, 'visit is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER visit_delete BEFORE DELETE ON visit BEGIN SELECT RAISE(ABORT, 'visit is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER minutes_update BEFORE UPDATE ON minutes BEGIN SELECT RAISE(ABORT, 'minutes is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER minutes_delete BEFORE DELETE ON minutes BEGIN SELECT RAISE(ABORT, 'minutes is append-only'); END;
-- +goose StatementEnd
