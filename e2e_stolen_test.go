package sidik_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent"
	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// newcomers records a finger for each of these people at the agency's terminal, places
// each at a unit, and returns their PINs. The agency's agent must run.
func (op operator) newcomers(agency *office, units ...string) (pins []string) {
	t := op.w.t
	t.Helper()
	users := agency.terminal.Users()
	for n := range units { // all of them at once: a terminal is not looked at again soon
		if err := agency.terminal.AddTemplate(zk.Template{UID: users[n].UID, Finger: 1, Flag: 1, Data: template(n)}); err != nil {
			t.Fatal(err)
		}
	}
	for n, unit := range units {
		pins = append(pins, op.newcomer(fmt.Sprintf("Pegawai Demo %d", n), fmt.Sprintf("19900101201501%d%03d", 2, 901+n)))
		op.says("place", pins[n], "--unit", unit, "--from", "2026-01-01", "--sk", "800/1/2026")
	}
	var found string
	eventually(t, func() bool {
		found = op.says("finger", "found")
		return strings.Count(found, "\n") == len(units)
	}, func() string { return "the fingers did not come: " + found })
	for n, pin := range pins {
		op.says(append([]string{"finger", "accept", "--employee", pin}, ids(found, users[n].PIN)...)...)
	}
	return pins
}

// TestAStolenAgentDrawsNothingElse gives an enemy the key of one office's agent. He may
// ask in its name: he gets the template that the office's list names, and no other, not
// under another terminal's number either; in another office's name he is refused.
func TestAStolenAgentDrawsNothingElse(t *testing.T) {
	w := newWorld(t, nil)
	w.startHub()
	op := operator{w, filepath.Join(build(t), "sidik-hub")}
	agency, samsat, school := w.keptOffice(op, "bkpsdmd", "agency"), w.keptOffice(op, "samsat-belitung", "samsat"), w.keptOffice(op, "smkn-1-koba", "school")
	op.says("terminal", "mode", "--serial", agency.terminal.Serial(), "--enrolment", "yes")
	for _, o := range []*office{samsat, school} {
		op.says("terminal", "mode", "add", "--serial", o.terminal.Serial())
		o.start()
	}
	agency.start()
	pins := op.newcomers(agency, "samsat", "school")
	for n, o := range []*office{samsat, school} {
		eventually(t, func() bool { return o.has(pins[n], 1) }, func() string { return "the newcomer of " + string(o.site) + " did not come" })
	}
	named, other := protocol.Hash(sha256.Sum256(template(0))), protocol.Hash(sha256.Sum256(template(1)))

	samsat.stop()
	key, _, err := agent.LoadKey(samsat.config.Data)
	if err != nil {
		t.Fatal(err)
	}
	hubKey, _, err := hub.LoadKey(w.hubData())
	if err != nil {
		t.Fatal(err)
	}
	before := w.refusals(t)
	ask := func(n uint64, site protocol.SiteID, of *office, wants ...protocol.Hash) mqtt.Message {
		topic := protocol.Topic{Site: site, Kind: protocol.KindResults}
		payload, err := protocol.Seal(protocol.Envelope{
			Kind: topic.Kind, Site: site, To: hubKey.Public().KeyID(), Seq: protocol.Seq{Life: 1 << 62, Counter: n},
		}, protocol.Results{Serial: protocol.Serial(of.terminal.Serial()), State: protocol.StandingWaiting, Wants: wants}, key)
		if err != nil {
			t.Fatal(err)
		}
		return mqtt.Message{Topic: topic.String(), Payload: payload}
	}
	given := make(chan protocol.Hash, 100)
	thief := run(func(ctx context.Context) error {
		return mqtt.Run(ctx, mqtt.Options{Brokers: w.brokers(), ClientID: "thief", Subscribe: []string{protocol.TopicAll}},
			func(ctx context.Context, conn *mqtt.Conn) error {
				for _, m := range []mqtt.Message{
					ask(1, school.site, school, other),                          // in another office's name
					ask(2, samsat.site, school, other),                          // of another office's terminal
					ask(3, samsat.site, samsat, other, named, protocol.Hash{1}), // of his own: one that he should have, and two not
				} {
					if err := conn.Publish(ctx, m); err != nil {
						return err
					}
				}
				for {
					select {
					case <-ctx.Done():
						return nil
					case m := <-conn.Messages():
						var e protocol.Envelope
						var body protocol.Templates
						if !strings.HasSuffix(m.Topic, string(protocol.KindTemplatesDown)) ||
							json.Unmarshal(m.Payload, &e) != nil || json.Unmarshal(e.Body, &body) != nil {
							continue
						}
						for _, item := range body.Items {
							given <- item.Digest
						}
					}
				}
			})
	})
	defer thief.end(t)
	select {
	case got := <-given:
		if got != named {
			t.Errorf("the thief got template %s, which his list does not name", got.Short())
		}
	case <-time.After(patience):
		t.Fatalf("the thief did not even get what the list names: the test proves nothing; refused before %v, after %v", before, w.refusals(t))
	}
	// All three have been answered: one with a template, two refused, and of the third two templates.
	eventually(t, func() bool {
		now := w.refusals(t)
		return now[protocol.ReasonKey] > before[protocol.ReasonKey] && now[protocol.ReasonTopic] > before[protocol.ReasonTopic] &&
			now[protocol.ReasonReceiver] >= before[protocol.ReasonReceiver]+2
	}, func() string { return fmt.Sprintf("refused before %v, after %v", before, w.refusals(t)) })
	for len(given) > 0 {
		if got := <-given; got != named {
			t.Errorf("the thief got template %s, which his list does not name", got.Short())
		}
	}
}

// TestAHubFromYesterday puts the hub's database back to a copy from before somebody was
// placed. Their terminal keeps them, although the older register does not know of it,
// until a person approves; and what is placed from then on is accepted.
func TestAHubFromYesterday(t *testing.T) {
	w := newWorld(t, nil)
	w.startHub()
	op := operator{w, filepath.Join(build(t), "sidik-hub")}
	agency, samsat := w.keptOffice(op, "bkpsdmd", "agency"), w.keptOffice(op, "samsat-belitung", "samsat")
	op.says("terminal", "mode", "--serial", agency.terminal.Serial(), "--enrolment", "yes")
	boss := op.newcomer("Admin Demo", "198001012005011900")
	op.says("terminal", "grant", boss, "--serial", samsat.terminal.Serial(), "--from", "2026-01-01")
	op.says("place", boss, "--unit", "samsat", "--from", "2026-01-01", "--sk", "800/1/2026")
	agency.start()
	samsat.start()
	op.enforce(samsat)
	pins := op.newcomers(agency, "samsat", "agency", "agency")
	samsat.holds(boss+"/0", pins[0]+"/1")
	yesterday := filepath.Join(w.dir, "yesterday.db")
	op.says("backup", "--to", yesterday)

	op.says("place", pins[1], "--unit", "samsat", "--from", "2026-01-01", "--sk", "800/2/2026")
	samsat.holds(boss+"/0", pins[0]+"/1", pins[1]+"/1")
	w.stopHub()
	for _, rest := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(hub.DatabasePath(w.hubData()) + rest); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	op.says("restore", "--from", yesterday)
	w.startHub()

	stands := func(how string) {
		t.Helper()
		said := func() string { return op.says("terminal", "holdings") }
		eventually(t, func() bool {
			return slices.ContainsFunc(strings.Split(said(), "\n"), func(line string) bool {
				return strings.HasPrefix(line, string(samsat.site)) && strings.Contains(line, how)
			})
		}, said)
	}
	// The older register says nothing of itself. What somebody then changes in it brings
	// a list that lacks who was placed since: the agent does not delete them for it.
	stands("follows a later roster")
	op.says("place", pins[2], "--unit", "samsat", "--from", "2026-01-01", "--sk", "800/3/2026")
	stands("braked")
	samsat.holds(boss+"/0", pins[0]+"/1", pins[1]+"/1")
	// Who was forgotten is placed again: the next list takes nobody away, and is followed.
	op.says("place", pins[1], "--unit", "samsat", "--from", "2026-01-01", "--sk", "800/2/2026")
	samsat.holds(boss+"/0", pins[0]+"/1", pins[1]+"/1", pins[2]+"/1")
}
