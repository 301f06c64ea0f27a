package broker

import (
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/rights"
)

// Access makes the broker a guarded one: TLS, and for each client the rights of whom its
// certificate names.
type Access struct {
	// TLS is the listener's: it requires client certificates and verifies them.
	TLS *tls.Config
	// Self is the hub's as a client of this listener, by which the broker tries it.
	Self *tls.Config
	// Admit says whether the holder of a verified certificate may come in, and as whom.
	// Its error is the reason that is logged. It is called for several at once.
	Admit func(leaf *x509.Certificate) (authority.Subject, error)
}

// gate decides about each client of the engine, and watches what those send who are in.
type gate struct {
	admit    func(leaf *x509.Certificate) (authority.Subject, error)
	patience time.Duration
	secret   string // of the connection by which this process asks the engine
	strange  *strangers
	log      *slog.Logger

	// entering is held for reading while somebody is let in, so that end misses nobody.
	entering sync.RWMutex

	mu     sync.Mutex // guards what follows
	engine *server.Server
	floods
}

func newGate(o Options, strange *strangers) *gate {
	return &gate{admit: o.Access.Admit, patience: o.Patience, secret: rand.Text(), strange: strange, log: o.Logger, floods: newFloods()}
}

// guard makes this the gate of an engine that is about to start. Who is refused for
// flooding stays so.
func (g *gate) guard(engine *server.Server) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.engine = engine
	g.counted = nil
}

// Check is the engine's question whether a client may come in, when it has sent CONNECT.
func (g *gate) Check(c server.ClientAuthentication) bool {
	state := c.GetTLSConnectionState()
	if state == nil { // not by the listener: from this process
		return subtle.ConstantTimeCompare([]byte(c.GetOpts().Token), []byte(g.secret)) == 1
	}
	g.entering.RLock()
	defer g.entering.RUnlock()
	user, err := g.judge(c.GetID(), state)
	if err != nil {
		g.strange.say(addressOf(c.RemoteAddress()), err.Error())
		return false
	}
	c.RegisterUser(user)
	return true
}

// judge says as whom a client comes in, or why not.
func (g *gate) judge(connection uint64, state *tls.ConnectionState) (*server.User, error) {
	if len(state.VerifiedChains) == 0 {
		return nil, errors.New("its certificate was not verified")
	}
	leaf := state.VerifiedChains[0][0]
	subject, err := g.admit(leaf)
	if err != nil {
		return nil, fmt.Errorf("%q is not admitted: %w", leaf.Subject.CommonName, err)
	}
	id, err := g.clientID(connection)
	if err != nil {
		return nil, err
	}
	if !owns(subject, id) {
		return nil, fmt.Errorf("%s comes with the client id %.64q, which is not its own", subject, id)
	}
	if until := g.refusedUntil(subject); time.Now().Before(until) {
		return nil, fmt.Errorf("%s has flooded the broker and stays out until %s", subject, until.UTC().Format(time.TimeOnly))
	}
	return &server.User{
		Username:           subject.CN(),
		Permissions:        permissions(rights.Of(subject)),
		ConnectionDeadline: leaf.NotAfter, // a connection does not outlive its certificate
	}, nil
}

// clientID asks the engine for the client id of a connection.
func (g *gate) clientID(connection uint64) (string, error) {
	g.mu.Lock()
	engine := g.engine
	g.mu.Unlock()
	found, err := engine.Connz(&server.ConnzOptions{CID: connection})
	if err != nil {
		return "", fmt.Errorf("read client id: %w", err)
	}
	if len(found.Conns) != 1 {
		return "", errors.New("it went away")
	}
	return found.Conns[0].MQTTClient, nil
}

// owns reports whether a client id belongs to a subject. The engine ends the older one of
// two connections with one client id, whoever they are: no id may be somebody else's too.
func owns(s authority.Subject, id string) bool {
	const agent = "sidik-agent-"
	switch s.Kind {
	case authority.Site:
		return id == agent+s.Name
	case authority.Operator:
		return id == s.CN() || strings.HasPrefix(id, s.CN()+"_")
	case authority.Hub:
		return strings.HasPrefix(id, "sidik-") && !strings.HasPrefix(id, agent)
	}
	return false
}

// permissions are rights in the engine's words. An empty list would allow everything.
func permissions(r rights.Rights) *server.Permissions {
	p := &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: subjects(r.Write)},
		Subscribe: &server.SubjectPermission{Allow: subjects(r.Read)},
	}
	if len(r.Write) == 0 {
		p.Publish.Deny = []string{">"}
	}
	if len(r.Read) == 0 {
		p.Subscribe.Deny = []string{">"}
	}
	return p
}

// subjects are filters of MQTT as the engine writes them. Its > does not cover the level
// before it.
func subjects(filters []string) (list []string) {
	for _, filter := range filters {
		above, deep := strings.CutSuffix(filter, "/#")
		above = strings.NewReplacer("/", ".", "+", "*").Replace(above)
		list = append(list, above)
		if deep {
			list = append(list, above+".>")
		}
	}
	return list
}

// end ends a subject's connections.
func (g *gate) end(s authority.Subject) (connections int) {
	g.mu.Lock()
	engine := g.engine
	g.mu.Unlock()
	g.entering.Lock()
	found, err := engine.Connz(&server.ConnzOptions{Username: true, User: s.CN(), Limit: maxConnections})
	g.entering.Unlock()
	if err != nil {
		g.log.Error("list the connections of a subject", "subject", s, "err", err)
		return 0
	}
	for _, c := range found.Conns {
		if engine.DisconnectClientByID(c.Cid) == nil { // an error says that it is gone already
			connections++
		}
	}
	return connections
}

// addressOf is a remote address without its port.
func addressOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr()
	}
	return netip.Addr{}
}
