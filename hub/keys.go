package hub

import (
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/keyring"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
)

// KeyRequest is what a hub asks the agency's root to sign: its keys, made on first use
// or prepared by PrepareKeys, and its certificate authority. Where the present keys were
// stolen, they are not to count any more.
func KeyRequest(data string, now time.Time, stolen bool) (trust.Request, error) {
	keys, err := openKeys(data)
	if err != nil {
		return trust.Request{}, err
	}
	a, _, err := authority.LoadOrCreate(data, now)
	if err != nil {
		return trust.Request{}, err
	}
	return keyring.Requested(data, keys, now, stolen, a.Certificate().Raw)
}

// PrepareKeys makes the keys that shall take the place of the present ones when the root
// has signed them.
func PrepareKeys(data string) error { return keyring.Prepare(data) }

// InstallKeys puts a keys document in place that the root has signed. It counts from the
// hub's next start.
func InstallKeys(data string, document []byte) (trust.Document, error) {
	return keyring.Install(data, document)
}
