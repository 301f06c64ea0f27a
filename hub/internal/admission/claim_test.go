package admission_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/admission"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

func TestCodesThatLetNobodyIn(t *testing.T) {
	for _, row := range []struct {
		name string
		make func(g *gate) error // of the claim
		want protocol.DenialCode
	}{
		{"unknown", func(g *gate) error {
			g.code(samsat, "")
			_, err := newMachine(g.t).claim(g, samsat, protocol.NewClaimCode())
			return err
		}, protocol.DeniedUnknown},
		{"another site's", func(g *gate) error {
			g.must(g.Register(g.t.Context(), "dinas-arsip"))
			_, err := newMachine(g.t).claim(g, "dinas-arsip", g.code(samsat, ""))
			return err
		}, protocol.DeniedUnknown},
		{"of nobody's site", func(g *gate) error {
			_, err := newMachine(g.t).claim(g, "nowhere", g.code(samsat, ""))
			return err
		}, protocol.DeniedUnknown},
		{"used", func(g *gate) error {
			code := g.code(samsat, "")
			_, err := newMachine(g.t).claim(g, samsat, code)
			g.must(err)
			_, err = newMachine(g.t).claim(g, samsat, code)
			return err
		}, protocol.DeniedUsed},
		{"expired", func(g *gate) error {
			code := g.code(samsat, "")
			g.now = g.now.Add(admission.DefaultClaim)
			_, err := newMachine(g.t).claim(g, samsat, code)
			return err
		}, protocol.DeniedExpired},
		{"followed by another", func(g *gate) error {
			code := g.code(samsat, "")
			g.code(samsat, "")
			_, err := newMachine(g.t).claim(g, samsat, code)
			return err
		}, protocol.DeniedExpired},
		{"of a lost kit", func(g *gate) error {
			code := g.code(samsat, "")
			g.revoke(samsat)
			_, err := newMachine(g.t).claim(g, samsat, code)
			return err
		}, protocol.DeniedExpired},
		{"bound to a terminal that is not there", func(g *gate) error {
			_, err := newMachine(g.t).claim(g, samsat, g.code(samsat, "T-1"), "T-2")
			return err
		}, protocol.DeniedTerminal},
		{"with a key that no agent has", func(g *gate) error {
			m := newMachine(g.t)
			private, err := rsa.GenerateKey(rand.Reader, 2048)
			g.must(err)
			m.tls, err = x509.MarshalPKIXPublicKey(private.Public())
			g.must(err)
			_, err = m.claim(g, samsat, g.code(samsat, ""))
			return err
		}, protocol.DeniedForm},
		{"with nonsense for a key", func(g *gate) error {
			m := newMachine(g.t)
			m.tls = []byte("nonsense")
			_, err := m.claim(g, samsat, g.code(samsat, ""))
			return err
		}, protocol.DeniedForm},
		{"signed by another key than shown", func(g *gate) error {
			m := newMachine(g.t)
			e := m.envelope(protocol.KindClaim, samsat, protocol.Claim{Code: g.code(samsat, ""), Key: newMachine(g.t).key.Public(), TLS: m.tls})
			_, _, err := g.Claim(g.t.Context(), e)
			return err
		}, protocol.DeniedForm},
		{"in another kind of message", func(g *gate) error {
			m := newMachine(g.t)
			_, _, err := g.Claim(g.t.Context(), m.envelope(protocol.KindRenewal, samsat, protocol.Claim{Code: g.code(samsat, ""), Key: m.key.Public(), TLS: m.tls}))
			return err
		}, protocol.DeniedForm},
	} {
		t.Run(row.name, func(t *testing.T) {
			onEach(t, func(t *testing.T, g *gate) {
				before := len(g.ended)
				g.denies(row.want, row.make(g))
				if row.want == protocol.DeniedForm || row.want == protocol.DeniedTerminal {
					if all, err := g.store.Agents(t.Context()); err != nil || len(all) != 0 || len(g.ended) != before {
						t.Errorf("admitted are %v, %v", all, err)
					}
				}
			})
		})
	}
}

// A refusal uses nothing up: what was wrong is put right, and the same code lets in.
func TestACodeBoundToATerminalWaitsForIt(t *testing.T) {
	onEach(t, func(t *testing.T, g *gate) {
		m, code := newMachine(t), g.code(samsat, "T-1")
		_, err := m.claim(g, samsat, code)
		g.denies(protocol.DeniedTerminal, err)
		c, err := m.claim(g, samsat, code, "T-9", "T-1")
		g.must(err)
		g.must(g.holder(c))
	})
}

// The power fails before the answer is kept: the same machine asks again.
func TestTheSameKeyMayRepeatItsClaim(t *testing.T) {
	onEach(t, func(t *testing.T, g *gate) {
		m, code := newMachine(t), g.code(samsat, "")
		first, err := m.claim(g, samsat, code)
		g.must(err)
		g.now = g.now.Add(40 * 24 * time.Hour) // the code has long expired
		again, err := m.claim(g, samsat, code)
		g.must(err)
		g.must(errors.Join(g.holder(first), g.holder(again)))
		if len(g.ended) != 1 {
			t.Errorf("connections were ended %d times, want once", len(g.ended))
		}
		other := newMachine(t)
		_, err = other.claim(g, samsat, g.code(samsat, ""))
		g.must(err)
		_, err = m.claim(g, samsat, code)
		g.denies(protocol.DeniedKey, err)
		g.denies(protocol.DeniedKey, g.holder(again))
	})
}

// Many find the same code, through two processes: one is let in.
func TestOneOfManyWinsACode(t *testing.T) {
	onEach(t, func(t *testing.T, g *gate) {
		code := g.code(samsat, "")
		all := make([]*machine, 16)
		answers := make([]error, len(all))
		var wg sync.WaitGroup
		for i := range all {
			all[i] = newMachine(t)
		}
		e := make([]protocol.Envelope, len(all))
		for i, m := range all {
			e[i] = m.envelope(protocol.KindClaim, samsat, protocol.Claim{Code: code, Key: m.key.Public(), TLS: m.tls})
		}
		quiet := admission.New(admission.Options{Database: g.store, Issuer: g.issuer, Now: func() time.Time { return g.now }})
		for i := range all {
			wg.Go(func() { _, _, answers[i] = quiet.Claim(t.Context(), e[i]) })
		}
		wg.Wait()
		winners := 0
		held, err := g.store.Agent(t.Context(), samsat)
		g.must(err)
		for i, err := range answers {
			if err == nil {
				winners++
				if held.Key != all[i].key.Public() {
					t.Error("whoever was let in is not whose key is admitted")
				}
				continue
			}
			g.denies(protocol.DeniedUsed, err)
		}
		if winners != 1 {
			t.Errorf("%d machines were let in by one code", winners)
		}
	})
}

func TestCodesThatAreNotMade(t *testing.T) {
	onEach(t, func(t *testing.T, g *gate) {
		for _, row := range []struct {
			site   protocol.SiteID
			serial protocol.Serial
			life   time.Duration
			want   error
		}{
			{"nowhere", "", 0, store.ErrNoSite},
			{samsat, "T-2", 0, admission.ErrTerminal},
			{samsat, "", -time.Second, admission.ErrLife},
			{samsat, "", admission.LongestClaim + 1, admission.ErrLife},
		} {
			if code, _, err := g.NewCode(t.Context(), "Ani Demo", row.site, row.serial, row.life); !errors.Is(err, row.want) || !code.IsZero() {
				t.Errorf("a code for %s at %q for %v: %v, want %v", row.site, row.serial, row.life, err, row.want)
			}
		}
	})
}
