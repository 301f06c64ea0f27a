-- Templates, sealed: nothing here opens without the vault key, which is a file
-- outside of the database. See package vault.

-- +goose Up

-- Something sealed with the vault key, by which another key is recognised.
CREATE TABLE vault_check (
    name  TEXT  PRIMARY KEY,
    value BYTEA NOT NULL
);

CREATE TABLE template (
    employee  BIGINT NOT NULL,
    finger    BIGINT NOT NULL, -- 0 to 9
    algorithm BIGINT NOT NULL,
    digest    BYTEA  NOT NULL,
    life      BIGINT NOT NULL, -- which of the employee's data keys: how many were destroyed before
    origin    TEXT   NOT NULL,
    captured  BIGINT NOT NULL,
    best      BIGINT NOT NULL, -- 1: the copy that rosters name
    sealed    BYTEA  NOT NULL,
    PRIMARY KEY (employee, finger, algorithm, digest)
);
CREATE INDEX template_digest ON template (digest);
CREATE UNIQUE INDEX template_best ON template (employee, finger, algorithm) WHERE best = 1;

-- What terminals held and nobody has said whose it is.
CREATE TABLE template_found (
    id        BIGINT PRIMARY KEY, -- the number of its line in vault_audit
    kind      TEXT   NOT NULL,
    site      TEXT   NOT NULL,
    serial    TEXT   NOT NULL,
    pin       TEXT   NOT NULL,
    finger    BIGINT NOT NULL,
    algorithm BIGINT NOT NULL,
    digest    BYTEA  NOT NULL,
    at        BIGINT NOT NULL,
    day       BIGINT NOT NULL, -- whose data key sealed it, in days since 1970
    life      BIGINT NOT NULL,
    sealed    BYTEA  NOT NULL,
    UNIQUE (kind, site, serial, pin, finger, algorithm, digest)
);
CREATE INDEX template_found_digest ON template_found (digest);
CREATE INDEX template_found_day ON template_found (kind, day);

-- Data keys that are no more: of an employee (number is the id) or of a day's
-- found templates or copies.
CREATE TABLE vault_destruction (
    kind   TEXT   NOT NULL,
    number BIGINT NOT NULL,
    life   BIGINT NOT NULL,
    at     BIGINT NOT NULL,
    who    TEXT   NOT NULL,
    why    TEXT   NOT NULL,
    PRIMARY KEY (kind, number, life)
);

-- Who did what with which template, in order: a hash chain that is only added to.
CREATE TABLE vault_audit (
    n         BIGINT PRIMARY KEY,
    at        BIGINT NOT NULL,
    who       TEXT   NOT NULL,
    act       TEXT   NOT NULL,
    why       TEXT   NOT NULL,
    employee  BIGINT NOT NULL, -- 0: none
    finger    BIGINT NOT NULL,
    algorithm BIGINT NOT NULL,
    digest    BYTEA  NOT NULL, -- empty where it is about no single template
    detail    TEXT   NOT NULL,
    hash      BYTEA  NOT NULL
);
CREATE INDEX vault_audit_employee ON vault_audit (employee, n);
