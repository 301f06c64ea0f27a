package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/errand"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/door"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Errands is the service that sites are asked for.
type Errands interface {
	Start(ctx context.Context, o errand.Order, at time.Time) (errand.Errand, error)
	Get(ctx context.Context, site protocol.SiteID, id int64) (errand.Errand, error)
	Open(ctx context.Context, site protocol.SiteID, id int64, key protocol.Opener) (protocol.DiagnosisReport, error)
}

// Service is what remote service needs.
type Service struct {
	Errands Errands
	Key     protocol.Opener // the hub's own, for diagnoses
}

func (a *API) errands(d *door.Door) {
	handle := func(pattern string, h func(http.ResponseWriter, *http.Request) (any, error)) {
		d.Handle(pattern, door.To(account.Provision, door.Site), d.JSON(h))
	}
	handle("POST /api/v1/sites/{site}/errands", a.order)
	handle("GET /api/v1/sites/{site}/errands/{errand}", a.errand)
	handle("GET /api/v1/sites/{site}/errands/{errand}/diagnosis", a.diagnosis)
}

// asked is an errand as tools see it.
type asked struct {
	ID      int64                  `json:"id"`
	Kind    protocol.JobKind       `json:"kind"`
	Serial  protocol.Serial        `json:"serial"`
	By      string                 `json:"by"`
	Ordered time.Time              `json:"ordered"`
	Expires time.Time              `json:"expires"`
	State   errand.State           `json:"state"`
	Ended   protocol.Ending        `json:"ended,omitempty"`
	Reason  string                 `json:"reason,omitempty"`
	Result  *protocol.ErrandResult `json:"result,omitempty"`
}

func viewErrand(e errand.Errand) asked {
	return asked{e.ID, e.Kind, e.Serial, e.OrderedBy, e.OrderedAt, e.Expires, e.State, e.Ended, e.Reason, e.Result}
}

// order asks a site for service, in the name of the account.
func (a *API) order(w http.ResponseWriter, r *http.Request) (any, error) {
	var o struct {
		Kind   protocol.JobKind `json:"kind"`
		Serial protocol.Serial  `json:"serial"`
		Force  bool             `json:"force"`
	}
	if err := body(w, r, &o); err != nil {
		return nil, err
	}
	site := protocol.SiteID(r.PathValue("site"))
	e, err := a.service.Errands.Start(r.Context(), errand.Order{Site: site, Kind: o.Kind, Serial: o.Serial, Force: o.Force, Who: door.Who(r).By()}, time.Now())
	if err != nil {
		return nil, notServed(err)
	}
	return viewErrand(e), a.served(r, "site errand "+string(site)+" "+string(e.Kind))
}

func (a *API) errand(_ http.ResponseWriter, r *http.Request) (any, error) {
	e, err := a.service.Errands.Get(r.Context(), protocol.SiteID(r.PathValue("site")), errandID(r))
	if err != nil {
		return nil, notServed(err)
	}
	return viewErrand(e), nil
}

// diagnosis opens one, which is written down first.
func (a *API) diagnosis(_ http.ResponseWriter, r *http.Request) (any, error) {
	site, id := protocol.SiteID(r.PathValue("site")), errandID(r)
	if _, err := a.service.Errands.Get(r.Context(), site, id); err != nil {
		return nil, notServed(err)
	}
	if err := a.served(r, "site diagnosis "+string(site)+" "+strconv.FormatInt(id, 10)); err != nil {
		return nil, err
	}
	report, err := a.service.Errands.Open(r.Context(), site, id, a.service.Key)
	return report, notServed(err)
}

func (a *API) served(r *http.Request, what string) error {
	who := door.Who(r).Account
	return a.accounts.Served(r.Context(), account.By{Who: who.By(), Address: door.Address(r)}, who.ID, what)
}

// errandID is the number in the address; what is none names no errand.
func errandID(r *http.Request) int64 {
	id, err := strconv.ParseInt(r.PathValue("errand"), 10, 64)
	if err != nil {
		return 0
	}
	return id
}

// notServed tells a machine why a site is not asked for service; other errors stay as
// they are.
func notServed(err error) error {
	no, is := errors.AsType[errand.Refusal](err)
	if !is {
		return err
	}
	f := &door.Failure{Status: http.StatusUnprocessableEntity, Code: "errand-" + string(no), Message: no.Error()}
	switch no {
	case errand.ErrSite, errand.ErrNone:
		f.Status = http.StatusNotFound
	case errand.ErrBusy:
		f.Status = http.StatusConflict
	}
	return f
}
