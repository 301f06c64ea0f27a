package zk_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

// asks is an enrolment of finger 6 whose steps nobody wants to know.
func asks(pin string, quiet time.Duration) zk.Enrolment {
	return zk.Enrolment{Layout: zk.User72, PIN: pin, Finger: 6, Quiet: quiet, Asked: func() {}, Told: func(zk.Event) {}}
}

// TestEnroll plays what people do in front of a terminal that asks for a finger.
func TestEnroll(t *testing.T) {
	type act func(t *testing.T, sim *zktest.Terminal)
	place := func(good ...bool) act {
		return func(t *testing.T, sim *zktest.Terminal) {
			for _, g := range good {
				if err := sim.PlaceFinger([]byte("a finger"), g); err != nil {
					t.Error(err)
				}
			}
		}
	}
	ends := func(result uint16) act {
		return func(t *testing.T, sim *zktest.Terminal) {
			if err := sim.EndEnrolment(result); err != nil {
				t.Error(err)
			}
		}
	}
	for _, row := range []struct {
		name   string
		act    act
		result uint16
		err    error
		images int // good and bad
		stored bool
	}{
		{"three good images are stored", place(true, false, true, true), 0, nil, 4, true},
		{"nobody comes", ends(4), 4, nil, 0, false},
		{"a finger of somebody else", ends(5), 5, nil, 0, false},
		{"failed", ends(6), 6, nil, 0, false},
		{"silence for too long", place(true), 0, zk.ErrSilent, 1, false},
	} {
		for _, profile := range []string{"tft-new", "bw-zem560"} {
			for _, network := range []string{"tcp", "udp"} {
				t.Run(row.name+" "+profile+" "+network, func(t *testing.T) {
					t.Parallel()
					p, err := zktest.ProfileByName(profile)
					if err != nil {
						t.Fatal(err)
					}
					sim, address := terminal(t, zktest.Config{Profile: p, EnrolByHand: true}, 3, 0, 0)
					c := session(t, zk.Options{Address: address, Network: network})
					played, asked := make(chan struct{}), false
					go func() {
						defer close(played)
						eventually(t, "the terminal asks", func() bool { _, _, asked := sim.Asked(); return asked })
						row.act(t, sim)
					}()
					images := 0
					n, err := c.Enroll(t.Context(), zk.Enrolment{
						Layout: p.Users, PIN: "1002", Finger: 6, Quiet: 600 * time.Millisecond,
						Asked: func() { asked = true },
						Told: func(e zk.Event) {
							if _, ok := e.Quality(); ok {
								images++
							}
						},
					})
					<-played
					if !asked {
						t.Error("that the terminal asks was not told")
					}
					if n.Result != row.result || !errors.Is(err, row.err) || images != row.images {
						t.Errorf("Enroll = result %d, %v with %d images, want %d, %v, %d", n.Result, err, images, row.result, row.err, row.images)
					}
					if _, _, asked := sim.Asked(); asked {
						t.Error("the terminal still asks")
					}
					m, err := c.ReadTemplate(t.Context(), 2, 6)
					if stored := err == nil && string(m.Data) == "a finger"; stored != row.stored {
						t.Errorf("ReadTemplate = %d bytes, %v, want stored: %v", len(m.Data), err, row.stored)
					}
					if sim.DisableCount() > 0 {
						t.Error("the terminal was disabled")
					}
				})
			}
		}
	}
	t.Run("a user who does not exist is refused", func(t *testing.T) {
		_, address := terminal(t, zktest.Config{}, 3, 0, 0)
		refusal := (*zk.Refusal)(nil)
		if _, err := session(t, zk.Options{Address: address}).Enroll(t.Context(), asks("42", time.Second)); !errors.As(err, &refusal) {
			t.Errorf("Enroll = %v, want a refusal", err)
		}
	})
	t.Run("the end of one enrolment is not taken for that of the next", func(t *testing.T) {
		sim, address := terminal(t, zktest.Config{EnrolByHand: true}, 3, 0, 0)
		c := session(t, zk.Options{Address: address})
		if _, err := c.Enroll(t.Context(), asks("1002", 50*time.Millisecond)); !errors.Is(err, zk.ErrSilent) {
			t.Fatalf("Enroll = %v, want silence", err)
		}
		go func() {
			eventually(t, "the terminal asks", func() bool { _, _, asked := sim.Asked(); return asked })
			for range 3 {
				if err := sim.PlaceFinger(nil, true); err != nil {
					t.Error(err)
				}
			}
		}()
		if n, err := c.Enroll(t.Context(), asks("1002", 20*time.Second)); err != nil || n.Result != 0 || n.Finger != 6 {
			t.Errorf("Enroll = %+v, %v, want stored", n, err)
		}
	})
	t.Run("the end of the context cancels it at the terminal", func(t *testing.T) {
		sim, address := terminal(t, zktest.Config{EnrolByHand: true}, 3, 0, 0)
		c := session(t, zk.Options{Address: address})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			eventually(t, "the terminal asks", func() bool { _, _, asked := sim.Asked(); return asked })
			cancel()
		}()
		if _, err := c.Enroll(ctx, asks("1002", 20*time.Second)); !errors.Is(err, context.Canceled) {
			t.Errorf("Enroll = %v, want the end of the context", err)
		}
		eventually(t, "the terminal asks no more", func() bool { _, _, asked := sim.Asked(); return !asked })
	})
}
