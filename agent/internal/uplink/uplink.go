// Package uplink carries what the buffer holds to the hub over MQTT and brings
// the hub's receipts back: segments out, oldest first, few at a time; the
// site's state beside them; receipts in, checked, handed to the buffer.
//
// It keeps nothing that the buffer keeps: a segment is read anew each time it is
// sent. Beware: a publish that the broker acknowledged is no delivery. Only a
// receipt with the hub's signature moves the mark, and that mark is the buffer's.
package uplink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
	"github.com/bkpsdmd-babel/sidik/systemd/pulse"
)

// Buffer is what the uplink needs of the agent's buffer.
type Buffer interface {
	Boot() uint64
	Place() buffer.Place
	Segment(after uint64) (protocol.Segment, bool, error)
	Apply(message []byte, order protocol.Seq, r protocol.Receipt) (buffer.Outcome, error)
	Appended() <-chan struct{}
}

// Health tells how the site is. The uplink adds only what it alone knows: that
// the line is up.
type Health interface {
	State() protocol.State    // Status is set by the uplink
	Changed() <-chan struct{} // a hint that State would now say something new
}

// Holdings is what the uplink needs of the part that keeps terminals at their
// rosters. Errors of its Take methods are refusals.
type Holdings interface {
	HubKey(key seal.SealingPublic)
	Resend() // a connection began
	TakeRoster(t protocol.Topic, e protocol.Envelope) error
	TakeTemplates(e protocol.Envelope) error
}

// Hub is what the uplink needs to believe the hub: the keys document that the agency's
// root signed.
type Hub interface {
	Trust() trust.Document // zero until there is one
	Take(document []byte) (newer bool, err error)
	HubKey(id seal.KeyID) (seal.PublicKey, bool) // that counts now
}

// Line is where brokers are.
type Line interface {
	Brokers() []string        // tcp://HOST:PORT or ssl://HOST:PORT, tried in turn; none: not known yet
	TLS() *tls.Config         // for those with ssl://
	Changed() <-chan struct{} // has something when Brokers may be others
}

// Jobs is what the uplink needs of the part that does what is asked for once. Its
// errors are refusals.
type Jobs interface {
	TakeJob(e protocol.Envelope) error
}

// Settings is what the uplink needs of the part that tries what the agency has set.
type Settings interface {
	Take(e protocol.Envelope) error // a *protocol.Refusal, or the error of a disk
}

// Releases is what the uplink needs of the part that brings the agent to another version.
// Its errors are refusals.
type Releases interface {
	TakeRelease(e protocol.Envelope) error
}

// Outbox is where Holdings and Jobs put what the hub is to be told.
type Outbox interface {
	Outgoing() <-chan struct{} // has something while Next may have a message
	Next() (t protocol.Topic, body any, found bool)
	Again() (any bool) // what the hub has not confirmed is told again, if there is any
}

// Options are the parts an uplink is made of. All but the intervals are needed.
type Options struct {
	Site   protocol.SiteID
	Key    seal.SigningKey
	Hub    Hub
	Line   Line
	Buffer Buffer
	Health Health
	// Holdings, Jobs and Outbox may be nil, all three: an agent that only reads.
	Holdings Holdings
	Jobs     Jobs
	Outbox   Outbox
	Settings Settings          // nil: the agent's own file counts alone
	Releases Releases          // may be nil
	Now      func() *time.Time // nil when the clock is not trusted
	// Receipt hears what the buffer made of each receipt; it must not block.
	Receipt func(buffer.Outcome)
	Logger  *slog.Logger

	StateEvery  time.Duration // between two states when nothing changes; default 60 s
	ResendAfter time.Duration // without a receipt, the window is sent again; default 10 s, doubling to 5 min
	BackoffMin  time.Duration // between connections; zero takes the carrier's defaults
	BackoffMax  time.Duration

	Pulse *pulse.Pulse // has the uplink's loop; may be nil
}

// Uplink is one agent's line to its hub. Make it with New, run it once.
type Uplink struct {
	o     Options
	alive *pulse.Loop

	connections uint32 // that were numbered so far; the goroutine of Run's own

	mu      sync.Mutex // guards status
	status  Status
	refused map[protocol.Reason]uint64
}

// Status is what the uplink tells about itself.
type Status struct {
	Connected   bool                       `json:"connected"`
	Since       *time.Time                 `json:"since"`        // of the present connection or of its loss
	LastError   string                     `json:"last_error"`   // why there is no line; empty while there is one
	HubPresent  bool                       `json:"hub_present"`  // the hub said that it is there
	LastSent    *time.Time                 `json:"last_sent"`    // when a segment was last published
	LastReceipt *time.Time                 `json:"last_receipt"` // when a receipt last moved the mark
	Refused     map[protocol.Reason]uint64 `json:"refused"`
}

// aliveWithin is how long the uplink may go without a sign of life: longer than the
// carrier waits between two attempts, and than a broker may take for what waits for it.
const aliveWithin = 15 * time.Minute

// New returns an uplink that has not started yet.
func New(o Options) *Uplink {
	if o.StateEvery == 0 {
		o.StateEvery = time.Minute
	}
	if o.ResendAfter == 0 {
		o.ResendAfter = 10 * time.Second
	}
	return &Uplink{o: o, alive: o.Pulse.Loop("uplink"), refused: map[protocol.Reason]uint64{}}
}

// Run keeps the line up until ctx ends; it returns when nothing of it runs any
// more. A line that is down is no error.
func (u *Uplink) Run(ctx context.Context) error {
	defer u.alive.Rest()
	subscribe := []string{
		protocol.Topic{Site: protocol.HubSite, Kind: protocol.KindKeys}.String(),
		protocol.Topic{Site: protocol.HubSite, Kind: protocol.KindHub}.String(),
		protocol.Topic{Site: u.o.Site, Kind: protocol.KindReceipt}.String(),
	}
	if u.o.Holdings != nil {
		subscribe = append(subscribe, protocol.TopicOf(u.o.Site, protocol.KindRoster), protocol.TopicOf(u.o.Site, protocol.KindTemplatesDown),
			protocol.TopicOf(u.o.Site, protocol.KindJobs))
	}
	if u.o.Settings != nil {
		subscribe = append(subscribe, protocol.Topic{Site: u.o.Site, Kind: protocol.KindConfig}.String())
	}
	if u.o.Releases != nil {
		subscribe = append(subscribe, protocol.TopicOf(u.o.Site, protocol.KindRelease))
	}
	for ctx.Err() == nil {
		brokers := u.o.Line.Brokers()
		if len(brokers) == 0 {
			u.alive.Rest()
			select {
			case <-ctx.Done():
			case <-u.o.Line.Changed():
			}
			continue
		}
		if err := u.run(ctx, brokers, subscribe); err != nil && ctx.Err() == nil {
			return fmt.Errorf("uplink of site %s: %w", u.o.Site, err)
		}
	}
	return nil
}

// run keeps a line to these brokers until ctx ends or others are to be used.
func (u *Uplink) run(ctx context.Context, brokers, subscribe []string) error {
	u.alive.Within(aliveWithin)
	ctx, move := context.WithCancelCause(ctx)
	defer move(nil)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer move(nil)
	watch.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-u.o.Line.Changed():
				if !slices.Equal(brokers, u.o.Line.Brokers()) {
					move(errMoved)
					return
				}
			}
		}
	})
	o := mqtt.Options{
		Brokers:    brokers,
		Before:     u.connections,
		TLS:        u.o.Line.TLS(),
		ClientID:   "sidik-agent-" + string(u.o.Site),
		Will:       u.will,
		Subscribe:  subscribe,
		AtMostOnce: true, // what does not come is asked for again, and thousands may come back at once
		BackoffMin: u.o.BackoffMin,
		BackoffMax: u.o.BackoffMax,
		OnTrouble:  u.trouble,
		Logger:     u.o.Logger,
	}
	err := mqtt.Run(ctx, o, u.serve)
	if errors.Is(context.Cause(ctx), errMoved) {
		return nil
	}
	return err
}

// errMoved ends a line because the brokers are others now.
var errMoved = errors.New("the brokers are others now")

// Status returns a copy of what the uplink tells about itself.
func (u *Uplink) Status() Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.status
	s.Refused = maps.Clone(u.refused)
	return s
}

func (u *Uplink) change(f func(*Status)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f(&u.status)
}

// trouble hears from the carrier why there is no line, and with nil that there is one.
func (u *Uplink) trouble(err error) {
	u.alive.Within(aliveWithin)
	u.change(func(s *Status) {
		s.LastError = ""
		if err != nil {
			s.LastError = err.Error()
		}
	})
}

// refuse counts a message that changed nothing, and says why: aloud once for each
// reason, because whoever can publish could else fill the disk with our log.
func (u *Uplink) refuse(err error) {
	reason := protocol.ReasonOf(err)
	u.mu.Lock()
	u.refused[reason]++
	again := u.refused[reason] > 1
	u.mu.Unlock()
	level := slog.LevelWarn
	if again {
		level = slog.LevelDebug
	}
	u.o.Logger.Log(context.Background(), level, "message refused", "reason", string(reason), "error", err)
}

// will is the message that the broker publishes when the connection breaks.
func (u *Uplink) will(connection uint32) (mqtt.Message, error) {
	u.connections = connection
	state := u.o.Health.State()
	state.Status = protocol.StatusLost
	return u.message(protocol.Topic{Kind: protocol.KindState}, state, protocol.ConnectionCounter(connection, protocol.WillMessage))
}

// message signs a body for the hub; the site of its topic is ours.
func (u *Uplink) message(t protocol.Topic, body any, counter uint64) (mqtt.Message, error) {
	t.Site = u.o.Site
	e := protocol.Envelope{
		Kind:    t.Kind,
		Site:    t.Site,
		Subject: string(t.Serial),
		To:      u.o.Hub.Trust().Hub().KeyID(),
		Seq:     protocol.Seq{Life: u.o.Buffer.Boot(), Counter: counter},
		At:      u.o.Now(),
	}
	payload, err := protocol.Seal(e, body, u.o.Key)
	return mqtt.Message{Topic: t.String(), Payload: payload, Retained: t.Kind.Retained()}, err
}

// serve lives as long as one connection.
func (u *Uplink) serve(ctx context.Context, conn *mqtt.Conn) error {
	now := time.Now()
	u.change(func(s *Status) { s.Connected, s.Since = true, &now })
	defer func() {
		now := time.Now()
		u.change(func(s *Status) { s.Connected, s.HubPresent, s.Since = false, false, &now })
	}()
	return newSession(u, conn).run(ctx)
}
