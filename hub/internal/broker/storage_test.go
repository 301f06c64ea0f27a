package broker_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/broker"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
)

// The engine wants room in its store to welcome a client. One that fills it must
// not shut out the others.
func TestFullStoreShutsNobodyOut(t *testing.T) {
	b, err := broker.Start(t.Context(), broker.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0", MaxStore: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	published := 0
	mqtt.Run(ctx, mqtt.Options{Brokers: []string{b.URL()}, ClientID: "greedy"}, func(serving context.Context, c *mqtt.Conn) error {
		defer cancel()
		for i := range 100 { // 20 MB
			m := mqtt.Message{Topic: fmt.Sprintf("sidik/v1/site-%d/state", i), Payload: make([]byte, 200<<10), Retained: true}
			if err := c.Publish(serving, m); err != nil {
				t.Errorf("message %d: %v", i, err)
				break
			}
			published++
		}
		return nil
	})
	if published != 100 {
		t.Fatalf("published %d of 100", published)
	}
	kept, err := use(t.Context(), b.URL())
	if err != nil {
		t.Fatal(err)
	}
	if len(kept) == 0 || len(kept) >= 40 {
		t.Errorf("%d messages of 200 KiB kept with a limit of 8 MiB, want some but fewer than 40", len(kept))
	}
	if _, newest := kept["sidik/v1/site-99/state"]; !newest {
		t.Error("the newest message is not among those kept")
	}
}

func TestEngineThatGaveUpItsStorageIsStartedAnew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "broker")
	e := start(t, dir)
	publishRetained(t, e.running.URL(), 20)
	up := make(chan struct{}, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { // a client that is there all the time
		o := mqtt.Options{Brokers: []string{e.running.URL()}, ClientID: "agent", BackoffMax: 100 * time.Millisecond}
		done <- mqtt.Run(ctx, o, func(ctx context.Context, c *mqtt.Conn) error {
			up <- struct{}{}
			<-ctx.Done()
			return nil
		})
	}()
	defer func() { cancel(); <-done }()
	<-up
	if err := e.running.FailStorage(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-up:
	case <-time.After(30 * time.Second):
		t.Fatal("the client did not come back")
	}
	before, err := use(t.Context(), e.running.URL())
	if err != nil {
		t.Fatal(err)
	}
	if len(before) != 20 || e.running.Trouble() != nil {
		t.Errorf("%d of 20 retained messages, trouble %v", len(before), e.running.Trouble())
	}
}
