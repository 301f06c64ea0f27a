// Command sidik-hub is the hub of the agency and the operators' commands on it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/systemd/owner"
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
	o := &operator{catalogue: phrase.New(), lang: lang, version: version}
	err := o.command().ExecuteContext(ctx)
	if err = errors.Join(err, owner.HandOver(o.data)); err != nil {
		fmt.Fprintln(os.Stderr, "sidik-hub:", o.explain(err))
		stop()
		os.Exit(1)
	}
}
