-- What terminals should hold and do hold: no evidence, only the way the work
-- stands. See package holding.

-- +goose Up

-- Every roster that was issued. Only the current one has its text: who was on a
-- terminal last year is asked of the register, not of this table.
CREATE TABLE roster_revision (
    site        TEXT   NOT NULL,
    serial      TEXT   NOT NULL,
    generation  BIGINT NOT NULL,
    revision    BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    as_of       TEXT   NOT NULL,
    mode        TEXT   NOT NULL,
    users       BIGINT NOT NULL,
    fingers     BIGINT NOT NULL,
    added       BIGINT NOT NULL, -- entries, against the revision before
    removed     BIGINT NOT NULL,
    changed     BIGINT NOT NULL,
    digest      BYTEA  NOT NULL, -- of the content without its day
    size        BIGINT NOT NULL, -- of the text, in bytes
    current     BIGINT NOT NULL, -- 1 or 0
    content     BYTEA  NOT NULL, -- the text; empty where it is not current
    approved    BYTEA  NOT NULL, -- digest of the plan that a person lets pass the agent's brake; empty: none
    approved_by TEXT   NOT NULL,
    approved_at BIGINT NOT NULL,
    PRIMARY KEY (site, serial, generation, revision)
);
CREATE UNIQUE INDEX roster_current ON roster_revision (site, serial) WHERE current = 1;

-- The newest inventory and the newest results of a terminal.
CREATE TABLE said (
    site       TEXT   NOT NULL,
    serial     TEXT   NOT NULL,
    kind       TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    users      BIGINT NOT NULL, -- of an inventory
    fingers    BIGINT NOT NULL,
    generation BIGINT NOT NULL, -- of the roster that results speak of
    revision   BIGINT NOT NULL,
    digest     BYTEA  NOT NULL, -- SHA-256 of content
    content    BYTEA  NOT NULL,
    PRIMARY KEY (site, serial, kind)
);

-- What became of each kind of change last: agents tell it once. reason is empty where
-- it was done and read back.
CREATE TABLE outcome (
    site       TEXT   NOT NULL,
    serial     TEXT   NOT NULL,
    pin        TEXT   NOT NULL, -- without blanks and leading zeros
    act        TEXT   NOT NULL,
    finger     BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    generation BIGINT NOT NULL, -- of the roster that it was for
    revision   BIGINT NOT NULL,
    reason     TEXT   NOT NULL,
    PRIMARY KEY (site, serial, pin, act, finger)
);
CREATE INDEX outcome_pin ON outcome (pin);

-- How far each agent key was listened to: what comes in an older order is a replay.
CREATE TABLE said_order (
    site    TEXT   NOT NULL,
    agent   TEXT   NOT NULL, -- key id
    kind    TEXT   NOT NULL,
    serial  TEXT   NOT NULL, -- empty for the sealing key, which all terminals of a site share
    life    BIGINT NOT NULL, -- lowered by 2^63, as in site_state
    counter BIGINT NOT NULL,
    PRIMARY KEY (site, agent, kind, serial)
);

-- To which key each agent wants its rosters sealed.
CREATE TABLE sealing_key (
    site   TEXT NOT NULL,
    agent  TEXT NOT NULL, -- key id of the signing key that said so
    key_id TEXT NOT NULL,
    public TEXT NOT NULL,
    PRIMARY KEY (site, agent)
);
