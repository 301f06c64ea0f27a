package zkdriver

import (
	"context"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// tries is how often a log is read until a reading is proven: once more because
// people punch or somebody clears the log meanwhile, and once more to compare.
const tries = 3

// step is how many bytes of the log are asked for between two calls of Progress.
const step = 1 << 16

// Read reads the log; see terminal.Source.
func (d *Driver) Read(ctx context.Context, ask terminal.Ask) (terminal.Reading, error) {
	release, err := d.line.read(ctx)
	if err != nil {
		return terminal.Reading{}, err
	}
	defer release()
	reading, err := d.read(ctx, ask)
	if err != nil || !d.config.Live {
		// After a failure a new session is surer than an old one: it begins by
		// enabling the terminal and by asking who it is.
		_ = d.hangUp()
	}
	return reading, err
}

func (d *Driver) read(ctx context.Context, ask terminal.Ask) (terminal.Reading, error) {
	kept := d.conn != nil
	if err := d.connect(ctx); err != nil {
		return terminal.Reading{}, err
	}
	r := terminal.Reading{At: time.Now(), Source: protocol.SourceZK}
	var err error
	if r.Clock, r.Offset, err = d.clock(ctx); err != nil && kept && ctx.Err() == nil {
		// The session was dead before we came: that is no failed read.
		_ = d.hangUp()
		if err := d.connect(ctx); err != nil {
			return terminal.Reading{}, err
		}
		r.Clock, r.Offset, err = d.clock(ctx)
	}
	if err == nil && (d.identity.Serial == "" || ask.Mode == terminal.Whole) {
		err = d.identify(ctx)
	}
	if err == nil {
		r.Identity = d.identity
		err = d.readLog(ctx, ask, &r)
	}
	if err != nil {
		return terminal.Reading{}, because(err, terminal.ErrIncomplete)
	}
	return r, nil
}

// readLog reads until a reading is proven: its rows lie between two counts, or it is
// repeated. A log with fewer rows than are counted is not proven by repeating it,
// because whatever cuts it off may do so each time.
func (d *Driver) readLog(ctx context.Context, ask terminal.Ask, r *terminal.Reading) error {
	var last *digest
	var counted, given int
	for range tries {
		before, err := d.sizes(ctx)
		if err != nil {
			return err
		}
		fill(r, before)
		if before.Known && before.Records == 0 {
			// Some terminals hang when they are asked for a log that they count as empty.
			r.Proof = terminal.ProofCount
			return nil
		}
		if ask.Mode == terminal.IfChanged && before.Known && !r.Full && before.Records == ask.Known {
			r.Unchanged, r.Count, r.Layout = true, ask.Known, ask.Layout
			return nil
		}
		w, err := d.window(ctx, ask, before)
		if err != nil {
			return err
		}
		after, err := d.sizes(ctx)
		if err != nil {
			return err
		}
		shrank := before.Known && after.Known && after.Records < before.Records
		switch {
		case zk.Prove(before, after, w.total) == zk.ProofCount:
			r.Proof = terminal.ProofCount
		case shrank && w.total >= before.Records:
			// Somebody cleared the log while it was read: what came is now the only copy.
			r.Proof = terminal.ProofCount
		case before.Known && w.total < before.Records:
			last, counted, given = nil, before.Records, w.total
			continue
		case w.repeats(last):
			// What was read first was all there was then; more may have come since.
			w.data, w.total = w.data[:last.size], last.total
			r.Proof = terminal.ProofRepeat
		default:
			last = w.digest()
			continue
		}
		return d.rows(ctx, w, r)
	}
	if counted > 0 {
		return fmt.Errorf("log read %d times: %d rows are counted and %d came", tries, counted, given)
	}
	return fmt.Errorf("log read %d times, with other rows each time", tries)
}

// sizes asks for the counts; a terminal that refuses has none.
func (d *Driver) sizes(ctx context.Context) (zk.Sizes, error) {
	sizes, err := d.conn.Sizes(ctx)
	if refused(err) {
		return zk.Sizes{}, nil
	}
	return sizes, err
}

// fill puts the counts into a reading.
func fill(r *terminal.Reading, s zk.Sizes) {
	if !s.Known {
		return
	}
	r.Users = protocol.Fill{Used: s.Users, Capacity: s.UserCap}
	r.Fingers = protocol.Fill{Used: s.Templates, Capacity: s.TemplateCap}
	r.Logs = protocol.Fill{Used: s.Records, Capacity: s.RecordCap}
	r.Full = s.RecordCap > 0 && s.Records >= s.RecordCap
}
