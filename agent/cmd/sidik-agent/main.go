// Command sidik-agent is the agent of one office, and what a technician needs
// beside a terminal.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// version is set by the build.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	lang := phrase.ParseLang(os.Getenv("LANG"))
	if chosen, set := os.LookupEnv("SIDIK_LANG"); set {
		lang = phrase.ParseLang(chosen)
	}
	o := &office{catalogue: phrase.New(), lang: lang, version: version}
	err := o.command().ExecuteContext(ctx)
	stop()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "sidik-agent:", o.explain(err))
	if errors.Is(err, buffer.ErrDamaged) {
		os.Exit(buffer.DamagedExit)
	}
	os.Exit(1)
}
