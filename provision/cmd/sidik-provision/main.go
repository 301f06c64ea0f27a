// Command sidik-provision is the operators' command line.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
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
	profile := ""
	if folder, err := os.UserConfigDir(); err == nil { // without a home the flag --profile is needed
		profile = filepath.Join(folder, "sidik", "provision.json")
	}
	err := provision.Command(lang, profile).ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "sidik-provision: %v\n", err)
		os.Exit(1)
	}
}
