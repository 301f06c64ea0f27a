-- Personal certificates for reading along on the broker. See package reader.

-- +goose Up

-- None is ever deleted: what is not here does not count.
CREATE TABLE reader (
    number     TEXT   PRIMARY KEY, -- of the certificate, hexadecimal
    name       TEXT   NOT NULL,    -- the operator's
    made_by    TEXT   NOT NULL,
    made_at    BIGINT NOT NULL,
    expires    BIGINT NOT NULL,
    revoked_by TEXT   NOT NULL,
    revoked_at BIGINT NOT NULL,    -- 0: it was not
    reason     TEXT   NOT NULL     -- why it was revoked
);
