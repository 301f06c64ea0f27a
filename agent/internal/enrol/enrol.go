// Package enrol gets an agent in and keeps it in: it fetches the keys document, brings
// the claim code to the hub once, and asks for the next certificate at two thirds of the
// present one's life, also long after its end.
//
// It knows the hub's door over HTTPS and the keyring. It must not know MQTT or
// terminals; collecting goes on whatever becomes of it.
//
// Beware: the claim code is told to nobody but a hub that the agency's root vouches for.
// It stays on the disk until a certificate is there, because the answer may be lost.
package enrol

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/durable"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
)

// Keyring is what is needed of the agent's keys.
type Keyring interface {
	Identity() seal.SigningKey
	Root() seal.Fingerprint
	Trust() trust.Document
	Take(document []byte) (newer bool, err error)
	HubKey(id seal.KeyID) (seal.PublicKey, bool)
	Granted() (protocol.Grant, bool)
	Request() (tlsKey []byte, err error)
	Install(g protocol.Grant) error
}

// Options are the parts of an Enrolment; all but the intervals are needed.
type Options struct {
	Site    protocol.SiteID
	Hub     string // https://HOST:PORT of the hub's door for agents
	Dir     string // where the claim code is
	Boot    uint64 // number of this start of the agent
	Version string
	Keyring Keyring
	// Terminals are those that have answered, by their serials.
	Terminals func() []protocol.Serial
	Line      func() bool // the hub is heard over a broker, which has taken the certificate
	Now       func() (t time.Time, synchronised bool)
	Heard     func(at time.Time) // a time that the root or the hub has signed
	Changed   func()             // Trouble may say something new
	Logger    *slog.Logger

	RetryMin, RetryMax time.Duration // between attempts: 5 s doubling to 10 min
	Doubt              time.Duration // without a line, until a machine without a clock doubts its certificate: 15 s
}

// claimFile holds the code that a person or the kit has put there.
const claimFile = "claim"

// checkEvery is how often it is looked whether a certificate is due.
const checkEvery = time.Minute

// lookEvery is how often it is looked whether somebody has put a claim code there, or a
// terminal has answered.
const lookEvery = 2 * time.Second

// attemptTime is for one request, on a line of 20 kbit/s too.
const attemptTime = time.Minute

// Enrolment is made by New and run once.
type Enrolment struct {
	o       Options
	counter uint64 // Run's own, as are the next

	proven bool      // in this start the certificate was taken or given: what goes by since is counted
	silent time.Time // since when it is not, where only a lower bound of the time is known

	mu      sync.Mutex // guards trouble
	trouble error
}

// New returns an enrolment that has not started yet.
func New(o Options) *Enrolment {
	if o.RetryMin == 0 {
		o.RetryMin = 5 * time.Second
	}
	if o.RetryMax == 0 {
		o.RetryMax = 10 * time.Minute
	}
	if o.Doubt == 0 {
		o.Doubt = 15 * time.Second
	}
	return &Enrolment{o: o}
}

// Errors that keep an agent without a certificate, beside a Denied.
var (
	ErrNoCode = errors.New("there is no claim code: get one from the agency and give it with: sidik-agent claim")
	ErrCode   = errors.New("what was put there as a claim code is none")
)

// Denied says that the hub did not grant.
type Denied struct{ Code protocol.DenialCode }

func (d *Denied) Error() string { return "the hub refuses: " + string(d.Code) }

func (n *Enrolment) note(err error) {
	n.mu.Lock()
	before := n.trouble
	n.trouble = err
	n.mu.Unlock()
	if (before == nil) != (err == nil) || err != nil && before.Error() != err.Error() {
		if err != nil {
			n.o.Logger.Warn("no certificate from the hub", "error", err)
		}
		n.o.Changed()
	}
}

// Run gets certificates until ctx ends. That there is none is no error of it.
func (n *Enrolment) Run(ctx context.Context) error {
	wait := n.o.RetryMin
	for {
		before := n.look()
		n.doubt()
		next := n.soon()
		if n.due() {
			err := n.attempt(ctx)
			if ctx.Err() != nil {
				return nil
			}
			n.note(err)
			if err != nil {
				next, wait = wait, min(2*wait, n.o.RetryMax)
			} else {
				next, wait = n.soon(), n.o.RetryMin
			}
		} else {
			n.note(nil) // what was doubted has been taken
		}
		if !n.pause(ctx, next+rand.N(next/4+1), before) { // 300 sites do not come at once
			return nil
		}
	}
}

// pause waits, but no longer than until an attempt may end otherwise than it did.
// It reports false when ctx has ended.
func (n *Enrolment) pause(ctx context.Context, wait time.Duration, before chances) bool {
	done := time.NewTimer(wait)
	defer done.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-done.C:
			return true
		case <-look.C:
			now := n.look()
			if now.code != "" && now.code != before.code || now.terminals > before.terminals {
				return true
			}
		}
	}
}

// chances are what an attempt depends on here: the code that somebody has put there, and
// how many terminals have answered, which a code may be bound to.
type chances struct {
	code      string
	terminals int
}

func (n *Enrolment) look() chances {
	c := chances{terminals: len(n.o.Terminals())}
	if text, err := os.ReadFile(filepath.Join(n.o.Dir, claimFile)); err == nil {
		c.code = string(text)
	}
	return c
}

// soon is how long to wait until it is looked again whether a certificate is due.
func (n *Enrolment) soon() time.Duration {
	g, granted := n.o.Keyring.Granted()
	if !granted {
		return n.o.RetryMin
	}
	now, _ := n.o.Now()
	wait := min(checkEvery, max(n.o.RetryMin, g.Renew.Sub(now)))
	if !n.silent.IsZero() {
		wait = min(wait, n.o.Doubt)
	}
	return wait
}

// doubt notes since when nobody has taken the certificate. A machine without a clock that
// was off for months does not know that it has ended: no broker lets it in, and so it
// would hear of no time by which to renew.
func (n *Enrolment) doubt() {
	_, synchronised := n.o.Now()
	n.proven = n.proven || n.o.Line()
	switch {
	case synchronised || n.proven:
		n.silent = time.Time{}
	case n.silent.IsZero():
		n.silent = time.Now()
	}
}

// ended reports whether the certificate is to be renewed, or may have ended unseen.
func (n *Enrolment) ended(g protocol.Grant) bool {
	return n.past(g.Renew) || !n.silent.IsZero() && time.Since(n.silent) >= n.o.Doubt
}

// due reports whether a certificate is to be asked for.
func (n *Enrolment) due() bool {
	g, granted := n.o.Keyring.Granted()
	return !granted || n.typed() || n.ended(g)
}

// attempt asks once: by the code where this agent was never let in, by its key else.
func (n *Enrolment) attempt(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	// The document may have changed while this machine slept. What is here already
	// serves when a newer one cannot be had.
	d, err := trust.Fetch(ctx, n.o.Hub, n.o.Keyring.Root())
	if err == nil {
		_, err = n.o.Keyring.Take(d.Message())
	}
	if err != nil && n.o.Keyring.Trust().IsZero() {
		return err
	}
	if document := n.o.Keyring.Trust(); n.o.Heard != nil {
		n.o.Heard(document.At())
	}
	code, err := n.code()
	if err == nil && !code.IsZero() {
		err = n.claim(ctx, code)
		if err == nil {
			return nil
		}
	}
	switch g, granted := n.o.Keyring.Granted(); {
	case granted && n.ended(g):
		return n.renew(ctx) // a code that is of no use does not keep a known agent from renewing
	case !granted && err == nil:
		// The disk may have spoiled the certificate of an agent that was let in: its key is enough.
		err = n.renew(ctx)
		if denied, is := errors.AsType[*Denied](err); is && denied.Code == protocol.DeniedKey {
			return ErrNoCode
		}
	}
	return err
}

// past reports whether a time has come.
func (n *Enrolment) past(t time.Time) bool {
	now, _ := n.o.Now()
	return !now.Before(t)
}

// typed reports whether a claim code waits.
func (n *Enrolment) typed() bool {
	_, err := os.Stat(filepath.Join(n.o.Dir, claimFile))
	return err == nil
}

// code reads the claim code; zero where there is none.
func (n *Enrolment) code() (protocol.ClaimCode, error) {
	text, err := os.ReadFile(filepath.Join(n.o.Dir, claimFile))
	if errors.Is(err, fs.ErrNotExist) {
		return protocol.ClaimCode{}, nil
	}
	if err != nil {
		return protocol.ClaimCode{}, fmt.Errorf("read claim code: %w", err)
	}
	code, err := protocol.ParseClaimCode(string(text))
	if err != nil {
		return protocol.ClaimCode{}, ErrCode
	}
	return code, nil
}

// PutCode gives an agent its claim code, in the file that it returns. A running agent
// finds it within seconds.
func PutCode(dir string, code protocol.ClaimCode) (path string, err error) {
	path = filepath.Join(dir, claimFile)
	if err := durable.Write(path, []byte(code.Text()+"\n")); err != nil {
		return path, fmt.Errorf("write claim code: %w", err)
	}
	return path, nil
}

func (n *Enrolment) claim(ctx context.Context, code protocol.ClaimCode) error {
	key, err := n.o.Keyring.Request()
	if err != nil {
		return err
	}
	grant, err := n.ask(ctx, protocol.PathClaim, protocol.KindClaim, protocol.Claim{
		Code: code, Key: n.o.Keyring.Identity().Public(), TLS: key, Terminals: n.o.Terminals(), Version: n.o.Version,
	})
	if err != nil {
		return err
	}
	if err := n.install(grant); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(n.o.Dir, claimFile)); err != nil {
		return fmt.Errorf("remove the used claim code: %w", err)
	}
	n.o.Logger.Info("this agent is its site's now", "site", string(n.o.Site), "key", string(n.o.Keyring.Identity().Public().KeyID()))
	return nil
}

func (n *Enrolment) renew(ctx context.Context) error {
	key, err := n.o.Keyring.Request()
	if err != nil {
		return err
	}
	grant, err := n.ask(ctx, protocol.PathRenewal, protocol.KindRenewal, protocol.Renewal{TLS: key, Version: n.o.Version})
	if err != nil {
		return err
	}
	if err := n.install(grant); err != nil {
		return err
	}
	n.o.Logger.Info("certificate renewed", "until", grant.Until)
	return nil
}

func (n *Enrolment) install(g protocol.Grant) error {
	if err := n.o.Keyring.Install(g); err != nil {
		return err
	}
	n.proven, n.silent = true, time.Time{}
	n.o.Changed()
	return nil
}

// ask sends one signed request and reads the signed answer.
func (n *Enrolment) ask(ctx context.Context, path string, kind protocol.Kind, body any) (g protocol.Grant, err error) {
	document := n.o.Keyring.Trust()
	n.counter++
	request := protocol.Envelope{Kind: kind, Site: n.o.Site, To: document.Hub().KeyID(), Seq: protocol.Seq{Life: n.o.Boot, Counter: n.counter}}
	if now, synchronised := n.o.Now(); synchronised {
		request.At = &now
	}
	message, err := protocol.Seal(request, body, n.o.Keyring.Identity())
	if err != nil {
		return g, err
	}
	answer, err := n.post(ctx, document, path, message)
	if err != nil {
		return g, fmt.Errorf("%s: %w", kind, err)
	}
	e, err := protocol.Open("", answer, func(_ protocol.SiteID, id seal.KeyID) (seal.PublicKey, bool) { return n.o.Keyring.HubKey(id) })
	if err == nil && (e.Kind != protocol.KindGrant || e.Site != n.o.Site || e.To != n.o.Keyring.Identity().Public().KeyID() || e.Seq != request.Seq) {
		err = &protocol.Refusal{Reason: protocol.ReasonReceiver, Cause: errors.New("it answers another request")}
	}
	if err == nil {
		err = e.Into(&g)
	}
	if err != nil {
		return g, fmt.Errorf("%s: answer of the hub: %w", kind, err)
	}
	if e.At != nil && n.o.Heard != nil {
		n.o.Heard(*e.At)
	}
	return g, nil
}

// post sends a request to a hub that the document vouches for, and to no other.
func (n *Enrolment) post(ctx context.Context, document trust.Document, path string, message []byte) ([]byte, error) {
	address, err := url.JoinPath(n.o.Hub, path)
	if err != nil {
		return nil, fmt.Errorf("address of the hub %q: %w", n.o.Hub, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(message))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	client := http.Client{
		Transport:     &http.Transport{TLSClientConfig: document.Client(trust.RoleAgents, n.o.Now), DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, protocol.MaxPayload))
	if err != nil {
		return nil, err
	}
	if answer.StatusCode == http.StatusOK {
		return text, nil
	}
	var d protocol.Denial
	if err := json.Unmarshal(text, &d); err != nil || d.Code == "" || strings.TrimSpace(string(d.Code)) != string(d.Code) {
		return nil, fmt.Errorf("%s answers %s", address, answer.Status)
	}
	return nil, &Denied{d.Code}
}
