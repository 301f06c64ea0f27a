package account

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAFloodOfLoginsWaitsInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHasher()
		for range hashesAtOnce {
			if _, err := h.turn(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		outcomes := make(chan error)
		for range hashWaiting {
			go func() { _, err := h.turn(t.Context()); outcomes <- err }()
		}
		synctest.Wait()
		begin := time.Now()
		if _, err := h.turn(t.Context()); !errors.Is(err, ErrBusy) || time.Since(begin) != 0 {
			t.Errorf("one more than may wait: %v after %s, want ErrBusy at once", err, time.Since(begin))
		}
		for range hashWaiting {
			if err := <-outcomes; !errors.Is(err, ErrBusy) || time.Since(begin) != hashPatience {
				t.Errorf("waited: %v after %s, want ErrBusy after %s", err, time.Since(begin), hashPatience)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := h.turn(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("given up: %v", err)
		}
	})
}

func TestAPasswordIsItsOwnHashOnly(t *testing.T) {
	h := newHasher()
	kept, err := h.make(t.Context(), "empat kuda besi 91")
	if err != nil || !strings.HasPrefix(kept, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("make = %s, %v", kept, err)
	}
	again, err := h.make(t.Context(), "empat kuda besi 91")
	if err != nil || again == kept {
		t.Errorf("two hashes of one password are %s and %s (%v)", kept, again, err)
	}
	long := strings.Repeat("x", passwordMost)
	keptLong, err := h.make(t.Context(), long)
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		kept, password string
		want           bool
	}{
		"the password":                      {kept, "empat kuda besi 91", true},
		"another one":                       {kept, "empat kuda besi 92", false},
		"none":                              {kept, "", false},
		"nobody's":                          {"", "empat kuda besi 91", false},
		"nobody's and none":                 {"", "", false},
		"the longest":                       {keptLong, long, true},
		"one that begins like it":           {keptLong, long + "x", false},
		"hashed before the cost was raised": {"$argon2id$v=19$m=64,t=1,p=1$" + strings.SplitN(kept, "$", 5)[4], "empat kuda besi 91", false},
	} {
		if got, err := h.is(t.Context(), row.kept, row.password); err != nil || got != row.want {
			t.Errorf("%s: %v, %v; want %v", name, got, err, row.want)
		}
	}
	for _, damaged := range []string{"x", "$argon2id$v=19$m=19456,t=2,p=1$", "$argon2id$v=19$m=19456,t=2,p=1$!$!", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$"} {
		if is, err := h.is(t.Context(), damaged, ""); err == nil || is {
			t.Errorf("damaged %q: %v, %v; want an error", damaged, is, err)
		}
	}
}

func TestWaitsGrow(t *testing.T) {
	for tries, want := range map[int]time.Duration{0: 0, 1: 0, 4: 0, 5: time.Minute, 6: 2 * time.Minute, 8: 8 * time.Minute, 9: 15 * time.Minute, 1 << 30: 15 * time.Minute} {
		if got := wait(tries); got != want {
			t.Errorf("after %d tries: %s, want %s", tries, got, want)
		}
	}
}

func TestWhatCountsAsOneAddress(t *testing.T) {
	for address, want := range map[string]string{"192.0.2.7": "192.0.2.7", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "2001:db8:1:2::9%eth0": "2001:db8:1:2::/64",
		"::ffff:192.0.2.7": "::ffff:192.0.2.7", "::1": "::/64", "": "", "@": "@"} {
		if got := network(address); got != want {
			t.Errorf("network(%q) = %q, want %q", address, got, want)
		}
	}
}

func TestALimiterRemembersNoMoreThanItMay(t *testing.T) {
	l, now := newLimiter(1, time.Minute), time.Unix(0, 0)
	for i := range limiterSize {
		if !l.take(string(rune(i+1)), now) {
			t.Fatalf("key %d was refused", i)
		}
	}
	if l.take("one more", now) || len(l.seen) != limiterSize {
		t.Errorf("%d keys are remembered", len(l.seen))
	}
	if !l.take("one more", now.Add(time.Minute)) || len(l.seen) != 1 {
		t.Errorf("after the window %d keys are remembered, want 1", len(l.seen))
	}
}
