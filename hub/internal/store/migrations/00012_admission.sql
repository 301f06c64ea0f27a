-- How new agents get in, and the certificates of those who did. See package admission.

-- +goose Up

-- One-time codes. Only their hashes are kept.
CREATE TABLE claim (
    hash     TEXT   PRIMARY KEY,
    site     TEXT   NOT NULL REFERENCES site (id),
    serial   TEXT   NOT NULL, -- the terminal that must be there; empty: any
    made_by  TEXT   NOT NULL,
    made_at  BIGINT NOT NULL,
    expires  BIGINT NOT NULL,
    used_by  TEXT   NOT NULL, -- fingerprint of the agent's key; empty: not used
    used_at  BIGINT NOT NULL,
    ended_at BIGINT NOT NULL  -- withdrawn, or a newer one was made; 0: neither
);
CREATE INDEX claim_site ON claim (site);

CREATE TABLE certificate (
    serial TEXT   PRIMARY KEY, -- hexadecimal
    site   TEXT   NOT NULL REFERENCES site (id),
    agent  TEXT   NOT NULL,    -- fingerprint of the agent's key that asked for it
    public TEXT   NOT NULL,    -- SHA-256 of the certificate's public key, hexadecimal
    issued BIGINT NOT NULL,
    expiry BIGINT NOT NULL
);
CREATE INDEX certificate_site ON certificate (site);

-- The newest request of each agent key, below which everything is a replay.
CREATE TABLE request (
    site    TEXT   NOT NULL,
    agent   TEXT   NOT NULL,
    life    BIGINT NOT NULL,
    counter BIGINT NOT NULL,
    PRIMARY KEY (site, agent)
);

-- Sites that a person shut out, and why.
CREATE TABLE revocation (
    site       TEXT   NOT NULL,
    agent      TEXT   NOT NULL, -- fingerprint of the key that counted until then
    revoked_by TEXT   NOT NULL,
    revoked_at BIGINT NOT NULL,
    reason     TEXT   NOT NULL,
    PRIMARY KEY (site, agent, revoked_at)
);
