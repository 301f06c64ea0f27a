package hub_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// The goals: 10 000 punches a second in segments of 100, and 1 000 segments a
// second of one punch, from 200 agents that sign on the same machine, each
// counted when its receipt is back. What is measured is the whole way: sign,
// broker, check, commit with a full sync, receipt.
func BenchmarkIngest(b *testing.B) {
	for _, size := range []int{100, 1} {
		b.Run(fmt.Sprintf("segments of %d", size), func(b *testing.B) {
			const agents = 200
			data := b.TempDir()
			born := make(chan hub.Addresses, 1)
			ctx, stop := context.WithCancel(context.Background())
			var running sync.WaitGroup
			running.Go(func() {
				if err := hub.Run(ctx, hub.Config{Data: data, MQTT: "127.0.0.1:0", Pages: "127.0.0.1:0",
					Logger: slog.New(slog.DiscardHandler), Ready: func(a hub.Addresses) { born <- a }}); err != nil {
					b.Error(err)
				}
			})
			defer running.Wait()
			defer stop()
			at := <-born
			fleet := newFleet(b, data, at, agents)
			each := max(1, b.N/agents)
			before := resident(b)
			b.ResetTimer()
			begun := time.Now()
			fleet.send(ctx, b, each, size)
			took := time.Since(begun).Seconds()
			b.StopTimer()
			b.ReportMetric(float64(each*agents*size)/took, "punches/s")
			b.ReportMetric(float64(each*agents)/took, "segments/s")
			b.ReportMetric(float64(resident(b)-before)/(1<<20), "MB-more")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// resident is this process's memory in bytes, with the agents' in it.
func resident(b *testing.B) int64 {
	runtime.GC()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	var total, pages int64
	if _, err := fmt.Sscan(string(text), &total, &pages); err != nil {
		b.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// fleet is many agents without terminals.
type fleet struct {
	at     hub.Addresses
	agents []*sender
}

type sender struct {
	site     protocol.SiteID
	key      seal.SigningKey
	hub      seal.KeyID
	epoch    protocol.Hash
	segments []protocol.Segment
}

func newFleet(b *testing.B, data string, at hub.Addresses, n int) *fleet {
	b.Helper()
	s, err := hub.OpenStore(b.Context(), data, "")
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	fingerprint, err := seal.ParseFingerprint(at.Key)
	if err != nil {
		b.Fatal(err)
	}
	f := &fleet{at: at}
	for i := range n {
		key, err := seal.GenerateSigningKey()
		if err != nil {
			b.Fatal(err)
		}
		a := &sender{site: protocol.SiteID(fmt.Sprintf("site-%d", i)), key: key, hub: fingerprint.KeyID(), epoch: protocol.NewEpoch()}
		if err := errors.Join(
			s.AddSite(b.Context(), a.site, key.Public().Fingerprint(), time.Now()),
			s.AddTerminal(b.Context(), a.site, a.serial(), time.Now()),
		); err != nil {
			b.Fatal(err)
		}
		f.agents = append(f.agents, a)
	}
	return f
}

func (a *sender) serial() protocol.Serial {
	return protocol.Serial("X" + strings.ToUpper(string(a.site)))
}

// make prepares segments; signing them is left for the measured time.
func (a *sender) make(segments, size int) {
	a.segments = a.segments[:0]
	h, seq := a.epoch, uint64(1)
	when := time.Date(2026, 1, 5, 7, 0, 0, 0, time.UTC)
	for range segments {
		s := protocol.Segment{Epoch: a.epoch, First: seq, Last: seq + uint64(size) - 1, Prev: h}
		for range size {
			when = when.Add(3 * time.Second)
			r := protocol.Record{
				Serial: a.serial(), PIN: fmt.Sprint(100001 + seq%200), Time: protocol.NewLocalTime(when), Verify: 1,
				Source: protocol.SourceZK, Raw: make([]byte, 40), Read: "1.1",
			}
			h = h.Next(r.AppendCanonical(nil))
			s.Records = append(s.Records, r)
			seq++
		}
		s.Head = h
		a.segments = append(a.segments, s)
	}
}

// send lets all agents send at once and returns when every receipt is back.
func (f *fleet) send(ctx context.Context, b *testing.B, segments, size int) {
	b.StopTimer()
	for _, a := range f.agents {
		a.make(segments, size)
	}
	b.StartTimer()
	var sending sync.WaitGroup
	for _, a := range f.agents {
		sending.Go(func() {
			if err := a.run(ctx, f.at); err != nil {
				b.Errorf("agent %s: %v", a.site, err)
			}
		})
	}
	sending.Wait()
}

// run is the uplink at its plainest: a state, then segments with four of them
// under way until the last is receipted.
func (a *sender) run(ctx context.Context, at hub.Addresses) error {
	ctx, done := context.WithCancel(ctx)
	defer done()
	var failed error
	_ = mqtt.Run(ctx, mqtt.Options{
		Brokers:   at.Brokers,
		ClientID:  "sidik-agent-" + string(a.site),
		Subscribe: []string{protocol.Topic{Site: a.site, Kind: protocol.KindReceipt}.String()},
		Logger:    slog.New(slog.NewTextHandler(io.Discard, nil)),
	}, func(ctx context.Context, conn *mqtt.Conn) error {
		failed = a.talk(ctx, conn)
		done()
		return nil
	})
	return failed
}

func (a *sender) talk(ctx context.Context, conn *mqtt.Conn) error {
	n := uint32(0)
	publish := func(kind protocol.Kind, body any) error {
		n++
		e := protocol.Envelope{Kind: kind, Site: a.site, To: a.hub, Seq: protocol.Seq{Life: 1, Counter: protocol.ConnectionCounter(conn.Connection(), n)}}
		payload, err := protocol.Seal(e, body, a.key)
		if err != nil {
			return err
		}
		return conn.Publish(ctx, mqtt.Message{Topic: e.Topic().String(), Payload: payload, Retained: kind.Retained()})
	}
	if err := publish(protocol.KindState, protocol.State{Status: protocol.StatusReady, Boot: "b", Key: a.key.Public(),
		Conditions: []protocol.Condition{}, Terminals: []protocol.Terminal{}}); err != nil {
		return err
	}
	sent, through := 0, uint64(0)
	last := a.segments[len(a.segments)-1].Last
	again := time.NewTimer(20 * time.Second)
	defer again.Stop()
	for through < last {
		for sent < len(a.segments) && (sent == 0 || a.segments[sent].First-1 <= through+4*uint64(len(a.segments[0].Records))-1) {
			if err := publish(protocol.KindPunches, a.segments[sent]); err != nil {
				return err
			}
			sent++
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
			for sent > 0 && a.segments[sent-1].First > through {
				sent--
			}
			again.Reset(20 * time.Second)
		case m := <-conn.Messages():
			e, err := protocol.Parse(m.Topic, m.Payload)
			var r protocol.Receipt
			if err == nil {
				err = e.Into(&r)
			}
			if err != nil {
				return err
			}
			store, _ := r.Of(a.epoch)
			if store.Through > through {
				through = store.Through
				again.Reset(20 * time.Second)
			}
		}
	}
	return nil
}
