package panel_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"

	"github.com/bkpsdmd-babel/sidik/agent/internal/panel"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// lamp is a test pin that remembers when it changed.
type lamp struct {
	gpiotest.Pin
	refuses error

	mu     sync.Mutex // guards changes
	began  time.Time
	states []change
	halted bool
}

type change struct {
	at time.Duration
	on bool
}

func newLamp() *lamp { return &lamp{began: time.Now()} }

func (l *lamp) Out(level gpio.Level) error {
	if l.refuses != nil {
		return l.refuses
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.states = append(l.states, change{time.Since(l.began), bool(level)})
	return l.Pin.Out(level)
}

func (l *lamp) Halt() error {
	l.halted = true
	return l.Pin.Halt()
}

// on lists when the lamp went on within a span, in milliseconds after its start.
func (l *lamp) on(from, until time.Duration) (list []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.states {
		if c.on && c.at >= from && c.at < until {
			list = append(list, (c.at - from).Milliseconds())
		}
	}
	return list
}

// box is a panel on test pins, in a bubble of time.
type box struct {
	t              *testing.T
	ready, trouble *lamp
	buzzer         *lamp
	button         *gpiotest.Pin
	stop           context.CancelFunc
	ended          chan error
	began          time.Time

	mu     sync.Mutex // guards site
	site   panel.Site
	reads  atomic.Int32
	ejects atomic.Int32
}

// open starts a panel; change may alter what it is made of.
func open(t *testing.T, change func(b *box, o *panel.Options)) *box {
	t.Helper()
	now := time.Now()
	b := &box{t: t, ready: newLamp(), trouble: newLamp(), buzzer: newLamp(), ended: make(chan error, 1), began: now,
		button: &gpiotest.Pin{EdgesChan: make(chan gpio.Level, 1000)},
		site:   panel.Site{State: protocol.State{Terminals: []protocol.Terminal{{Serial: "A1", LastRead: &now}}}, Online: true}}
	o := panel.Options{
		Pins: panel.Pins{Ready: b.ready, Trouble: b.trouble, Button: b.button, Buzzer: b.buzzer},
		Site: func() panel.Site { b.mu.Lock(); defer b.mu.Unlock(); return b.site },
		Read: func(context.Context) error { b.reads.Add(1); return nil },
		Log:  slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(b, &o)
	}
	ctx, stop := context.WithCancel(t.Context())
	b.stop = stop
	p := panel.New(o)
	go func() { b.ended <- p.Run(ctx) }()
	synctest.Wait()
	return b
}

// close ends the panel and looks whether it left everything dark.
func (b *box) close() {
	b.t.Helper()
	b.stop()
	if err := <-b.ended; err != nil {
		b.t.Errorf("Run = %v", err)
	}
	for name, l := range map[string]*lamp{"ready": b.ready, "trouble": b.trouble, "buzzer": b.buzzer} {
		if l.Read() == gpio.High {
			b.t.Errorf("%s is left on", name)
		}
	}
}

func (b *box) show(s panel.Site) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.site = s
}

// hold presses for so long, with contacts that bounce on the way down and up.
func (b *box) hold(long time.Duration) {
	for _, level := range []gpio.Level{gpio.Low, gpio.High, gpio.Low, gpio.High, gpio.Low} {
		b.button.EdgesChan <- level
		time.Sleep(time.Millisecond)
	}
	time.Sleep(long)
	for _, level := range []gpio.Level{gpio.High, gpio.Low, gpio.High} {
		b.button.EdgesChan <- level
		time.Sleep(time.Millisecond)
	}
	time.Sleep(200 * time.Millisecond)
	synctest.Wait()
}

func (b *box) now() time.Duration { return time.Since(b.began) }

func failing(code string) panel.Site {
	return panel.Site{State: protocol.State{Conditions: []protocol.Condition{{Code: code, Severity: protocol.SeverityError}}}}
}

func TestLightsPlayTheirPattern(t *testing.T) {
	for _, c := range []struct {
		name           string
		site           panel.Site
		ready, trouble []int64 // when a light goes on within six seconds
	}{
		{"well", panel.Site{Online: true}, []int64{0, 3000}, nil},
		{"offline", panel.Site{}, []int64{0, 2000, 4000}, nil},
		{"a terminal is off", failing("terminal-unreachable"), nil, []int64{0, 450, 2250, 2700, 4500, 4950}},
		{"a person is needed", failing("buffer-full"), nil, []int64{0, 450, 900, 2700, 3150, 3600, 5400, 5850}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := open(t, func(b *box, _ *panel.Options) { b.site = c.site })
				time.Sleep(6 * time.Second)
				if got := b.ready.on(0, 6*time.Second); !slices.Equal(got, c.ready) {
					t.Errorf("ready went on at %v, want %v", got, c.ready)
				}
				if got := b.trouble.on(0, 6*time.Second); !slices.Equal(got, c.trouble) {
					t.Errorf("trouble went on at %v, want %v", got, c.trouble)
				}
				if got := b.buzzer.on(0, 6*time.Second); got != nil {
					t.Errorf("the buzzer sounded at %v by itself", got)
				}
				b.close()
			})
		})
	}
}

func TestOneLightShowsAllPatterns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, func(b *box, o *panel.Options) {
			o.Pins.Trouble, b.site = nil, failing("terminal-unreachable")
		})
		time.Sleep(4 * time.Second)
		if got := b.ready.on(0, 4*time.Second); !slices.Equal(got, []int64{0, 450, 2250, 2700}) {
			t.Errorf("the light went on at %v", got)
		}
		b.close()
	})
}

func TestLightsFollowTheSite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, nil)
		time.Sleep(10 * time.Second)
		b.show(failing("terminal-unreachable"))
		time.Sleep(10 * time.Second)
		if got := b.trouble.on(10*time.Second, 13500*time.Millisecond); len(got) == 0 {
			t.Error("a terminal went off and the red light stayed dark")
		}
		b.show(panel.Site{Online: true})
		time.Sleep(10 * time.Second)
		if got := b.trouble.on(24*time.Second, 30*time.Second); len(got) != 0 {
			t.Errorf("the terminal is back and the red light went on at %v", got)
		}
		b.close()
	})
}

func TestShortPressReads(t *testing.T) {
	for _, c := range []struct {
		name  string
		press func(b *box)
		want  int32
	}{
		{"once for one press with bouncing contacts", func(b *box) { b.hold(100 * time.Millisecond) }, 1},
		{"once for two in haste", func(b *box) { b.hold(80 * time.Millisecond); b.hold(80 * time.Millisecond) }, 1},
		{"twice for two with time between", func(b *box) {
			b.hold(80 * time.Millisecond)
			time.Sleep(15 * time.Second)
			b.hold(80 * time.Millisecond)
		}, 2},
		{"not for a contact that only trembled", func(b *box) {
			b.button.EdgesChan <- gpio.Low
			b.button.EdgesChan <- gpio.High
			time.Sleep(time.Second)
		}, 0},
		{"also when the edges got lost", func(b *box) {
			set := func(l gpio.Level) { b.button.Lock(); b.button.L = l; b.button.Unlock() }
			set(gpio.Low)
			time.Sleep(time.Second)
			set(gpio.High)
			time.Sleep(time.Second)
		}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := open(t, nil)
				time.Sleep(time.Second)
				c.press(b)
				if got := b.reads.Load(); got != c.want {
					t.Errorf("read %d times, want %d", got, c.want)
				}
				b.close()
			})
		})
	}
}

func TestSecondPressWhileReadingIsTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reading := make(chan struct{})
		b := open(t, func(b *box, o *panel.Options) {
			o.Read = func(ctx context.Context) error {
				b.reads.Add(1)
				select {
				case <-reading:
				case <-ctx.Done():
				}
				return ctx.Err()
			}
		})
		b.hold(100 * time.Millisecond)
		at := b.now()
		time.Sleep(time.Minute)
		b.hold(100 * time.Millisecond)
		if got := b.reads.Load(); got != 1 {
			t.Errorf("read %d times, want 1", got)
		}
		if got := len(b.ready.on(at, at+10*time.Second)); got < 24 || got > 26 {
			t.Errorf("the light went on %d times in ten seconds of reading, want 25", got)
		}
		if got := b.buzzer.on(0, b.now()); len(got) != 1 {
			t.Errorf("the buzzer sounded %d times, want once for the press that was taken", len(got))
		}
		close(reading)
		time.Sleep(5 * time.Second)
		at = b.now()
		time.Sleep(6 * time.Second)
		if got := len(b.ready.on(at, at+6*time.Second)); got != 2 {
			t.Errorf("the light went on %d times in six seconds after reading, want 2", got)
		}
		b.close()
	})
}

func TestLongPress(t *testing.T) {
	fails := errors.New("no stick")
	for _, c := range []struct {
		name           string
		eject          func(context.Context) error
		ready, trouble int // how often a light goes on in the four seconds that follow
		beeps          int
	}{
		{"without an export the light says that it cannot", nil, 0, 6, 4},
		{"an export that fails says so", func(context.Context) error { return fails }, 0, 6, 4},
		{"after an export the stick may be removed", func(context.Context) error { return nil }, 2, 0, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := open(t, func(b *box, o *panel.Options) {
					if c.eject != nil {
						o.Eject = func(ctx context.Context) error { b.ejects.Add(1); return c.eject(ctx) }
					}
				})
				time.Sleep(time.Second)
				b.button.EdgesChan <- gpio.Low
				time.Sleep(3200 * time.Millisecond) // it counts while it is still held
				synctest.Wait()
				at := b.now() - 300*time.Millisecond
				time.Sleep(4 * time.Second)
				if got := len(b.ready.on(at, at+4*time.Second)); got != c.ready {
					t.Errorf("green flashed %d times, want %d", got, c.ready)
				}
				if got := len(b.trouble.on(at, at+4*time.Second)); got != c.trouble {
					t.Errorf("red flashed %d times, want %d", got, c.trouble)
				}
				if got := len(b.buzzer.on(0, b.now())); got != c.beeps {
					t.Errorf("%d beeps, want %d", got, c.beeps)
				}
				b.button.EdgesChan <- gpio.High
				time.Sleep(time.Second)
				if b.reads.Load() != 0 || c.eject != nil && b.ejects.Load() != 1 {
					t.Errorf("%d reads and %d exports", b.reads.Load(), b.ejects.Load())
				}
				b.close()
			})
		})
	}
}

func TestButtonThatIsHeldAtTheStartAsksForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, func(b *box, o *panel.Options) {
			o.Pins.Button = stuck{b.button}
			o.Eject = func(context.Context) error { b.ejects.Add(1); return nil }
		})
		time.Sleep(time.Minute)
		if b.reads.Load() != 0 || b.ejects.Load() != 0 {
			t.Errorf("a wire on ground asked for %d reads and %d exports", b.reads.Load(), b.ejects.Load())
		}
		b.close()
	})
}

// stuck is a button whose pin touches ground.
type stuck struct{ *gpiotest.Pin }

func (stuck) Read() gpio.Level { return gpio.Low }

// hasty is a pin whose driver does not wait, as some do.
type hasty struct {
	*gpiotest.Pin
	asked *atomic.Int32
}

func (h hasty) WaitForEdge(time.Duration) bool { h.asked.Add(1); return false }

func TestDriverThatDoesNotWaitIsNoBusyLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		b := open(t, func(b *box, o *panel.Options) { o.Pins.Button = hasty{b.button, &asked} })
		time.Sleep(time.Minute)
		if got := asked.Load(); got > 130 {
			t.Errorf("the pin was asked %d times in a minute", got)
		}
		b.close()
	})
}

func TestPinsThatRefuseStopNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, func(b *box, o *panel.Options) {
			b.ready.refuses = errors.New("no permission")
			b.button.EdgesChan = nil // In fails
		})
		time.Sleep(time.Minute)
		b.close()
	})
}

func TestEndInterruptsAReadAndWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := false
		b := open(t, func(b *box, o *panel.Options) {
			o.Read = func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(time.Second) // a driver says goodbye
				left = true
				return ctx.Err()
			}
		})
		b.hold(100 * time.Millisecond)
		b.close()
		if !left {
			t.Error("Run returned while a read was under way")
		}
		if !b.ready.halted || !b.trouble.halted {
			t.Error("the lamps' pins were not let go")
		}
	})
}

func TestNoPanelIsNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		none := func(string) gpio.PinIO { return nil }
		pins, found, missing := panel.Find(panel.Names{Ready: "GPIO17", Button: "GPIO22"}, none)
		if pins != (panel.Pins{}) || found != nil || !slices.Equal(missing, []string{"GPIO17", "GPIO22"}) {
			t.Errorf("Find = %v, %v, %v", pins, found, missing)
		}
		b := open(t, func(b *box, o *panel.Options) {
			o.Pins, o.Site = pins, func() panel.Site { t.Error("asked for nobody"); return panel.Site{} }
		})
		time.Sleep(time.Hour)
		b.close()
	})
}

func TestFindTellsWhatIsThere(t *testing.T) {
	green := &gpiotest.Pin{N: "GPIO17"}
	pins, found, missing := panel.Find(panel.Names{Ready: "GPIO17", Trouble: "GPIO99"}, func(name string) gpio.PinIO {
		if name == "GPIO17" {
			return green
		}
		return nil
	})
	if pins.Ready != gpio.PinOut(green) || pins.Trouble != nil || !slices.Equal(found, []string{"GPIO17"}) || !slices.Equal(missing, []string{"GPIO99"}) {
		t.Errorf("Find = %v, %v, %v", pins, found, missing)
	}
}
