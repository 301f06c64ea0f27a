package hubapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
)

// Site is a site as the hub tells it.
type Site struct {
	Site      protocol.SiteID   `json:"site"`
	Standing  string            `json:"standing"` // registered, expected, admitted, revoked
	Terminals []protocol.Serial `json:"terminals"`
	Key       seal.Fingerprint  `json:"key"`
	Words     string            `json:"words"` // of the key
	Admitted  time.Time         `json:"admitted"`
	Until     time.Time         `json:"until"` // end of the certificate
	Code      time.Time         `json:"code"`  // until when an open claim code is valid
	Revoked   *Revocation       `json:"revoked"`
}

// Revocation is that a site was shut out.
type Revocation struct {
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// Standings by which callers decide.
const (
	Expected = "expected" // a claim code is open
	Admitted = "admitted" // an agent is let in
)

// Sites returns all sites by id.
func (c *Client) Sites(ctx context.Context) ([]Site, error) {
	var answer struct {
		Sites []Site `json:"sites"`
	}
	err := c.do(ctx, http.MethodGet, "/api/v1/sites", nil, &answer)
	return answer.Sites, err
}

// Site returns one site.
func (c *Client) Site(ctx context.Context, site protocol.SiteID) (s Site, err error) {
	err = c.do(ctx, http.MethodGet, at(site, ""), nil, &s)
	return s, err
}

// Register adds a site and its terminals. The same again changes nothing.
func (c *Client) Register(ctx context.Context, site protocol.SiteID, terminals []protocol.Serial) (s Site, err error) {
	err = c.do(ctx, http.MethodPost, "/api/v1/sites", struct {
		Site      protocol.SiteID   `json:"site"`
		Terminals []protocol.Serial `json:"terminals"`
	}{site, terminals}, &s)
	return s, err
}

// Claim is a code that lets one agent in.
type Claim struct {
	Code  protocol.ClaimCode `json:"code"`
	Until time.Time          `json:"until"`
}

// Claim makes a site's next claim code; the open one ends. terminal may be empty; hours 0
// is what the hub thinks right.
func (c *Client) Claim(ctx context.Context, site protocol.SiteID, terminal protocol.Serial, hours int) (made Claim, err error) {
	err = c.do(ctx, http.MethodPost, at(site, "/claim"), struct {
		Terminal protocol.Serial `json:"terminal,omitempty"`
		Hours    int             `json:"hours,omitempty"`
	}{terminal, hours}, &made)
	return made, err
}

// Revoke shuts a site out.
func (c *Client) Revoke(ctx context.Context, site protocol.SiteID, reason string) (s Site, err error) {
	err = c.do(ctx, http.MethodPost, at(site, "/revoke"), map[string]string{"reason": reason}, &s)
	return s, err
}

// Way is what every agent of the hub must know of it.
type Way struct {
	Root   seal.Fingerprint `json:"root"`
	Agents string           `json:"agents"` // https://HOST:PORT
	Keys   json.RawMessage  `json:"keys"`   // the keys document
}

// Way asks for it, and believes only what the root of the login has signed.
func (c *Client) Way(ctx context.Context) (w Way, err error) {
	if err := c.do(ctx, http.MethodGet, "/api/v1/kit", nil, &w); err != nil {
		return Way{}, err
	}
	if w.Root != c.profile.Root {
		return Way{}, fmt.Errorf("the hub names another root key: %w", trust.ErrRoot)
	}
	if _, err := trust.Open(w.Root, w.Keys); err != nil {
		return Way{}, fmt.Errorf("keys document for agents: %w", err)
	}
	return w, nil
}

func at(site protocol.SiteID, what string) string {
	return "/api/v1/sites/" + url.PathEscape(string(site)) + what
}
