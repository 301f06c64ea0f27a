package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub/internal/admission"
	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/brokerconfig"
	"github.com/bkpsdmd-babel/sidik/hub/internal/reader"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	role "github.com/bkpsdmd-babel/sidik/protocol/trust"
)

// brokerLife is how long the certificate of another broker lasts. It is made anew when
// the settings are written in the last third of it.
const brokerLife = 400 * 24 * time.Hour

// sayBroker returns a sentence about other brokers.
func (o *operator) sayBroker(code string, args phrase.Args) string {
	return o.catalogue.Say(o.lang, "broker."+code, args)
}

// brokerConfig writes the settings of another broker.
func (o *operator) brokerConfig() *cobra.Command {
	group := &cobra.Command{Use: "broker-config", Short: o.sayBroker("config-short", nil), Long: o.sayBroker("config-long", nil)}
	group.AddCommand(
		o.brokerConfigOf("mosquitto", "/etc/mosquitto/sidik", brokerconfig.Mosquitto),
		o.brokerConfigOf("emqx", "/etc/emqx/sidik", brokerconfig.EMQX))
	return group
}

// brokerPlan is what a person says about a broker.
type brokerPlan struct {
	to, folder        string
	listen, listenHub string
	hosts             []string
}

func (o *operator) brokerConfigOf(kind, folder string, files func(brokerconfig.Settings) []brokerconfig.File) *cobra.Command {
	var plan brokerPlan
	cmd := &cobra.Command{
		Use:   kind + " --to DIR --host NAME",
		Short: o.sayBroker(kind+"-short", nil),
		Long:  o.sayBroker(kind+"-long", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.withStore(cmd.Context(), func(s *store.Store) error {
				settings, err := plan.settings()
				if err != nil {
					return err
				}
				ca, _, err := authority.LoadOrCreate(o.data, time.Now())
				if err != nil {
					return err
				}
				sites, err := admittedSites(cmd.Context(), admission.New(admission.Options{Database: s}))
				if err != nil {
					return err
				}
				operators, err := admittedOperators(cmd.Context(), reader.New(reader.Options{Database: s}), time.Now())
				if err != nil {
					return err
				}
				settings.Subjects = slices.Concat(operators.subjects, sites.subjects)
				withdrawn := slices.Concat(sites.withdrawn, operators.withdrawn)
				until, err := plan.write(ca, append(files(settings), brokerconfig.File{Name: brokerconfig.AuthorityFile, Text: string(ca.PEM())}), withdrawn, time.Now())
				if err != nil {
					return fmt.Errorf("write settings of a broker: %w", err)
				}
				fmt.Fprintln(cmd.OutOrStdout(), o.sayBroker("written", phrase.Args{"dir": plan.to, "sites": len(sites.subjects), "operators": len(operators.subjects),
					"withdrawn": len(withdrawn), "until": until.Local().Format(time.DateOnly)}))
				fmt.Fprintln(cmd.OutOrStdout(), o.sayBroker(kind+"-next", phrase.Args{"dir": plan.to, "folder": plan.folder,
					"hub": settings.ListenHub, "agents": net.JoinHostPort(plan.hosts[0], strconv.Itoa(int(settings.Listen.Port())))}))
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&plan.to, "to", "", o.sayBroker("flag-to", nil))
	cmd.Flags().StringArrayVar(&plan.hosts, "host", nil, o.sayBroker("flag-host", nil))
	cmd.Flags().StringVar(&plan.folder, "folder", folder, o.sayBroker("flag-folder", nil))
	cmd.Flags().StringVar(&plan.listen, "listen", "0.0.0.0:8883", o.sayBroker("flag-listen", nil))
	cmd.Flags().StringVar(&plan.listenHub, "listen-hub", "127.0.0.1:8884", o.sayBroker("flag-listen-hub", nil))
	for _, flag := range []string{"to", "host"} {
		_ = cmd.MarkFlagRequired(flag) // the flags are defined above
	}
	return cmd
}

// admitted are those of one kind who may come in now, and their certificates that count
// no more.
type admitted struct {
	subjects  []authority.Subject
	withdrawn []authority.Number
}

func admittedSites(ctx context.Context, a *admission.Admissions) (list admitted, err error) {
	all, err := a.Sites(ctx)
	if err != nil {
		return list, err
	}
	for _, site := range all {
		if site.Standing == admission.Admitted {
			list.subjects = append(list.subjects, authority.Subject{Kind: authority.Site, Name: string(site.ID)})
		}
	}
	list.withdrawn, err = a.Withdrawn(ctx)
	return list, err
}

// admittedOperators are those with a certificate that counts: another broker that reads no
// list of withdrawn ones still learns who lost the last.
func admittedOperators(ctx context.Context, r *reader.Readers, now time.Time) (list admitted, err error) {
	all, err := r.List(ctx)
	if err != nil {
		return list, err
	}
	for _, c := range all { // by name
		subject := authority.Subject{Kind: authority.Operator, Name: c.Name}
		if c.Standing(now) == reader.Counts && !slices.Contains(list.subjects, subject) {
			list.subjects = append(list.subjects, subject)
		}
	}
	withdrawn, err := r.Withdrawn(ctx)
	for _, c := range withdrawn {
		list.withdrawn = append(list.withdrawn, c.Number)
	}
	return list, err
}

// settings are what the person said, without anybody who is admitted.
func (p *brokerPlan) settings() (settings brokerconfig.Settings, err error) {
	if !path.IsAbs(p.folder) {
		return settings, fmt.Errorf("--folder %s: want an absolute path", p.folder)
	}
	settings.Folder = p.folder
	if settings.Listen, err = netip.ParseAddrPort(p.listen); err != nil {
		return settings, fmt.Errorf("--listen: %w", err)
	}
	if settings.ListenHub, err = netip.ParseAddrPort(p.listenHub); err != nil {
		return settings, fmt.Errorf("--listen-hub: %w", err)
	}
	return settings, nil
}

// write writes all files, and says until when the broker's certificate lasts. One that is
// there and lasts for a while is kept: a broker reads its lists again while it runs, and
// that is all that most changes need.
func (p *brokerPlan) write(ca *authority.Authority, files []brokerconfig.File, withdrawn []authority.Number, now time.Time) (until time.Time, err error) {
	list, err := ca.RevocationList(withdrawn, now)
	if err != nil {
		return until, err
	}
	files = append(files, brokerconfig.File{Name: brokerconfig.RevokedFile, Text: string(list)})
	until, lasts := p.certificate(ca, now)
	if !lasts {
		certificate, key, err := ca.ServerPEM(p.names(), now, brokerLife)
		if err != nil {
			return until, err
		}
		until = now.Add(brokerLife)
		files = append(files, brokerconfig.File{Name: brokerconfig.CertificateFile, Text: string(certificate)},
			brokerconfig.File{Name: brokerconfig.KeyFile, Text: string(key)})
	}
	if err := os.MkdirAll(p.to, 0o755); err != nil {
		return until, err
	}
	for _, f := range files {
		mode := os.FileMode(0o644)
		if f.Name == brokerconfig.KeyFile {
			mode = 0o600
		}
		if err := replaceFile(filepath.Join(p.to, f.Name), f.Text, mode); err != nil {
			return until, err
		}
	}
	return until, nil
}

// names are what the broker's certificate is for: agents ask for the role, operators for
// the host. It has no other role, so that its machine cannot stand in the hub's place.
func (p *brokerPlan) names() []string { return append([]string{string(role.RoleBroker)}, p.hosts...) }

// certificate looks at the one that is there: until when it lasts, and whether it will do.
func (p *brokerPlan) certificate(ca *authority.Authority, now time.Time) (until time.Time, lasts bool) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(p.to, brokerconfig.CertificateFile), filepath.Join(p.to, brokerconfig.KeyFile))
	if err != nil {
		return until, false // none, or none that a broker could use
	}
	for _, host := range p.names() {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), DNSName: host, CurrentTime: now.Add(brokerLife / 3)}); err != nil {
			return until, false
		}
	}
	return pair.Leaf.NotAfter, true
}

// replaceFile writes a file as a whole: whoever copies it meanwhile gets the old or the
// new one.
func replaceFile(path, text string, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
