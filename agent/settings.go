package agent

import (
	"context"
	"errors"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/config"
	"github.com/bkpsdmd-babel/sidik/agent/internal/settings"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
	"github.com/bkpsdmd-babel/sidik/systemd/pulse"
)

// ErrRestart ends Run when the agency has set something else, or wants another version
// or asks for it: close this agent and open it again.
var ErrRestart = errors.New("start again with what the agency wants")

// openSettings makes the configuration what it is with what the agency has set.
func openSettings(o *Options) (*settings.Settings, error) {
	own := o.Config
	set, err := settings.Open(settings.Options{
		Dir: own.Data, Log: o.Logger, Limit: o.TrySettings,
		Check: func(text string) error {
			_, err := own.With(text)
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	o.Config, err = own.With(set.Text())
	return set, err
}

// trySettings lets settings prove themselves by contact with the hub: over the line, and
// at the door where the next certificate is asked for.
func (a *Agent) trySettings(ctx context.Context, alive *pulse.Loop) error {
	var door atomic.Bool
	door.Store(a.o.Config.Hub.Address == "")
	ctx, stop := context.WithCancel(ctx)
	var knocking sync.WaitGroup
	defer knocking.Wait()
	defer stop()
	if a.set.State().Trying != (protocol.Seq{}) {
		knocking.Go(func() { a.knock(ctx, &door) })
	}
	err := a.set.Run(ctx, settings.Proof{
		Hub:     func() bool { return a.hubHeard() && door.Load() },
		Network: func() bool { return a.networkUp() },
		Changed: a.health.Signal, Alive: alive,
	})
	if errors.Is(err, settings.ErrRestart) {
		return ErrRestart
	}
	return err
}

// knockEvery is how often a door that did not answer is tried again.
const knockEvery = 2 * time.Second

// knock sets open once the door of the configured hub has answered.
func (a *Agent) knock(ctx context.Context, open *atomic.Bool) {
	tick := time.NewTicker(knockEvery)
	defer tick.Stop()
	for !open.Load() {
		_, err := trust.Fetch(ctx, a.o.Config.Hub.Address, a.keys.Root())
		open.Store(err == nil)
		if err != nil {
			a.o.Logger.Debug("the hub's door does not answer", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// networkUp tells whether this machine has a network over which the hub could be reached.
func (a *Agent) networkUp() bool {
	if hubIsHere(a.o.Config.Hub) {
		return true
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, at := range addresses {
		if ip, ok := at.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() {
			return true
		}
	}
	return false
}

// hubIsHere tells whether the hub is on this machine, as in a demonstration.
func hubIsHere(hub config.Hub) bool {
	for _, text := range []string{hub.Address, hub.Broker} {
		if u, err := url.Parse(text); err == nil {
			if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsLoopback() {
				return true
			}
		}
	}
	return false
}
