// Package authority is the hub's X.509 certificate authority: it makes the certificates
// of the hub's listeners, of agents, of operators and of the hub as a client.
//
// It knows its key, which never leaves it, and whom a certificate names. It must not
// know who may have one: whoever asks for a certificate has decided that.
//
// Beware: a certificate says who somebody is, not that they may still come in. It is
// valid until it ends; a listener asks for each connection whether its holder is
// admitted.
package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// Files of the authority in the hub's data folder, both PEM.
const (
	keyFile         = "authority.key" // PKCS #8, ECDSA P-256
	certificateFile = "authority.crt" // its own certificate
)

// Files are the names of all that a copy of the authority must hold.
func Files() []string { return []string{keyFile, certificateFile} }

// life of the authority: longer than that of any agent. It is replaced by naming
// another one in the keys document, not by letting it run out.
const life = 20 * 365 * 24 * time.Hour

// leeway is how far the clock of whoever checks a certificate may be behind ours.
const leeway = time.Hour

// ErrFiles says that the authority's files are there but are of no use. They are left
// as they are: every certificate that was ever issued hangs on them.
var ErrFiles = errors.New("the hub's certificate authority cannot be used: put back authority.key and authority.crt from the backup of keys; only when there is none, move both away and let the root key sign a new keys document")

// Authority issues certificates. It may be used by several goroutines at once.
type Authority struct {
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
}

// LoadOrCreate reads the authority from the folder, or makes one where there is none;
// created tells which. What is damaged is ErrFiles and never replaced.
//
// The key is on disk before its certificate: a power cut leaves a key alone, to which
// the next start makes a certificate.
func LoadOrCreate(dir string, now time.Time) (a *Authority, created bool, err error) {
	keyPath, certificatePath := filepath.Join(dir, keyFile), filepath.Join(dir, certificateFile)
	key, keyErr := readKey(keyPath)
	certificate, certificateErr := readCertificate(certificatePath)
	noKey, noCertificate := errors.Is(keyErr, fs.ErrNotExist), errors.Is(certificateErr, fs.ErrNotExist)
	switch {
	case noKey && noCertificate:
		if key, err = createKey(keyPath); err != nil {
			return nil, false, fmt.Errorf("make certificate authority: %w", err)
		}
	case noKey:
		return nil, false, fmt.Errorf("read certificate authority: %w: %w", keyErr, ErrFiles)
	case keyErr != nil:
		return nil, false, fmt.Errorf("read certificate authority: %w", keyErr)
	case noCertificate:
	case certificateErr != nil:
		return nil, false, fmt.Errorf("read certificate authority: %w", certificateErr)
	case !key.PublicKey.Equal(certificate.PublicKey):
		return nil, false, fmt.Errorf("read certificate authority: %s is not of the key in %s: %w", certificatePath, keyPath, ErrFiles)
	default:
		return &Authority{key, certificate}, false, nil
	}
	if certificate, err = createCertificate(certificatePath, key, now); err != nil {
		return nil, false, fmt.Errorf("make certificate authority: %w", err)
	}
	return &Authority{key, certificate}, noKey, nil
}

// Certificate is the authority's own, which whoever trusts it needs.
func (a *Authority) Certificate() *x509.Certificate { return a.certificate }

// Pool has this authority as its only one.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

func readKey(path string) (*ecdsa.PrivateKey, error) {
	der, err := readPEM(path, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, ErrFiles) // err could tell bytes of the key
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%s holds a key of another sort: %w", path, ErrFiles)
	}
	return key, nil
}

func readCertificate(path string) (*x509.Certificate, error) {
	der, err := readPEM(path, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", path, err, ErrFiles)
	}
	if !certificate.IsCA || certificate.CheckSignatureFrom(certificate) != nil {
		return nil, fmt.Errorf("%s is not the certificate of an authority: %w", path, ErrFiles)
	}
	return certificate, nil
}

func createKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writeNew(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func createCertificate(path string, key *ecdsa.PrivateKey, now time.Time) (*x509.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: "Sidik hub authority"},
		NotBefore:             now.Add(-leeway),
		NotAfter:              now.Add(life),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true, // it makes no further authorities
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if err := writeNew(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// serial is a random number of a certificate: 128 bits, never zero.
func serial() *big.Int {
	for {
		var b [16]byte
		rand.Read(b[:]) // never fails (crypto/rand)
		if n := new(big.Int).SetBytes(b[:]); n.Sign() > 0 {
			return n
		}
	}
}

// readPEM returns what is in a file of one PEM block.
func readPEM(path, kind string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s: %w", path, ErrFiles)
	}
	return block.Bytes, nil
}

// writeNew makes a file that only its owner reads. It returns once file and name are
// on disk, so that a power cut leaves no file or a whole one; none is replaced.
func writeNew(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".authority-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
