package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// keyBackup copies all that makes this hub the agency's into one file for the safe.
func (o *operator) keyBackup() *cobra.Command {
	var to, file string
	cmd := &cobra.Command{
		Use:   "backup --to FILE",
		Short: o.say("key-backup-short", nil),
		Long:  o.say("key-backup-long", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			passphrase, err := o.passphrase(cmd, file, true)
			if err != nil {
				return err
			}
			b, err := hub.BackupKeys(o.data, to, passphrase, time.Now())
			if err != nil {
				return err
			}
			o.tell(cmd, "key-backup-done", phrase.Args{"file": to, "files": len(b.Files), "words": b.Hub.Words()})
			return nil
		},
	}
	cmd.Flags().StringVar(&to, "to", "", o.say("flag-key-backup-to", nil))
	_ = cmd.MarkFlagRequired("to") // the flag is defined in the line above
	o.passphraseFlag(cmd, &file)
	return cmd
}

func (o *operator) keyRestore() *cobra.Command {
	var from, file string
	cmd := &cobra.Command{
		Use:   "restore --from FILE",
		Short: o.say("key-restore-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			passphrase, err := o.passphrase(cmd, file, false)
			if err != nil {
				return err
			}
			b, err := hub.RestoreKeys(o.data, from, passphrase)
			if err != nil {
				return err
			}
			o.tell(cmd, "key-restore-done", phrase.Args{"files": len(b.Files), "data": o.data, "made": b.Made.Local().Format(minute), "words": b.Hub.Words()})
			return nil
		},
	}
	cmd.Flags().StringVar(&from, "from", "", o.say("flag-key-backup-from", nil))
	_ = cmd.MarkFlagRequired("from") // the flag is defined in the line above
	o.passphraseFlag(cmd, &file)
	return cmd
}

func (o *operator) keyCheck() *cobra.Command {
	var from, file string
	cmd := &cobra.Command{
		Use:   "check --from FILE",
		Short: o.say("key-check-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			passphrase, err := o.passphrase(cmd, file, false)
			if err != nil {
				return err
			}
			b, differences, err := hub.CheckKeys(o.data, from, passphrase)
			if err != nil {
				return err
			}
			o.tell(cmd, "key-check-opened", phrase.Args{"file": from, "files": len(b.Files), "made": b.Made.Local().Format(minute), "words": b.Hub.Words()})
			for _, d := range differences {
				code := "key-check-differs"
				switch {
				case !d.Folder:
					code = "key-check-not-in-folder"
				case !d.InBackup:
					code = "key-check-not-in-backup"
				}
				o.tell(cmd, code, phrase.Args{"name": d.Name})
			}
			if len(differences) > 0 {
				return errors.New(o.say("key-check-stale", nil))
			}
			o.tell(cmd, "key-check-same", phrase.Args{"data": o.data})
			return nil
		},
	}
	cmd.Flags().StringVar(&from, "from", "", o.say("flag-key-backup-from", nil))
	_ = cmd.MarkFlagRequired("from") // the flag is defined in the line above
	o.passphraseFlag(cmd, &file)
	return cmd
}

// minute is how moments are shown to the one who holds a backup.
const minute = "2006-01-02 15:04"

func (o *operator) passphraseFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "passphrase-file", "", o.say("flag-passphrase-file", nil))
}

// passphrase reads it from its file, or from a terminal without showing it; a new one
// twice.
func (o *operator) passphrase(cmd *cobra.Command, file string, fresh bool) (string, error) {
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("read passphrase: %w", err)
		}
		return strings.TrimRight(string(text), "\r\n"), nil
	}
	stdin, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(stdin.Fd())) {
		return "", errors.New(o.say("passphrase-no-terminal", nil))
	}
	ask := func(question string) (string, error) {
		fmt.Fprint(cmd.ErrOrStderr(), question+" ")
		text, err := term.ReadPassword(int(stdin.Fd()))
		fmt.Fprintln(cmd.ErrOrStderr())
		return string(text), err
	}
	first, err := ask(o.say("passphrase-ask", nil))
	if err != nil || !fresh {
		return first, err
	}
	again, err := ask(o.say("passphrase-again", nil))
	if err == nil && again != first {
		err = errors.New(o.say("passphrase-differs", nil))
	}
	return first, err
}
