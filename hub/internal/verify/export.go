package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Export writes the evidence of one site and month (2026-01) for an auditor: the
// signed segments that hold its punches with all between them, the punches as
// CSV, and the public keys, signed by the hub. What does not verify is ErrBroken
// and is not handed out. The month's messages pass through memory.
func Export(ctx context.Context, s *store.Store, site protocol.SiteID, monthText string, hub seal.SigningKey, at time.Time, w io.Writer) (Manifest, error) {
	m, err := export(ctx, s, site, monthText, hub, at, w)
	if err != nil {
		return Manifest{}, fmt.Errorf("export evidence of site %s for %s: %w", site, monthText, err)
	}
	return m, nil
}

func export(ctx context.Context, s *store.Store, site protocol.SiteID, monthText string, hub seal.SigningKey, at time.Time, w io.Writer) (Manifest, error) {
	span, err := parseMonth(monthText)
	if err != nil {
		return Manifest{}, err
	}
	if _, err := s.Agent(ctx, site); err != nil {
		return Manifest{}, err
	}
	e, err := s.Evidence(ctx)
	if err != nil {
		return Manifest{}, err
	}
	defer e.Close() // it only reads
	m := Manifest{Version: protocol.Version, Site: site, Month: monthText, At: at.UTC().Truncate(time.Second), Hub: hub.Public(), Terminals: []protocol.Serial{}, Chains: []Chain{}}
	if m.Generation, err = s.Generation(ctx); err != nil {
		return Manifest{}, err
	}
	if err := m.describe(ctx, e); err != nil {
		return Manifest{}, err
	}
	r := newReading(span, site, m.keys, m.Terminals)
	segments, err := copySegments(ctx, e, site, span, r)
	if err != nil {
		return Manifest{}, err
	}
	punches := r.list()
	m.Chains, m.Punches = append(m.Chains, r.chains...), r.punches
	m.Files = map[string]protocol.Hash{fileReadme: digest(readme), fileSegments: digest(segments), filePunches: digest(punches)}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return Manifest{}, err
	}
	return m, pack(w, []file{
		{fileReadme, readme}, {fileSegments, segments}, {filePunches, punches},
		{fileManifest, text}, {fileSignature, hub.Sign(signedManifest(text))},
	})
}

// describe fills in the site's keys and terminals.
func (m *Manifest) describe(ctx context.Context, e *store.Evidence) error {
	keys, err := e.Keys(ctx)
	if err != nil {
		return err
	}
	for _, r := range keys {
		if r.Site != m.Site || r.PublicKey == "" {
			continue
		}
		key, err := seal.ParsePublicKey(r.PublicKey)
		if err != nil || string(key.Fingerprint()) != r.Fingerprint {
			return fmt.Errorf("%w: a key of the site is not the one that was admitted", ErrBroken)
		}
		agent := AgentKey{Key: key, Admitted: r.Admitted}
		if !r.Retired.IsZero() {
			agent.Retired = &r.Retired
		}
		m.Agents = append(m.Agents, agent)
	}
	terminals, err := e.Terminals(ctx)
	if err != nil {
		return err
	}
	for _, r := range terminals {
		if r.Site == m.Site && !r.Registered.IsZero() {
			m.Terminals = append(m.Terminals, r.Serial)
		}
	}
	return nil
}

// keys finds the manifest's agent keys.
func (m *Manifest) keys(site protocol.SiteID, id seal.KeyID) (seal.PublicKey, bool) {
	for _, agent := range m.Agents {
		if site == m.Site && agent.Key.KeyID() == id {
			return agent.Key, true
		}
	}
	return seal.PublicKey{}, false
}

// copySegments writes the kept messages that hold the month.
func copySegments(ctx context.Context, e *store.Evidence, site protocol.SiteID, m month, r *reading) ([]byte, error) {
	spans, err := e.Spans(ctx, site, m.from, m.to, m.since, m.until)
	if err != nil {
		return nil, err
	}
	var lines bytes.Buffer
	for _, span := range spans {
		reached := span.From - 1
		for row, err := range e.Segments(ctx, span.Epoch.ID, span.From) {
			if err != nil {
				return nil, err
			}
			message, err := row.Message()
			if err != nil {
				return nil, fmt.Errorf("%w: segment %d of epoch %s: %w", ErrBroken, row.Last, span.Epoch.Name.Short(), err)
			}
			l := line{row.Received, message}
			if err := r.take(l); err != nil {
				return nil, fmt.Errorf("%w: segment %d of epoch %s: %w", ErrBroken, row.Last, span.Epoch.Name.Short(), err)
			}
			if err := l.write(&lines); err != nil {
				return nil, err
			}
			if reached = row.Last; reached >= span.To {
				break
			}
		}
		if reached < span.To {
			return nil, fmt.Errorf("%w: epoch %s has no segment after %d", ErrBroken, span.Epoch.Name.Short(), reached)
		}
	}
	return lines.Bytes(), nil
}

// write adds the line. The message's bytes are put in as they are.
func (l line) write(to *bytes.Buffer) error {
	at, err := json.Marshal(l.Received)
	if err != nil {
		return err
	}
	fmt.Fprintf(to, `{"received":%s,"message":%s}`+"\n", at, l.Message)
	return nil
}
