-- Who may look at the hub and change it. See package account. This file and its twin for
-- PostgreSQL make the same tables; a test compares them.

-- +goose Up
CREATE TABLE account (
    id        BIGINT PRIMARY KEY,
    name      TEXT   NOT NULL UNIQUE, -- by which somebody logs in
    full_name TEXT   NOT NULL,
    role      TEXT   NOT NULL,
    password  TEXT   NOT NULL, -- argon2id in its usual form; empty: none was chosen yet
    life      BIGINT NOT NULL, -- rises when all that was logged in under it ends
    made_at   BIGINT NOT NULL,
    seen_at   BIGINT NOT NULL, -- of the last login; 0: none
    disabled  BIGINT NOT NULL  -- since when; 0: it is not
);

-- The units for which an account counts.
CREATE TABLE account_unit (
    account BIGINT NOT NULL REFERENCES account (id),
    unit    BIGINT NOT NULL REFERENCES unit (id),
    PRIMARY KEY (account, unit)
);

CREATE TABLE account_session (
    token   TEXT   PRIMARY KEY, -- hashed
    data    BYTEA  NOT NULL,
    made_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);

CREATE TABLE account_token (
    id      BIGINT PRIMARY KEY,
    account BIGINT NOT NULL REFERENCES account (id),
    secret  BYTEA  NOT NULL UNIQUE, -- SHA-256 of it
    purpose TEXT   NOT NULL,
    made_at BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    revoked BIGINT NOT NULL -- when; 0: it is not
);
CREATE INDEX account_token_account ON account_token (account);

-- Addresses that let somebody choose a password, once.
CREATE TABLE account_link (
    secret  BYTEA  PRIMARY KEY, -- SHA-256 of it
    account BIGINT NOT NULL, -- 0: it makes the first account
    expires BIGINT NOT NULL
);

-- How often somebody has tried in vain to log in under a name, one of nobody's too.
CREATE TABLE account_failure (
    name  BYTEA  PRIMARY KEY, -- SHA-256 of it
    count BIGINT NOT NULL,
    at    BIGINT NOT NULL,
    until BIGINT NOT NULL -- until when nobody is let in under it
);

-- What became of accounts, and what was refused to them. Rows are only ever added.
CREATE TABLE account_log (
    n       BIGINT PRIMARY KEY,
    at      BIGINT NOT NULL,
    who     TEXT   NOT NULL, -- who did it; empty: nobody who is known
    act     TEXT   NOT NULL,
    account BIGINT NOT NULL, -- whose account it is about; 0: none
    detail  TEXT   NOT NULL,
    address TEXT   NOT NULL  -- from where; empty: from a command
);

-- +goose StatementBegin
CREATE TRIGGER account_log_update BEFORE UPDATE ON account_log BEGIN SELECT RAISE(ABORT, 'account_log is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER account_log_delete BEFORE DELETE ON account_log BEGIN SELECT RAISE(ABORT, 'account_log is append-only'); END;
-- +goose StatementEnd
