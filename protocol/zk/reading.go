package zk

import (
	"context"
	"errors"
	"fmt"
)

// ErrUnproven says that a log was read but that nothing shows it to be all of it.
var ErrUnproven = errors.New("log read without proof that it is whole")

// Proof is what shows that a reading is the whole log.
type Proof string

const (
	// ProofNone: nothing does.
	ProofNone Proof = ""
	// ProofCount: its rows lie between what the terminal counted before and after.
	ProofCount Proof = "count"
	// ProofRepeat: it was read twice, and the second begins with the first.
	ProofRepeat Proof = "repeat"
)

// Prove compares the rows of a reading with what the terminal counted before and after.
func Prove(before, after Sizes, rows int) Proof {
	if before.Known && after.Known && before.Records <= rows && rows <= after.Records {
		return ProofCount
	}
	return ProofNone
}

// ReadOptions say how to read a whole log.
type ReadOptions struct {
	// Force reads the log even of a terminal that counts no record; some hang then.
	Force bool
	// Progress is told how many bytes came, of how many. It must not use the Conn.
	Progress func(done, total int)
}

// Reading is a whole log and what shows that it is.
type Reading struct {
	Rows          []Attendance
	Layout        RowLayout // 0 when there were no rows
	Proof         Proof
	Before, After Sizes // the terminal's counts
	Legacy        bool  // see Log
	Skipped       bool  // not asked for, since the terminal counts no record
}

// Attendance reads the whole log. Where the terminal's counts do not prove that it is
// whole it is read a second time; when that proves nothing either, the error is
// ErrUnproven and the Reading holds what was read, for looking at only.
func (c *Conn) Attendance(ctx context.Context, options ReadOptions) (Reading, error) {
	var r Reading
	err := c.do(ctx, func(ctx context.Context) (err error) {
		r, err = c.attendance(ctx, options)
		return err
	})
	return r, wrap(err, "read attendance")
}

func (c *Conn) attendance(ctx context.Context, options ReadOptions) (Reading, error) {
	before, err := c.count(ctx)
	if err != nil {
		return Reading{}, err
	}
	if before.Known && before.Records == 0 && !options.Force {
		return Reading{Proof: ProofCount, Before: before, After: before, Skipped: true}, nil
	}
	first, data, err := c.countedLog(ctx, before, options.Progress)
	if err != nil || first.Proof == ProofCount {
		return first, err
	}
	second, again, err := c.countedLog(ctx, first.After, options.Progress)
	if err != nil || second.Proof == ProofCount {
		return second, err
	}
	// Two equal readings that lack rows the terminal counts are two partial ones.
	lacks := first.After.Known && len(first.Rows) < first.After.Records
	if lacks || len(again) < len(data) || string(again[:len(data)]) != string(data) {
		return first, fmt.Errorf("%d rows where %d to %d were counted, then %d: %w",
			len(first.Rows), first.Before.Records, first.After.Records, len(second.Rows), ErrUnproven)
	}
	first.Proof = ProofRepeat
	return first, nil
}

// countedLog reads the log once and counts after it.
func (c *Conn) countedLog(ctx context.Context, before Sizes, progress func(done, total int)) (Reading, []byte, error) {
	r, data, err := c.readLog(ctx, before, progress)
	if err != nil {
		return Reading{}, nil, err
	}
	if r.After, err = c.count(ctx); err != nil {
		return Reading{}, nil, err
	}
	r.Proof = Prove(r.Before, r.After, len(r.Rows))
	return r, data, nil
}

// count asks for the sizes; a terminal that refuses has none.
func (c *Conn) count(ctx context.Context) (Sizes, error) {
	sizes, err := c.sizes(ctx)
	if refusal := (*Refusal)(nil); errors.As(err, &refusal) {
		return Sizes{}, nil
	}
	return sizes, err
}

// records gives the count of one list, negative when unknown.
func records(sizes Sizes, n int) int {
	if !sizes.Known {
		return -1
	}
	return n
}

// readLog reads the log once.
func (c *Conn) readLog(ctx context.Context, before Sizes, progress func(done, total int)) (Reading, []byte, error) {
	l, err := c.openLog(ctx, records(before, before.Records))
	if err != nil {
		return Reading{}, nil, err
	}
	defer c.free(ctx)
	// Rows and bytes get their memory before the bytes come: what the garbage collector
	// does about it, it does while we wait for the line.
	data := make([]byte, 0, min(l.size, firstAllocation))
	rows := make([]Attendance, 0, min(l.Rows(), firstRows))
	data = append(data, l.head[totalSize:min(len(l.head), totalSize+l.size)]...)
	var tell func(done int)
	if progress != nil {
		have := len(data)
		tell = func(done int) { progress(have+done, l.size) }
		tell(0)
	}
	if data, err = l.d.read(ctx, data, totalSize+len(data), l.size-len(data), tell); err != nil {
		return Reading{}, nil, err
	}
	r := Reading{Layout: l.Layout, Before: before, Legacy: l.Legacy}
	if len(data) == 0 {
		return r, data, nil
	}
	// Of what came in pieces the first rows alone have shown the layout.
	if r.Layout, err = GuessRowLayout(data, records(before, before.Records), l.now); err != nil {
		return Reading{}, nil, err
	}
	r.Rows, err = ParseAttendance(rows, data, r.Layout)
	return r, data, err
}

// lacking is the error of a list with fewer rows than the terminal counted before.
func lacking(sizes Sizes, rows, counted int) error {
	if sizes.Known && rows < counted {
		return fmt.Errorf("%d rows where %d are counted: %w", rows, counted, ErrUnproven)
	}
	return nil
}

// Users reads the user list and the layout of its rows, which is 0 when it is empty.
// A list with fewer rows than the terminal counts is ErrUnproven.
func (c *Conn) Users(ctx context.Context) ([]User, UserLayout, error) {
	var users []User
	var layout UserLayout
	err := c.do(ctx, func(ctx context.Context) error {
		sizes, err := c.count(ctx)
		if err != nil || sizes.Known && sizes.Users == 0 {
			return err
		}
		rows, legacy, err := c.dataset(ctx, DatasetUsers)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return lacking(sizes, 0, sizes.Users)
		}
		if layout, err = GuessUserLayout(rows, records(sizes, sizes.Users)); err != nil {
			return err
		}
		if legacy && sample(rows, int(layout), layout.plausible) < 1 {
			return fmt.Errorf("rows are no users: %w", ErrGarbled)
		}
		users, err = ParseUsers(rows, layout)
		return errors.Join(err, lacking(sizes, len(users), sizes.Users))
	})
	return users, layout, wrap(err, "read users")
}

// Templates reads all fingerprint templates. They are the most personal thing a
// terminal has; keep no copy.
func (c *Conn) Templates(ctx context.Context) ([]Template, error) {
	var templates []Template
	err := c.do(ctx, func(ctx context.Context) error {
		sizes, err := c.count(ctx)
		if err != nil || sizes.Known && sizes.Templates == 0 {
			return err
		}
		rows, _, err := c.dataset(ctx, DatasetTemplates)
		if err != nil {
			return err
		}
		templates, err = ParseTemplates(rows)
		return errors.Join(err, lacking(sizes, len(templates), sizes.Templates))
	})
	return templates, wrap(err, "read templates")
}
