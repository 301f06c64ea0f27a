package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/reader"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// operatorCertificate is for the personal certificates to read on the broker.
func (o *operator) operatorCertificate() *cobra.Command {
	cmd := &cobra.Command{Use: "operator-certificate", Short: o.sayBroker("operator-short", nil), Long: o.sayBroker("operator-long", nil)}
	cmd.AddCommand(o.readerMake(), o.readerList(), o.readerRevoke())
	return cmd
}

// operatorName reads a name as certificates hold it.
func operatorName(name string) (authority.Subject, error) {
	subject, err := authority.ParseSubject(authority.Subject{Kind: authority.Operator, Name: name}.CN())
	if err != nil || subject.Kind != authority.Operator {
		return subject, fmt.Errorf("operator %q: %w", name, authority.ErrSubject)
	}
	return subject, nil
}

// readerMake gives a person a certificate of their own.
func (o *operator) readerMake() *cobra.Command {
	var to string
	days, most := reader.UsualDays, phrase.Args{"most": reader.MostDays}
	cmd := &cobra.Command{
		Use:   "make NAME --to DIR",
		Short: o.sayBroker("operator-make-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			subject, err := operatorName(args[0])
			if err != nil {
				return err
			}
			return o.withNewStore(cmd.Context(), func(s *store.Store) error {
				ca, _, err := authority.LoadOrCreate(o.data, time.Now())
				if err != nil {
					return err
				}
				readers := reader.New(reader.Options{Database: s, Issuer: ca})
				leaf, err := writeReader(cmd.Context(), readers, ca.PEM(), o.by("operator-certificate make", subject.Name).Who, to, subject, days)
				if errors.Is(err, reader.ErrDays) {
					return errors.New(o.sayBroker("operator-days", most))
				}
				if err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), o.sayBroker("operator-done", phrase.Args{"name": subject.Name, "cn": subject.CN(), "dir": to,
					"number": authority.NumberOf(leaf), "until": leaf.NotAfter.Local().Format(time.DateOnly)}))
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&to, "to", "", o.sayBroker("flag-to", nil))
	cmd.Flags().IntVar(&days, "days", days, o.sayBroker("flag-days", most))
	_ = cmd.MarkFlagRequired("to") // the flag is defined above
	return o.flagWho(cmd)
}

// writeReader makes a key, has its certificate written down, and writes both with the
// authority that they belong to.
func writeReader(ctx context.Context, readers *reader.Readers, trusted []byte, by, to string, s authority.Subject, days int) (*x509.Certificate, error) {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	der, err := readers.Issue(ctx, by, s.Name, key.Public(), days)
	if err != nil {
		return nil, err
	}
	for _, f := range []struct {
		name string
		text []byte
		mode os.FileMode
	}{
		{s.Name + ".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600},
		{s.Name + ".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644},
		{"authority.crt", trusted, 0o644},
	} {
		if err := replaceFile(filepath.Join(to, f.name), string(f.text), f.mode); err != nil {
			return nil, err
		}
	}
	return x509.ParseCertificate(der)
}

// readerList shows who has a certificate, or had one.
func (o *operator) readerList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: o.sayBroker("operator-list-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.withStore(cmd.Context(), func(s *store.Store) error {
				all, err := reader.New(reader.Options{Database: s}).List(cmd.Context())
				if err != nil {
					return err
				}
				now := time.Now()
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, o.sayBroker("operator-list-head", nil))
				for _, c := range all {
					withdrawn := ""
					if r := c.Revoked; !r.At.IsZero() {
						withdrawn = fmt.Sprintf("%s, %s: %s", when(r.At), r.By, r.Reason)
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", c.Name, o.sayBroker("operator-is-"+string(c.Standing(now)), nil),
						when(c.Made), c.By, when(c.Until), c.Number, withdrawn)
				}
				return w.Flush()
			})
		},
	}
}

// readerRevoke takes certificates back.
func (o *operator) readerRevoke() *cobra.Command {
	var number, reason string
	cmd := &cobra.Command{
		Use:   "revoke NAME --reason TEXT",
		Short: o.sayBroker("operator-revoke-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			subject, err := operatorName(args[0])
			if err != nil {
				return err
			}
			return o.withStore(cmd.Context(), func(s *store.Store) error {
				n, err := reader.New(reader.Options{Database: s}).Revoke(cmd.Context(), o.by("operator-certificate revoke", subject.Name).Who,
					subject.Name, authority.Number(number), reason)
				switch {
				case errors.Is(err, reader.ErrReason):
					return errors.New(o.sayBroker("operator-reason", nil))
				case errors.Is(err, reader.ErrNobody):
					return errors.New(o.sayBroker("operator-nobody", phrase.Args{"name": subject.Name}))
				case err != nil:
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), o.sayBroker("operator-revoked", phrase.Args{"name": subject.Name, "count": n}))
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", o.say("flag-revoke-reason", nil))
	cmd.Flags().StringVar(&number, "number", "", o.sayBroker("flag-number", nil))
	return o.flagWho(cmd)
}
