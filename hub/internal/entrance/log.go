package entrance

import (
	"context"
	"log/slog"
	"strings"
)

// Log is for what an HTTP server tells by itself. What it tells of clients, such as those
// that speak no TLS, is for debugging: whoever comes often does not fill the disk. What it
// tells of itself is told.
func Log(log *slog.Logger) slog.Handler { return handler{log.Handler()} }

type handler struct{ slog.Handler }

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if !ours(r.Message) {
		if !h.Enabled(ctx, slog.LevelDebug) {
			return nil
		}
		r.Level = slog.LevelDebug
	}
	return h.Handler.Handle(ctx, r)
}

// ours tells that a message is not about a client's behaviour: a handler has panicked, or
// no connection can be taken.
func ours(message string) bool {
	return strings.Contains(message, "panic serving") || strings.HasPrefix(message, "http: Accept error")
}
