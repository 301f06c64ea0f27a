package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"time"
)

// ownLife is how long the certificates last that the hub makes for itself. Their keys
// are only in memory.
const ownLife = 30 * 24 * time.Hour

// ErrPublicKey says that a certificate is asked for with a key that no agent has.
var ErrPublicKey = errors.New("not a key for TLS: want ECDSA P-256 or Ed25519")

// Client issues a client certificate for somebody's public key (ECDSA P-256 or Ed25519)
// and returns its DER. It begins an hour before now, and ends with the authority at the
// latest.
func (a *Authority) Client(s Subject, public crypto.PublicKey, now time.Time, life time.Duration) ([]byte, error) {
	if parsed, err := ParseSubject(s.CN()); err != nil || parsed != s {
		return nil, fmt.Errorf("issue certificate for %q: %w", s.CN(), ErrSubject)
	}
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return nil, fmt.Errorf("issue certificate for %s: %w", s, ErrPublicKey)
		}
	case ed25519.PublicKey:
	default:
		return nil, fmt.Errorf("issue certificate for %s: %w", s, ErrPublicKey)
	}
	if life <= 0 {
		return nil, fmt.Errorf("issue certificate for %s: a life of %v", s, life)
	}
	der, err := a.sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: s.CN()},
		NotBefore:   now.Add(-leeway),
		NotAfter:    now.Add(life),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, public)
	if err != nil {
		return nil, fmt.Errorf("issue certificate for %s: %w", s, err)
	}
	return der, nil
}

// Server makes a certificate for a listener that is reached by these names and
// addresses, and always by loopback, so that the hub reaches itself. Its key is made
// with it and only in memory; it lasts 30 days.
//
// It begins with the authority and not now: the clock of a Raspberry Pi may stand where
// it was when its keys document was signed.
func (a *Authority) Server(hosts []string, now time.Time) (tls.Certificate, error) {
	return a.server(hosts, now, ownLife)
}

// ServerPEM is Server for a broker that is another program: certificate and key as PEM,
// with a life of the caller's choice. The key is a secret.
func (a *Authority) ServerPEM(hosts []string, now time.Time, life time.Duration) (certificate, key []byte, err error) {
	pair, err := a.server(hosts, now, life)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		return nil, nil, fmt.Errorf("issue certificate of a listener: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// RevocationList is a CRL as PEM, for a broker that is another program: certificates with
// these numbers count no more. It ends with the authority: when a list ends, brokers let
// nobody in any more.
func (a *Authority) RevocationList(numbers []Number, now time.Time) ([]byte, error) {
	list := &x509.RevocationList{Number: big.NewInt(now.UnixMilli()), ThisUpdate: now, NextUpdate: a.certificate.NotAfter}
	for _, number := range numbers {
		n, err := number.integer()
		if err != nil {
			return nil, fmt.Errorf("make revocation list: %w", err)
		}
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: n, RevocationTime: now})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, a.certificate, a.key)
	if err != nil {
		return nil, fmt.Errorf("make revocation list: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}), nil
}

// PEM is the authority's certificate as text, for whoever is to trust it.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

func (a *Authority) server(hosts []string, now time.Time, life time.Duration) (tls.Certificate, error) {
	template := &x509.Certificate{
		NotBefore:   a.certificate.NotBefore,
		NotAfter:    now.Add(life),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{itself},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	for _, host := range hosts {
		if host == "" {
			return tls.Certificate{}, errors.New("issue certificate of a listener: a host without a name")
		}
		if ip, err := netip.ParseAddr(host); err == nil {
			template.IPAddresses = append(template.IPAddresses, ip.AsSlice())
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return a.own(template)
}

// Self makes the certificate by which the hub is a client of its own broker. Its key is
// only in memory; it lasts 30 days.
func (a *Authority) Self(now time.Time) (tls.Certificate, error) {
	return a.own(&x509.Certificate{
		Subject:     pkix.Name{CommonName: Subject{Kind: Hub}.CN()},
		NotBefore:   now.Add(-leeway),
		NotAfter:    now.Add(ownLife),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// own makes a key and its certificate.
func (a *Authority) own(template *x509.Certificate) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("issue certificate of the hub: %w", err)
	}
	der, err := a.sign(template, key.Public())
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("issue certificate of the hub: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("issue certificate of the hub: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// sign completes a certificate and signs it.
func (a *Authority) sign(template *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	template.SerialNumber = serial()
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.BasicConstraintsValid = true
	if template.NotAfter.After(a.certificate.NotAfter) {
		template.NotAfter = a.certificate.NotAfter
	}
	return x509.CreateCertificate(rand.Reader, template, a.certificate, public, a.key)
}
