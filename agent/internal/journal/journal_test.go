package journal_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/agent/internal/journal"
)

func TestTheNewestLinesAreKept(t *testing.T) {
	j := journal.New()
	log := slog.New(j.Beside(slog.DiscardHandler)).With("terminal", "DEMO1").WithGroup("read")
	for n := range 5000 {
		log.Info("punches collected", "new", n, "padding", strings.Repeat("x", 100))
	}
	log.Debug("nobody asked for this much")
	text := j.Text()
	switch {
	case len(text) > journal.Size || len(text) < journal.Size-1000:
		t.Errorf("%d bytes are kept, want nearly %d", len(text), journal.Size)
	case strings.Contains(text, "read.new=10 ") || !strings.Contains(text, "terminal=DEMO1 read.new=4999"):
		t.Errorf("not the newest lines: %.200s", text)
	case strings.Contains(text, "nobody asked"):
		t.Error("kept below the level that is asked for")
	case !strings.HasPrefix(text, "time="):
		t.Errorf("it begins within a line: %.80s", text)
	}
	if _, err := j.Write(bytes.Repeat([]byte("y"), 2*journal.Size)); err != nil || len(j.Text()) > journal.Size {
		t.Errorf("one line of twice the size: %d bytes are kept, %v", len(j.Text()), err)
	}
}

func TestTheOtherHandlerGetsWhatItWants(t *testing.T) {
	var seen bytes.Buffer
	j := journal.New()
	log := slog.New(j.Beside(slog.NewTextHandler(&seen, &slog.HandlerOptions{Level: slog.LevelWarn})))
	log.Info("info")
	log.Warn("warn")
	if text := seen.String(); strings.Contains(text, "info") || !strings.Contains(text, "warn") {
		t.Errorf("at the level of warnings it got %q", text)
	}
	if text := j.Text(); !strings.Contains(text, "msg=info") || !strings.Contains(text, "msg=warn") {
		t.Errorf("the journal has %q", text)
	}
	seen.Reset()
	log = slog.New(j.Beside(slog.NewTextHandler(&seen, &slog.HandlerOptions{Level: slog.LevelDebug})))
	log.Debug("debug")
	if !strings.Contains(seen.String(), "debug") || !strings.Contains(j.Text(), "msg=debug") {
		t.Errorf("at the level of debugging: %q and %q", seen.String(), j.Text())
	}
}

func TestSecretsAreHidden(t *testing.T) {
	j := journal.New()
	j.Hide("908172", "")
	slog.New(j.Beside(slog.DiscardHandler)).Error("terminal refuses", "cause", fmt.Errorf("key 908172 is wrong"))
	if text := j.Text(); strings.Contains(text, "908172") || !strings.Contains(text, "is wrong") {
		t.Errorf("%q", text)
	}
}
