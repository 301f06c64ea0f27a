// Command sidik-provision is the operators' command line.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/provision"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	lang := phrase.ParseLang(os.Getenv("LANG"))
	if chosen, set := os.LookupEnv("SIDIK_LANG"); set {
		lang = phrase.ParseLang(chosen)
	}
	err := provision.Command(lang).ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "sidik-provision: %v\n", err)
		os.Exit(1)
	}
}
