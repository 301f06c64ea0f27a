package enrol_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/admission"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// secret stands in whatever a stranger writes.
const secret = "canary-of-a-stranger"

// Each stranger is told a code and nothing else, the log has the reason once, and
// nothing of what they sent; and the site's own machine is let in all the while.
func TestStrangers(t *testing.T) {
	for _, row := range []struct {
		name string
		path string
		body func(p *place) []byte
		code protocol.DenialCode
		why  string // in the log
	}{
		{"no JSON", protocol.PathClaim, func(*place) []byte { return []byte(secret) }, protocol.DeniedForm, "malformed"},
		{"nothing", protocol.PathClaim, func(*place) []byte { return nil }, protocol.DeniedForm, "malformed"},
		{"a giant", protocol.PathClaim, func(*place) []byte { return bytes.Repeat([]byte(secret), protocol.MaxRequest) }, protocol.DeniedForm, "too large"},
		{"an unknown field", protocol.PathClaim, func(p *place) []byte {
			return bytes.Replace(newMachine(p.t).claim(p, samsat, p.code()), []byte(`{"v"`), []byte(`{"`+secret+`":1,"v"`), 1)
		}, protocol.DeniedForm, "malformed"},
		{"an unknown field in the body", protocol.PathClaim, func(p *place) []byte {
			m := newMachine(p.t)
			return m.message(p.t, protocol.KindClaim, samsat, p.document.Hub().KeyID(), map[string]string{secret: secret})
		}, protocol.DeniedForm, "bad-body"},
		{"another kind", protocol.PathClaim, func(p *place) []byte { return newMachine(p.t).renewal(p, samsat) }, protocol.DeniedForm, "no claim"},
		{"a kind of one's own", protocol.PathRenewal, func(p *place) []byte {
			return newMachine(p.t).message(p.t, secret, samsat, p.document.Hub().KeyID(), protocol.Renewal{TLS: []byte("x")})
		}, protocol.DeniedForm, "no renewal"},
		{"no site's", protocol.PathClaim, func(p *place) []byte { return newMachine(p.t).claim(p, secret+"/+", p.code()) }, protocol.DeniedForm, "no site's"},
		{"for another hub's key", protocol.PathClaim, func(p *place) []byte {
			return newMachine(p.t).message(p.t, protocol.KindClaim, samsat, seal.KeyID(strings.Repeat(secret, 50)), protocol.Claim{})
		}, protocol.DeniedForm, "another hub's key"},
		{"signed by another key", protocol.PathClaim, func(p *place) []byte {
			m := newMachine(p.t)
			return newMachine(p.t).message(p.t, protocol.KindClaim, samsat, p.document.Hub().KeyID(),
				protocol.Claim{Code: p.code(), Key: m.key.Public(), TLS: m.tls, Terminals: []protocol.Serial{}})
		}, protocol.DeniedForm, "not signed"},
		{"a guessed code", protocol.PathClaim, func(p *place) []byte { return newMachine(p.t).claim(p, samsat, protocol.NewClaimCode()) }, protocol.DeniedUnknown, "claim-unknown"},
		{"an expired code", protocol.PathClaim, func(p *place) []byte {
			code := p.code()
			p.wait(admission.DefaultClaim)
			return newMachine(p.t).claim(p, samsat, code)
		}, protocol.DeniedExpired, "claim-expired"},
		{"a used code", protocol.PathClaim, func(p *place) []byte {
			code := p.code()
			if status, _ := p.post("127.0.0.2", protocol.PathClaim, bytes.NewReader(newMachine(p.t).claim(p, samsat, code))); status != http.StatusOK {
				p.t.Fatalf("the first to claim: %d", status)
			}
			return newMachine(p.t).claim(p, samsat, code)
		}, protocol.DeniedUsed, "claim-used"},
		{"a site that was shut out", protocol.PathRenewal, func(p *place) []byte {
			m := newMachine(p.t)
			p.post("127.0.0.2", protocol.PathClaim, bytes.NewReader(m.claim(p, samsat, p.code())))
			p.must(p.Revoke(p.t.Context(), "Ani Demo", samsat, "stolen"))
			return m.renewal(p, samsat)
		}, protocol.DeniedKey, "key-not-admitted"},
		{"a neighbour", protocol.PathRenewal, func(p *place) []byte {
			p.must(p.Register(p.t.Context(), "dinas-arsip"))
			m := newMachine(p.t)
			p.post("127.0.0.2", protocol.PathClaim, bytes.NewReader(m.claim(p, samsat, p.code())))
			return m.renewal(p, "dinas-arsip")
		}, protocol.DeniedKey, "key-not-admitted"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newPlace(t)
			body := row.body(p)
			for range 3 {
				status, answer := p.post("127.0.0.1", row.path, bytes.NewReader(body))
				if got := denial(t, answer); status != http.StatusForbidden || got != row.code {
					t.Errorf("answered with %d %q, want 403 %q", status, got, row.code)
				}
				if want := fmt.Sprintf("{\"code\":%q}\n", row.code); string(answer) != want {
					t.Errorf("the stranger learns %q, want %q", answer, want)
				}
			}
			told := p.log.refusals(t)
			if len(told) != 1 || told[0]["reason"] != string(row.code) || !strings.Contains(fmt.Sprint(told[0]["error"]), row.why) {
				t.Errorf("the log has %v, want once %s (%s)", told, row.code, row.why)
			}
			m, code := newMachine(t), p.code()
			if status, answer := p.post("127.0.0.2", protocol.PathClaim, bytes.NewReader(m.claim(p, samsat, code))); status != http.StatusOK {
				t.Errorf("the site's own machine: %d %s", status, answer)
			}
			log := strings.ToLower(p.log.String())
			for _, leak := range []string{secret, code.Text(), strings.ReplaceAll(code.Text(), "-", ""), hex.EncodeToString([]byte(secret))} {
				if strings.Contains(log, strings.ToLower(leak)) {
					t.Errorf("the log holds %q", leak)
				}
			}
		})
	}
}

// Twenty refusals of one address, and it waits out its minute, whatever it brings; others
// and what known machines behind that address ask for are not touched by it.
func TestWhoeverGuessesHasToWait(t *testing.T) {
	p := newPlace(t)
	honest, guesser := newMachine(t), newMachine(t)
	if status, _ := p.post("127.0.0.1", protocol.PathClaim, bytes.NewReader(honest.claim(p, samsat, p.code()))); status != http.StatusOK {
		t.Fatalf("claim: %d", status)
	}
	for range 20 {
		if _, answer := p.post("127.0.0.1", protocol.PathClaim, bytes.NewReader(guesser.claim(p, samsat, protocol.NewClaimCode()))); denial(t, answer) != protocol.DeniedUnknown {
			t.Fatalf("a guess: %s", answer)
		}
	}
	code := p.code()
	for range 3 {
		status, answer := p.post("127.0.0.1", protocol.PathClaim, bytes.NewReader(guesser.claim(p, samsat, code)))
		if status != http.StatusTooManyRequests || denial(t, answer) != protocol.DeniedBusy {
			t.Errorf("the 21st: %d %s", status, answer)
		}
	}
	if told := p.log.refusals(t); len(told) != 2 {
		t.Errorf("the log has %d lines of the flood, want 2: %v", len(told), told)
	}
	if status, answer := p.post("127.0.0.1", protocol.PathRenewal, bytes.NewReader(honest.renewal(p, samsat))); status != http.StatusOK {
		t.Errorf("a known machine behind that address: %d %s", status, answer)
	}
	p.wait(59 * time.Second)
	if status, _ := p.post("127.0.0.1", protocol.PathClaim, bytes.NewReader(guesser.claim(p, samsat, code))); status != http.StatusTooManyRequests {
		t.Errorf("after 59 seconds: %d", status)
	}
	p.wait(time.Second)
	if status, answer := p.post("127.0.0.1", protocol.PathClaim, bytes.NewReader(guesser.claim(p, samsat, code))); status != http.StatusOK {
		t.Errorf("after a minute: %d %s", status, answer)
	}
}

// Offices behind one address are told apart in the log.
func TestTheLogNamesEachSiteBehindAnAddress(t *testing.T) {
	p := newPlace(t)
	for _, site := range []protocol.SiteID{"kantor-a", "kantor-b"} {
		p.post("127.0.0.1", protocol.PathRenewal, bytes.NewReader(newMachine(t).renewal(p, site)))
	}
	if told := p.log.refusals(t); len(told) != 2 || told[0]["site"] != "kantor-a" || told[1]["site"] != "kantor-b" {
		t.Errorf("the log has %v, want a line for each site", told)
	}
}
