package hub

import (
	"context"

	"github.com/bkpsdmd-babel/sidik/hub/internal/errand"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// OpenCommKeys opens the communication keys that were made for a terminal, with the keys
// of a hub's data folder. Whoever calls it has written down for whom.
func OpenCommKeys(ctx context.Context, data string, errands *errand.Errands, site protocol.SiteID, serial protocol.Serial) ([]errand.Key, error) {
	keys, err := openKeys(data)
	if err != nil {
		return nil, err
	}
	return errands.Keys(ctx, site, serial, keys)
}
