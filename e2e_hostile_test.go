package sidik_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt/mqtttest"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// courier is a broker that belongs to an enemy: the hub's own broker on one side, the
// offices' on the other, and between them somebody who carries each message late,
// twice, out of order or not at all, and adds what he likes: old messages, messages of
// one site or terminal on the topic of another, altered ones, and ones of his own
// making, in everybody's name.
type courier struct {
	t      testing.TB
	random *rand.Rand
	own    seal.SigningKey // nobody knows it

	mu    sync.Mutex // guards what follows
	cruel bool
	loses map[protocol.Kind]int            // so many of the next messages of a kind, on lines that do not break
	sides [2]*mqtt.Conn                    // hub's, offices'
	seen  map[protocol.Kind][]mqtt.Message // everything that passed
	later []func()                         // kept back
	made  map[string]bool                  // his own messages, by topic and payload
	done  map[string]uint64                // attacks by name
}

// The sides of the courier.
const (
	hubSide = iota
	officeSide
)

// startCourier carries between two brokers until the test ends.
func startCourier(t testing.TB, seed uint64, hubs, offices []string) *courier {
	t.Helper()
	own, err := seal.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	c := &courier{t: t, random: rand.New(rand.NewPCG(seed, 2)), own: own, seen: map[protocol.Kind][]mqtt.Message{}, made: map[string]bool{}, done: map[string]uint64{}}
	up := make(chan struct{}, 2)
	for side, urls := range [][]string{hubSide: hubs, officeSide: offices} {
		line := run(func(ctx context.Context) error {
			return mqtt.Run(ctx, mqtt.Options{
				Brokers: urls, ClientID: "courier", Subscribe: []string{protocol.TopicAll}, InboxMessages: 1 << 16, BackoffMax: time.Second,
			}, func(ctx context.Context, conn *mqtt.Conn) error { return c.carry(ctx, side, conn, up) })
		})
		t.Cleanup(func() { line.end(t) })
	}
	for range 2 {
		select {
		case <-up:
		case <-time.After(patience):
			t.Fatal("the courier has no line")
		}
	}
	return c
}

// carry takes what one side publishes to the other, as long as the connection lives.
func (c *courier) carry(ctx context.Context, side int, conn *mqtt.Conn, up chan<- struct{}) error {
	c.mu.Lock()
	c.sides[side] = conn
	c.mu.Unlock()
	select {
	case up <- struct{}{}:
	default: // known already
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case m, open := <-conn.Messages():
			if !open {
				return nil
			}
			topic, err := protocol.ParseTopic(m.Topic)
			if err != nil || (topic.Kind.Direction() == protocol.Down) != (side == hubSide) || len(m.Payload) == 0 || c.his(m) {
				continue
			}
			m.Retained = topic.Kind.Retained()
			c.pass(ctx, 1-side, m)
		}
	}
}

// his tells whether a message is one that he made, and that comes back to him.
func (c *courier) his(m mqtt.Message) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.made[m.Topic+string(m.Payload)]
}

// pass carries one message to a side, in his way.
func (c *courier) pass(ctx context.Context, to int, m mqtt.Message) {
	c.mu.Lock()
	topic, _ := protocol.ParseTopic(m.Topic) // it is one: carry looked
	c.seen[topic.Kind] = append(c.seen[topic.Kind], m)
	if c.loses[topic.Kind] > 0 {
		c.loses[topic.Kind]--
		c.mu.Unlock()
		return
	}
	if !c.cruel {
		c.mu.Unlock()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil && c.publish(to, m) != nil {
			<-tick.C // that side is coming back
		}
		return
	}
	fate := c.random.IntN(10)
	if fate < 3 { // late, and then in any order
		c.later = append(c.later, func() { _ = c.publish(to, m) })
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	if fate == 3 {
		return // lost
	}
	for range 1 + fate%2 {
		_ = c.publish(to, m) // a side that is down loses it, as brokers do
	}
}

func (c *courier) publish(to int, m mqtt.Message) error {
	c.mu.Lock()
	conn := c.sides[to]
	c.mu.Unlock()
	if conn == nil {
		return mqtt.ErrLost
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return conn.Publish(ctx, m)
}

// storm lets him do his worst n times, at a rate that leaves the others time to act.
func (c *courier) storm(n int, meanwhile func(i int)) {
	rate := time.NewTicker(3 * time.Millisecond)
	defer rate.Stop()
	for i := range n {
		<-rate.C
		meanwhile(i)
		c.mu.Lock()
		if len(c.later) > 0 && c.random.IntN(2) == 0 {
			k := c.random.IntN(len(c.later))
			late := c.later[k]
			c.later = slices.Delete(c.later, k, k+1)
			c.mu.Unlock()
			late()
			c.mu.Lock()
		}
		name, m := c.attack()
		c.done[name]++
		if name != "replayed" {
			c.made[m.Topic+string(m.Payload)] = true
		}
		c.mu.Unlock()
		for side := range c.sides { // whoever reads the topic, at whichever side
			_ = c.publish(side, m)
		}
	}
}

// attack makes one hostile message out of what he has seen. c.mu is held.
func (c *courier) attack() (name string, m mqtt.Message) {
	kinds := slices.Sorted(maps.Keys(c.seen)) // states are many and rosters few
	pick := func() mqtt.Message {
		of := c.seen[kinds[c.random.IntN(len(kinds))]]
		return of[c.random.IntN(len(of))]
	}
	m = pick()
	m.Payload = bytes.Clone(m.Payload)
	switch c.random.IntN(5) {
	case 0:
		return "replayed", m
	case 1:
		m.Payload[c.random.IntN(len(m.Payload))] ^= 1 << c.random.IntN(8)
		return "altered", m
	case 2:
		m.Topic = pick().Topic
		return "swapped", m
	case 3:
		m.Payload, m.Retained = nil, true
		return "cleared", m
	}
	var e protocol.Envelope
	if json.Unmarshal(m.Payload, &e) != nil {
		return "replayed", m
	}
	e.Seq.Counter += uint64(c.random.IntN(100))
	e.Seq.Life += uint64(c.random.IntN(3))
	claimed := e.From
	forged, err := protocol.Seal(e, e.Body, c.own)
	if err != nil {
		c.t.Error(err)
	}
	if c.random.IntN(2) == 0 { // in the name of the one who wrote it
		forged = bytes.Replace(forged, []byte(c.own.Public().KeyID()), []byte(claimed), 1)
	}
	m.Payload = forged
	return "forged", m
}

// olderThanNewest are the messages of a topic but those with the highest order.
func (c *courier) olderThanNewest(topic protocol.Topic) (old []mqtt.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var newest protocol.Seq
	orders := map[protocol.Seq]mqtt.Message{}
	for _, m := range c.seen[topic.Kind] {
		var e protocol.Envelope
		if m.Topic != topic.String() || json.Unmarshal(m.Payload, &e) != nil {
			continue
		}
		orders[e.Seq] = m
		if newest.Less(e.Seq) {
			newest = e.Seq
		}
	}
	delete(orders, newest)
	return slices.Collect(maps.Values(orders))
}

// calm makes an honest broker of him.
func (c *courier) calm() {
	c.mu.Lock()
	c.cruel = false
	later := c.later
	c.later = nil
	c.mu.Unlock()
	for _, late := range later {
		late()
	}
}

// TestAHostileBrokerChangesNothing lets people be placed, moved and retired while the
// broker does what it can. At no moment is somebody on a terminal who was never placed
// there, or with a finger that is not theirs, and nobody is deleted from a terminal
// that is only added to. When the line is honest again, everything is as the register
// says, and every punch is at the hub once.
func TestAHostileBrokerChangesNothing(t *testing.T) {
	attacks := 1500
	if testing.Short() {
		attacks = 500
	}
	w := newWorld(t, nil)
	w.startHub()
	op := operator{w, filepath.Join(build(t), "sidik-hub")}
	far := mqtttest.StartMosquitto(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := startCourier(t, seed, w.brokers(), far.URLs())

	agency, samsat, school := w.keptOffice(op, "bkpsdmd", "agency"), w.keptOffice(op, "samsat-belitung", "samsat"), w.keptOffice(op, "smkn-1-koba", "school")
	offices := []*office{agency, samsat, school}
	op.says("terminal", "mode", "--serial", agency.terminal.Serial(), "--enrolment", "yes")
	op.says("terminal", "mode", "add", "--serial", school.terminal.Serial())
	firstAtSchool := school.terminal.Users()
	for _, o := range offices {
		o.config.Hub.Broker = far.URLs()[0]
	}
	var people []string // PINs
	for n := range 4 {
		people = append(people, op.newcomer(fmt.Sprintf("Pegawai Demo %d", n), fmt.Sprintf("19900101201501%d%03d", 2, 901+n)))
	}
	op.says("terminal", "grant", people[0], "--serial", samsat.terminal.Serial(), "--from", "2026-01-01")
	op.says("place", people[0], "--unit", "samsat", "--from", "2026-01-01", "--sk", "800/1/2026")
	for n := range people {
		if err := agency.terminal.AddTemplate(zk.Template{UID: uint16(1 + n), Finger: 1, Flag: 1, Data: template(n)}); err != nil {
			t.Fatal(err)
		}
	}
	// The fingers come while he is still honest, because somebody has to say whose they are.
	for _, o := range offices {
		o.start()
	}
	var found string
	eventually(t, func() bool {
		found = op.says("finger", "found")
		return len(regexp.MustCompile(`(?m)^\d+`).FindAllString(found, -1)) == len(people)
	}, func() string { return "the fingers did not come: " + found })
	recorded := agency.terminal.Users()
	for n, pin := range people {
		op.says(append([]string{"finger", "accept", "--employee", pin}, ids(found, recorded[n].PIN)...)...)
	}
	op.enforce(samsat)
	samsat.holds(people[0] + "/1")

	c.mu.Lock()
	c.cruel = true
	c.mu.Unlock()
	steps := []func(){
		func() {
			op.says("place", people[1], "--unit", "samsat", "--from", "2026-01-01", "--sk", "800/2/2026")
		},
		func() { samsat.punch(3) },
		func() {
			op.says("place", people[2], "--unit", "samsat", "--from", "2026-01-01", "--sk", "800/3/2026")
		},
		func() { op.says("employee", "set", people[1], "--status", "pensiun", "--from", "2026-01-02") },
		func() {
			op.says("place", people[3], "--unit", "school", "--from", "2026-01-01", "--sk", "800/4/2026")
		},
		func() { school.punch(3) },
	}
	mayBe := map[*office][]string{samsat: people[:3], school: people[3:], agency: nil}
	c.storm(attacks, func(i int) {
		if every := attacks / len(steps); i%every == 0 && i/every < len(steps) {
			steps[i/every]()
		}
		for _, o := range offices {
			o.holdsOnlyItsOwn(people, mayBe[o])
		}
		for _, u := range firstAtSchool {
			if !slices.ContainsFunc(school.terminal.Users(), func(now zk.User) bool { return now.PIN == u.PIN }) {
				t.Fatalf("attack %d: user %s is gone from a terminal to which is only added", i, u.PIN)
			}
		}
	})
	byHub := w.refusals(t)
	c.calm()
	// What he lost is said again over new lines.
	far.Stop()
	far.Start()
	w.stopHub()
	w.startHub()

	samsat.holds(people[0]+"/1", people[2]+"/1")
	eventually(t, func() bool { return school.has(people[3], 1) }, func() string { return "the school's newcomer did not come" })
	for _, o := range offices {
		o.holdsOnlyItsOwn(people, mayBe[o])
		o.arriveWrittenTo()
	}
	if n := len(agency.terminal.Users()); n != 10 {
		t.Errorf("the observed terminal has %d users, want 10", n)
	}
	eventually(t, func() bool { return samsat.live.Load().Status().Uplink.HubPresent }, func() string { return "the office does not hear the hub" })
	// Of all the lists that the terminal ever got, only the last one counts.
	replays := func() uint64 { return samsat.live.Load().Status().Uplink.Refused[protocol.ReasonReplay] }
	before, old := replays(), c.olderThanNewest(protocol.Topic{Site: samsat.site, Kind: protocol.KindRoster, Serial: protocol.Serial(samsat.terminal.Serial())})
	if len(old) == 0 {
		t.Fatal("the terminal got one list only: nothing can be replayed")
	}
	for _, m := range old {
		eventually(t, func() bool { return c.publish(officeSide, m) == nil }, func() string { return "the offices' broker takes nothing" })
	}
	eventually(t, func() bool { return replays() >= before+uint64(len(old)) }, func() string {
		return fmt.Sprintf("the agent refused %d of %d older lists", replays()-before, len(old))
	})
	samsat.holds(people[0]+"/1", people[2]+"/1")
	op.says("verify")
	for _, name := range []string{"replayed", "altered", "swapped", "cleared", "forged"} {
		if c.done[name] == 0 {
			t.Errorf("nothing was %s: the test proves nothing", name)
		}
	}
	t.Logf("attacks: %v", c.done)
	refused := map[protocol.Reason]uint64{}
	for _, o := range offices {
		for reason, n := range o.live.Load().Status().Uplink.Refused {
			refused[reason] += n
		}
	}
	t.Logf("refused by agents: %v; by the hub: %v", refused, byHub)
	for _, reason := range []protocol.Reason{protocol.ReasonSignature, protocol.ReasonTopic, protocol.ReasonReplay, protocol.ReasonKey} {
		if refused[reason] == 0 || byHub[reason] == 0 {
			t.Errorf("refused for %s: %d by agents, %d by the hub: the attacks did not reach them", reason, refused[reason], byHub[reason])
		}
	}
}

// holdsOnlyItsOwn fails when the terminal has one of the people without their ever
// having been placed there, or a finger of these tests under a PIN that it is not of.
func (o *office) holdsOnlyItsOwn(people, mayBe []string) {
	t := o.w.t
	t.Helper()
	pins := map[uint16]string{}
	for _, u := range o.terminal.Users() {
		pins[u.UID] = u.PIN
		if slices.Contains(people, u.PIN) && !slices.Contains(mayBe, u.PIN) {
			t.Fatalf("PIN %s is on the terminal of %s and was never placed there", u.PIN, o.site)
		}
	}
	for _, f := range o.terminal.Templates() {
		n := slices.Index(people, pins[f.UID])
		if n >= 0 && !bytes.Equal(f.Data, template(n)) {
			t.Fatalf("PIN %s at %s has a finger that is not theirs", pins[f.UID], o.site)
		}
	}
}

// refusals is how many messages the running hub has refused, by reason.
func (w *world) refusals(t testing.TB) map[protocol.Reason]uint64 {
	t.Helper()
	at, err := hub.Running(w.hubData())
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Get(at.Pages + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	all := map[protocol.Reason]uint64{}
	for _, m := range regexp.MustCompile(`(?m)^sidik_messages_refused_total\{kind="[^"]*",reason="([^"]*)"\} (\S+)$`).FindAllStringSubmatch(string(text), -1) {
		n, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		all[protocol.Reason(m[1])] += uint64(n)
	}
	return all
}
