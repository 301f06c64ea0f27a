package collect

import (
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// From which share of its log on a terminal needs somebody soon, and now.
const (
	logSoon = 80
	logNow  = 90
)

// clearedShown is how long it is shown that somebody cleared a log.
const clearedShown = 24 * time.Hour

// health is what is known about one terminal and what people should know of it.
type health struct {
	address   func() string
	tolerance time.Duration
	trusted   func() bool

	mu         sync.Mutex // guards what follows
	shown      protocol.Terminal
	failures   int // since the last good read
	failing    time.Time
	cause      error
	cleared    time.Time
	offSince   time.Time
	fullSince  time.Time
	impossible tally // times that name no date
	unknown    tally // slots without a user
}

// tally counts rows of a kind: all of the last whole log, and what came since.
type tally struct {
	rows  int
	since time.Time
}

func (t *tally) set(rows int, now time.Time) {
	if t.rows = rows; rows == 0 {
		t.since = time.Time{}
	} else if t.since.IsZero() {
		t.since = now
	}
}

func newHealth(t Terminal, tolerance time.Duration, trusted func() bool) *health {
	return &health{
		address:   t.Address,
		tolerance: tolerance,
		trusted:   trusted,
		shown:     protocol.Terminal{Serial: t.Serial, Offset: protocol.OffsetUnknown},
	}
}

func (h *health) terminal() protocol.Terminal {
	h.mu.Lock()
	defer h.mu.Unlock()
	shown := h.shown
	shown.Address = h.address()
	return shown
}

func (h *health) watermark(t protocol.LocalTime) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shown.Watermark = t
}

// read takes in a complete reading that was kept.
func (h *health) read(r terminal.Reading, found Found, now time.Time) {
	impossible, unknown := 0, 0
	count := func(row terminal.Row) {
		if _, exists := row.Time.Wall(); !exists {
			impossible++
		}
		if row.SlotOnly && protocol.IsSlotPIN(row.PIN) {
			unknown++
		}
	}
	whole := r.First == 0 && !r.Unchanged
	if whole {
		for _, row := range r.Rows {
			count(row)
		}
	} else {
		for _, f := range found.Fresh {
			count(r.Rows[f.Row])
		}
	}

	h.mu.Lock()
	defer h.mu.Unlock()
	if !whole {
		impossible += h.impossible.rows
		unknown += h.unknown.rows
	}
	h.impossible.set(impossible, now)
	h.unknown.set(unknown, now)
	if found.Cleared {
		h.cleared = now
	}
	h.shown.Model, h.shown.Firmware, h.shown.Algorithm = r.Model, r.Firmware, r.Algorithm
	h.shown.Users, h.shown.Fingers, h.shown.Logs = r.Users, r.Fingers, r.Logs
	h.shown.Offset = r.Offset
	h.shown.Watermark = found.Next.Watermark
	h.shown.LastRead = &now
	if r.Unchanged {
		h.shown.Proof = string(terminal.ProofCount)
	} else {
		h.shown.Proof = string(r.Proof)
	}
	since(&h.offSince, h.clockOff(), now)
	since(&h.fullSince, percent(h.shown.Logs) >= logSoon, now)
}

// recovered ends a failure; it reports whether there was one that was told.
func (h *health) recovered() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	told := h.failures > 0
	h.failures, h.failing, h.cause, h.shown.LastError = 0, time.Time{}, nil, ""
	return told
}

// failed takes in a failed read; it reports whether its cause is new.
func (h *health) failed(err error, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	code := failureCode(err)
	fresh := code != h.shown.LastError
	if h.failures == 0 {
		h.failing = now
	}
	h.failures++
	h.cause, h.shown.LastError = err, code
	return fresh
}

// failureCode is the word for why reading failed: the terminal's cause, or that the
// buffer takes nothing.
func failureCode(err error) string {
	switch {
	case errors.Is(err, buffer.ErrFull):
		return "buffer-full"
	case isBuffer(err):
		return "buffer-failing"
	}
	return terminal.Cause(err)
}

// root is the first reason in a chain of errors, which is short enough for people.
func root(err error) string {
	for {
		switch wrapped := err.(type) {
		case interface{ Unwrap() error }:
			if wrapped.Unwrap() == nil {
				return err.Error()
			}
			err = wrapped.Unwrap()
		case interface{ Unwrap() []error }:
			all := wrapped.Unwrap()
			if len(all) == 0 {
				return err.Error()
			}
			err = all[len(all)-1]
		default:
			return err.Error()
		}
	}
}

// since keeps the moment from which something holds.
func since(at *time.Time, holds bool, now time.Time) {
	if !holds {
		*at = time.Time{}
	} else if at.IsZero() {
		*at = now
	}
}

func percent(f protocol.Fill) int {
	if f.Capacity <= 0 {
		return 0
	}
	return f.Used * 100 / f.Capacity
}

// clockOff reports whether the terminal's clock is further off than tolerated. The
// caller holds mu.
func (h *health) clockOff() bool {
	off := time.Duration(h.shown.Offset) * time.Second
	return h.shown.Offset != protocol.OffsetUnknown && off.Abs() > h.tolerance
}

// conditions lists what people should know now.
func (h *health) conditions(now time.Time) (list []protocol.Condition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	add := func(code string, severity protocol.Severity, since time.Time, args map[string]string) {
		list = append(list, protocol.Condition{Code: code, Severity: severity, Subject: string(h.shown.Serial), Since: &since, Args: args})
	}
	if h.failures > 0 {
		if c, told := h.failure(); told {
			list = append(list, c)
		}
	}
	if !h.offSince.IsZero() && h.trusted() {
		add("terminal-clock", protocol.SeverityWarning, h.offSince, map[string]string{"seconds": strconv.Itoa(int(h.shown.Offset))})
	}
	if !h.fullSince.IsZero() {
		severity := protocol.SeverityWarning
		if percent(h.shown.Logs) >= logNow {
			severity = protocol.SeverityError
		}
		add("terminal-log-nearly-full", severity, h.fullSince, map[string]string{
			"used": strconv.Itoa(h.shown.Logs.Used), "capacity": strconv.Itoa(h.shown.Logs.Capacity), "percent": strconv.Itoa(percent(h.shown.Logs)),
		})
	}
	if !h.cleared.IsZero() && now.Sub(h.cleared) < clearedShown {
		add("terminal-log-cleared", protocol.SeverityInfo, h.cleared, nil)
	}
	if h.impossible.rows > 0 {
		add("terminal-impossible-times", protocol.SeverityInfo, h.impossible.since, map[string]string{"count": strconv.Itoa(h.impossible.rows)})
	}
	if h.unknown.rows > 0 {
		add("terminal-unknown-slots", protocol.SeverityWarning, h.unknown.since, map[string]string{"count": strconv.Itoa(h.unknown.rows)})
	}
	return list
}

// failure is the condition for why reading fails. A line that broke once is no news
// yet, since reads fail and succeed again: only a second failure in a row is one. What
// is wrong with the buffer, other than that it is full, the buffer tells itself.
func (h *health) failure() (c protocol.Condition, told bool) {
	since := h.failing
	c = protocol.Condition{
		Code:     "terminal-" + h.shown.LastError,
		Severity: protocol.SeverityError,
		Subject:  string(h.shown.Serial),
		Since:    &since,
		Args:     map[string]string{"address": h.address(), "cause": root(h.cause)},
	}
	switch h.shown.LastError {
	case "unreachable":
		if errors.Is(h.cause, terminal.ErrSought) { // the finder tells when it has looked in vain
			c.Code, c.Severity = "terminal-sought", protocol.SeverityWarning
			return c, true
		}
		return c, h.failures > 1
	case "incomplete":
		c.Severity = protocol.SeverityWarning
		return c, h.failures > 1
	case "buffer-full":
		return protocol.Condition{Code: "buffer-full", Severity: protocol.SeverityError, Since: &since}, true
	case "buffer-failing":
		return c, false
	}
	if stranger, ok := errors.AsType[*terminal.StrangerError](h.cause); ok {
		c.Args["got"] = string(stranger.Got)
	}
	return c, true
}
