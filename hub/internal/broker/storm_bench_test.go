package broker_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/broker/brokertest"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
)

// BenchmarkStorm kills a guarded broker with 2 000 agents, each with its own certificate
// and all subscriptions, and starts it anew: how long until each is back, with the waits
// that agents have, and the hub has got what each of them had to say.
func BenchmarkStorm(b *testing.B) {
	const agents = 2000
	folder, data := filepath.Join(b.TempDir(), "broker"), b.TempDir()
	ca, _, err := authority.LoadOrCreate(data, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	p := startProcess(b, folder, childAuthority+"="+data)
	empty := resident(b, p.command.Process.Pid)
	ctx, cancel := context.WithCancel(b.Context())
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()

	var round atomic.Int64
	heard := make(chan string, 4*agents)
	work.Go(func() {
		mqtt.Run(ctx, mqtt.Options{Brokers: []string{p.url}, ClientID: "sidik-hub", TLS: ca.SelfConfig(), Subscribe: []string{"sidik/v1/+/punches"}, InboxMessages: 1 << 16},
			func(ctx context.Context, c *mqtt.Conn) error {
				for {
					select {
					case m, open := <-c.Messages():
						if !open {
							return nil
						}
						select {
						case heard <- string(m.Payload):
						case <-ctx.Done():
							return nil
						}
					case <-ctx.Done():
						return nil
					}
				}
			})
	})
	for n := range agents {
		site := fmt.Sprintf("site-%d", n)
		pair := brokertest.Certificate(b, ca, brokertest.Site(site), time.Now(), time.Hour)
		work.Go(func() {
			mqtt.Run(ctx, mqtt.Options{Brokers: []string{p.url}, ClientID: brokertest.Agent(site), Subscribe: subscriptions(site), AtMostOnce: true,
				TLS: &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost", Certificates: []tls.Certificate{pair}},
				Will: func(uint32) (mqtt.Message, error) {
					return mqtt.Message{Topic: "sidik/v1/" + site + "/state", Payload: make([]byte, 1000), Retained: true}, nil
				},
			}, func(ctx context.Context, c *mqtt.Conn) error {
				say := fmt.Sprintf("%d %s", round.Load(), site)
				again := time.NewTicker(5 * time.Second) // an agent has its own ways to say again what has no receipt
				defer again.Stop()
				for {
					c.Publish(ctx, mqtt.Message{Topic: "sidik/v1/" + site + "/punches", Payload: []byte(say)})
					select {
					case <-again.C:
					case <-ctx.Done():
						return nil
					}
				}
			})
		})
	}
	all := func() {
		back := map[string]bool{}
		for len(back) < agents {
			say := <-heard
			if strings.HasPrefix(say, fmt.Sprintf("%d ", round.Load())) {
				back[say] = true
			}
		}
	}
	all()
	full := resident(b, p.command.Process.Pid)
	b.ResetTimer()
	for b.Loop() {
		p.command.Process.Kill()
		p.command.Wait()
		round.Add(1)
		p = startProcess(b, folder, childAuthority+"="+data, childListen+"="+strings.TrimPrefix(p.url, "ssl://"))
		all()
	}
	b.StopTimer()
	b.ReportMetric(full, "MB-full")
	b.ReportMetric((full-empty)*1000/agents, "KB/connection")
	b.ReportMetric(resident(b, p.command.Process.Pid), "MB-after")
}
