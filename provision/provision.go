// Package provision is what operators do before and beside the running system, as one
// command line. It puts its commands together; each is a package below internal.
//
// It must not know how an agent or a hub works inside: it meets them only through protocol.
// Beware: what it prints on standard output is read by programs; sentences for people go to
// standard error.
package provision

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/provision/internal/release"
	rootkey "github.com/bkpsdmd-babel/sidik/provision/internal/root"
	"github.com/bkpsdmd-babel/sidik/provision/internal/simulate"
	"github.com/bkpsdmd-babel/sidik/provision/internal/site"
)

// Command is the whole command line, in a language; run it with ExecuteContext. profile is
// the file of a login at a hub, unless somebody names another; it may be empty.
func Command(lang phrase.Lang, profile string) *cobra.Command {
	catalogue := phrase.New()
	all := func(code string, args phrase.Args) string { return catalogue.Say(lang, code, args) }
	say := func(code string, args phrase.Args) string { return catalogue.Say(lang, "provision."+code, args) }
	root := &cobra.Command{
		Use:           "sidik-provision",
		Short:         say("short", nil),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", err, c.CommandPath())
	})
	root.AddCommand(rootkey.Command(say), release.Command(say))
	root.AddCommand(site.Commands(say, all, profile)...)
	root.AddCommand(simulate.Command())
	return root
}
