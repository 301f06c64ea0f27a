package hubapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Errand is service that a site was asked for, as the hub tells it.
type Errand struct {
	ID      int64                  `json:"id"`
	Kind    protocol.JobKind       `json:"kind"`
	Serial  protocol.Serial        `json:"serial"`
	By      string                 `json:"by"`
	Ordered time.Time              `json:"ordered"`
	Expires time.Time              `json:"expires"`
	State   string                 `json:"state"` // waiting, begun, done, failed, expired
	Ended   string                 `json:"ended"`
	Reason  string                 `json:"reason"`
	Result  *protocol.ErrandResult `json:"result"`
}

// Done and Failed are states by which callers decide, and Open tells whether something may
// still happen.
const (
	Done   = "done"
	Failed = "failed"
)

// Open tells whether something may still happen.
func (e Errand) Open() bool { return e.State == "waiting" || e.State == "begun" }

// Order asks a site for service. serial may be empty where the site has one terminal.
func (c *Client) Order(ctx context.Context, site protocol.SiteID, kind protocol.JobKind, serial protocol.Serial, force bool) (e Errand, err error) {
	err = c.do(ctx, http.MethodPost, at(site, "/errands"), struct {
		Kind   protocol.JobKind `json:"kind"`
		Serial protocol.Serial  `json:"serial,omitempty"`
		Force  bool             `json:"force,omitempty"`
	}{kind, serial, force}, &e)
	return e, err
}

// Errand returns how far an errand is.
func (c *Client) Errand(ctx context.Context, site protocol.SiteID, id int64) (e Errand, err error) {
	err = c.do(ctx, http.MethodGet, at(site, fmt.Sprintf("/errands/%d", id)), nil, &e)
	return e, err
}

// Diagnosis returns what answers a diagnose. The hub writes down who asked.
func (c *Client) Diagnosis(ctx context.Context, site protocol.SiteID, id int64) (r protocol.DiagnosisReport, err error) {
	err = c.do(ctx, http.MethodGet, at(site, fmt.Sprintf("/errands/%d/diagnosis", id)), nil, &r)
	return r, err
}
