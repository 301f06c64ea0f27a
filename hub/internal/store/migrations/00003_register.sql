-- The register. Every row was made by a change and may be voided by a later one
-- (0: it holds); nothing else about a row ever changes. Days are texts such as
-- 2026-01-31, until is the first day on which something no longer holds.

-- +goose Up

-- Who changed the register, when, and how: the audit trail.
CREATE TABLE register_change (
    n       BIGINT PRIMARY KEY,
    at      BIGINT NOT NULL,
    who     TEXT   NOT NULL,
    act     TEXT   NOT NULL,
    subject TEXT   NOT NULL,
    undoes  BIGINT NOT NULL -- 0, or the change that it took back
);

CREATE TABLE unit (
    id     BIGINT PRIMARY KEY,
    made   BIGINT NOT NULL,
    voided BIGINT NOT NULL
);

-- PINs are numbered here, and a row is never deleted: none is used again.
CREATE TABLE employee (
    id     BIGINT PRIMARY KEY,
    pin    BIGINT NOT NULL UNIQUE,
    made   BIGINT NOT NULL,
    voided BIGINT NOT NULL
);

-- What holds of a unit, an employee or a terminal from a day on, until the next
-- fact about the same attribute: names, parents, NIPs, statuses, modes.
CREATE TABLE fact (
    id        BIGINT PRIMARY KEY,
    about     TEXT   NOT NULL, -- unit, employee, terminal
    subject   BIGINT NOT NULL,
    attribute TEXT   NOT NULL,
    since     TEXT   NOT NULL,
    value     TEXT   NOT NULL,
    made      BIGINT NOT NULL,
    voided    BIGINT NOT NULL
);
CREATE INDEX fact_subject ON fact (about, subject, attribute);
CREATE INDEX fact_value ON fact (attribute, value);
CREATE INDEX fact_made ON fact (made);

CREATE TABLE placement (
    id       BIGINT PRIMARY KEY,
    employee BIGINT NOT NULL REFERENCES employee (id),
    unit     BIGINT NOT NULL REFERENCES unit (id),
    kind     TEXT   NOT NULL,
    since    TEXT   NOT NULL,
    until    TEXT   NOT NULL,
    sk       TEXT   NOT NULL,
    sk_date  TEXT   NOT NULL,
    tmt      TEXT   NOT NULL,
    made     BIGINT NOT NULL,
    voided   BIGINT NOT NULL
);
CREATE INDEX placement_employee ON placement (employee);
CREATE INDEX placement_made ON placement (made);

-- Which units a terminal serves; one of them is responsible for it.
CREATE TABLE serving (
    id          BIGINT PRIMARY KEY,
    terminal    BIGINT NOT NULL REFERENCES terminal (id),
    unit        BIGINT NOT NULL REFERENCES unit (id),
    responsible BIGINT NOT NULL, -- 1 or 0
    since       TEXT   NOT NULL,
    until       TEXT   NOT NULL,
    made        BIGINT NOT NULL,
    voided      BIGINT NOT NULL
);
CREATE INDEX serving_made ON serving (made);

-- Numbers by which terminals know an employee beside the hub's PIN.
CREATE TABLE alias (
    id       BIGINT PRIMARY KEY,
    employee BIGINT NOT NULL REFERENCES employee (id),
    terminal BIGINT NOT NULL, -- 0: all
    pin      TEXT   NOT NULL, -- without blanks and leading zeros
    since    TEXT   NOT NULL,
    until    TEXT   NOT NULL,
    made     BIGINT NOT NULL,
    voided   BIGINT NOT NULL
);
CREATE INDEX alias_pin ON alias (pin);
CREATE INDEX alias_made ON alias (made);

-- Who may administer a terminal.
CREATE TABLE administrator (
    id        BIGINT PRIMARY KEY,
    employee  BIGINT NOT NULL REFERENCES employee (id),
    terminal  BIGINT NOT NULL, -- 0: all
    privilege TEXT   NOT NULL,
    since     TEXT   NOT NULL,
    until     TEXT   NOT NULL,
    made      BIGINT NOT NULL,
    voided    BIGINT NOT NULL
);
CREATE INDEX administrator_made ON administrator (made);
