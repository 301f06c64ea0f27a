package wording

import (
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// Origin is where a template came from, by what the vault keeps of it.
func (w Words) Origin(kept string) string {
	o, known := vault.ReadOrigin(kept)
	if !known {
		return kept
	}
	said, _ := w("vault.origin-"+string(o.Kind), phrase.Args{"site": o.Site, "serial": o.Serial, "job": o.Job, "pin": o.PIN})
	return said
}
