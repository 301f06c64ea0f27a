// Package enrol is the hub's door for agents: HTTPS, where a new agent brings its claim
// code and a known one asks for its next certificate, where a site gets the program that
// it is to run, and where everybody may read the keys document.
//
// It knows HTTP and envelopes. It must not decide who is let in (admission does), and
// it serves no page.
//
// Beware: strangers come here by design. Whatever they send is bounded in size, time and
// number, and a refusal tells them a code and nothing else.
package enrol

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/admission"
	"github.com/bkpsdmd-babel/sidik/hub/internal/entrance"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Admissions decides.
type Admissions interface {
	Claim(ctx context.Context, e protocol.Envelope) (admission.Certificate, seal.PublicKey, error)
	Renew(ctx context.Context, e protocol.Envelope) (admission.Certificate, seal.PublicKey, error)
}

// Keys are the hub's own.
type Keys interface {
	Signing() seal.SigningKey
	Public(id seal.KeyID) (seal.PublicKey, bool)
}

// Options are the parts of the door; all but Programs are needed.
type Options struct {
	Admissions Admissions
	Keys       Keys
	Programs   Programs // nil: none are given out
	Document   []byte   // the keys document as the root signed it
	Brokers    []string // ssl://HOST:PORT, as agents reach them
	Logger     *slog.Logger
	Now        func() time.Time
}

// Bounds of one server. A claim takes a few milliseconds.
const (
	requestTime = 10 * time.Second // for the whole of a request
	idleTime    = 5 * time.Second
	atOnce      = 32 // requests that are judged side by side
)

// door is the handler.
type door struct {
	o      Options
	busy   chan struct{} // one for each request that is judged
	limits *limits

	programs *programs
}

// Handler is what the door answers with.
func Handler(o Options) http.Handler {
	d := &door{o: o, busy: make(chan struct{}, atOnce), limits: newLimits()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+protocol.PathKeys, d.keys)
	mux.HandleFunc("POST "+protocol.PathClaim, d.judge(protocol.KindClaim, o.Admissions.Claim))
	mux.HandleFunc("POST "+protocol.PathRenewal, d.judge(protocol.KindRenewal, o.Admissions.Renew))
	if o.Programs != nil {
		d.programs = &programs{from: o.Programs, open: map[protocol.SiteID]bool{}}
		mux.HandleFunc("GET "+protocol.PathRelease, d.program)
	}
	return mux
}

// Server is a server of the handler whose times are bounded; Listen bounds the rest. It
// speaks HTTP/1: an agent asks once, and nothing is gained by many requests at once.
func Server(h http.Handler, log *slog.Logger) *http.Server {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler: asking(h), ConnContext: remember, Protocols: protocols,
		ReadHeaderTimeout: requestTime, ReadTimeout: requestTime, WriteTimeout: 2 * requestTime, IdleTimeout: idleTime,
		MaxHeaderBytes: 8 << 10, ErrorLog: slog.NewLogLogger(entrance.Log(log.With("part", "enrol")), slog.LevelWarn),
	}
}

func (d *door) keys(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(d.o.Document) // an asker that is gone needs no answer
}

// judge answers one kind of request with a grant or a denial.
func (d *door) judge(kind protocol.Kind, decide func(context.Context, protocol.Envelope) (admission.Certificate, seal.PublicKey, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		from := entrance.Address(r.RemoteAddr)
		if !d.limits.allow(kind, from, d.o.Now()) {
			d.deny(w, from, kind, "", &admission.Denied{Code: protocol.DeniedBusy, Cause: "too many refusals"})
			return
		}
		e, err := d.read(w, r) // as slowly as the sender likes: it takes nobody's turn
		var grant []byte
		if err == nil {
			grant, err = d.grant(r.Context(), e, decide)
		}
		if err != nil {
			d.deny(w, from, kind, e.Site, err)
			return
		}
		d.o.Logger.Info("agent let in", "request", string(kind), "site", string(e.Site), "key", string(e.From), "address", from)
		w.Header().Set("Content-Type", "application/json")
		w.Write(grant) // whoever did not get the answer asks again
	}
}

// read takes a request's envelope, whose key is not known yet.
func (d *door) read(w http.ResponseWriter, r *http.Request) (protocol.Envelope, error) {
	message, err := io.ReadAll(http.MaxBytesReader(w, r.Body, protocol.MaxRequest))
	if err != nil {
		return protocol.Envelope{}, &admission.Denied{Code: protocol.DeniedForm, Cause: err.Error()}
	}
	e, err := protocol.Parse("", message)
	if err != nil {
		return protocol.Envelope{}, &admission.Denied{Code: protocol.DeniedForm, Cause: string(protocol.ReasonOf(err))}
	}
	if _, err := protocol.ParseSiteID(string(e.Site)); err != nil {
		return protocol.Envelope{}, &admission.Denied{Code: protocol.DeniedForm, Cause: "no site's"}
	}
	if _, ours := d.o.Keys.Public(e.To); !ours {
		return e, &admission.Denied{Code: protocol.DeniedForm, Cause: "for another hub's key"}
	}
	return e, nil
}

// grant decides when it is the request's turn, and signs the answer.
func (d *door) grant(ctx context.Context, e protocol.Envelope,
	decide func(context.Context, protocol.Envelope) (admission.Certificate, seal.PublicKey, error)) ([]byte, error) {
	select {
	case d.busy <- struct{}{}:
		defer func() { <-d.busy }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	certificate, agent, err := decide(ctx, e)
	if err != nil {
		return nil, err
	}
	now := d.o.Now()
	return protocol.Seal(protocol.Envelope{Kind: protocol.KindGrant, Site: e.Site, To: agent.KeyID(), Seq: e.Seq, At: &now},
		protocol.Grant{Certificate: certificate.DER, Until: certificate.Until, Renew: certificate.Renew, Brokers: d.o.Brokers}, d.o.Keys.Signing())
}

// deny answers with a code, and tells the log why.
func (d *door) deny(w http.ResponseWriter, from string, kind protocol.Kind, site protocol.SiteID, err error) {
	code, status := protocol.DeniedTrouble, http.StatusInternalServerError
	var denied *admission.Denied
	if errors.As(err, &denied) {
		code, status = denied.Code, http.StatusForbidden
	}
	if code == protocol.DeniedBusy {
		status = http.StatusTooManyRequests
	}
	if d.limits.refused(kind, from, site, code, d.o.Now()) {
		d.o.Logger.Warn("agent refused", "request", string(kind), "site", string(site), "address", from, "reason", string(code), "error", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(protocol.Denial{Code: code}); err != nil {
		return // an asker that is gone needs no answer
	}
}
