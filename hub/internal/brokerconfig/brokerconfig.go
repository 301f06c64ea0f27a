// Package brokerconfig writes the settings of other brokers, so that they guard the
// topics as the embedded one does: TLS with client certificates, and a list of what each
// admitted subject may write and read. Who is not in the list may do nothing.
//
// It knows how Mosquitto and EMQX spell this. It must not know where sites are kept, and
// touches no file: it makes texts.
//
// Beware: these brokers do not ask the hub. Whoever is revoked stays in the list until it
// is written and loaded again. The list knows names only: a machine whose site has another
// one by now is kept out by the list of revoked certificates.
package brokerconfig

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/rights"
)

// Names of the files that a broker's settings refer to, beside its own.
const (
	AuthorityFile   = "authority.crt" // PEM, whom the broker trusts
	RevokedFile     = "authority.crl" // PEM, certificates that count no more; only Mosquitto reads it
	CertificateFile = "server.crt"    // PEM, the broker's own
	KeyFile         = "server.key"    // PEM, secret
	LimitsFile      = "limits.conf"   // for systemd; only for Mosquitto
)

// Settings are what a broker is to do.
type Settings struct {
	Subjects []authority.Subject // sites and operators who are admitted; the hub always is
	Folder   string              // absolute, where the files will stand on the broker's machine
	Listen   netip.AddrPort      // for sites and operators
	// ListenHub is for the hub alone, which has several connections. It belongs on
	// loopback or a network of the hub's: whoever comes in here has no right that they
	// lack elsewhere, but may take over another's client id.
	ListenHub netip.AddrPort
}

// File is one file of a broker's settings.
type File struct {
	Name string
	Text string
}

const (
	packetLimit = 256<<10 + 4<<10 // of the largest packet: the contract's 256 KiB and its topic
	places      = 8192            // for connections of sites and operators, as at the embedded broker
	openFiles   = 2 * places      // so that the hub has room however many knock
)

// subjects are all who have rights, in a fixed order.
func (s Settings) subjects() []authority.Subject {
	all := append([]authority.Subject{{Kind: authority.Hub}}, s.Subjects...)
	slices.SortFunc(all, func(a, b authority.Subject) int { return strings.Compare(a.CN(), b.CN()) })
	return slices.Compact(all)
}

// right is one line of a list.
type right struct {
	user  string
	write bool
	topic string
}

// list are the rights of all subjects, one by one.
func (s Settings) list() (list []right) {
	for _, subject := range s.subjects() {
		of := rights.Of(subject)
		for _, topic := range of.Write {
			list = append(list, right{subject.CN(), true, topic})
		}
		for _, topic := range of.Read {
			list = append(list, right{subject.CN(), false, topic})
		}
	}
	return list
}

// file is where a file will stand. Brokers run on Unix, whatever this program runs on.
func (s Settings) file(name string) string { return path.Join(s.Folder, name) }

// made is the first line of a file, after the sign of a comment.
const made = "Written by sidik-hub broker-config. Write it again instead of changing it."

// Mosquitto makes the settings of a Mosquitto from 2.0 on: sidik.conf belongs into its
// conf.d, sidik.acl into Folder, and LimitsFile beside its unit, which lets it have 1024
// connections otherwise.
func Mosquitto(s Settings) []File {
	var list strings.Builder
	fmt.Fprintf(&list, "# %s\n", made)
	user := ""
	for _, r := range s.list() {
		if r.user != user {
			user = r.user
			fmt.Fprintf(&list, "\nuser %s\n", user)
		}
		access := "read"
		if r.write {
			access = "write"
		}
		fmt.Fprintf(&list, "topic %s %s\n", access, r.topic)
	}

	var conf strings.Builder
	fmt.Fprintf(&conf, `# %s
# Debian: this file belongs into /etc/mosquitto/conf.d, the others into %s.

per_listener_settings false
allow_anonymous false
acl_file %s
max_packet_size %d
# log_type debug
#   Only with it Mosquitto tells who was denied a topic; it then tells every message, too.
`, made, s.Folder, s.file("sidik.acl"), packetLimit)
	listener := func(at netip.AddrPort, who string) {
		fmt.Fprintf(&conf, `
# %s
listener %d %s
cafile %s
crlfile %s
certfile %s
keyfile %s
tls_version tlsv1.3
require_certificate true
use_identity_as_username true
`, who, at.Port(), at.Addr(), s.file(AuthorityFile), s.file(RevokedFile), s.file(CertificateFile), s.file(KeyFile))
	}
	listener(s.Listen, "Sites and operators. A client id is the certificate's name, so nobody takes another's.")
	fmt.Fprintf(&conf, "use_username_as_clientid true\nmax_connections %d\n", places)
	listener(s.ListenHub, "The hub, which has several connections. Not to be reached by sites.")
	limits := fmt.Sprintf("# %s\n# It belongs into /etc/systemd/system/mosquitto.service.d.\n[Service]\nLimitNOFILE=%d\n", made, openFiles)
	return []File{{"sidik.conf", conf.String()}, {"sidik.acl", list.String()}, {LimitsFile, limits}}
}

// EMQX makes the settings of an EMQX from 5.1 on: sidik.conf is included at the end of
// its emqx.conf, sidik.acl belongs into Folder.
func EMQX(s Settings) []File {
	var list strings.Builder
	fmt.Fprintf(&list, "%%%% %s\n", made)
	for _, r := range s.list() {
		action := "subscribe"
		if r.write {
			action = "publish"
		}
		fmt.Fprintf(&list, "{allow, {username, %q}, %s, [%q]}.\n", r.user, action, r.topic)
	}
	list.WriteString("{deny, all}.\n")

	listener := func(name string, at netip.AddrPort, zone string) string {
		return fmt.Sprintf(`listeners.ssl.%s {
  bind = %q
  zone = %s
  max_conn_rate = "500/s"
  ssl_options {
    cacertfile = %q
    certfile = %q
    keyfile = %q
    versions = ["tlsv1.3"]
    verify = verify_peer
    fail_if_no_peer_cert = true
    handshake_timeout = 20s
  }
`, name, at, zone, s.file(AuthorityFile), s.file(CertificateFile), s.file(KeyFile))
	}
	var conf strings.Builder
	fmt.Fprintf(&conf, `## %s
## Nobody has tried it with a running EMQX yet.

listeners.tcp.default.enable = false
listeners.ws.default.enable = false
listeners.wss.default.enable = false

mqtt.max_packet_size = %d
mqtt.idle_timeout = 20s

## Who may come in is said by the certificate; what they may do by the list.
authorization {
  no_match = deny
  deny_action = ignore
  cache.enable = false
  sources = [{ type = file, enable = true, path = %q }]
}

zones.sidik_sites.mqtt { peer_cert_as_username = cn, peer_cert_as_clientid = cn }
zones.sidik_hub.mqtt { peer_cert_as_username = cn }

`, made, packetLimit, s.file("sidik.acl"))
	conf.WriteString("## Sites and operators. A client id is the certificate's name, so nobody takes another's.\n")
	conf.WriteString(listener("default", s.Listen, "sidik_sites") + fmt.Sprintf("  max_connections = %d\n", places) + "  messages_rate = \"2000/s\"\n  bytes_rate = \"6MB/s\"\n}\n\n")
	conf.WriteString("## The hub, which has several connections. Not to be reached by sites.\n")
	conf.WriteString(listener("sidik_hub", s.ListenHub, "sidik_hub") + "}\n")
	return []File{{"sidik.conf", conf.String()}, {"sidik.acl", list.String()}}
}
