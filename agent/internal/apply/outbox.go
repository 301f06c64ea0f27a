package apply

import (
	"slices"
	"sync"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// message is something for the hub. Its body is one of the contract's.
type message struct {
	topic protocol.Topic // without the site
	body  any
}

// outbox holds what is to be told: of each terminal the newest, because what a
// terminal was like before is of no use to anybody.
type outbox struct {
	wake chan struct{} // capacity 1

	mu     sync.Mutex
	queues map[queue][]message
	order  []queue
}

// queue is what a newer message of its kind replaces.
type queue struct {
	kind   protocol.Kind
	serial protocol.Serial
	pulled bool // templates that the hub asked for
}

func newOutbox() *outbox {
	return &outbox{wake: make(chan struct{}, 1), queues: map[queue][]message{}}
}

// replace puts messages in the place of those of the same kind and terminal.
func (o *outbox) replace(kind protocol.Kind, serial protocol.Serial, messages ...message) {
	o.mu.Lock()
	o.put(queue{kind: kind, serial: serial}, messages)
	o.mu.Unlock()
	signal(o.wake)
}

// pulled adds templates that the hub asked for to those that have not left yet.
func (o *outbox) pulled(serial protocol.Serial, messages []message) {
	q := queue{protocol.KindTemplatesUp, serial, true}
	o.mu.Lock()
	o.put(q, append(o.queues[q], messages...))
	o.mu.Unlock()
	signal(o.wake)
}

func (o *outbox) put(q queue, messages []message) {
	o.queues[q] = messages
	if !slices.Contains(o.order, q) {
		o.order = append(o.order, q)
	}
}

// results puts results in the place of older ones. What happened to single changes
// is told once only, so it is carried over when the older ones have not left yet.
func (o *outbox) results(r protocol.Results) {
	o.mu.Lock()
	for _, m := range o.queues[queue{kind: protocol.KindResults, serial: r.Serial}] {
		r.Outcomes = first(append(m.body.(protocol.Results).Outcomes, r.Outcomes...))
	}
	o.mu.Unlock()
	o.replace(protocol.KindResults, r.Serial, message{protocol.Topic{Kind: protocol.KindResults}, r})
}

// again puts all unconfirmed copies in.
func (o *outbox) again(c *copies) {
	for serial, messages := range c.messages() {
		o.replace(protocol.KindTemplatesUp, serial, messages...)
	}
}

// next takes the oldest message out.
func (o *outbox) next() (message, bool) {
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
		return waiting[0], true
	}
	return message{}, false
}
