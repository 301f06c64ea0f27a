package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// readerDays is how long an operator's certificate lasts, and at most: there is no other
// way to take it back.
const (
	readerDays    = 30
	maxReaderDays = 90
)

// operatorCertificate gives a person a certificate of their own, to read on the broker.
func (o *operator) operatorCertificate() *cobra.Command {
	var to string
	days := readerDays
	cmd := &cobra.Command{
		Use:   "operator-certificate NAME --to DIR",
		Short: o.sayBroker("operator-short", nil),
		Long:  o.sayBroker("operator-long", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			subject, err := authority.ParseSubject(authority.Subject{Kind: authority.Operator, Name: args[0]}.CN())
			if err != nil || subject.Kind != authority.Operator {
				return fmt.Errorf("operator %q: %w", args[0], authority.ErrSubject)
			}
			if days < 1 || days > maxReaderDays {
				return errors.New(o.sayBroker("operator-days", phrase.Args{"most": maxReaderDays}))
			}
			now := time.Now()
			until := now.AddDate(0, 0, days)
			if err := writeReader(o.data, to, subject, now, until); err != nil {
				return fmt.Errorf("make certificate of %s: %w", subject, err)
			}
			fmt.Fprintln(cmd.OutOrStdout(), o.sayBroker("operator-done", phrase.Args{"name": subject.Name, "cn": subject.CN(), "dir": to,
				"until": until.Local().Format(time.DateOnly)}))
			return nil
		},
	}
	cmd.Flags().StringVar(&to, "to", "", o.sayBroker("flag-to", nil))
	cmd.Flags().IntVar(&days, "days", days, o.sayBroker("flag-days", phrase.Args{"most": maxReaderDays}))
	_ = cmd.MarkFlagRequired("to") // the flag is defined above
	return cmd
}

// writeReader makes a key and its certificate, with the authority that it belongs to.
func writeReader(data, to string, s authority.Subject, now, until time.Time) error {
	ca, _, err := authority.LoadOrCreate(data, now)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	der, err := ca.Client(s, key.Public(), now, until.Sub(now))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		text []byte
		mode os.FileMode
	}{
		{s.Name + ".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600},
		{s.Name + ".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644},
		{"authority.crt", ca.PEM(), 0o644},
	} {
		if err := replaceFile(filepath.Join(to, f.name), string(f.text), f.mode); err != nil {
			return err
		}
	}
	return nil
}
