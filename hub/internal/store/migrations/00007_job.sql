-- What sites were asked to do once, and what became of it. See package job.

-- +goose Up

-- That somebody was told what their finger is recorded for, before it was.
CREATE TABLE notice (
    id       BIGINT PRIMARY KEY,
    employee BIGINT NOT NULL,
    wording  TEXT   NOT NULL, -- which version of the text
    shown_by TEXT   NOT NULL,
    shown_at BIGINT NOT NULL
);
CREATE INDEX notice_employee ON notice (employee);

CREATE TABLE job (
    id           BIGINT PRIMARY KEY,
    site         TEXT   NOT NULL,
    generation   BIGINT NOT NULL, -- with number the one by which the site's agent knows it
    number       BIGINT NOT NULL, -- of the site's job, never used again
    kind         TEXT   NOT NULL,
    serial       TEXT   NOT NULL,
    employee     BIGINT NOT NULL,
    pin          TEXT   NOT NULL, -- the hub's
    finger       BIGINT NOT NULL,
    notice       BIGINT NOT NULL REFERENCES notice (id),
    ordered_by   TEXT   NOT NULL,
    ordered_at   BIGINT NOT NULL,
    not_before   BIGINT NOT NULL, -- 0: at once
    expires      BIGINT NOT NULL,
    state        TEXT   NOT NULL, -- waiting, begun, done, failed, cancelled, expired
    step         TEXT   NOT NULL, -- the last that the agent told; empty: none
    good         BIGINT NOT NULL,
    bad          BIGINT NOT NULL,
    said_at      BIGINT NOT NULL, -- when the agent spoke of it last; 0: never
    ended        TEXT   NOT NULL, -- the agent's word for what became of it
    reason       TEXT   NOT NULL,
    ended_at     BIGINT NOT NULL,
    digest       BYTEA  NOT NULL, -- of the template that is in the vault; empty: none
    cancelled_by TEXT   NOT NULL,
    cancelled_at BIGINT NOT NULL,
    heard        BIGINT NOT NULL, -- 1: the agent knows that it ended
    UNIQUE (site, number)
);
CREATE INDEX job_open ON job (heard);
CREATE INDEX job_employee ON job (employee);
