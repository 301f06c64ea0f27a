-- Inventories that people loaded from terminals' own files. See packages stick and holding.

-- +goose Up

-- None is ever deleted: it says who vouched for which files.
CREATE TABLE stick (
    id        BIGINT PRIMARY KEY,
    site      TEXT   NOT NULL,
    serial    TEXT   NOT NULL,
    copied    BIGINT NOT NULL, -- from the terminal, as the one who loaded it says
    loaded_at BIGINT NOT NULL,
    loaded_by TEXT   NOT NULL,
    reason    TEXT   NOT NULL, -- why it counts though something spoke against it; empty: nothing did
    user_file BYTEA  NOT NULL, -- SHA-256 of the file; the file itself is kept nowhere
    template_file BYTEA NOT NULL,
    users     BIGINT NOT NULL,
    fingers   BIGINT NOT NULL,
    digest    BYTEA  NOT NULL  -- of the inventory that was made of them
);
CREATE INDEX stick_terminal ON stick (site, serial, id);

-- Of an inventory: the stick that it is from. 0: the terminal's agent said it.
ALTER TABLE said ADD COLUMN stick BIGINT NOT NULL DEFAULT 0;
