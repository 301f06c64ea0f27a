package hub

import (
	"context"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/ingest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// templates is the vault as dispatch and ingest see it.
type templates struct{ vault *vault.Vault }

// Templates opens templates for a site, by digest. The same bytes of two employees
// are one template here: whose they are, the roster says.
func (t templates) Templates(ctx context.Context, who, why string, digests ...protocol.Hash) (map[protocol.Hash][]byte, error) {
	var refs []vault.Ref
	for _, digest := range digests {
		held, err := t.vault.ByDigest(ctx, digest)
		if err != nil {
			return nil, err
		}
		if len(held) > 0 {
			refs = append(refs, held[0].Ref)
		}
	}
	opened, err := t.vault.Get(ctx, vault.By{Who: who, Why: why}, refs...)
	if err != nil {
		return nil, err
	}
	plain := map[protocol.Hash][]byte{}
	for _, o := range opened {
		plain[o.Digest] = o.Plain.Bytes()
	}
	return plain, nil
}

// Found keeps templates that a terminal held until a named person says whose they are.
func (t templates) Found(ctx context.Context, site protocol.SiteID, serial protocol.Serial, at time.Time, list []ingest.Template) error {
	finds := make([]vault.Find, len(list))
	for i, l := range list {
		finds[i] = vault.Find{
			Found: vault.Found{Kind: vault.KindFound, Site: site, Serial: serial, PIN: protocol.NormalPIN(l.PIN), Finger: l.Finger, Algorithm: l.Algorithm, Digest: l.Digest},
			Plain: vault.NewPlain(l.Data),
		}
	}
	return t.vault.Find(ctx, vault.By{Who: "site " + string(site), Why: "held by terminal " + string(serial)}, finds...)
}
