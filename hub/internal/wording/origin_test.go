package wording_test

import (
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/wording"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

func TestAnOriginIsSaidInTheReadersLanguage(t *testing.T) {
	catalogue := phrase.New()
	w := wording.Words(func(code string, args phrase.Args) (string, bool) {
		return catalogue.Say(phrase.Indonesian, code, args), catalogue.Has(code)
	})
	for kept, want := range map[string]string{
		"captured at bkpsdmd/ENROL1, job 12": "direkam di mesin ENROL1, bkpsdmd (perekaman nomor 12)",
		"found at samsat-koba/T1, PIN 42":    "diambil dari mesin T1, samsat-koba (PIN 42)",
		"copy at samsat-koba/T1, PIN 42":     "salinan dari mesin T1, samsat-koba, sebelum dihapus atau diganti di sana (PIN 42)",
		"somebody's own words":               "somebody's own words",
	} {
		if got := w.Origin(kept); got != want {
			t.Errorf("%q is said as %q, want %q", kept, got, want)
		}
	}
}
