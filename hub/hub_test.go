package hub_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt/mqtttest"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/trust/trusttest"
)

const (
	demo   protocol.SiteID = "demo"
	serial protocol.Serial = "DEMO1"
)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// office is an agent as far as these tests need one.
type office struct {
	t       *testing.T
	key     seal.SigningKey
	sealing seal.SealingKey
	hub     seal.KeyID
	said    uint64
}

func (o *office) say(ctx context.Context, conn *mqtt.Conn, kind protocol.Kind, subject protocol.Serial, body any) error {
	o.said++
	payload, err := protocol.Seal(protocol.Envelope{Kind: kind, Site: demo, Subject: string(subject), To: o.hub, Seq: protocol.Seq{Life: 1, Counter: o.said}}, body, o.key)
	if err != nil {
		return err
	}
	topic := protocol.Topic{Site: demo, Kind: kind, Serial: subject}
	return conn.Publish(ctx, mqtt.Message{Topic: topic.String(), Payload: payload, Retained: kind.Retained()})
}

// inventory seals what the terminal holds to the first key that the hub has published.
func (o *office) inventory(keys protocol.KeyList) (protocol.Inventory, error) {
	text, err := json.Marshal(roster.Inventory{Serial: serial, Users: []roster.Held{}})
	if err != nil {
		return protocol.Inventory{}, err
	}
	if len(keys.Sealing) == 0 {
		return protocol.Inventory{}, errors.New("the hub has published no key to seal to")
	}
	doc, _, err := protocol.SealDocument(keys.Sealing[0], protocol.InventoryPurpose(demo, serial), text)
	return protocol.Inventory{Sealing: o.sealing.Public(), Doc: doc}, err
}

// TestRosterOfAnotherProcessReachesTheSite issues a roster as a command does, beside
// the running hub: it reaches the office when that has said to which key.
func TestRosterOfAnotherProcessReachesTheSite(t *testing.T) {
	for name, brokers := range map[string]func() []string{
		"over the built-in broker": func() []string { return nil },
		"over Mosquitto":           func() []string { return mqtttest.StartMosquitto(t).URLs() },
	} {
		t.Run(name, func(t *testing.T) {
			data, ctx := t.TempDir(), t.Context()
			vouch(t, data)
			at := run(t, hub.Config{Data: data, Brokers: brokers(), MQTT: "127.0.0.1:0", Pages: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)})
			fingerprint, err := seal.ParseFingerprint(at.Key)
			ok(t, err)
			o := &office{t: t, hub: fingerprint.KeyID()}
			o.key, err = seal.GenerateSigningKey()
			ok(t, err)
			o.sealing, err = seal.GenerateSealingKey()
			ok(t, err)
			s, err := hub.OpenStore(ctx, data, "")
			ok(t, err)
			defer func() { ok(t, s.Close()) }()
			ok(t, s.AddSite(ctx, demo, o.key.Public().Fingerprint(), time.Now()))
			ok(t, s.AddTerminal(ctx, demo, serial, time.Now()))
			g, err := s.Generation(ctx)
			ok(t, err)
			order, _, err := holding.New(s).SetRoster(ctx, demo, serial, roster.Roster{Serial: serial, AsOf: "2026-01-05", Mode: roster.Add,
				Entries: []roster.Entry{{PIN: "100001", Name: "Ani Demo", Privilege: roster.User}}}, g.Number, time.Now())
			ok(t, err)

			got := o.awaitRoster(at)
			if e, r := got.envelope, got.roster; e.Seq != order || e.To != o.key.Public().KeyID() || len(r.Entries) != 1 || r.Entries[0].PIN != "100001" {
				t.Errorf("order %s for %s came with %d entries, want %s", e.Seq, e.To, len(r.Entries), order)
			}
		})
	}
}

// run starts a hub that ends with the test.
func run(t *testing.T, c hub.Config) hub.Addresses {
	t.Helper()
	born := make(chan hub.Addresses, 1)
	c.Ready = func(a hub.Addresses) { born <- a }
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := hub.Run(ctx, c); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(running.Wait)
	t.Cleanup(stop)
	select {
	case at := <-born:
		return at
	case <-time.After(20 * time.Second):
		t.Fatal("no hub within 20 s")
		return hub.Addresses{}
	}
}

// received is a roster that was opened.
type received struct {
	envelope protocol.Envelope
	roster   roster.Roster
}

// awaitRoster announces the office over a connection of its own and returns the first
// roster that comes.
func (o *office) awaitRoster(at hub.Addresses) (got received) {
	o.t.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), 30*time.Second, errors.New("no roster within 30 s"))
	defer cancel()
	keys := protocol.TopicOf(protocol.HubSite, protocol.KindKeys)
	var failed error
	err := mqtt.Run(ctx, mqtt.Options{Brokers: at.Brokers, ClientID: "office", Subscribe: []string{keys, protocol.TopicOf(demo, protocol.KindRoster)}},
		func(ctx context.Context, conn *mqtt.Conn) error {
			defer cancel()
			got, failed = o.serve(ctx, conn)
			return failed
		})
	if ok(o.t, failed); got.envelope.Site == "" {
		o.t.Fatal(err)
	}
	return got
}

func (o *office) serve(ctx context.Context, conn *mqtt.Conn) (got received, err error) {
	for {
		select {
		case <-ctx.Done():
			return got, context.Cause(ctx)
		case m := <-conn.Messages():
			e, err := protocol.Parse(m.Topic, m.Payload)
			if err != nil {
				return got, err
			}
			if e.Kind == protocol.KindRoster {
				return o.open(e)
			}
			var list protocol.KeyList
			if err := e.Into(&list); err != nil {
				return got, err
			}
			inv, err := o.inventory(list)
			if err != nil {
				return got, err
			}
			if err := errors.Join(
				o.say(ctx, conn, protocol.KindState, "", protocol.State{Status: protocol.StatusReady, Boot: "one", Key: o.key.Public(), Clock: protocol.ClockHeld}),
				o.say(ctx, conn, protocol.KindInventory, serial, inv),
			); err != nil {
				return got, err
			}
		}
	}
}

func (o *office) open(e protocol.Envelope) (got received, err error) {
	var head protocol.Roster
	if err := e.Into(&head); err != nil {
		return got, err
	}
	text, err := head.Doc.Open(o.sealing, protocol.RosterPurpose(demo, serial, e.Seq))
	if err != nil {
		return got, fmt.Errorf("open roster %s: %w", e.Seq, err)
	}
	got.envelope = e
	return got, json.Unmarshal(text, &got.roster)
}

// vouch has a root sign the hub's keys.
func vouch(t testing.TB, data string) trusttest.Root {
	t.Helper()
	root := trusttest.NewRoot(t)
	request, err := hub.KeyRequest(data, time.Now(), false)
	if err == nil {
		_, err = hub.InstallKeys(data, root.Sign(t, request))
	}
	if err != nil {
		t.Fatal(err)
	}
	return root
}
