package release

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/bkpsdmd-babel/sidik/agent/internal/launch"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/durable"
)

// orderFile is in the folder of programs.
const orderFile = "order.json"

// order is the newest one, as it came.
type order struct {
	Seq  protocol.Seq     `json:"seq"`
	Body protocol.Release `json:"body"`
}

func (o order) none() bool { return o.Seq == (protocol.Seq{}) }

// readOrder reads the order. One that cannot be read is set aside: the broker has it again.
func readOrder(path string) (o order, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return order{}, nil
	}
	if err != nil {
		return order{}, fmt.Errorf("read order of a release: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		return order{}, durable.SetAside(path)
	}
	return o, nil
}

// TakeRelease takes an order whose envelope is the hub's and for us. It is on disk before
// anything follows from it; an older one is a refusal.
func (r *Release) TakeRelease(e protocol.Envelope) error {
	o := order{Seq: e.Seq}
	if err := e.Into(&o.Body); err != nil {
		return err
	}
	r.mu.Lock()
	before := r.order
	r.mu.Unlock()
	switch {
	case e.Seq == before.Seq:
		return nil
	case e.Seq.Less(before.Seq):
		return &protocol.Refusal{Reason: protocol.ReasonReplay, Cause: fmt.Errorf("release %s after %s", e.Seq, before.Seq)}
	}
	text, err := json.Marshal(o)
	if err == nil {
		err = durable.Write(r.folder.Path(orderFile), append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("keep order of a release: %w", err)
	}
	r.mu.Lock()
	r.order, r.trouble, r.spoiled = o, "", 0
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default: // it will be looked at
	}
	r.o.Changed()
	return nil
}

// Reasons for which an order is not carried out, beside those of a plan. From NoRoom on
// they may pass by themselves.
const (
	Signature launch.Reason = "signature" // no release key that the root vouches for has signed it
	Arch      launch.Reason = "arch"      // it has no program for this processor
	Lower     launch.Reason = "lower"     // it is not above the version that runs, and nobody said that it may be
	NoDoor    launch.Reason = "no-door"   // the agent was admitted by hand and knows no door
	NoRoom    launch.Reason = "no-room"   // the disk is too full
	NoAnswer  launch.Reason = "no-answer" // the hub does not answer
	NotGiven  launch.Reason = "not-given" // the hub answers, and has no such program for this site
	Spoiled   launch.Reason = "spoiled"   // what came is not what was signed; it is fetched anew once
)

// want is the newest order with what it comes to.
type want struct {
	order   order
	version protocol.Edition
	file    protocol.ReleaseFile
	runs    bool          // nothing is left to do
	reason  launch.Reason // why nothing is done
}

// judge reads the newest order by what is believed and what runs now.
func (r *Release) judge() want {
	r.mu.Lock()
	w, plan := want{order: r.order}, r.plan
	r.mu.Unlock()
	if w.order.none() {
		return w
	}
	m, err := w.order.Body.Open(r.o.Keyring.Trust().Keys().Release)
	if err != nil {
		if shown, err := protocol.ParseManifest(w.order.Body.Manifest); err == nil {
			w.version = shown.Version
		}
		w.reason = Signature
		return w
	}
	w.version = m.Version
	file, found := m.For(r.o.Arch)
	w.file = file
	running := protocol.EditionOf(r.o.Version)
	switch {
	case !found:
		w.reason = Arch
	case r.o.Launched == file.SHA256 || r.o.Launched.IsZero() && running == m.Version:
		w.runs = true
	case plan.Why(w.order.Seq) != "":
		w.reason = plan.Why(w.order.Seq)
	case !w.order.Body.Downgrade && !running.Less(m.Version):
		w.reason = Lower
	case r.o.Hub == "":
		w.reason = NoDoor
	}
	return w
}

// State is what the site says of the newest order; nil without one.
func (r *Release) State() *protocol.ReleaseState {
	w := r.judge()
	if w.order.none() {
		return nil
	}
	s := protocol.ReleaseState{Version: w.version.String(), Order: w.order.Seq, Stage: protocol.ReleaseFetching, Reason: string(w.reason)}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case w.reason != "":
		s.Stage = protocol.ReleaseRefused
	case w.runs && r.trying():
		s.Stage = protocol.ReleaseTrying
	case w.runs:
		s.Stage = protocol.ReleaseRunning
	default:
		s.Reason = string(r.trouble)
	}
	return &s
}

// conditionRefused is what a person at the agency should know, with the reason behind it.
const conditionRefused = "release-refused-"

// Conditions say why the site does not run what it was told to.
func (r *Release) Conditions() []protocol.Condition {
	s := r.State()
	if s == nil || s.Reason == "" {
		return nil
	}
	return []protocol.Condition{{Code: conditionRefused + s.Reason, Severity: protocol.SeverityWarning, Args: map[string]string{"version": s.Version}}}
}
