package zktest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// FaultKind is one way in which a terminal fails; the value is its name on a command line.
type FaultKind string

// Faults of the line and of single answers. "Occasion" says when After and Times count.
const (
	CutOff        FaultKind = "cut-off"         // occasion: a DATA packet. Half of it is sent, then the link drops (UDP: silence for that answer)
	WrongChecksum FaultKind = "wrong-checksum"  // occasion: an answer. Its first packet has a checksum that is off by one
	Garbled       FaultKind = "garbled"         // occasion: a DATA packet. Bytes of the body are turned over, the checksum is the one before
	BadMagic      FaultKind = "bad-magic"       // occasion: an answer over TCP. Its first frame begins with other bytes
	HugeFrame     FaultKind = "huge-frame"      // occasion: an answer over TCP. Its first frame says that 4 GB follow
	Duplicate     FaultKind = "duplicate-reply" // occasion: an answer. All of it is sent twice
	Stale         FaultKind = "stale-reply"     // occasion: an answer. The answer before it comes once more, first
	Late          FaultKind = "late-answer"     // occasion: a request. It is answered after For
	Freeze        FaultKind = "freeze"          // occasion: a request. From it on nothing is answered for For, 0: until Lift
	Reboot        FaultKind = "reboot"          // occasion: a request. The terminal restarts and cannot be reached for For
	HangUp        FaultKind = "hang-up"         // occasion: a request. The link drops in place of it (UDP: the session is forgotten)
	LostRequest   FaultKind = "lost-request"    // occasion: a request. It never arrived
	LostReply     FaultKind = "lost-reply"      // occasion: an answer. It is carried out and never arrives
	LostPacket    FaultKind = "lost-packet"     // occasion: a DATA packet. It never arrives, the ones after it do
	Reordered     FaultKind = "swapped-packets" // occasion: an answer with two DATA packets or more. The first two change places
)

// Faults of what is said about a dataset.
const (
	CountHigh     FaultKind = "count-high"     // occasion: a sizes answer. It says N punches more than there are
	CountLow      FaultKind = "count-low"      // occasion: a sizes answer. It says N punches fewer
	ShortSizes    FaultKind = "short-sizes"    // occasion: a sizes answer. It is 4 zero bytes
	RefuseBulk    FaultKind = "refuse-bulk"    // occasion: a 1503. It is answered 4989
	RefuseRead    FaultKind = "refuse-read"    // occasion: a 1504. It is answered ACK_ERROR
	LengthHigh    FaultKind = "length-high"    // occasion: a PREPARE_DATA. It announces N bytes more than follow
	LengthLow     FaultKind = "length-low"     // occasion: a PREPARE_DATA. It announces N bytes fewer
	TotalHigh     FaultKind = "total-high"     // occasion: a dataset of punches is prepared. Its first four bytes say N bytes too many
	TotalLow      FaultKind = "total-low"      // the same, N bytes too few
	CutRows       FaultKind = "cut-rows"       // occasion: a dataset of punches is prepared. Its last N rows are missing, all lengths agree
	NoFinalAck    FaultKind = "no-final-ack"   // occasion: an answer with PREPARE_DATA. The ACK_OK after the data is left out
	LegacyGarbage FaultKind = "legacy-garbage" // occasion: command 13. Size and total are right, the rows are stale memory
	EventInside   FaultKind = "event-inside"   // occasion: an answer with DATA. An event without meaning comes between two of its packets
)

// Faults of what the terminal holds. The first group happens at its occasion, the second at
// once when it is injected, and lasts.
const (
	LogGrows   FaultKind = "log-grows"   // occasion: a 1504. N people punch before it is answered
	LogCleared FaultKind = "log-cleared" // occasion: a 1503 for punches. Somebody clears the log before it is prepared

	FullLog         FaultKind = "full-log"         // the log is full from here on: each punch drops the oldest
	ClockJump       FaultKind = "clock-jump"       // the clock moves by For (back when negative)
	ImpossibleDates FaultKind = "impossible-dates" // every Nth stored punch is dated 30 February
	ShuffledLog     FaultKind = "reordered-log"    // the stored punches change their order
)

// FaultKinds lists all kinds.
func FaultKinds() []FaultKind {
	return append([]FaultKind{
		CutOff, WrongChecksum, Garbled, BadMagic, HugeFrame, Duplicate, Stale, Late, Freeze, Reboot,
		HangUp, LostRequest, LostReply, LostPacket, Reordered,
		CountHigh, CountLow, ShortSizes, RefuseBulk, RefuseRead, LengthHigh, LengthLow, TotalHigh, TotalLow,
		CutRows, NoFinalAck, LegacyGarbage, EventInside,
		LogGrows, LogCleared, FullLog, ClockJump, ImpossibleDates, ShuffledLog,
	}, WriteFaultKinds()...)
}

// WriteFaultKinds lists the kinds that strike only who writes users and fingers.
func WriteFaultKinds() []FaultKind {
	return []FaultKind{
		FreezeAfter, RebootAfter, HangUpAfter, Unstored, RefuseWrite,
		ReadOnly, ReEncodes, KeepsFinger, UniqueFinger, NarrowPIN, UsersFull, FingersFull,
	}
}

// Faults of writing users and fingers, beside those of the line with Changes set, which
// strike before a change is made. The first group happens at its occasion, a change; the
// second at once when it is injected, and lasts.
const (
	FreezeAfter FaultKind = "freeze-after"  // it is made; from then on nothing is answered for For, 0: until Lift
	RebootAfter FaultKind = "reboot-after"  // it is made; the terminal restarts and cannot be reached for For
	HangUpAfter FaultKind = "hang-up-after" // it is made; the link drops in place of an answer
	Unstored    FaultKind = "unstored"      // it is acknowledged and not made
	RefuseWrite FaultKind = "refuse-write"  // it is refused

	ReadOnly     FaultKind = "read-only"     // all changes are refused
	ReEncodes    FaultKind = "re-encodes"    // fingers are kept in other bytes than they are written in
	KeepsFinger  FaultKind = "keeps-finger"  // TMP_WRITE over a finger: for N 1 it is acknowledged and not made, for N 2 refused, for N 3 as 1, and by SAVE_USERTEMPS too
	UniqueFinger FaultKind = "unique-finger" // one finger under two PINs is refused
	NarrowPIN    FaultKind = "narrow-pin"    // PINs of more than N digits are refused
	UsersFull    FaultKind = "users-full"    // no user more than there are is taken
	FingersFull  FaultKind = "fingers-full"  // no finger more than there are is taken
)

// Always as Times lets a fault happen at each occasion.
const Always = -1

// Fault is one fault on demand.
type Fault struct {
	Kind    FaultKind
	Command zk.Code       // only while this command is answered; 0: any
	Changes bool          // only while a command that changes users or fingers is answered
	After   int           // occasions that pass unharmed first
	Times   int           // how often; 0 means once
	For     time.Duration // how long (Late, Freeze, Reboot) or how far (ClockJump); 0: see orDefault
	N       int           // how many (rows, bytes, people, digits); 0 means 1
}

// ParseFault reads "name", or "name,after=3,times=always,for=2s,n=40,command=1504",
// where command=changes stands for all that change users or fingers.
func ParseFault(text string) (Fault, error) {
	name, rest, _ := strings.Cut(text, ",")
	f := Fault{Kind: FaultKind(name)}
	if !f.Kind.known() {
		var names []string
		for _, k := range FaultKinds() {
			names = append(names, string(k))
		}
		return Fault{}, fmt.Errorf("no fault %q: choose one of %s", name, strings.Join(names, ", "))
	}
	for rest != "" {
		var pair string
		pair, rest, _ = strings.Cut(rest, ",")
		if err := f.set(pair); err != nil {
			return Fault{}, fmt.Errorf("fault %s: %q: %w", name, pair, err)
		}
	}
	return f, nil
}

func (f *Fault) set(pair string) (err error) {
	key, value, _ := strings.Cut(pair, "=")
	switch key {
	case "after":
		f.After, err = strconv.Atoi(value)
	case "times":
		if value == "always" {
			f.Times = Always
			return nil
		}
		f.Times, err = strconv.Atoi(value)
	case "for":
		f.For, err = time.ParseDuration(value)
	case "n":
		f.N, err = strconv.Atoi(value)
	case "command":
		if f.Changes = value == "changes"; f.Changes {
			return nil
		}
		var n uint64
		n, err = strconv.ParseUint(value, 10, 16)
		f.Command = zk.Code(n)
	default:
		err = fmt.Errorf("write after=, times=, for=, n= or command=")
	}
	return err
}

func (k FaultKind) known() bool {
	for _, known := range FaultKinds() {
		if k == known {
			return true
		}
	}
	return false
}

// orDefault fills what was left out.
func (f Fault) orDefault() Fault {
	if f.Times == 0 {
		f.Times = 1
	}
	if f.N == 0 {
		f.N = 1
		switch f.Kind {
		case ImpossibleDates:
			f.N = 7
		case NarrowPIN:
			f.N = 5
		}
	}
	if f.For == 0 {
		switch f.Kind {
		case Late:
			f.For = time.Second
		case Reboot, RebootAfter:
			f.For = 2 * time.Second
		case ClockJump:
			f.For = -time.Hour
		}
	}
	return f
}

// Inject arms a fault. Those of what is stored and can be, and of the clock, happen at once.
func (t *Terminal) Inject(f Fault) {
	f = f.orDefault()
	t.mu.Lock()
	defer t.mu.Unlock()
	switch f.Kind {
	case FullLog:
		t.recordCap = max(t.log.len(), 1)
	case ClockJump:
		t.offset += f.For
	case ImpossibleDates:
		t.log.spoilDates(f.N)
	case ShuffledLog:
		t.log.shuffle()
	case ReadOnly:
		t.profile.Quirks.ReadOnly = true
	case ReEncodes:
		t.profile.Quirks.ReEncodes = true
	case KeepsFinger:
		t.profile.Quirks.KeepsFinger = f.N
	case UniqueFinger:
		t.profile.Quirks.UniqueFinger = true
	case NarrowPIN:
		t.profile.PINWidth = f.N
		t.options["~PIN2Width"] = strconv.Itoa(f.N)
	case UsersFull:
		t.profile.UserCap = len(t.users)
	case FingersFull:
		t.profile.TemplateCap = len(t.templates)
	default:
		t.faults = append(t.faults, &f)
		return
	}
	t.fired[f.Kind]++
	t.touch()
}

// Lift disarms all faults and ends a freeze and a reboot. What happened at once stays.
func (t *Terminal) Lift() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults = nil
	t.frozen, t.down = time.Time{}, time.Time{}
}

// Fired says how often a fault has happened.
func (t *Terminal) Fired(kind FaultKind) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.fired[kind]
}

// fire asks at an occasion whether a fault of this kind happens now. The caller holds t.mu.
func (t *Terminal) fire(kind FaultKind, command zk.Code) (Fault, bool) {
	for _, f := range t.faults {
		if f.Kind != kind || f.Times == 0 || f.Command != 0 && f.Command != command || f.Changes && !alters(command) {
			continue
		}
		if f.After > 0 {
			f.After--
			continue
		}
		if f.Times > 0 {
			f.Times--
		}
		t.fired[kind]++
		return *f, true
	}
	return Fault{}, false
}

// struck is fire for callers that do not hold t.mu.
func (t *Terminal) struck(kind FaultKind, command zk.Code) (Fault, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.faults) == 0 {
		return Fault{}, false
	}
	return t.fire(kind, command)
}
