package dispatch

import (
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Wanted takes which templates a terminal's agent asks for, in place of those that it
// asked for before. The terminal must be a registered one.
func (d *Dispatch) Wanted(site protocol.SiteID, serial protocol.Serial, digests []protocol.Hash) {
	d.requests.want(terminal{site, serial}, digests)
}

// Kept takes which templates from a site are stored durably, for its agent to know:
// it keeps a copy until then.
func (d *Dispatch) Kept(site protocol.SiteID, serial protocol.Serial, digests []protocol.Hash) {
	d.requests.confirm(terminal{site, serial}, digests)
}

// Ask asks a terminal's agent for templates that its inventory showed, in place of
// those that it was asked for before and that have not left yet.
func (d *Dispatch) Ask(site protocol.SiteID, serial protocol.Serial, digests []protocol.Hash) {
	d.requests.ask(terminal{site, serial}, digests)
}

// requests is what agents wait for: bounded, because of one terminal only the newest
// counts, and by tokens, so that no site can keep the vault busy.
type requests struct {
	wake chan struct{} // capacity 1: something came

	mu      sync.Mutex // guards what follows
	wants   map[terminal][]protocol.Hash
	kept    map[terminal][]protocol.Hash
	asks    map[terminal][]protocol.Hash
	buckets map[protocol.SiteID]*bucket
}

func newRequests() requests {
	return requests{wake: make(chan struct{}, 1), wants: map[terminal][]protocol.Hash{},
		kept: map[terminal][]protocol.Hash{}, asks: map[terminal][]protocol.Hash{}, buckets: map[protocol.SiteID]*bucket{}}
}

func (r *requests) want(t terminal, digests []protocol.Hash) {
	r.mu.Lock()
	delete(r.wants, t)
	if len(digests) > 0 {
		r.wants[t] = digests
	}
	r.mu.Unlock()
	signal(r.wake)
}

func (r *requests) confirm(t terminal, digests []protocol.Hash) {
	if len(digests) == 0 {
		return
	}
	r.mu.Lock()
	r.kept[t] = append(r.kept[t], digests...)
	r.mu.Unlock()
	signal(r.wake)
}

func (r *requests) ask(t terminal, digests []protocol.Hash) {
	r.mu.Lock()
	delete(r.asks, t)
	if len(digests) > 0 {
		r.asks[t] = digests
	}
	r.mu.Unlock()
	signal(r.wake)
}

// nextAsk takes out what one terminal is to be asked for.
func (r *requests) nextAsk() (t terminal, digests []protocol.Hash) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for t, digests := range r.asks {
		delete(r.asks, t)
		return t, digests
	}
	return t, nil
}

// next takes out what one terminal waits for: confirmations, or as many templates as
// its site's tokens allow. With neither, wait is when to ask again, 0 for not before
// wake.
func (r *requests) next(now time.Time) (t terminal, kept, wants []protocol.Hash, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for t, kept := range r.kept {
		delete(r.kept, t)
		return t, kept, nil, 0
	}
	for t, all := range r.wants {
		b := r.buckets[t.site]
		if b == nil {
			b = &bucket{tokens: burst, at: now}
			r.buckets[t.site] = b
		}
		n := b.draw(now, len(all))
		if n == 0 {
			wait = refill
			continue
		}
		if r.wants[t] = all[n:]; n == len(all) {
			delete(r.wants, t)
		}
		return t, nil, all[:n], 0
	}
	return t, nil, nil, wait
}

// Tokens of one site: a whole office at once, then as fast as no terminal takes them.
const (
	burst  = 2048
	refill = 250 * time.Millisecond // for perRefill more
	// perRefill at least fills one message.
	perRefill = 2 * protocol.MaxTemplates
)

// bucket is how many templates one site may ask for now.
type bucket struct {
	tokens int
	at     time.Time // of the last refill
}

// draw takes up to n tokens out.
func (b *bucket) draw(now time.Time, n int) int {
	if steps := int(now.Sub(b.at) / refill); steps > 0 {
		b.tokens = min(burst, b.tokens+min(steps, burst)*perRefill)
		b.at = now
	}
	n = min(n, b.tokens)
	b.tokens -= n
	return n
}
