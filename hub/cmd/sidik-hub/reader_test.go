package main

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/reader"
)

func TestOperatorsCertificateIsTheirsAndEnds(t *testing.T) {
	data, to, now := t.TempDir(), t.TempDir(), time.Now()
	ani := authority.Subject{Kind: authority.Operator, Name: "ani"}
	ca, _, err := authority.LoadOrCreate(data, now)
	if err != nil {
		t.Fatal(err)
	}
	s, err := hub.OpenStore(t.Context(), data, "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	readers := reader.New(reader.Options{Database: s, Issuer: ca})
	leaf, err := writeReader(t.Context(), readers, ca.PEM(), "siti", to, ani, 30)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(to, "ani.crt"), filepath.Join(to, "ani.key"))
	if err != nil || !pair.Leaf.Equal(leaf) {
		t.Fatalf("the files hold another certificate, or none: %v", err)
	}
	if s, err := readers.Holder(t.Context(), pair.Leaf); err != nil || s != ani {
		t.Errorf("it lets in %v, %v", s, err)
	}
	at := func(when time.Time) error {
		_, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), CurrentTime: when, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		return err
	}
	if err := at(now.AddDate(0, 0, 29)); err != nil {
		t.Error(err)
	}
	if err := at(now.AddDate(0, 0, 31)); err == nil {
		t.Error("it does not end")
	}
	if info, err := os.Stat(filepath.Join(to, "ani.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", info.Mode(), err)
	}
}
