package ingest

// MaxEarly is for the tests of what comes before the first state.
const MaxEarly = maxEarly
