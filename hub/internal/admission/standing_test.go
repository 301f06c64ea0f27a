package admission_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bkpsdmd-babel/sidik/hub/internal/admission"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/verify"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

func TestRenewalsAreProvenByTheKeyAlone(t *testing.T) {
	onEach(t, func(t *testing.T, g *gate) {
		m, stranger := newMachine(t), newMachine(t)
		_, err := m.renew(g, samsat)
		g.denies(protocol.DeniedKey, err)
		first, err := m.claim(g, samsat, g.code(samsat, ""))
		g.must(err)
		if want := g.now.Add(admission.DefaultLife * 2 / 3); !first.Renew.Equal(want) {
			t.Errorf("it is to be renewed on %v, want %v", first.Renew, want)
		}
		_, err = stranger.renew(g, samsat)
		g.denies(protocol.DeniedKey, err)
		_, err = m.renew(g, "nowhere")
		g.denies(protocol.DeniedKey, err)
		forged := m.envelope(protocol.KindRenewal, samsat, protocol.Renewal{TLS: m.tls})
		forged.Body = stranger.envelope(protocol.KindRenewal, samsat, protocol.Renewal{TLS: stranger.tls}).Body
		_, _, err = g.Renew(t.Context(), forged)
		g.denies(protocol.DeniedKey, err)
		_, _, err = g.Renew(t.Context(), m.envelope(protocol.KindClaim, samsat, protocol.Renewal{TLS: m.tls}))
		g.denies(protocol.DeniedForm, err)

		g.now = g.now.Add(2 * admission.DefaultLife) // the certificate has long expired
		e := m.envelope(protocol.KindRenewal, samsat, protocol.Renewal{TLS: m.tls})
		c, _, err := g.Renew(t.Context(), e)
		g.must(err)
		g.must(g.holder(c))
		_, _, err = g.Renew(t.Context(), e)
		g.denies(protocol.DeniedReplay, err)
		m.boot, m.n = 2, 0
		_, err = m.renew(g, samsat)
		g.must(err)
	})
}

// A machine whose data folder is an old copy counts its starts anew: a replay, until a
// person sends a code; then it goes on.
func TestACodeForgivesALostCountOfStarts(t *testing.T) {
	onEach(t, func(t *testing.T, g *gate) {
		m := newMachine(t)
		m.boot = 9
		_, err := m.claim(g, samsat, g.code(samsat, ""))
		g.must(err)
		_, err = m.renew(g, samsat)
		g.must(err)
		m.boot, m.n = 1, 0
		_, err = m.renew(g, samsat)
		g.denies(protocol.DeniedReplay, err)
		_, err = m.claim(g, samsat, g.code(samsat, ""))
		g.must(err)
		_, err = m.renew(g, samsat)
		g.must(err)
	})
}

func TestNothingOfARevokedKeyCounts(t *testing.T) {
	onEach(t, func(t *testing.T, g *gate) {
		m := newMachine(t)
		code := g.code(samsat, "")
		if err := g.Revoke(t.Context(), "Ani Demo", samsat, ""); !errors.Is(err, admission.ErrReason) {
			t.Errorf("without a reason: %v", err)
		}
		c, err := m.claim(g, samsat, code)
		g.must(err)
		open := g.code(samsat, "")
		g.revoke(samsat)
		g.denies(protocol.DeniedKey, g.holder(c))
		_, err = m.renew(g, samsat)
		g.denies(protocol.DeniedKey, err)
		_, err = m.claim(g, samsat, code)
		g.denies(protocol.DeniedKey, err)
		_, err = newMachine(t).claim(g, samsat, open)
		g.denies(protocol.DeniedExpired, err)
		if err := g.Revoke(t.Context(), "Ani Demo", samsat, "again"); !errors.Is(err, admission.ErrNobody) {
			t.Errorf("shut out twice: %v, want ErrNobody", err)
		}
		if err := g.Revoke(t.Context(), "Ani Demo", "nowhere", "lost"); !errors.Is(err, store.ErrNoSite) {
			t.Errorf("a site that is none: %v, want ErrNoSite", err)
		}
		back := newMachine(t)
		present, err := back.claim(g, samsat, g.code(samsat, ""))
		g.must(err)
		g.must(g.holder(present))
		g.denies(protocol.DeniedKey, g.holder(c))
	})
}

// A site whose key was compared and admitted by hand has no certificate; it is shut out
// and let in again as any other.
func TestASiteThatWasAdmittedByHandIsShutOut(t *testing.T) {
	onEach(t, func(t *testing.T, g *gate) {
		m := newMachine(t)
		agent := m.key.Public().Fingerprint()
		g.must(g.store.AddSite(t.Context(), samsat, agent, g.now))
		_, err := m.renew(g, samsat)
		g.denies(protocol.DeniedKey, err) // its key was not shown yet
		g.revoke(samsat)
		if _, err := g.store.Agent(t.Context(), samsat); !errors.Is(err, store.ErrNoSite) {
			t.Errorf("the agent of a site that was shut out: %v", err)
		}
		g.must(g.store.AddSite(t.Context(), samsat, agent, g.now))
		c, err := m.claim(g, samsat, g.code(samsat, ""))
		g.must(err)
		g.must(g.holder(c))
		whole(t, g)
	})
}

// whole fails unless the ledger agrees with the tables.
func whole(t interface {
	Errorf(string, ...any)
	Fatal(...any)
}, g *gate) {
	if _, err := verify.Verify(g.t.Context(), g.store, func(b verify.Break) { t.Errorf("the ledger disagrees: %v", b) }); err != nil {
		t.Fatal(err)
	}
}

// Whatever is done in whatever order: who is in is the last one whom a code let in and
// nobody shut out since, and the ledger knows.
func TestAnyOrderOfAdmissions(t *testing.T) {
	storetest.Each(t, postgres, func(t *testing.T, dsn string) {
		g := newGate(t, dsn)
		machines := []*machine{newMachine(t), newMachine(t), newMachine(t)}
		rounds := 0
		rapid.Check(t, func(rt *rapid.T) {
			rounds++
			site := protocol.SiteID("kantor-" + protocol.NewID())
			g.must(g.Register(t.Context(), site))
			var in *machine                   // the model: who is in,
			var code, used protocol.ClaimCode // the open code and the newest used one,
			var expires time.Time
			var user *machine
			var passes []struct {
				of *machine
				admission.Certificate
			}
			rt.Repeat(map[string]func(*rapid.T){
				"code": func(rt *rapid.T) { code, expires = g.code(site, ""), g.now.Add(admission.DefaultClaim) },
				"wait": func(rt *rapid.T) {
					g.now = g.now.Add(time.Duration(rapid.IntRange(1, 20).Draw(rt, "hours")) * time.Hour)
				},
				"claim": func(rt *rapid.T) {
					m := machines[rapid.IntRange(0, len(machines)-1).Draw(rt, "machine")]
					c, err := m.claim(g, site, code)
					want := protocol.DenialCode("")
					switch {
					case code.IsZero():
						want = protocol.DeniedForm
					case !g.now.Before(expires):
						want = protocol.DeniedExpired
					}
					if got := denial(t, err); got != want {
						rt.Fatalf("claim: %q, want %q", got, want)
					}
					if want == "" {
						in, user, used, code = m, m, code, protocol.ClaimCode{}
						passes = append(passes, struct {
							of *machine
							admission.Certificate
						}{m, c})
					}
				},
				"claim again": func(rt *rapid.T) {
					if used.IsZero() {
						rt.Skip()
					}
					m := machines[rapid.IntRange(0, len(machines)-1).Draw(rt, "machine")]
					_, err := m.claim(g, site, used)
					want := protocol.DeniedUsed
					switch {
					case m == user && in == m:
						want = ""
					case m == user:
						want = protocol.DeniedKey
					}
					if got := denial(t, err); got != want {
						rt.Fatalf("claim again: %q, want %q", got, want)
					}
				},
				"renew": func(rt *rapid.T) {
					m := machines[rapid.IntRange(0, len(machines)-1).Draw(rt, "machine")]
					_, err := m.renew(g, site)
					want := protocol.DeniedKey
					if m == in {
						want = ""
					}
					if got := denial(t, err); got != want {
						rt.Fatalf("renewal: %q, want %q", got, want)
					}
				},
				"revoke": func(rt *rapid.T) {
					g.now = g.now.Add(time.Second)
					err := g.Revoke(t.Context(), "Ani Demo", site, "lost")
					if nobody := in == nil && (code.IsZero() || !g.now.Before(expires)); errors.Is(err, admission.ErrNobody) != nobody || !nobody && err != nil {
						rt.Fatalf("revoke: %v", err)
					}
					if err == nil {
						in, expires = nil, g.now
					}
				},
				"": func(rt *rapid.T) {
					for _, p := range passes {
						if err := g.holder(p.Certificate); (err == nil) != (p.of == in) {
							rt.Fatalf("a certificate of a machine that is in: %v: %v", p.of == in, err)
						}
					}
				},
			})
			if rounds%20 == 0 {
				whole(t, g)
			}
		})
		whole(t, g)
	})
}
