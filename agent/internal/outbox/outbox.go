// Package outbox holds what is to be told to the hub: messages, of which the newest of
// each kind counts, and templates that have to reach it, sealed and on disk until it
// has confirmed them.
//
// It knows the contract and a folder. It must not know terminals or MQTT; those who
// have something to tell put it here, and the uplink takes it out.
//
// Beware: a message that was taken out may be lost on the way. What cannot be told
// again by whoever told it is a template, and those are kept here.
package outbox

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Message is something for the hub. Its body is one of the contract's.
type Message struct {
	Topic protocol.Topic // without the site
	Body  any
}

// Options are what an Outbox is made of. All are needed.
type Options struct {
	Site    protocol.SiteID
	Dir     string // copies is made in it
	Changed func() // the hub has confirmed templates, or has a key; it must not block
}

// Outbox is safe for concurrent use.
type Outbox struct {
	o      Options
	copies *copies
	wake   chan struct{} // capacity 1

	mu     sync.Mutex // guards what follows
	hub    seal.SealingPublic
	queues map[queue][]Message
	order  []queue
}

// Open reads the templates that were kept.
func Open(o Options) (*Outbox, error) {
	c, err := openCopies(o.Dir)
	if err != nil {
		return nil, err
	}
	return &Outbox{o: o, copies: c, wake: make(chan struct{}, 1), queues: map[queue][]Message{}}, nil
}

// Damaged counts the templates that could not be read, and were set aside.
func (o *Outbox) Damaged() int { return o.copies.damaged }

// ErrNoKey says that nothing can be sealed yet.
var ErrNoKey = errors.New("the hub's sealing key is not known yet: no template can be kept for it")

// SetKey takes the key to which what is personal is sealed; changed tells whether it is
// another one than before.
func (o *Outbox) SetKey(key seal.SealingPublic) (changed bool) {
	o.mu.Lock()
	changed = o.hub != key
	o.hub = key
	o.mu.Unlock()
	if changed {
		o.o.Changed()
	}
	return changed
}

// Key is the hub's sealing key, zero while it is not known.
func (o *Outbox) Key() seal.SealingPublic {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.hub
}

// Seal seals a terminal's template to the hub, for what item says about it.
func (o *Outbox) Seal(serial protocol.Serial, item protocol.SealedTemplate, template []byte) (protocol.SealedTemplate, error) {
	hub := o.Key()
	if hub.IsZero() {
		return item, ErrNoKey
	}
	var err error
	item.Box, err = hub.Seal(protocol.TemplatePurpose(protocol.KindTemplatesUp, o.o.Site, serial,
		item.PIN, item.Finger, item.Algorithm, item.Digest), template)
	if err != nil {
		return item, fmt.Errorf("seal finger %d of terminal %s: %w", item.Finger, serial, err)
	}
	return item, nil
}

// Keep returns once a sealed template is on disk. It is told with the next Again.
func (o *Outbox) Keep(serial protocol.Serial, item protocol.SealedTemplate) error {
	return o.copies.keep(sealedCopy{Serial: serial, Item: item})
}

// Keeps tells whether a template waits for the hub's confirmation.
func (o *Outbox) Keeps(digest protocol.Hash) bool { return o.copies.has(digest) }

// Holds tells whether this very finger of a person and a terminal waits for it.
func (o *Outbox) Holds(serial protocol.Serial, item protocol.SealedTemplate) bool {
	return o.copies.holds(serial, item)
}

// Confirm forgets templates that the hub has.
func (o *Outbox) Confirm(digests []protocol.Hash) error {
	for _, digest := range digests {
		if err := o.copies.drop(digest); err != nil {
			return err
		}
	}
	if len(digests) > 0 {
		o.o.Changed()
	}
	return nil
}

// Again tells all templates that the hub has not confirmed, and whether there are any.
func (o *Outbox) Again() (any bool) {
	all := o.copies.messages()
	for serial, messages := range all {
		o.Replace(protocol.KindTemplatesUp, serial, messages...)
	}
	return len(all) > 0
}

// Replace puts messages in the place of those of the same kind and terminal.
func (o *Outbox) Replace(kind protocol.Kind, serial protocol.Serial, messages ...Message) {
	o.put(queue{kind: kind, serial: serial}, messages)
}

// Results puts results in the place of older ones. What happened to single changes
// is told once only, so it is carried over when the older ones have not left yet.
func (o *Outbox) Results(r protocol.Results) {
	q := queue{kind: protocol.KindResults, serial: r.Serial}
	o.change(q, func(waiting []Message) []Message {
		for _, m := range waiting {
			r.Outcomes = append(m.Body.(protocol.Results).Outcomes, r.Outcomes...)
			r.Outcomes = r.Outcomes[:min(len(r.Outcomes), MaxTold)]
		}
		return []Message{{protocol.Topic{Kind: protocol.KindResults}, r}}
	})
}

// MaxTold bounds each list of a results message; the next one tells on.
const MaxTold = 500

// Progress puts what is known of a job in the place of what was.
func (o *Outbox) Progress(p protocol.Progress) {
	o.put(queue{kind: protocol.KindProgress, serial: p.Serial, job: p.Job}, []Message{{protocol.Topic{Kind: protocol.KindProgress}, p}})
}

// Diagnosis seals the answer to a diagnose, in the place of an older one.
func (o *Outbox) Diagnosis(job protocol.Seq, report []byte) error {
	hub := o.Key()
	if hub.IsZero() {
		return ErrNoKey
	}
	d, _, err := protocol.SealDocument(hub, protocol.DiagnosisPurpose(o.o.Site, job), report)
	if err != nil {
		return fmt.Errorf("seal diagnosis %s: %w", job, err)
	}
	o.Replace(protocol.KindDiagnosis, "", Message{protocol.Topic{Kind: protocol.KindDiagnosis}, protocol.Diagnosis{Job: job, Doc: d}})
	return nil
}

// Pulled adds templates that the hub asked for to those that have not left yet. The
// terminal keeps them, so the disk does not have to.
func (o *Outbox) Pulled(serial protocol.Serial, items []protocol.SealedTemplate) {
	o.change(queue{kind: protocol.KindTemplatesUp, serial: serial, pulled: true}, func(waiting []Message) []Message {
		return append(waiting, inMessages(serial, items)...)
	})
}

// queue is what a newer message of its kind replaces.
type queue struct {
	kind   protocol.Kind
	serial protocol.Serial
	job    protocol.Seq // of progress
	pulled bool         // templates that the hub asked for
}

func (o *Outbox) put(q queue, messages []Message) {
	o.change(q, func([]Message) []Message { return messages })
}

func (o *Outbox) change(q queue, to func(waiting []Message) []Message) {
	o.mu.Lock()
	o.queues[q] = to(o.queues[q])
	if !slices.Contains(o.order, q) {
		o.order = append(o.order, q)
	}
	o.mu.Unlock()
	o.signal()
}

func (o *Outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Outgoing has something when Next may have a message.
func (o *Outbox) Outgoing() <-chan struct{} { return o.wake }

// Next takes out the oldest message; while there are more, Outgoing has something. One that is lost on the way is told again by
// whoever told it, after a new connection.
func (o *Outbox) Next() (t protocol.Topic, body any, found bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.order) > 0 {
		q := o.order[0]
		waiting := o.queues[q]
		if len(waiting) == 0 {
			o.order = o.order[1:]
			delete(o.queues, q)
			continue
		}
		o.queues[q] = waiting[1:]
		o.signal()
		t, body = waiting[0].Topic, waiting[0].Body
		t.Site = o.o.Site
		return t, body, true
	}
	return protocol.Topic{Site: o.o.Site}, nil, false
}
