-- What the agency has set for the agents of sites. See package settings.

-- +goose Up

-- Nothing is overwritten: the greatest revision of a site counts.
CREATE TABLE site_settings (
    site     TEXT   NOT NULL REFERENCES site (id),
    revision BIGINT NOT NULL, -- from 1
    text     TEXT   NOT NULL, -- TOML; empty: the agent's own file alone counts
    set_by   TEXT   NOT NULL,
    set_at   BIGINT NOT NULL,
    PRIMARY KEY (site, revision)
);
