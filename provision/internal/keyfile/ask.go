package keyfile

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// Asker gets passphrases from people, or from a file that they name.
type Asker struct {
	say  func(code string, args phrase.Args) string
	file string
}

// NewAsker returns an asker. say is the catalogue's part for this program.
func NewAsker(say func(code string, args phrase.Args) string) *Asker { return &Asker{say: say} }

// Flag adds the flag that names the file, to a command and those below it.
func (a *Asker) Flag(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&a.file, "passphrase-file", "", a.say("flag-passphrase-file", nil))
}

// Ask reads a passphrase from its file, or from a terminal without showing it; a new one
// twice.
func (a *Asker) Ask(cmd *cobra.Command, fresh bool) (string, error) {
	if a.file != "" {
		text, err := os.ReadFile(a.file)
		if err != nil {
			return "", fmt.Errorf("read passphrase: %w", err)
		}
		return strings.TrimRight(string(text), "\r\n"), nil
	}
	stdin, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(stdin.Fd())) {
		return "", errors.New(a.say("passphrase-no-terminal", nil))
	}
	ask := func(code string) (string, error) {
		fmt.Fprint(cmd.ErrOrStderr(), a.say(code, nil)+" ")
		text, err := term.ReadPassword(int(stdin.Fd()))
		fmt.Fprintln(cmd.ErrOrStderr())
		return string(text), err
	}
	first, err := ask("passphrase-ask")
	if err != nil || !fresh {
		return first, err
	}
	again, err := ask("passphrase-again")
	if err == nil && again != first {
		err = errors.New(a.say("passphrase-differs", nil))
	}
	return first, err
}
