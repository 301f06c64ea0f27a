-- Releases of the agent, and which site is to run which. See package release.

-- +goose Up

CREATE TABLE release (
    version  TEXT   PRIMARY KEY,
    signed   TEXT   NOT NULL, -- the manifest with its signature, as it came
    added_by TEXT   NOT NULL,
    added_at BIGINT NOT NULL,
    failures BIGINT NOT NULL, -- more sites than that may not fail; 0: by the number of sites
    paused   TEXT   NOT NULL  -- why; empty: it is not
);

-- Nothing is overwritten: the greatest revision of a site counts.
CREATE TABLE release_order (
    site       TEXT   NOT NULL REFERENCES site (id),
    revision   BIGINT NOT NULL, -- from 1
    version    TEXT   NOT NULL REFERENCES release (version),
    downgrade  BIGINT NOT NULL, -- 1: the site may go below its present version
    ordered_by TEXT   NOT NULL,
    ordered_at BIGINT NOT NULL,
    PRIMARY KEY (site, revision)
);

-- What people and the hub itself did with releases.
CREATE TABLE release_act (
    id      BIGINT PRIMARY KEY,
    version TEXT   NOT NULL,
    act     TEXT   NOT NULL, -- add, roll-out, pause, resume
    detail  TEXT   NOT NULL,
    done_by TEXT   NOT NULL,
    done_at BIGINT NOT NULL
);
