package mqtt

import (
	"sync"
	"sync/atomic"
)

// inbox holds what has been received until it is taken, in order of arrival and
// within limits of number and bytes.
//
// When it is full the newest message is dropped and counted. Waiting instead
// would stop paho from reading, also the answers to its pings, and end the
// connection. Dropping is allowed because nothing rests on an acknowledgement: a
// segment without receipt is sent again, and retained documents come again when
// the hub announces its birth or the connection is made anew.
type inbox struct {
	maxMessages, maxBytes int

	mu    sync.Mutex // guards what follows
	queue []Message
	held  int // messages in queue and in the hands of deliver
	bytes int // of these

	wake    chan struct{} // holds a token when queue may have become non-empty
	out     chan Message
	dropped atomic.Uint64
}

func newInbox(maxMessages, maxBytes int) *inbox {
	return &inbox{maxMessages: maxMessages, maxBytes: maxBytes, wake: make(chan struct{}, 1), out: make(chan Message)}
}

// size is what a message costs: its bytes and about what Go needs around them.
func size(m Message) int { return len(m.Topic) + len(m.Payload) + 64 }

// put never blocks. It reports the number of messages dropped if m was.
func (b *inbox) put(m Message) (dropped uint64) {
	b.mu.Lock()
	full := b.held >= b.maxMessages || b.bytes+size(m) > b.maxBytes
	if !full {
		b.queue = append(b.queue, m)
		b.held++
		b.bytes += size(m)
	}
	b.mu.Unlock()
	if full {
		return b.dropped.Add(1)
	}
	select {
	case b.wake <- struct{}{}:
	default:
	}
	return 0
}

// take removes all that is there. It stays counted until deliver has handed it on.
func (b *inbox) take() []Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.queue
	b.queue = nil
	return all
}

// deliver hands messages out until done, then closes the channel.
func (b *inbox) deliver(done <-chan struct{}) {
	defer close(b.out)
	for {
		for _, m := range b.take() {
			select {
			case b.out <- m:
			case <-done:
				return
			}
			b.mu.Lock()
			b.held--
			b.bytes -= size(m)
			b.mu.Unlock()
		}
		select {
		case <-b.wake:
		case <-done:
			return
		}
	}
}
