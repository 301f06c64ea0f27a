package zkdriver

import (
	"context"
	"crypto/sha256"
	"strconv"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// window is the end of a log, or all of it, as it was read once.
type window struct {
	layout zk.RowLayout
	first  int // row of the log with which data begins
	total  int // rows of the log
	data   []byte
}

// digest is what has to be remembered of a window to know it again.
type digest struct {
	layout       zk.RowLayout
	first, total int
	size         int
	sum          [sha256.Size]byte
}

func (w window) digest() *digest {
	return &digest{w.layout, w.first, w.total, len(w.data), sha256.Sum256(w.data)}
}

// repeats tells whether a window begins with one read before.
func (w window) repeats(last *digest) bool {
	return last != nil && w.layout == last.layout && w.first == last.first && len(w.data) >= last.size &&
		sha256.Sum256(w.data[:last.size]) == last.sum
}

// window reads as much of the log as was asked for.
func (d *Driver) window(ctx context.Context, ask terminal.Ask, counted zk.Sizes) (w window, err error) {
	count := -1
	if counted.Known {
		count = counted.Records
	}
	log, err := d.conn.OpenLog(ctx, count)
	if err != nil {
		return window{}, err
	}
	defer func() {
		if failed := log.Close(); err == nil {
			err = failed
		}
	}()
	if log.Rows() == 0 {
		return window{}, nil
	}
	w.layout = log.Layout
	if ask.Mode != terminal.Whole {
		w.layout = sameSize(log.Layout, ask.Layout)
		w.first = max(0, min(ask.Known, log.Rows())-ask.Overlap)
	}
	from := w.first * w.layout.Size()
	w.data = make([]byte, log.Size()-from)
	for done := 0; done < len(w.data); {
		n := min(step, len(w.data)-done)
		if err := log.ReadAt(ctx, w.data[done:done+n], from+done); err != nil {
			return window{}, err
		}
		done += n
		if ask.Progress != nil {
			ask.Progress(done, len(w.data))
		}
	}
	if w.first == 0 {
		// All rows know their shape better than the first few.
		if w.layout, err = zk.GuessRowLayout(w.data, count, time.Now()); err != nil {
			return window{}, err
		}
	}
	w.total = log.Size() / w.layout.Size()
	return w, nil
}

// sameSize prefers the layout that all rows of an earlier read have shown to one
// guessed from a few, unless the rows have another length now.
func sameSize(guessed zk.RowLayout, known string) zk.RowLayout {
	for _, l := range [...]zk.RowLayout{zk.Row8A, zk.Row8B, zk.Row16, zk.Row40, zk.Row49} {
		if l.String() == known && l.Size() == guessed.Size() {
			return l
		}
	}
	return guessed
}

// batch is how many rows are parsed at once.
const batch = 1000

// rows puts the rows of a proven window into a reading.
func (d *Driver) rows(ctx context.Context, w window, r *terminal.Reading) error {
	r.First, r.Count = w.first, w.total
	if len(w.data) == 0 {
		return nil
	}
	r.Layout = w.layout.String()
	r.Rows = make([]terminal.Row, 0, w.total-w.first)
	pins := map[string]string{} // clean, and one copy for all rows of a person
	var slots map[uint16]string
	var parsed []zk.Attendance
	for rest := w.data; len(rest) > 0; {
		n := min(len(rest), batch*w.layout.Size())
		var err error
		if parsed, err = zk.ParseAttendance(parsed[:0], rest[:n:n], w.layout); err != nil {
			return err
		}
		rest = rest[n:]
		for _, a := range parsed {
			row := terminal.Row{
				Slot:     a.Slot,
				Time:     localTime(a.Time),
				Status:   a.Status,
				Verify:   a.Verify,
				WorkCode: a.WorkCode,
				Raw:      a.Raw,
			}
			clean, seen := pins[a.PIN]
			if !seen {
				clean = terminal.CleanPIN(a.PIN)
				pins[a.PIN] = clean
			}
			if row.PIN = clean; clean == "" && a.HasSlot {
				if slots == nil {
					if slots, err = d.slots(ctx); err != nil {
						return err
					}
				}
				row.SlotOnly = true
				if row.PIN = slots[a.Slot]; row.PIN == "" {
					row.PIN = protocol.SlotPIN(a.Slot)
				}
			}
			r.Rows = append(r.Rows, row)
		}
	}
	return nil
}

// slots reads the PINs of the users by their slots.
func (d *Driver) slots(ctx context.Context) (map[uint16]string, error) {
	users, _, err := d.conn.Users(ctx)
	if err != nil {
		return nil, err
	}
	slots := make(map[uint16]string, len(users))
	for _, u := range users {
		slots[u.UID] = terminal.CleanPIN(u.PIN)
	}
	return slots, nil
}

// localTime is the text of a row's time, or its packed number if there is no such day.
func localTime(t zk.Time) protocol.LocalTime {
	wall, exists := t.Wall()
	if !exists {
		return protocol.RawTime(protocol.SourceZK, strconv.FormatUint(uint64(t), 10))
	}
	return protocol.NewLocalTime(wall)
}
