package broker

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/nats-io/nats-server/v2/server"
)

// logger carries the engine's log to ours. It answers Fatalf by remembering the
// error; the engine's own loggers would end the process.
type logger struct {
	slog    *slog.Logger
	strange *strangers
	fatal   atomic.Pointer[error]
}

func (l *logger) Fatalf(format string, v ...any) {
	err := fmt.Errorf(format, v...)
	l.fatal.CompareAndSwap(nil, &err)
}

func (l *logger) Errorf(format string, v ...any) { l.tell(slog.LevelError, format, v) }
func (l *logger) Warnf(format string, v ...any)  { l.tell(slog.LevelWarn, format, v) }
func (l *logger) Noticef(format string, v ...any) {
	l.slog.Debug("broker: " + fmt.Sprintf(format, v...))
}
func (l *logger) Tracef(string, ...any) {}

// Debugf drops all but what concerns strangers: the engine calls it a trifle when a
// client does not speak TLS, or begins to and never ends.
func (l *logger) Debugf(format string, v ...any) {
	if strings.Contains(format, "TLS handshake error") {
		l.tell(slog.LevelError, format, v)
	}
}

// tell writes what the engine says. What it says of a client begins with the client's
// address, and goes where strangers cannot make the log grow.
func (l *logger) tell(level slog.Level, format string, v []any) {
	text := fmt.Sprintf(format, v...)
	from, rest, _ := strings.Cut(text, " - mid:") // 192.0.2.7:4242 - mid:number - what it says
	address, err := netip.ParseAddrPort(from)
	if err != nil {
		l.slog.Log(context.Background(), level, "broker: "+text)
		return
	}
	_, reason, _ := strings.Cut(rest, " - ")
	if strings.Contains(reason, server.ErrAuthentication.Error()) {
		return // the gate has said why
	}
	if level == slog.LevelError {
		l.strange.say(address.Addr(), reason)
	} else {
		l.strange.warn(address.Addr(), reason)
	}
}
