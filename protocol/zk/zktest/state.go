package zktest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// State is all that outlives a power cut. It can be kept as JSON.
type State struct {
	Serial    string        `json:"serial"`
	Profile   string        `json:"profile"`
	RowSize   int           `json:"row_size"`
	Users     []zk.User     `json:"users"`
	Templates []zk.Template `json:"templates"`
	Rows      []byte        `json:"rows"` // the stored punches
	PINs      []string      `json:"pins"` // of each row
	Ops       []byte        `json:"operations"`
	Offset    time.Duration `json:"clock_offset"`
	CommKey   *uint32       `json:"comm_key,omitempty"` // nil: as it was made
}

// State copies what the terminal holds.
func (t *Terminal) State() State {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := t.commKey
	return State{
		Serial: t.options["~SerialNumber"], Profile: t.profile.Name, RowSize: t.profile.Rows.Size(),
		Users: slices.Clone(t.users), Templates: slices.Clone(t.templates),
		Rows: t.log.snapshot(), PINs: slices.Clone(t.log.pins), Ops: slices.Clone(t.ops), Offset: t.offset, CommKey: &key,
	}
}

// Restore makes the terminal hold what State gave before. The serial, the profile and the
// size of a row must be those of this terminal.
func (t *Terminal) Restore(s State) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	serial, size := t.options["~SerialNumber"], t.profile.Rows.Size()
	switch {
	case s.Serial != serial:
		return fmt.Errorf("the state is of terminal %s, this one is %s", s.Serial, serial)
	case s.Profile != t.profile.Name || s.RowSize != size:
		return fmt.Errorf("the state is of profile %s with rows of %d bytes, this one is %s with %d", s.Profile, s.RowSize, t.profile.Name, size)
	case len(s.Rows) != len(s.PINs)*size:
		return fmt.Errorf("the state has %d bytes of rows for %d punches of %d", len(s.Rows), len(s.PINs), size)
	}
	t.users, t.templates = slices.Clone(s.Users), slices.Clone(s.Templates)
	t.log.rows, t.log.pins = slices.Clone(s.Rows), slices.Clone(s.PINs)
	t.ops, t.offset = slices.Clone(s.Ops), s.Offset
	if s.CommKey != nil {
		t.commKey = *s.CommKey
	}
	return nil
}

// Changed receives a value after what the terminal holds has changed; several changes may
// be one value.
func (t *Terminal) Changed() <-chan struct{} { return t.changed }

// touch says that something changed. The caller holds t.mu.
func (t *Terminal) touch() {
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// SetRecordCap changes how many punches fit; older ones are dropped at the next punch.
func (t *Terminal) SetRecordCap(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.recordCap = n
}

// SetClock sets the terminal's clock to a wall clock time.
func (t *Terminal) SetClock(wall time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.setClock(wall)
}

func (t *Terminal) setClock(wall time.Time) {
	real := t.cfg.Clock()
	t.offset = time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, real.Location()).Sub(real)
	t.operation(21, 0)
	t.touch()
}

// ClockOffset is terminal minus computer.
func (t *Terminal) ClockOffset() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.offset
}

// now is the time on the terminal's display. The caller holds t.mu.
func (t *Terminal) now() time.Time { return t.cfg.Clock().Add(t.offset) }

// Enabled says whether people can punch.
func (t *Terminal) Enabled() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.enabled()
}

func (t *Terminal) enabled() bool {
	return !t.disabled || !t.disabledUntil.IsZero() && !time.Now().Before(t.disabledUntil)
}

// DisableCount is the number of DISABLEDEVICE commands that have arrived.
func (t *Terminal) DisableCount() int { return t.Requests(zk.CmdDisable) }

// Requests is how many packets with this command have arrived.
func (t *Terminal) Requests(c zk.Code) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.requests[c]
}

// AllRequests copies the counts of all commands.
func (t *Terminal) AllRequests() map[zk.Code]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.requests)
}

// BadChecksums is how many packets with a wrong checksum have arrived.
func (t *Terminal) BadChecksums() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.badChecksums
}

// operation writes a row of the operation log. The caller holds t.mu.
func (t *Terminal) operation(number uint8, about uint16) {
	now, _ := zk.PackTime(t.now())
	t.ops = zk.Operation{Number: number, Time: now, Params: [4]uint16{about}}.Append(t.ops)
}

// sizes is the answer to GET_FREE_SIZES.
func (t *Terminal) sizes() zk.Sizes {
	s := zk.Sizes{
		Users: len(t.users), Templates: len(t.templates), Records: t.log.len(), OpRecords: len(t.ops) / zk.OperationSize,
		UserCap: t.profile.UserCap, TemplateCap: t.profile.TemplateCap, RecordCap: t.recordCap,
	}
	for _, u := range t.users {
		if u.Privilege != 0 {
			s.Admins++
		}
		if len(u.Password) > 0 {
			s.Passwords++
		}
	}
	s.UsersLeft, s.TemplatesLeft, s.RecordsLeft = s.UserCap-s.Users, s.TemplateCap-s.Templates, max(s.RecordCap-s.Records, 0)
	return s
}
