package vault_test

import (
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
)

// What was sealed years ago must still be sealed to the same words, and be understood.
func TestAnOriginIsKeptAndReadInTheSameWords(t *testing.T) {
	for text, o := range map[string]vault.Origin{
		"captured at bkpsdmd/ENROL1, job 12":     {Kind: vault.OriginCaptured, Site: "bkpsdmd", Serial: "ENROL1", Job: 12},
		"found at samsat-koba/T-1, PIN 42":       {Kind: vault.KindFound, Site: "samsat-koba", Serial: "T-1", PIN: "42"},
		"copy at samsat-koba/T-1, PIN a, PIN /b": {Kind: vault.KindCopy, Site: "samsat-koba", Serial: "T-1", PIN: "a, PIN /b"},
		"found at samsat-koba/T-1, PIN ":         {Kind: vault.KindFound, Site: "samsat-koba", Serial: "T-1"},
	} {
		if o.String() != text {
			t.Errorf("%+v is kept as %q, want %q", o, o, text)
		}
		if got, ok := vault.ReadOrigin(text); !ok || got != o {
			t.Errorf("%q is read as %+v, %t", text, got, ok)
		}
	}
	for _, text := range []string{"", "test", "captured at bkpsdmd/ENROL1", "captured at bkpsdmd/ENROL1, job x", "check at a/b, PIN 1", "found in samsat-koba/T-1, PIN 42"} {
		if got, ok := vault.ReadOrigin(text); ok {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}
