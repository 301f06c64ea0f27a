package broker_test

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/broker/brokertest"
)

func TestFloodIsEndedAndStaysOut(t *testing.T) {
	neighbour := brokertest.Site(brokertest.Neighbour)
	for _, row := range []struct {
		name    string
		subject authority.Subject
		id      string
		topic   string
		size    int
		count   int // of messages, somewhat more than is let pass
	}{
		{"many small messages", neighbour, brokertest.Agent(neighbour.Name), "sidik/v1/samsat-2/progress", 10, 20_100},
		{"many bytes", neighbour, brokertest.Agent(neighbour.Name), "sidik/v1/samsat-2/punches", 256 << 10, 260},
		{"messages that it has no right to send", neighbour, brokertest.Agent(neighbour.Name), "sidik/v1/samsat/punches", 10, 20_100},
		{"an operator's", brokertest.Operator(brokertest.Person), "_" + brokertest.Person, "sidik/v1/samsat/punches", 10, 20_100},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := startGuarded(t, 0)
			b := g.office
			honest := b.Enter(t, brokertest.Site(brokertest.Honest), brokertest.Agent(brokertest.Honest))
			c := b.Enter(t, row.subject, row.id)
			payload := bytes.Repeat([]byte("x"), row.size)
			for range row.count {
				if err := c.Throw(row.topic, payload, false, 0); err != nil {
					break // ended already by a look of the broker's own
				}
			}
			c.Send(0xc0, nil) // the engine counts what it has read when it reads again
			if err := c.Ended(); err != nil {
				t.Error(err)
			}
			b.Said(t, 0, "a client floods the broker")
			from := netip.MustParseAddr("127.0.5.1")
			again, err := brokertest.Dial(from, b.Address, b.TLS(t, row.subject))
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			if err := again.Connect(row.id, nil); err == nil {
				t.Error("it is in again at once")
			}
			b.Said(t, 0, row.subject.String()+" has flooded the broker and stays out until")
			if err := honest.Publish("sidik/v1/"+brokertest.Honest+"/punches", payload, false); err != nil {
				t.Errorf("the honest site: %v", err)
			}
		})
	}
}

// An agent that was without a line for a year sends as fast as it is answered, and so
// does the hub to all sites at once.
func TestWhoCatchesUpIsNotEnded(t *testing.T) {
	g := startGuarded(t, 0)
	const segments = 500 // more than 100 000 punches make, each as large as a segment may be
	site := g.office.Enter(t, brokertest.Site(brokertest.Honest), brokertest.Agent(brokertest.Honest))
	segment := make([]byte, 64<<10)
	for range segments {
		if err := site.Publish("sidik/v1/"+brokertest.Honest+"/punches", segment, false); err != nil {
			t.Fatalf("%v; the broker says:\n%s", err, g.office.Log())
		}
	}
	hub := g.office.Enter(t, authority.Subject{Kind: authority.Hub}, "sidik-hub")
	for range 25_000 {
		if err := hub.Throw("sidik/v1/samsat/jobs", segment[:10], false, 0); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []*brokertest.Client{site, hub} {
		if err := c.Subscribe("sidik/v1/_/hub", 0); err != nil {
			t.Fatal(err)
		}
		g.Look()
		if err := c.Subscribe("sidik/v1/_/keys", 0); err != nil {
			t.Errorf("ended: %v; the broker says:\n%s", err, g.office.Log())
		}
	}
}
