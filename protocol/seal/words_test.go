package seal_test

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

func TestWordsTellEveryBitOfTheirBeginning(t *testing.T) {
	seen := map[string]bool{}
	for n := range 1 << 16 {
		b := make([]byte, 32)
		binary.BigEndian.PutUint16(b, uint16(n))
		words := strings.Fields(seal.Fingerprint(hex.EncodeToString(b)).Words())
		if len(words) != 6 || len(words[0]) != 5 || seen[words[0]] {
			t.Fatalf("%d is %v, which is not six words or has been seen", n, words)
		}
		seen[words[0]] = true
	}
	key, err := seal.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	f := key.Public().Fingerprint()
	for bit := range 96 {
		b, err := hex.DecodeString(string(f))
		if err != nil {
			t.Fatal(err)
		}
		b[bit/8] ^= 1 << (bit % 8)
		if seal.Fingerprint(hex.EncodeToString(b)).Words() == f.Words() {
			t.Errorf("bit %d makes no difference", bit)
		}
	}
	if got := seal.Fingerprint("none").Words(); got != "" {
		t.Errorf("words of no fingerprint: %q", got)
	}
	// 127.0.0.1 in the publication that describes proquints (arXiv:0901.4016).
	if got := seal.Fingerprint("7f000001" + strings.Repeat("00", 28)).Words(); !strings.HasPrefix(got, "lusab babad ") {
		t.Errorf("words = %q", got)
	}
}
