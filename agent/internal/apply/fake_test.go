package apply_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/apply"
	"github.com/bkpsdmd-babel/sidik/agent/internal/outbox"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

const (
	site   protocol.SiteID = "samsat-demo"
	serial protocol.Serial = "T1"
)

// machine is a terminal in memory. It counts writes, and fails where it is told to.
type machine struct {
	mu     sync.Mutex
	can    roster.Capabilities
	users  []roster.Held
	bytes  map[string][]byte // by slot and finger
	slots  map[uint16]bool   // every slot that was ever used
	recode bool              // gives back other bytes than were written
	failAt int               // the number of the write that fails; 0: none
	after  bool              // it fails after it took effect
	first  func()            // called at the first write
	reads  atomic.Int32      // how often its inventory was read
	counts
}

// counts is what happened to a machine.
type counts struct{ writes, fingers, deletions int }

func (m *machine) count() counts {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counts
}

var errMachine = errors.New("the terminal hung up")

func newMachine() *machine {
	return &machine{can: roster.Capabilities{Algorithm: 10, NameBytes: 24, Users: 3000, Fingers: 9000},
		bytes: map[string][]byte{}, slots: map[uint16]bool{}}
}

func at(slot uint16, finger uint8) string { return fmt.Sprintf("%d/%d", slot, finger) }

// enrol puts a user there as a person at the terminal would.
func (m *machine) enrol(slot uint16, pin string, privilege roster.Privilege, templates ...[]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(slot, pin, privilege, templates...)
}

func (m *machine) add(slot uint16, pin string, privilege roster.Privilege, templates ...[]byte) {
	h := roster.Held{Slot: slot, PIN: pin, Privilege: privilege, Password: true}
	for n, template := range templates {
		m.bytes[at(slot, uint8(n))] = template
		h.Fingers = append(h.Fingers, roster.HeldFinger{Number: uint8(n), Algorithm: 10, Digest: sha256.Sum256(template)})
	}
	m.slots[slot] = true
	m.users = append(m.users, h)
	slices.SortFunc(m.users, func(a, b roster.Held) int { return cmp.Compare(a.Slot, b.Slot) })
}

func (m *machine) Hold(ctx context.Context, do func(context.Context, terminal.Session) error) error {
	return do(ctx, m)
}

func (m *machine) Inventory(context.Context) (roster.Inventory, error) {
	m.reads.Add(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	inv := roster.Inventory{Serial: serial, Capabilities: m.can}
	for _, u := range m.users {
		u.Fingers = slices.Clone(u.Fingers)
		inv.Users = append(inv.Users, u)
	}
	return inv, nil
}

func (m *machine) Template(_ context.Context, slot uint16, finger uint8) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if b := m.bytes[at(slot, finger)]; b != nil {
		return b, nil
	}
	return nil, errors.New("no such finger")
}

// write carries out one write, unless it is the one that fails.
func (m *machine) write(effect func()) error {
	m.writes++
	if m.writes == 1 && m.first != nil {
		m.first()
	}
	fails := m.writes == m.failAt
	if !fails || m.after {
		effect()
	}
	if fails {
		return errMachine
	}
	return nil
}

func (m *machine) Put(_ context.Context, users ...terminal.Put) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range users {
		i := slices.IndexFunc(m.users, func(u roster.Held) bool { return u.Slot == p.Slot })
		if p.New {
			if i >= 0 || m.slots[p.Slot] {
				return fmt.Errorf("slot %d is not free", p.Slot)
			}
			if err := m.write(func() { m.add(p.Slot, p.PIN, p.Privilege) }); err != nil {
				return err
			}
			i = slices.IndexFunc(m.users, func(u roster.Held) bool { return u.Slot == p.Slot })
		}
		if i < 0 {
			return fmt.Errorf("no user in slot %d", p.Slot)
		}
		u := &m.users[i]
		if err := m.write(func() {
			if p.Name != nil {
				u.Name = p.Name
			}
			if p.Privilege != "" {
				u.Privilege = p.Privilege
			}
			if p.Card != nil {
				u.Card = *p.Card
			}
		}); err != nil {
			return err
		}
		for _, f := range p.Fingers {
			if err := m.write(func() { m.putFinger(u, f) }); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *machine) putFinger(u *roster.Held, f terminal.PutFinger) {
	m.fingers++
	given := slices.Clone(f.Template)
	if m.recode {
		given[0] ^= 0xff
	}
	m.bytes[at(u.Slot, f.Number)] = given
	u.Fingers = slices.DeleteFunc(u.Fingers, func(h roster.HeldFinger) bool { return h.Number == f.Number })
	u.Fingers = append(u.Fingers, roster.HeldFinger{Number: f.Number, Algorithm: 10, Digest: sha256.Sum256(given)})
	slices.SortFunc(u.Fingers, func(a, b roster.HeldFinger) int { return cmp.Compare(a.Number, b.Number) })
}

func (m *machine) Drop(_ context.Context, drops ...terminal.Drop) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range drops {
		if err := m.write(func() {
			m.deletions++
			m.users = slices.DeleteFunc(m.users, func(u roster.Held) bool { return d.User && u.Slot == d.Slot })
			for i := range m.users {
				if m.users[i].Slot == d.Slot {
					m.users[i].Fingers = slices.DeleteFunc(m.users[i].Fingers, func(f roster.HeldFinger) bool { return f.Number == d.Finger })
				}
			}
		}); err != nil {
			return err
		}
	}
	return nil
}

// content is what the terminal holds, without slots.
func (m *machine) content() (lines []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, u := range m.users {
		lines = append(lines, fmt.Sprintf("%s %q %s %t %v", u.PIN, u.Name, u.Privilege, u.Password, u.Fingers))
	}
	slices.Sort(lines)
	return lines
}

// office is an applier with its terminal, and the hub's side of it by hand.
type office struct {
	t       *testing.T
	dir     string
	machine *machine
	site    seal.SealingKey
	hub     seal.SealingKey
	brake   apply.Brake
	every   time.Duration
	ask     time.Duration
	calm    func() bool
	apply   *apply.Applier
	out     *outbox.Outbox
	stop    func()
	vault   map[protocol.Hash][]byte
	results []protocol.Results
	copies  []protocol.SealedTemplate
	last    roster.Inventory
	newest  roster.Roster
	approve protocol.Hash // comes with the next roster
	lost    int           // so many answers with templates are
	loses   int           // the part of a roster that is lost; 0: none
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{t: t, dir: t.TempDir(), machine: newMachine(), vault: map[protocol.Hash][]byte{}, calm: func() bool { return true },
		brake: apply.Brake{Users: 100}, every: time.Hour, ask: time.Hour}
	var err error
	if o.site, err = seal.GenerateSealingKey(); err != nil {
		t.Fatal(err)
	}
	if o.hub, err = seal.GenerateSealingKey(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if o.stop != nil {
			o.stop()
		}
	})
	o.start()
	return o
}

// start begins the agent's part; a second time is a restart.
func (o *office) start() {
	o.t.Helper()
	if o.stop != nil {
		o.stop()
	}
	out, err := outbox.Open(outbox.Options{Site: site, Dir: o.dir, Changed: func() {}})
	if err != nil {
		o.t.Fatal(err)
	}
	o.out = out
	a, err := apply.New(apply.Options{
		Site: site, Dir: o.dir, Keys: keys{o.site}, Out: out, Brake: o.brake,
		Terminals: []apply.Terminal{{Serial: serial, Keeper: o.machine}},
		Calm:      func(time.Time) bool { return o.calm() },
		Changed:   func() {},
		Logger:    slog.New(slog.DiscardHandler),
		Every:     o.every, Retry: time.Millisecond, Ask: o.ask,
	})
	if err != nil {
		o.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = a.Run(ctx) })
	o.apply = a
	o.stop = func() { cancel(); running.Wait(); o.stop = nil }
	a.HubKey(o.hub.Public())
}

// give hands a roster to the agent as the uplink would.
func (o *office) give(order protocol.Seq, r roster.Roster) error {
	o.t.Helper()
	o.newest = r
	text, err := json.Marshal(r)
	if err != nil {
		o.t.Fatal(err)
	}
	doc, parts, err := protocol.SealDocument(o.site.Public(), protocol.RosterPurpose(site, serial, order), text)
	if err != nil {
		o.t.Fatal(err)
	}
	e := protocol.Envelope{Kind: protocol.KindRoster, Site: site, Subject: string(serial), Seq: order}
	for _, p := range parts {
		if p.N == o.loses {
			continue
		}
		if err := o.apply.TakeRoster(protocol.Topic{Site: site, Kind: protocol.KindRoster, Serial: serial, Part: p.N}, o.with(e, p)); err != nil {
			return err
		}
	}
	return o.apply.TakeRoster(e.Topic(), o.with(e, protocol.Roster{AsOf: string(r.AsOf), Mode: string(r.Mode), Users: len(r.Entries), Doc: doc, Approved: o.approve}))
}

func (o *office) with(e protocol.Envelope, body any) protocol.Envelope {
	o.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		o.t.Fatal(err)
	}
	e.Body = text
	return e
}

// serve takes everything that the agent says, and answers what it wants, until
// done has been said.
func (o *office) serve(done func(protocol.Results) bool) protocol.Results {
	o.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		_, said, found := o.out.Next()
		if !found {
			select {
			case <-o.out.Outgoing():
			case <-deadline:
				o.t.Fatalf("the agent never said it; last %+v", o.results)
			}
			continue
		}
		switch body := said.(type) {
		case protocol.Inventory:
			text, err := body.Doc.Open(o.hub, protocol.InventoryPurpose(site, serial))
			if err != nil {
				o.t.Fatal(err)
			}
			o.last = roster.Inventory{}
			if err := json.Unmarshal(text, &o.last); err != nil || o.last.Check() != nil {
				o.t.Fatal(err, o.last.Check())
			}
		case protocol.Templates:
			o.copies = append(o.copies, body.Items...)
		case protocol.Results:
			if err := body.Check(); err != nil {
				o.t.Fatal(err)
			}
			o.results = append(o.results, body)
			if done(body) {
				return body
			}
			o.answer(body.Wants)
		default:
			o.t.Fatalf("the agent said %T", body)
		}
	}
}

// answer sends templates by digest, as the vault would.
func (o *office) answer(wants []protocol.Hash) {
	o.t.Helper()
	if o.lost > 0 && len(wants) > 0 {
		o.lost--
		return
	}
	for _, digest := range wants {
		for _, item := range o.sealed(digest) {
			e := protocol.Envelope{Kind: protocol.KindTemplatesDown, Site: site}
			err := o.apply.TakeTemplates(o.with(e, protocol.Templates{Serial: serial, Items: []protocol.SealedTemplate{item}}))
			if err != nil && protocol.ReasonOf(err) != protocol.ReasonReplay { // an answer may come too late
				o.t.Fatal(err)
			}
		}
	}
}

// sealed is a template of the vault for every entry of the newest roster that names it.
func (o *office) sealed(digest protocol.Hash) (items []protocol.SealedTemplate) {
	o.t.Helper()
	for _, e := range o.newest.Entries {
		for _, f := range e.Fingers {
			if f.Digest != digest {
				continue
			}
			item := protocol.SealedTemplate{PIN: e.PIN, Finger: f.Number, Algorithm: f.Algorithm, Digest: digest}
			var err error
			item.Box, err = o.site.Public().Seal(protocol.TemplatePurpose(protocol.KindTemplatesDown, site, serial, e.PIN, f.Number, f.Algorithm, digest), o.vault[digest])
			if err != nil {
				o.t.Fatal(err)
			}
			items = append(items, item)
		}
	}
	return items
}

// finger makes a template of its own and puts it into the vault.
func (o *office) finger(number uint8, name string) roster.Finger {
	template := []byte("template of " + name)
	digest := protocol.Hash(sha256.Sum256(template))
	o.vault[digest] = template
	return roster.Finger{Number: number, Algorithm: 10, Digest: digest}
}

// keys are those of a site that has one sealing key.
type keys struct{ seal.SealingKey }

func (k keys) Sealing() seal.SealingPublic { return k.Public() }
