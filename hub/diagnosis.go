package hub

import (
	"context"

	"github.com/bkpsdmd-babel/sidik/hub/internal/errand"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// OpenDiagnosis opens the diagnosis that answers an errand, with the keys of a hub's data
// folder. Whoever calls it has written down for whom.
func OpenDiagnosis(ctx context.Context, data string, errands *errand.Errands, site protocol.SiteID, id int64) (protocol.DiagnosisReport, error) {
	keys, err := openKeys(data)
	if err != nil {
		return protocol.DiagnosisReport{}, err
	}
	return errands.Open(ctx, site, id, keys)
}
