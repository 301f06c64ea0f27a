package simulate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

// Options are the flags of "simulate terminal".
type Options struct {
	Listen                    string
	UDP                       bool
	Profile, Serial           string
	Users, Punches, Templates int
	RecordSize                int
	CommKey                   uint32
	PunchEvery, FingerEvery   time.Duration
	Faults                    []string
	State                     string
	Gap                       time.Duration
	PacketSize, Fragment      int
	Coalesce                  bool
}

// ready is the line that says where the terminal is.
type ready struct {
	Listening string `json:"listening"`
	Serial    string `json:"serial"`
}

// Terminal runs a simulated terminal until ctx ends, and prints one JSON line on out when it
// can be reached.
func Terminal(ctx context.Context, out io.Writer, o Options) (err error) {
	profile, faults, err := o.check()
	if err != nil {
		return err
	}
	kept, err := readState(o.State)
	if err != nil {
		return err
	}
	if o.Serial == "" && kept != nil {
		o.Serial = kept.Serial
	}
	t, err := zktest.New(zktest.Config{
		Profile: profile, Serial: o.Serial, CommKey: o.CommKey,
		Clock:       func() time.Time { return protocol.Wall(time.Now()) },
		EnrolByHand: o.FingerEvery > 0,
		Form:        zktest.Form{Gap: o.Gap, PacketSize: o.PacketSize, Fragment: o.Fragment, Coalesce: o.Coalesce},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	if kept != nil {
		if err := t.Restore(*kept); err != nil {
			return fmt.Errorf("--state %s: %w; give the flags of then, or another file", o.State, err)
		}
	} else if err := t.Fill(o.Users, o.Templates, o.Punches); err != nil {
		return err
	}
	for _, f := range faults {
		t.Inject(f)
	}
	address, err := t.Listen(o.Listen, o.UDP)
	if err != nil {
		return fmt.Errorf("--listen %s: %w", o.Listen, err)
	}
	if err := json.NewEncoder(out).Encode(ready{address.String(), t.Serial()}); err != nil {
		return fmt.Errorf("say where the terminal is: %w", err)
	}
	return o.live(ctx, t)
}

// live lets people punch and keeps the state until ctx ends.
func (o Options) live(ctx context.Context, t *zktest.Terminal) error {
	ticks, stop := every(o.PunchEvery)
	defer stop()
	images, stop := every(o.FingerEvery)
	defer stop()
	keep := func() error {
		if o.State == "" {
			return nil
		}
		return writeState(o.State, t.State())
	}
	if err := keep(); err != nil {
		return err
	}
	for turn := 0; ; {
		select {
		case <-ctx.Done():
			return keep()
		case at := <-ticks:
			if err := somebodyPunches(t, turn, protocol.Wall(at)); err != nil {
				return err
			}
			turn++
		case <-images:
			if err := t.PlaceFinger(nil, true); err != nil && !errors.Is(err, zktest.ErrNotAsked) {
				return err
			}
		case <-t.Changed():
			if err := keep(); err != nil {
				return err
			}
		}
	}
}

// every ticks, or never for 0.
func every(d time.Duration) (ticks <-chan time.Time, stop func()) {
	if d <= 0 {
		return nil, func() {}
	}
	ticker := time.NewTicker(d)
	return ticker.C, ticker.Stop
}

// somebodyPunches takes the users in turn: coming before noon, going after it.
func somebodyPunches(t *zktest.Terminal, turn int, at time.Time) error {
	users := t.Users()
	if len(users) == 0 { // a client has erased them, or has brought none yet
		return nil
	}
	status := uint8(0)
	if at.Hour() >= 12 {
		status = 1
	}
	err := t.Punch(users[turn%len(users)].PIN, status)
	if errors.Is(err, zktest.ErrDisabled) {
		return nil // people see "working" and try later
	}
	return err
}

// check reads the flags that are more than a number.
func (o Options) check() (zktest.Profile, []zktest.Fault, error) {
	profile, err := o.profile()
	if err != nil {
		return profile, nil, err
	}
	var faults []zktest.Fault
	for _, text := range o.Faults {
		f, err := zktest.ParseFault(text)
		if err != nil {
			return profile, nil, fmt.Errorf("--fault: %w", err)
		}
		faults = append(faults, f)
	}
	switch {
	case o.PunchEvery > 0 && o.Users == 0 && o.State == "": // with a state, or later, people may come
		return profile, nil, errors.New("--punch-every needs people: give --users 1 or more")
	case o.PunchEvery < 0 || o.FingerEvery < 0 || o.Gap < 0:
		return profile, nil, errors.New("--punch-every, --finger-every and --gap: give a time such as 2s, not below zero")
	case o.PacketSize < 0 || o.Fragment < 0:
		return profile, nil, errors.New("--packet-size and --fragment: give a number of bytes above zero")
	case o.CommKey > 999999:
		return profile, nil, errors.New("--comm-key: terminals take at most six digits")
	}
	return profile, faults, nil
}

// profile is the named family, or the one that usually has punches of the size.
func (o Options) profile() (zktest.Profile, error) {
	rows := map[int]zk.RowLayout{8: zk.Row8B, 16: zk.Row16, 40: zk.Row40, 49: zk.Row49}[o.RecordSize]
	if o.RecordSize != 0 && rows == 0 {
		return zktest.Profile{}, fmt.Errorf("--record-size %d: choose 8, 16, 40 or 49", o.RecordSize)
	}
	name := o.Profile
	if name == "" {
		name = zktest.Profiles()[0].Name
		for _, p := range zktest.Profiles() {
			if p.Rows == rows {
				name = p.Name
				break
			}
		}
	}
	profile, err := zktest.ProfileByName(name)
	if err != nil {
		return profile, fmt.Errorf("--profile: %w", err)
	}
	if rows != 0 && profile.Rows.Size() != rows.Size() {
		profile.Rows = rows
		if rows == zk.Row8B {
			profile.Verify = 1 // rows of 8 bytes cannot say face
		}
	}
	return profile, nil
}
