package collect

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/systemd/pulse"
)

// flushRows is how many rows one Append carries at most, so that a long log does not
// become one long write.
const flushRows = 1000

// manyRows is from where on a reading is so large that the memory is given back
// to the machine afterwards, which on a small one is half of the agent's.
const manyRows = 5000

// reader reads one terminal into the buffer. All but health belongs to the one
// goroutine that is in run.
type reader struct {
	Terminal
	buffer   Buffer
	policy   Policy
	log      *slog.Logger
	health   *health
	changed  func()
	hints    chan struct{}
	rereads  chan struct{}
	requests chan *request
	alive    *pulse.Loop
}

// bufferError is a failure that is not the terminal's.
type bufferError struct{ error }

func (e bufferError) Unwrap() error { return e.error }

// read reads the terminal once and tells health and log how it went.
func (r *reader) read(ctx context.Context, mode terminal.Mode, progress func(Progress)) (Result, error) {
	result, err := r.collect(ctx, mode, progress)
	switch {
	case err == nil:
		if r.health.recovered() {
			r.log.Info("terminal is read again")
		}
		if result.New > 0 {
			r.log.Info("punches collected", "mode", mode.String(), "new", result.New, "rows", result.Rows, "took", result.Took)
		}
	case ctx.Err() != nil:
		return result, err
	default:
		if r.health.failed(err, time.Now()) {
			r.log.Warn("terminal cannot be read", "error", err)
		}
	}
	r.changed()
	return result, err
}

// collect reads, takes what is new and keeps it.
func (r *reader) collect(ctx context.Context, mode terminal.Mode, progress func(Progress)) (Result, error) {
	began := time.Now()
	cursor := r.cursor()
	known := &knownMarks{load: func() (map[Mark]uint32, error) { return r.buffer.Marks(r.Serial) }}
	var reading terminal.Reading
	var found Found
	for decided := false; !decided; mode = terminal.Whole {
		ask := cursor.Ask(mode)
		ask.Progress = func(done, total int) {
			r.alive.Within(aliveReading)
			if progress != nil {
				progress(Progress{done, total})
			}
		}
		var err error
		if reading, err = r.Source.Read(ctx, ask); err != nil {
			return Result{}, fmt.Errorf("read terminal %s: %w", r.Serial, err)
		}
		found, decided = Diff(cursor, reading, known.count)
		if known.err != nil {
			return Result{}, bufferError{fmt.Errorf("read marks of terminal %s: %w", r.Serial, known.err)}
		}
		if !decided && ask.Mode == terminal.Whole {
			return Result{}, fmt.Errorf("read terminal %s: the whole log begins at row %d: %w", r.Serial, reading.First, terminal.ErrIncomplete)
		}
	}
	if err := r.keep(ctx, cursor, reading, found); err != nil {
		return Result{}, err
	}
	r.health.read(reading, found, time.Now())
	if len(reading.Rows) > manyRows {
		reading.Rows, found, known = nil, Found{Fresh: found.Fresh}, nil
		debug.FreeOSMemory()
	}
	return Result{reading.Count, len(found.Fresh), reading.Proof, reading.Offset, time.Since(began)}, nil
}

// keep appends the fresh rows. Until the last of them is on disk the cursor stays
// where it was, in doubt: after a crash in between the whole log is read, and the
// marks tell which rows were kept.
func (r *reader) keep(ctx context.Context, cursor Cursor, reading terminal.Reading, found Found) error {
	id := rand.Text()[:12]
	rest := found.Fresh
	for {
		fresh := rest[:min(len(rest), flushRows)]
		rest = rest[len(fresh):]
		next := found.Next
		if len(rest) > 0 {
			next = cursor
			next.Doubt = true
		}
		flush := buffer.Flush{Serial: r.Serial, Cursor: next.bytes(), Entries: make([]buffer.Entry, len(fresh))}
		for i, f := range fresh {
			row := reading.Rows[f.Row]
			flush.Entries[i] = buffer.Entry{Mark: f.Mark, Record: protocol.Record{
				Serial:   r.Serial,
				PIN:      row.PIN,
				Time:     row.Time,
				Status:   row.Status,
				Verify:   row.Verify,
				WorkCode: row.WorkCode,
				Source:   reading.Source,
				Raw:      row.Raw,
				Read:     id,
				Offset:   reading.Offset,
				Nth:      f.Nth,
			}}
		}
		if err := r.buffer.Append(flush); err != nil {
			return bufferError{fmt.Errorf("keep %d punches of terminal %s: %w", len(fresh), r.Serial, err)}
		}
		if len(rest) == 0 {
			break
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("keep punches of terminal %s: %w", r.Serial, err)
		}
	}
	// A log of no rows forgets nothing: terminals show one while they are set to
	// another kind of work, and get their rows back later.
	if len(found.Shown) == 0 {
		return nil
	}
	err := r.buffer.KeepMarks(r.Serial, func(m Mark) bool { return found.Shown[m] > 0 })
	if err != nil {
		return bufferError{fmt.Errorf("forget old marks of terminal %s: %w", r.Serial, err)}
	}
	return nil
}

// cursor is where the last read ended. It is asked of the buffer each time, because
// the buffer forgets it when punches are missing at the hub. What cannot be read
// means a whole read, which the marks keep from repeating anything.
func (r *reader) cursor() Cursor {
	stored, err := r.buffer.Cursor(r.Serial)
	if err != nil {
		r.log.Warn("cursor cannot be read, the whole log will be", "error", err)
		return Cursor{}
	}
	c, err := parseCursor(stored)
	if err != nil {
		r.log.Warn("cursor is damaged, the whole log will be read", "error", err)
	}
	return c
}

// knownMarks loads the marks when one is first looked up: most reads need none.
type knownMarks struct {
	load  func() (map[Mark]uint32, error)
	marks map[Mark]uint32
	err   error
}

func (k *knownMarks) count(m Mark) uint32 {
	if k.marks == nil && k.err == nil {
		if k.marks, k.err = k.load(); k.marks == nil {
			k.marks = map[Mark]uint32{}
		}
	}
	return k.marks[m]
}

// isBuffer reports whether a read failed for a reason that is not the terminal's.
func isBuffer(err error) bool {
	_, ok := errors.AsType[bufferError](err)
	return ok
}
