package agent_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"

	"github.com/bkpsdmd-babel/sidik/agent"
	"github.com/bkpsdmd-babel/sidik/agent/config"
	"github.com/bkpsdmd-babel/sidik/agent/internal/panel"
	"github.com/bkpsdmd-babel/sidik/systemd/pulse"
)

// stuck is a pin whose driver does not return.
type stuck struct {
	gpiotest.Pin
	touched, free chan struct{}
}

func (p *stuck) Out(gpio.Level) error {
	select {
	case p.touched <- struct{}{}:
	default:
	}
	<-p.free
	return nil
}

// An agent that is to start anew and does not come to an end is not left so: the pulse
// falls silent, and the service manager ends it.
func TestAnAgentThatDoesNotEndIsNoticed(t *testing.T) {
	pin := &stuck{gpiotest.Pin{N: "stuck"}, make(chan struct{}, 1), make(chan struct{})}
	alive := pulse.New()
	a, err := agent.Open(t.Context(), agent.Options{
		Config: config.Config{
			Site:      "samsat-belitung",
			Data:      t.TempDir(),
			Hub:       config.Hub{Broker: "tcp://127.0.0.1:1", Root: strings.Repeat("ab", 32)},
			Terminals: []config.Terminal{{Serial: "X100C0000001", Address: "127.0.0.1:1", Network: "tcp", Every: config.Duration(time.Hour)}},
			Buffer:    config.Buffer{MaxMB: 16, RetentionDays: 90, RetainPunches: 1000},
		},
		Version: "test", Logger: slog.New(slog.DiscardHandler), Pulse: alive,
		Pins: func(config.Panel) panel.Pins { return panel.Pins{Ready: pin} },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	<-pin.touched
	<-alive.Begun()
	later := func() []string { return alive.Still(time.Now().Add(2 * time.Minute)) }
	if still := later(); slices.Contains(still, "ending") {
		t.Errorf("while it runs these are said to stand still: %v", still)
	}
	stop()
	for !slices.Contains(later(), "ending") {
		select {
		case err := <-ended:
			t.Fatalf("it ended by itself: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	close(pin.free)
	if err := <-ended; err != nil {
		t.Errorf("Run = %v", err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}
