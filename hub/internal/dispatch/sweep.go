package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
)

// quiet is how long no retained message comes before the sweep believes that it
// has seen them all.
const quiet = 400 * time.Millisecond

// Sweep removes retained messages that are not this hub's to have: of sites that it
// does not know, rosters and documents that nobody is to have, and what is at topics that the
// contract does not have. conn
// must be subscribed to protocol.TopicAll and used for nothing else.
func (d *Dispatch) Sweep(ctx context.Context, conn *mqtt.Conn) error {
	agents, err := d.o.Store.Agents(ctx)
	if err != nil {
		return fmt.Errorf("read agents: %w", err)
	}
	known := map[protocol.SiteID]bool{protocol.HubSite: true}
	for _, a := range agents {
		known[a.Site] = true
	}
	out, err := d.outgoing(ctx, "")
	if err != nil {
		return err
	}
	documents, err := d.documents(ctx)
	if err != nil {
		return err
	}
	done := time.NewTimer(quiet)
	defer done.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-done.C:
			return nil
		case m, open := <-conn.Messages():
			if !open {
				return nil
			}
			if !m.Retained || len(m.Payload) == 0 {
				continue // news: many sites speak, and the sweep must end all the same
			}
			done.Reset(quiet)
			topic, err := protocol.ParseTopic(m.Topic)
			if err == nil && known[topic.Site] && topic.Kind.Retained() {
				roster, has := out[terminal{topic.Site, topic.Serial}]
				_, documented := documents[place{topic.Site, topic.Kind}]
				switch {
				case topic.Kind == protocol.KindRoster && has && topic.Part <= parts(roster.Size), isDocument(topic.Kind) && documented:
					continue
				case topic.Kind != protocol.KindRoster && !isDocument(topic.Kind):
					continue
				}
			}
			err = conn.Publish(ctx, mqtt.Message{Topic: m.Topic, Retained: true})
			if errors.Is(err, mqtt.ErrTopic) { // nobody of ours subscribes to such a name
				d.o.Logger.Warn("stranger's retained message left: its topic is not one that can be cleared everywhere", "topic", m.Topic)
				continue
			}
			if err != nil {
				return fmt.Errorf("remove retained message at %s: %w", m.Topic, err)
			}
			d.o.Logger.Info("stranger's retained message removed", "topic", m.Topic)
		}
	}
}
