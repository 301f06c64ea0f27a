-- The tables of the hub, in the words that SQLite and PostgreSQL share: TEXT,
-- BIGINT (times are Unix milliseconds, 0 is "never"), BYTEA (a hash has 32
-- bytes). Ids are made by the program. What is derived is a view.

-- +goose Up

-- What persons and the hub itself decided, in order: a hash chain over the five
-- tables below it, so that a later change of one of them can be named.
CREATE TABLE ledger (
    n       BIGINT PRIMARY KEY,
    at      BIGINT NOT NULL,
    kind    TEXT   NOT NULL,
    site    TEXT   NOT NULL,
    subject TEXT   NOT NULL,
    detail  TEXT   NOT NULL,
    hash    BYTEA  NOT NULL
);

CREATE TABLE generation (
    number BIGINT PRIMARY KEY,
    id     TEXT   NOT NULL,
    reason TEXT   NOT NULL,
    since  BIGINT NOT NULL
);

CREATE TABLE site (
    id    TEXT   PRIMARY KEY,
    added BIGINT NOT NULL
);

-- A site's agent keys, retired ones too: their signatures are evidence for ever.
CREATE TABLE agent_key (
    site        TEXT   NOT NULL REFERENCES site (id),
    fingerprint TEXT   NOT NULL,
    public_key  TEXT   NOT NULL, -- empty until the agent has shown it
    admitted    BIGINT NOT NULL,
    retired     BIGINT NOT NULL, -- 0: the admitted one
    PRIMARY KEY (site, fingerprint)
);

-- Terminals that are registered, and those only heard of.
CREATE TABLE terminal (
    id         BIGINT PRIMARY KEY,
    site       TEXT   NOT NULL REFERENCES site (id),
    serial     TEXT   NOT NULL,
    registered BIGINT NOT NULL, -- 0: not registered
    sightings  BIGINT NOT NULL, -- how many name it: counting them takes too long for a page
    UNIQUE (site, serial)
);

-- How far the hub holds each agent epoch. fork is the lowest sequence at which
-- something came that contradicts it, forks counts the rows kept apart.
CREATE TABLE epoch (
    id      BIGINT PRIMARY KEY,
    site    TEXT   NOT NULL REFERENCES site (id),
    name    BYTEA  NOT NULL, -- the random id, h(0)
    through BIGINT NOT NULL,
    hash    BYTEA  NOT NULL, -- h(through)
    fork    BIGINT NOT NULL,
    forks   BIGINT NOT NULL,
    seal    BYTEA  NOT NULL, -- of the last segment row
    UNIQUE (site, name)
);

-- Every segment that brought something new, with its signature. A sighting's
-- segment is the one of its epoch with the lowest last at or above it.
CREATE TABLE segment (
    epoch    BIGINT NOT NULL,
    last     BIGINT NOT NULL,
    first    BIGINT NOT NULL,
    received BIGINT NOT NULL,
    message  BYTEA  NOT NULL, -- the signed envelope, deflated
    seal     BYTEA  NOT NULL, -- SHA-256 over the seal before it and this row
    PRIMARY KEY (epoch, last)
);

-- Segments that contradict what is held: evidence, never receipted.
CREATE TABLE fork (
    epoch    BIGINT NOT NULL,
    head     BYTEA  NOT NULL,
    at       BIGINT NOT NULL, -- where it contradicts
    received BIGINT NOT NULL,
    message  BYTEA  NOT NULL,
    seal     BYTEA  NOT NULL,
    PRIMARY KEY (epoch, head)
);

-- One record as an agent hashed it, and the key of the punch that it shows.
CREATE TABLE sighting (
    epoch     BIGINT NOT NULL,
    seq       BIGINT NOT NULL,
    canonical BYTEA  NOT NULL,
    hash      BYTEA  NOT NULL, -- h(seq)
    terminal  BIGINT NOT NULL,
    time      TEXT   NOT NULL,
    pin       TEXT   NOT NULL, -- without blanks and leading zeros
    status    BIGINT NOT NULL,
    nth       BIGINT NOT NULL,
    flags     BIGINT NOT NULL,
    PRIMARY KEY (epoch, seq)
);
CREATE INDEX sighting_punch ON sighting (terminal, time, pin, status, nth);
CREATE INDEX sighting_time ON sighting (time, terminal, pin, status, nth);

-- A punch is what the sightings of a registered terminal agree on.
CREATE VIEW punch AS
    SELECT DISTINCT t.site, t.serial, s.terminal, s.time, s.pin, s.status, s.nth
    FROM sighting s JOIN terminal t ON t.id = s.terminal
    WHERE t.registered > 0;

-- From here on: no evidence, only the way the work stands.

CREATE TABLE heard (
    site     TEXT   NOT NULL,
    epoch    BYTEA  NOT NULL,
    revision BIGINT NOT NULL, -- of the receipt that first answered it: the order of hearing
    at       BIGINT NOT NULL,
    PRIMARY KEY (site, epoch)
);

CREATE TABLE receipt (
    site     TEXT   PRIMARY KEY,
    revision BIGINT NOT NULL
);

CREATE TABLE site_state (
    site     TEXT   PRIMARY KEY,
    life     BIGINT NOT NULL,
    counter  BIGINT NOT NULL,
    message  BYTEA  NOT NULL,
    received BIGINT NOT NULL
);

CREATE TABLE attempt (
    site       TEXT   NOT NULL,
    key_id     TEXT   NOT NULL,
    times      BIGINT NOT NULL,
    first_time BIGINT NOT NULL,
    last_time  BIGINT NOT NULL,
    PRIMARY KEY (site, key_id)
);

CREATE TABLE hub_condition (
    site    TEXT   NOT NULL,
    code    TEXT   NOT NULL,
    subject TEXT   NOT NULL,
    args    TEXT   NOT NULL, -- a JSON object of texts
    since   BIGINT NOT NULL,
    latest  BIGINT NOT NULL,
    PRIMARY KEY (site, code, subject)
);

CREATE TABLE pin (
    pin      TEXT   PRIMARY KEY,
    imported BIGINT NOT NULL
);
