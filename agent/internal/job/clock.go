package job

import "time"

// clock knows the earliest that it can be now: a job that has expired by it has, and
// one that may begin by it may, also where nobody has told this machine the time.
type clock struct {
	trusted func() *time.Time
	heard   time.Time // the newest that the hub has signed
	at      time.Time // when that was heard, by this machine's own count
}

// hear takes the time of a message; nil says nothing.
func (c *clock) hear(signed *time.Time) {
	if signed != nil && signed.After(c.heard) {
		c.heard, c.at = *signed, time.Now()
	}
}

// atLeast is the earliest that it can be.
func (c *clock) atLeast() time.Time {
	bound := c.heard.Add(time.Since(c.at))
	if c.heard.IsZero() {
		bound = time.Time{}
	}
	if now := c.trusted(); now != nil && now.After(bound) {
		return *now
	}
	return bound
}
