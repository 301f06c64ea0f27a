package ingest

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Holding is where what terminals hold is kept.
type Holding interface {
	Registered(ctx context.Context, site protocol.SiteID, serial protocol.Serial) error
	TakeInventory(ctx context.Context, s holding.Said, sealing seal.SealingPublic, text []byte, inv roster.Inventory) error
	TakeResults(ctx context.Context, s holding.Said, r protocol.Results) error
	Take(ctx context.Context, s holding.Said, kind protocol.Kind, keep func() error) error
}

// Template is one that a terminal held, in clear.
type Template struct {
	PIN       string
	Finger    uint8
	Algorithm uint8
	Digest    protocol.Hash // SHA-256 of Data
	Job       protocol.Seq  // the capture that the agent says it is from; zero: none
	Data      []byte
}

// Vault keeps templates that terminals held, all of a message or none. What it has
// already stays as it is: agents send again what was not confirmed.
type Vault interface {
	Found(ctx context.Context, site protocol.SiteID, serial protocol.Serial, at time.Time, templates []Template) error
}

// open reads what a message says about a terminal. Its signature has been checked.
func (i *Ingest) open(ctx context.Context, name string, c *checked, partial *gathered) error {
	topic, err := protocol.ParseTopic(name)
	if err != nil {
		return err
	}
	switch c.envelope.Kind {
	case protocol.KindInventory:
		c.serial = topic.Serial
		if err := i.registered(ctx, c); err != nil { // before anything of it is held
			return err
		}
		if topic.Part > 0 {
			err = partial.part(c.envelope, topic)
		} else {
			err = partial.lead(c.envelope, topic)
		}
		if err == nil {
			c.inventory, err = partial.whole(topic, i.o.Keys)
		}
		return err
	case protocol.KindResults:
		err := c.envelope.Into(&c.results)
		c.serial = c.results.Serial
		return err
	case protocol.KindProgress:
		err := c.envelope.Into(&c.progress)
		c.serial = c.progress.Serial
		return err
	case protocol.KindDiagnosis:
		return c.envelope.Into(&c.diagnosis)
	case protocol.KindTemplatesUp:
		return i.openTemplates(c)
	}
	return nil
}

func (i *Ingest) openTemplates(c *checked) error {
	var m protocol.Templates
	if err := c.envelope.Into(&m); err != nil {
		return err
	}
	if len(m.Items) == 0 {
		return &protocol.Refusal{Reason: protocol.ReasonBody, Cause: errors.New("a templates message without templates")}
	}
	if c.serial = m.Serial; i.o.Vault == nil {
		return &protocol.Refusal{Reason: protocol.ReasonReceiver, Cause: errors.New("this hub has no vault")}
	}
	var refused error // one that cannot be opened does not keep the others out for ever
	for _, item := range m.Items {
		data, err := i.o.Keys.Open(protocol.TemplatePurpose(protocol.KindTemplatesUp, c.envelope.Site, m.Serial,
			item.PIN, item.Finger, item.Algorithm, item.Digest), item.Box)
		switch {
		case err != nil:
		case sha256.Sum256(data) != item.Digest, len(data) == 0, item.Algorithm != 9 && item.Algorithm != 10:
			err = errors.New("a template with another digest, or of an algorithm that is none")
		}
		if err != nil {
			refused = &protocol.Refusal{Reason: protocol.ReasonBody, Cause: err}
			continue
		}
		c.templates = append(c.templates, Template{PIN: item.PIN, Finger: item.Finger, Algorithm: item.Algorithm, Digest: item.Digest, Job: item.Job, Data: data})
	}
	if len(c.templates) == 0 {
		return refused
	}
	if refused != nil {
		i.refuse(protocol.KindTemplatesUp, refused)
	}
	return nil
}

// registered refuses what is about a terminal that nobody registered at the site, and
// says so to people.
func (i *Ingest) registered(ctx context.Context, c *checked) error {
	err := i.o.Holding.Registered(ctx, c.envelope.Site, c.serial)
	if errors.Is(err, holding.ErrNoTerminal) {
		return i.unregistered(ctx, c, err)
	}
	return err
}

func (i *Ingest) unregistered(ctx context.Context, c *checked, cause error) error {
	if err := i.raise(ctx, c.received, store.Condition{
		Site: c.envelope.Site, Code: ConditionTerminalUnregistered, Subject: string(c.serial),
	}); err != nil {
		return err
	}
	return &protocol.Refusal{Reason: protocol.ReasonTopic, Cause: cause}
}

// takeHolding keeps what was said about a terminal, if it is the newest word.
func (i *Ingest) takeHolding(ctx context.Context, c checked) error {
	said := holding.Said{Site: c.envelope.Site, Serial: c.serial, Agent: c.envelope.From, Seq: c.envelope.Seq, At: c.received}
	var err error
	switch c.envelope.Kind {
	case protocol.KindInventory:
		said.Seq = c.inventory.order
		if err = i.o.Holding.TakeInventory(ctx, said, c.inventory.sealing, c.inventory.text, c.inventory.held); err == nil {
			i.o.Dispatch.RostersChanged(said.Site)
		}
	case protocol.KindResults:
		if err = i.o.Holding.TakeResults(ctx, said, c.results); err == nil {
			i.o.Dispatch.Wanted(said.Site, said.Serial, c.results.Wants)
		}
	case protocol.KindTemplatesUp:
		err = i.takeTemplates(ctx, said, c.templates)
	case protocol.KindProgress:
		if c.progress.Kind != "" {
			err = i.takeErrand(ctx, c)
		} else {
			err = i.takeProgress(ctx, said, c.progress)
		}
	case protocol.KindDiagnosis:
		err = i.takeErrand(ctx, c)
	}
	switch {
	case errors.Is(err, holding.ErrReplay):
		err = &protocol.Refusal{Reason: protocol.ReasonReplay, Cause: err}
	case errors.Is(err, holding.ErrNotAdmitted): // replaced a moment ago
		err = &protocol.Refusal{Reason: protocol.ReasonKey, Cause: err}
	case errors.Is(err, holding.ErrNoTerminal):
		err = i.unregistered(ctx, &c, err)
	}
	var refusal *protocol.Refusal
	if errors.As(err, &refusal) {
		i.refuse(c.envelope.Kind, err)
		return nil
	}
	return err
}

func (i *Ingest) takeTemplates(ctx context.Context, said holding.Said, templates []Template) error {
	var refused error
	err := i.o.Holding.Take(ctx, said, protocol.KindTemplatesUp, func() error {
		refused = i.o.Vault.Found(ctx, said.Site, said.Serial, said.At, templates)
		return refused
	})
	if refused != nil && ctx.Err() == nil {
		// Punches must not wait for a vault that is in trouble. The agent keeps its copies.
		i.o.Logger.Error("templates not kept", "site", string(said.Site), "terminal", string(said.Serial), "error", refused)
		return nil
	}
	if err != nil {
		return err
	}
	kept := make([]protocol.Hash, len(templates))
	for n, t := range templates {
		kept[n] = t.Digest
	}
	i.o.Dispatch.Kept(said.Site, said.Serial, kept)
	return nil
}

// decode reads a sealed text; what it does not know refuses it.
func decode(text []byte, to any) error {
	err := protocol.Decode(text, to)
	if err != nil && !errors.Is(err, protocol.ErrCrowded) {
		return errors.New("it is not in the form of this version") // the cause could quote it
	}
	return err
}
