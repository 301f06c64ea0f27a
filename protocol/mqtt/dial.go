package mqtt

import (
	"context"
	"crypto/tls"
	"net"
)

// dial opens the way to a broker and puts the guard on it, which tells lose
// of the connection's failures. It asks no proxy of
// the environment, which paho's own dialling would.
func dial(ctx context.Context, broker string, o Options, lose func(error)) (*guard, error) {
	u, err := parseBroker(broker)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.ConnectTimeout)
	defer cancel()
	raw, err := (&net.Dialer{Control: userTimeout(o.WriteTimeout)}).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "ssl" {
		return newGuard(raw, raw, o, lose), nil
	}
	config := &tls.Config{}
	if o.TLS != nil {
		config = o.TLS.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = u.Hostname()
	}
	secure := tls.Client(raw, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return newGuard(secure, raw, o, lose), nil
}
