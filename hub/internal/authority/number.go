package authority

import (
	"crypto/x509"
	"fmt"
	"math/big"
)

// Number is that of a certificate, as it is written down and shown: hexadecimal, in
// small letters, without zeros before it.
type Number string

// NumberOf is the number of a certificate.
func NumberOf(leaf *x509.Certificate) Number { return Number(leaf.SerialNumber.Text(16)) }

// integer is the number as certificates and lists hold it.
func (n Number) integer() (*big.Int, error) {
	i, ok := new(big.Int).SetString(string(n), 16)
	if !ok {
		return nil, fmt.Errorf("certificate number %.64q", string(n))
	}
	return i, nil
}
