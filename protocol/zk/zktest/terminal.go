package zktest

import (
	"errors"
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// Clients says what becomes of a second TCP client.
type Clients int

// Terminals in the field serve one client; which of the two loses differs.
const (
	AllowMany    Clients = iota // all are served
	KickFirst                   // the new one is served, the one before is dropped
	RefuseSecond                // the new one is dropped while the one before is there
)

// Form is how answers are cut into packets and writes. The zero Form is the one that most
// clients survive: large packets, each frame in a write of its own.
type Form struct {
	PacketSize int           // body bytes of a DATA packet over TCP as announced; 0: the profile's
	Direct     int           // largest dataset that is answered at once; 0: the profile's, negative: none
	Single     bool          // a 1504 is answered with one DATA, without PREPARE_DATA, where it fits a frame
	Coalesce   bool          // all frames of an answer in one write
	Fragment   int           // bytes a write; 0: whole frames
	Gap        time.Duration // pause between two writes, longer around a transfer: some clients take what one read gives for one frame
}

// Config says which terminal it is. The zero Config is a terminal of the first profile.
type Config struct {
	Profile         Profile // zero: the first of Profiles
	Serial          string  // empty: SIM0000001
	CommKey         uint32  // 0: none is set, everybody is let in
	Form            Form
	Clients         Clients
	DropBadChecksum bool             // packets with a wrong checksum are not answered; they are counted anyway
	Boot            time.Duration    // how long the terminal cannot be reached after RESTART
	SilentRestart   bool             // RESTART is not acknowledged
	EnrolResult     uint16           // how an enrolment ends: 0 stored, 4 cancelled, 5 duplicate, 6 failed
	EnrolByHand     bool             // an enrolment waits for PlaceFinger or EndEnrolment
	Clock           func() time.Time // the computer's clock; nil: time.Now
}

// Terminal is one simulated terminal. Its methods may be called at any time by anybody.
type Terminal struct {
	cfg     Config
	changed chan struct{}
	closing chan struct{}
	work    sync.WaitGroup // servers and links

	mu            sync.Mutex // guards what follows
	profile       Profile    // changed by some faults
	options       map[string]string
	users         []zk.User     // by slot
	templates     []zk.Template // by slot and finger
	log           punchLog
	ops           []byte // rows of zk.OperationSize
	recordCap     int
	offset        time.Duration // terminal minus computer
	disabled      bool
	disabledUntil time.Time // zero: until it is enabled
	session       uint16    // the last one given
	commKey       uint32    // 0: none is set
	links         map[*link]struct{}
	servers       []func() error // ends of the listeners
	closed        bool
	faults        []*Fault
	fired         map[FaultKind]int
	frozen        time.Time // nothing is answered until then
	down          time.Time // cannot be reached until then
	requests      map[zk.Code]int
	badChecksums  int
	asked         *enrolment // under way; nil: none
}

// New makes a terminal that holds nothing and does not listen yet.
func New(cfg Config) (*Terminal, error) {
	if cfg.Profile.Name == "" {
		cfg.Profile = Profiles()[0]
	}
	if cfg.Serial == "" {
		cfg.Serial = "SIM0000001"
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Form.PacketSize == 0 {
		cfg.Form.PacketSize = cfg.Profile.PacketSize
	}
	if cfg.Form.Direct == 0 {
		cfg.Form.Direct = cfg.Profile.Direct
	}
	switch {
	case cfg.Profile.Rows.Size() == 0:
		return nil, errors.New("simulate terminal: the profile has no layout of punches")
	case cfg.Form.PacketSize < 1 || cfg.Form.Fragment < 0:
		return nil, errors.New("simulate terminal: packet size and fragments must be positive")
	}
	return &Terminal{
		cfg:       cfg,
		profile:   cfg.Profile,
		changed:   make(chan struct{}, 1),
		closing:   make(chan struct{}),
		options:   cfg.Profile.options(cfg.Serial),
		log:       punchLog{layout: cfg.Profile.Rows},
		recordCap: cfg.Profile.RecordCap,
		session:   0x1A2A,
		commKey:   cfg.CommKey,
		links:     map[*link]struct{}{},
		fired:     map[FaultKind]int{},
		requests:  map[zk.Code]int{},
	}, nil
}

// Serial is the terminal's serial number.
func (t *Terminal) Serial() string { return t.cfg.Serial }

// Profile is the family that the terminal belongs to.
func (t *Terminal) Profile() Profile {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.profile
}

// Close hangs up and waits until everything that served has ended.
func (t *Terminal) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		t.work.Wait()
		return nil
	}
	t.closed = true
	close(t.closing)
	var errs []error
	for _, end := range t.servers {
		errs = append(errs, end())
	}
	t.hangUp()
	t.mu.Unlock()
	t.work.Wait()
	return errors.Join(errs...)
}

// Reboot drops all links and cannot be reached for a while. What is stored stays; what was
// disabled, registered or prepared does not.
func (t *Terminal) Reboot(down time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reboot(down)
}

func (t *Terminal) reboot(down time.Duration) {
	t.down = time.Now().Add(down)
	t.disabled, t.asked = false, nil
	t.operation(0, 0)
	t.touch()
	t.hangUp()
}

// HangUp drops all links; all else goes on.
func (t *Terminal) HangUp() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hangUp()
}

// hangUp drops all links. The caller holds t.mu.
func (t *Terminal) hangUp() {
	for l := range t.links {
		l.drop()
	}
}

// pause waits; false when the terminal is closed meanwhile.
func (t *Terminal) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-t.closing:
		return false
	}
}
