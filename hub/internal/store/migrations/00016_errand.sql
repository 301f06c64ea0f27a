-- Service that sites were asked for, and what became of it. See package errand.

-- +goose Up

CREATE TABLE errand (
    id            BIGINT PRIMARY KEY,
    site          TEXT   NOT NULL REFERENCES site (id),
    generation    BIGINT NOT NULL, -- with number the one by which the site's agent knows it
    number        BIGINT NOT NULL, -- of the site's job, captures among them; never used again
    kind          TEXT   NOT NULL,
    serial        TEXT   NOT NULL, -- empty: of the whole site
    forced        BIGINT NOT NULL,
    ordered_by    TEXT   NOT NULL,
    ordered_at    BIGINT NOT NULL,
    expires       BIGINT NOT NULL,
    state         TEXT   NOT NULL, -- waiting, begun, done, failed, expired
    ended         TEXT   NOT NULL, -- the agent's word for what became of it
    reason        TEXT   NOT NULL,
    ended_at      BIGINT NOT NULL,
    result        TEXT   NOT NULL, -- JSON of protocol.ErrandResult; empty: none
    heard         BIGINT NOT NULL, -- 1: nobody is asked about it any more
    UNIQUE (site, number)
);
CREATE INDEX errand_open ON errand (heard);

-- The newest diagnoses of each site, sealed to the hub as they came.
CREATE TABLE diagnosis (
    errand   BIGINT PRIMARY KEY REFERENCES errand (id),
    site     TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    document TEXT   NOT NULL -- JSON of protocol.Document
);
CREATE INDEX diagnosis_site ON diagnosis (site);
