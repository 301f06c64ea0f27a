package broker_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/broker"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
)

// BenchmarkStart measures from Start to a broker that accepts clients, on an empty
// folder and on one with the retained messages of 300 sites.
func BenchmarkStart(b *testing.B) {
	for _, retained := range []int{0, 600} {
		b.Run(fmt.Sprintf("retained=%d", retained), func(b *testing.B) {
			dir := filepath.Join(b.TempDir(), "broker")
			e := start(b, dir)
			publishRetained(b, e.running.URL(), retained)
			e.Stop()
			for b.Loop() {
				r, err := broker.Start(b.Context(), broker.Options{Dir: dir, Listen: "127.0.0.1:0"})
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				r.Close()
				b.StartTimer()
			}
		})
	}
}

// BenchmarkSites measures a broker's process with 300 agents and the hub: memory
// idle, with all connected, and the rate at which small segments reach the hub.
func BenchmarkSites(b *testing.B) {
	const sites = 300
	p := startProcess(b, filepath.Join(b.TempDir(), "broker"))
	idle := resident(b, p.command.Process.Pid)
	ctx, cancel := context.WithCancel(b.Context())
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()

	came := make(chan int, 1000)
	up := make(chan *mqtt.Conn, sites)
	work.Go(func() {
		mqtt.Run(ctx, mqtt.Options{Brokers: []string{p.url}, ClientID: "hub", Subscribe: []string{"sidik/v1/+/state", "sidik/v1/+/punches"}, InboxMessages: 1 << 20, InboxBytes: 1 << 30},
			func(ctx context.Context, c *mqtt.Conn) error {
				up <- nil
				for {
					select {
					case m := <-c.Messages():
						if strings.HasSuffix(m.Topic, "/punches") {
							came <- 1
						}
					case <-ctx.Done():
						return nil
					}
				}
			})
	})
	<-up
	began := time.Now()
	for n := range sites {
		site := fmt.Sprintf("site-%d", n)
		o := mqtt.Options{
			Brokers: []string{p.url}, ClientID: site,
			Subscribe: subscriptions(site),
			Will: func(uint32) (mqtt.Message, error) {
				return mqtt.Message{Topic: "sidik/v1/" + site + "/state", Payload: make([]byte, 1000), Retained: true}, nil
			},
		}
		work.Go(func() {
			mqtt.Run(ctx, o, func(ctx context.Context, c *mqtt.Conn) error {
				c.Publish(ctx, mqtt.Message{Topic: "sidik/v1/" + site + "/state", Payload: make([]byte, 2000), Retained: true})
				up <- c
				<-ctx.Done()
				return nil
			})
		})
	}
	var agents []*mqtt.Conn
	for range sites {
		agents = append(agents, <-up)
	}
	connecting, connected := time.Since(began), resident(b, p.command.Process.Pid)

	payload := make([]byte, 1000)
	b.ResetTimer()
	var sending sync.WaitGroup
	for n, c := range agents {
		sending.Go(func() {
			for i := n; i < b.N; i += sites {
				if err := c.Publish(ctx, mqtt.Message{Topic: fmt.Sprintf("sidik/v1/site-%d/punches", n), Payload: payload}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for range b.N {
		<-came
	}
	sending.Wait()
	b.StopTimer()
	b.ReportMetric(idle, "MB-idle")
	b.ReportMetric(connecting.Seconds(), "s-connect")
	b.ReportMetric(connected, "MB-connected")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "segments/s")
	b.ReportMetric(resident(b, p.command.Process.Pid), "MB-after")
}

// subscriptions are an agent's.
func subscriptions(site string) (filters []string) {
	for _, topic := range []string{"receipt", "roster/#", "templates/down", "jobs"} {
		filters = append(filters, "sidik/v1/"+site+"/"+topic)
	}
	return append(filters, "sidik/v1/_/keys", "sidik/v1/_/hub")
}

// resident is the resident memory of a process in MB.
func resident(b *testing.B, pid int) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatalf("memory of the broker's process: %v", err)
	}
	for line := range strings.Lines(string(text)) {
		var kb float64
		if _, err := fmt.Sscanf(line, "VmRSS: %f kB", &kb); err == nil {
			return kb / 1000
		}
	}
	b.Fatal("no VmRSS")
	return 0
}
