-- What people decided about findings, and the campaigns in which they did. Rows are
-- only ever added. See packages decision and campaign.

-- +goose Up

-- A decision on one finding of a terminal; a later one on the same evidence counts.
CREATE TABLE decision (
    n         BIGINT NOT NULL PRIMARY KEY,
    terminal  BIGINT NOT NULL,
    evidence  BYTEA  NOT NULL, -- what the finding rests on, a digest
    act       TEXT   NOT NULL,
    reason    TEXT   NOT NULL,
    who       TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    inventory BYTEA  NOT NULL, -- digest of the one that showed the finding
    finding   BYTEA  NOT NULL  -- as it was shown, JSON
);
CREATE INDEX decision_terminal ON decision (terminal, evidence, n);

-- The finding of a decision was found no more.
CREATE TABLE closing (
    decision  BIGINT NOT NULL PRIMARY KEY,
    at        BIGINT NOT NULL,
    inventory BYTEA  NOT NULL
);

CREATE TABLE campaign (
    n     BIGINT NOT NULL PRIMARY KEY,
    name  TEXT   NOT NULL,
    since TEXT   NOT NULL,
    until TEXT   NOT NULL, -- the last day
    lead  TEXT   NOT NULL,
    who   TEXT   NOT NULL,
    at    BIGINT NOT NULL
);

CREATE TABLE campaign_unit (
    campaign BIGINT NOT NULL,
    unit     BIGINT NOT NULL, -- with everything below
    PRIMARY KEY (campaign, unit)
);

-- Who goes to a terminal on which day; the newest row of a terminal counts.
CREATE TABLE visit (
    n        BIGINT NOT NULL PRIMARY KEY,
    campaign BIGINT NOT NULL,
    terminal BIGINT NOT NULL,
    day      TEXT   NOT NULL,
    officer  TEXT   NOT NULL,
    who      TEXT   NOT NULL,
    at       BIGINT NOT NULL
);

-- The signed minutes of a terminal's validation.
CREATE TABLE minutes (
    n        BIGINT NOT NULL PRIMARY KEY,
    campaign BIGINT NOT NULL,
    terminal BIGINT NOT NULL,
    number   TEXT   NOT NULL UNIQUE,
    who      TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    digest   BYTEA  NOT NULL, -- SHA-256 of content
    content  BYTEA  NOT NULL, -- JSON
    UNIQUE (campaign, terminal)
);
