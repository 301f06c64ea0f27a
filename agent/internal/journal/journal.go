// Package journal keeps the newest lines of the agent's own log in memory, so that a
// diagnosis can show them whoever else reads the log.
//
// It knows log/slog and nothing of the agent. Beware: what is logged is what leaves the
// office, sealed to the hub. So nothing personal and no secret is logged; Hide is the net
// under that, not the rule.
package journal

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
)

// Size is how many bytes of lines are kept at most.
const Size = 200 << 10

// Journal is safe for concurrent use.
type Journal struct {
	mu     sync.Mutex // guards what follows
	hidden *strings.Replacer
	lines  [][]byte // the oldest first
	bytes  int
}

// New is an empty journal.
func New() *Journal { return &Journal{hidden: strings.NewReplacer()} }

// Hide has the journal never show secrets from now on.
func (j *Journal) Hide(secrets ...string) {
	var pairs []string
	for _, s := range secrets {
		if s != "" {
			pairs = append(pairs, s, "[…]")
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.hidden = strings.NewReplacer(pairs...)
}

// Write takes one line, as a slog.Handler writes it.
func (j *Journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	kept := []byte(j.hidden.Replace(string(line)))
	if len(kept) > Size {
		kept = append(kept[:Size-1:Size-1], '\n')
	}
	j.lines = append(j.lines, kept)
	for j.bytes += len(kept); j.bytes > Size; j.lines = j.lines[1:] {
		j.bytes -= len(j.lines[0])
	}
	return len(line), nil
}

// Text is the lines that are kept, the newest last.
func (j *Journal) Text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return string(bytes.Join(j.lines, nil))
}

// Beside is a handler that keeps what it is given from LevelInfo on, and what next wants
// of all levels, and passes on what next wants.
func (j *Journal) Beside(next slog.Handler) slog.Handler {
	return beside{keep: slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}), next: next}
}

type beside struct{ keep, next slog.Handler }

func (b beside) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelInfo || b.next.Enabled(ctx, l)
}

func (b beside) Handle(ctx context.Context, r slog.Record) error {
	_ = b.keep.Handle(ctx, r.Clone()) // memory takes it
	if !b.next.Enabled(ctx, r.Level) {
		return nil
	}
	return b.next.Handle(ctx, r)
}

func (b beside) WithAttrs(attrs []slog.Attr) slog.Handler {
	return beside{b.keep.WithAttrs(attrs), b.next.WithAttrs(attrs)}
}

func (b beside) WithGroup(name string) slog.Handler {
	return beside{b.keep.WithGroup(name), b.next.WithGroup(name)}
}
