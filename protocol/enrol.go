package protocol

import (
	"errors"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Kinds of what an agent and the hub say to each other over HTTPS, before and beside
// MQTT. They are envelopes like all others and belong to no topic.
const (
	KindClaim   Kind = "claim"   // up: a new agent asks to be its site's
	KindRenewal Kind = "renewal" // up: a known agent asks for a new certificate
	KindGrant   Kind = "grant"   // down: the answer to both
)

// Paths of the hub's listener for agents.
const (
	PathKeys    = "/v1/keys"    // GET: the keys document; the only thing said to everybody
	PathClaim   = "/v1/claim"   // POST a claim: 200 and a grant, or a refusal
	PathRenewal = "/v1/renewal" // POST a renewal: 200 and a grant, or a refusal
)

// Claim is the body of an agent's first word. It is signed by the key that it shows:
// whoever sends it has that key. The code says that the agency expects somebody.
type Claim struct {
	Code ClaimCode      `json:"code"`
	Key  seal.PublicKey `json:"key"`
	TLS  []byte         `json:"tls"` // public key of the certificate: PKIX, DER
	// Terminals are those that answered in the office; a code may be bound to one.
	Terminals []Serial `json:"terminals"`
	Version   string   `json:"version"` // of the agent
}

// Renewal is the body of a known agent's request: signed by its key, also when its
// certificate has long expired.
type Renewal struct {
	TLS     []byte `json:"tls"`
	Version string `json:"version"`
}

// Grant is the body of the hub's answer.
type Grant struct {
	Certificate []byte    `json:"certificate"` // X.509, DER; its common name is the site
	Until       time.Time `json:"until"`
	Renew       time.Time `json:"renew"`   // from when a new one should be asked for
	Brokers     []string  `json:"brokers"` // ssl://HOST:PORT
}

// Denial is the body, plain JSON, of an answer other than 200.
type Denial struct {
	Code DenialCode `json:"code"`
}

// DenialCode is why the hub did not grant. Its sentence is in the catalogue under
// "denied." + code.
type DenialCode string

// Whoever asks without right learns little: unknown, used and expired codes are told
// apart only so that a person in an office knows what to ask the agency for.
const (
	DeniedForm     DenialCode = "malformed"
	DeniedUnknown  DenialCode = "claim-unknown"     // no such code for this site
	DeniedUsed     DenialCode = "claim-used"        // by another machine
	DeniedExpired  DenialCode = "claim-expired"     // or withdrawn
	DeniedTerminal DenialCode = "claim-terminal"    // the terminal that it is bound to is not there
	DeniedKey      DenialCode = "key-not-admitted"  // revoked, replaced or never admitted
	DeniedReplay   DenialCode = "replay"            // older than what this key said before
	DeniedBusy     DenialCode = "too-many-attempts" // come again later
	DeniedTrouble  DenialCode = "hub-trouble"       // not the agent's fault
)

// limits of what one request may hold.
const (
	maxTLSKey          = 512
	maxClaimTerminals  = 64
	maxVersion         = 64
	maxBrokers         = 16
	maxCertificateSize = 8 << 10
)

// MaxRequest is the size of the largest claim or renewal, in bytes.
const MaxRequest = 16 << 10

// Check reports a claim that cannot be one.
func (c Claim) Check() error {
	if c.Key.IsZero() {
		return errors.New("claim without the agent's key")
	}
	if len(c.Terminals) > maxClaimTerminals {
		return fmt.Errorf("claim with %d terminals, at most %d", len(c.Terminals), maxClaimTerminals)
	}
	for _, s := range c.Terminals {
		if _, err := ParseSerial(string(s)); err != nil {
			return err
		}
	}
	return Renewal{TLS: c.TLS, Version: c.Version}.Check()
}

// Check reports a renewal that cannot be one.
func (r Renewal) Check() error {
	if len(r.TLS) == 0 || len(r.TLS) > maxTLSKey || len(r.Version) > maxVersion {
		return errors.New("request without the public key of the certificate, or with more than that")
	}
	return nil
}

// Check reports a grant that cannot be one.
func (g Grant) Check() error {
	if len(g.Certificate) == 0 || len(g.Certificate) > maxCertificateSize || len(g.Brokers) == 0 || len(g.Brokers) > maxBrokers ||
		!g.Renew.Before(g.Until) {
		return errors.New("grant without a certificate, a broker or a time to renew it")
	}
	return nil
}
