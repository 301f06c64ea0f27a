-- Whose a PIN is the register says. The list that was imported before there was one
-- goes; the ledger keeps that it was.

-- +goose Up
DROP TABLE pin;
