package main

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
)

func TestOperatorsCertificateIsTheirsAndEnds(t *testing.T) {
	data, to, now := t.TempDir(), t.TempDir(), time.Now()
	ani := authority.Subject{Kind: authority.Operator, Name: "ani"}
	if err := writeReader(data, to, ani, now, now.AddDate(0, 0, 30)); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(to, "ani.crt"), filepath.Join(to, "ani.key"))
	if err != nil {
		t.Fatal(err)
	}
	ca, created, err := authority.LoadOrCreate(data, now)
	if err != nil || created {
		t.Fatalf("created %v, %v", created, err)
	}
	if s, err := authority.ParseSubject(pair.Leaf.Subject.CommonName); err != nil || s != ani {
		t.Errorf("it names %v, %v", s, err)
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
