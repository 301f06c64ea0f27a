-- Communication keys that agents made for terminals. See package errand.

-- +goose Up

-- Of a key-write: SHA-256 of what is in the box that it may write, hexadecimal.
ALTER TABLE errand ADD COLUMN kept TEXT NOT NULL DEFAULT '';

-- Sealed to the hub as they came. None is ever deleted: which one a terminal has may be
-- known only to somebody who stands before it.
CREATE TABLE comm_key (
    errand BIGINT PRIMARY KEY REFERENCES errand (id), -- the key-make
    site   TEXT   NOT NULL,
    serial TEXT   NOT NULL,
    at     BIGINT NOT NULL,
    box    TEXT   NOT NULL, -- JSON of seal.Box
    digest TEXT   NOT NULL, -- SHA-256 of what is in the box, hexadecimal
    proven BIGINT NOT NULL  -- when it opened the terminal; 0: not yet
);
CREATE INDEX comm_key_terminal ON comm_key (site, serial);
