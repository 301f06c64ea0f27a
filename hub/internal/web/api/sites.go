package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/admission"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/door"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Admissions is who decides which agent is a site's.
type Admissions interface {
	Register(ctx context.Context, site protocol.SiteID, terminals ...protocol.Serial) error
	NewCode(ctx context.Context, by string, site protocol.SiteID, serial protocol.Serial, life time.Duration) (protocol.ClaimCode, time.Time, error)
	Revoke(ctx context.Context, by string, site protocol.SiteID, reason string) error
	Sites(ctx context.Context) ([]admission.Site, error)
}

// Way is the way in for agents. The zero value is a hub without one.
type Way struct {
	Admissions Admissions
	Root       seal.Fingerprint // of the agency's root key; empty: it has signed nothing yet
	Agents     string           // https://HOST:PORT of the door for agents
	Document   []byte           // the keys document, as the root signed it
}

// sites adds the addresses of sites. A claim code is told to whoever may let a site in,
// in one answer and never again.
func (a *API) sites(d *door.Door) {
	handle := func(pattern string, h func(http.ResponseWriter, *http.Request) (any, error), about ...door.About) {
		d.Handle(pattern, door.To(account.Provision, about...), d.JSON(func(w http.ResponseWriter, r *http.Request) (any, error) {
			if a.way.Admissions == nil {
				return nil, &door.Failure{Status: http.StatusConflict, Code: "no-agents", Message: "this hub has no door for agents: start it with --agents"}
			}
			return h(w, r)
		}))
	}
	handle("GET /api/v1/sites", a.list)
	handle("POST /api/v1/sites", a.register)
	handle("GET /api/v1/sites/{site}", a.show, door.Site)
	handle("POST /api/v1/sites/{site}/claim", a.claim, door.Site)
	handle("POST /api/v1/sites/{site}/revoke", a.revoke, door.Site)
	handle("GET /api/v1/kit", a.kit)
	d.Handle("GET "+protocol.PathKeys, door.Anyone(), http.HandlerFunc(a.keys))
}

// keys is said to everybody, here as at the door for agents: with it a tool knows the hub
// before it sends a password.
func (a *API) keys(w http.ResponseWriter, r *http.Request) {
	if a.way.Root == "" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(a.way.Document) // whoever asked may be gone
}

// site is a site as tools see it.
type site struct {
	Site      protocol.SiteID    `json:"site"`
	Standing  admission.Standing `json:"standing"`
	Terminals []protocol.Serial  `json:"terminals"`
	Key       seal.Fingerprint   `json:"key,omitempty"`   // the admitted one
	Words     string             `json:"words,omitempty"` // of the key: the agent shows the same
	Admitted  time.Time          `json:"admitted,omitzero"`
	Until     time.Time          `json:"until,omitzero"` // end of the certificate
	Code      time.Time          `json:"code,omitzero"`  // until when an open claim code is valid
	Revoked   *revocation        `json:"revoked,omitempty"`
}

// revocation is the last one of a site.
type revocation struct {
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

func view(s admission.Site) site {
	v := site{Site: s.ID, Standing: s.Standing, Terminals: s.Terminals, Key: s.Agent, Admitted: s.Admitted, Until: s.Until, Code: s.Code}
	if v.Terminals == nil {
		v.Terminals = []protocol.Serial{}
	}
	if s.Agent != "" {
		v.Words = s.Agent.Words()
	}
	if r := s.Revoked; !r.At.IsZero() {
		v.Revoked = &revocation{r.By, r.Reason, r.At}
	}
	return v
}

func (a *API) list(_ http.ResponseWriter, r *http.Request) (any, error) {
	all, err := a.way.Admissions.Sites(r.Context())
	if err != nil {
		return nil, err
	}
	answer := struct {
		Sites []site `json:"sites"`
	}{[]site{}}
	for _, s := range all {
		answer.Sites = append(answer.Sites, view(s))
	}
	return answer, nil
}

func (a *API) show(_ http.ResponseWriter, r *http.Request) (any, error) {
	return a.find(r.Context(), protocol.SiteID(r.PathValue("site")))
}

func (a *API) find(ctx context.Context, id protocol.SiteID) (any, error) {
	all, err := a.way.Admissions.Sites(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(s admission.Site) bool { return s.ID == id })
	if i < 0 {
		return nil, notDone(store.ErrNoSite)
	}
	return view(all[i]), nil
}

// register adds a site with its terminals. The same again changes nothing.
func (a *API) register(w http.ResponseWriter, r *http.Request) (any, error) {
	var asked struct {
		Site      string   `json:"site"`
		Terminals []string `json:"terminals"`
	}
	if err := body(w, r, &asked); err != nil {
		return nil, err
	}
	id, err := protocol.ParseSiteID(asked.Site)
	serials := make([]protocol.Serial, len(asked.Terminals))
	for i, t := range asked.Terminals {
		var wrong error
		serials[i], wrong = protocol.ParseSerial(t)
		err = errors.Join(err, wrong)
	}
	if err != nil {
		return nil, &door.Failure{Status: http.StatusUnprocessableEntity, Code: "name", Message: err.Error()}
	}
	if err := a.done(r, "site add "+string(id), a.way.Admissions.Register(r.Context(), id, serials...)); err != nil {
		return nil, err
	}
	return a.find(r.Context(), id)
}

// claimed is a new claim code. It is told here and nowhere else.
type claimed struct {
	Code  protocol.ClaimCode `json:"code"`
	Until time.Time          `json:"until"`
}

// claim makes a code that lets a site's agent in; an open one ends with it.
func (a *API) claim(w http.ResponseWriter, r *http.Request) (any, error) {
	var asked struct {
		Terminal string `json:"terminal"`
		Hours    int    `json:"hours"` // 0: the usual
	}
	if err := body(w, r, &asked); err != nil {
		return nil, err
	}
	if asked.Hours < 0 || asked.Hours > int(admission.LongestClaim/time.Hour) {
		return nil, notDone(admission.ErrLife)
	}
	id := r.PathValue("site")
	code, until, err := a.way.Admissions.NewCode(r.Context(), door.Who(r).By(), protocol.SiteID(id), protocol.Serial(asked.Terminal), time.Duration(asked.Hours)*time.Hour)
	if err := a.done(r, "claim new "+id, err); err != nil {
		return nil, err
	}
	return claimed{code, until}, nil
}

// revoke shuts a site out.
func (a *API) revoke(w http.ResponseWriter, r *http.Request) (any, error) {
	var asked struct {
		Reason string `json:"reason"`
	}
	if err := body(w, r, &asked); err != nil {
		return nil, err
	}
	id := protocol.SiteID(r.PathValue("site"))
	err := a.way.Admissions.Revoke(r.Context(), door.Who(r).By(), id, asked.Reason)
	if err := a.done(r, "site revoke "+string(id), err); err != nil {
		return nil, err
	}
	return a.find(r.Context(), id)
}

// kit is what every site must know of its hub, and is no secret.
type kit struct {
	Root   seal.Fingerprint `json:"root"`
	Agents string           `json:"agents"`
	Keys   json.RawMessage  `json:"keys"`
}

func (a *API) kit(http.ResponseWriter, *http.Request) (any, error) {
	if a.way.Root == "" {
		return nil, &door.Failure{Status: http.StatusConflict, Code: "no-root", Message: "the agency's root has not signed this hub's keys: see sidik-hub key request"}
	}
	return kit{a.way.Root, a.way.Agents, a.way.Document}, nil
}

// done writes down in the log of accounts what was done, and tells why it was not.
func (a *API) done(r *http.Request, what string, err error) error {
	if err != nil {
		return notDone(err)
	}
	return a.accounts.Provisioned(r.Context(), door.Who(r).Account, what, door.Address(r))
}

// notDone tells a machine why something about a site is not done; other errors stay as
// they are.
func notDone(err error) error {
	for _, row := range []struct {
		is     error
		status int
		code   string
	}{
		{store.ErrNoSite, http.StatusNotFound, "no-site"},
		{admission.ErrLife, http.StatusUnprocessableEntity, "life"},
		{admission.ErrTerminal, http.StatusUnprocessableEntity, "terminal"},
		{admission.ErrReason, http.StatusUnprocessableEntity, "reason"},
		{admission.ErrNobody, http.StatusConflict, "nobody"},
	} {
		if errors.Is(err, row.is) {
			return &door.Failure{Status: row.status, Code: row.code, Message: row.is.Error()}
		}
	}
	return err
}
