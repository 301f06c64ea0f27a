package broker_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
)

// TestAProvinceOfAgentsMaySubscribe connects more agents than the engine's own limits
// allow, each with all the subscriptions of an agent.
func TestAProvinceOfAgentsMaySubscribe(t *testing.T) {
	const sites = 350
	b := start(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	var agents sync.WaitGroup
	defer agents.Wait()
	defer cancel()
	granted, denied := make(chan struct{}, sites), make(chan error, 100*sites)
	for n := range sites {
		site := fmt.Sprintf("site-%d", n)
		agents.Go(func() {
			mqtt.Run(ctx, mqtt.Options{
				Brokers: b.URLs(), ClientID: site, Subscribe: subscriptions(site),
				OnTrouble: func(err error) {
					if err != nil && ctx.Err() == nil {
						denied <- err
					}
				},
			}, func(ctx context.Context, _ *mqtt.Conn) error {
				granted <- struct{}{}
				<-ctx.Done()
				return nil
			})
		})
	}
	for range sites {
		select {
		case <-granted:
		case err := <-denied:
			t.Fatal(err)
		case <-time.After(time.Minute):
			t.Fatal("not every agent has its subscriptions")
		}
	}
}
