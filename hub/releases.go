package hub

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/bkpsdmd-babel/sidik/hub/internal/admission"
	"github.com/bkpsdmd-babel/sidik/hub/internal/enrol"
	"github.com/bkpsdmd-babel/sidik/hub/internal/release"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// programs is what the door gives out, and to whom.
type programs struct {
	admissions *admission.Admissions
	releases   *release.Releases
}

func (p programs) Holder(ctx context.Context, leaf *x509.Certificate) (protocol.SiteID, error) {
	s, err := p.admissions.Holder(ctx, leaf)
	return protocol.SiteID(s.Name), err
}

func (p programs) Program(ctx context.Context, site protocol.SiteID, digest protocol.Hash) (*os.File, error) {
	f, err := p.releases.Program(ctx, site, digest)
	if errors.Is(err, release.ErrNotHere) {
		return nil, fmt.Errorf("%w: %w", enrol.ErrNoProgram, err)
	}
	return f, err
}

// ReleaseKeys are the release keys that the agency's root vouches for.
func ReleaseKeys(data string) ([]seal.PublicKey, error) {
	keys, err := openKeys(data)
	if err != nil {
		return nil, err
	}
	return keys.Document().Keys().Release, nil
}
