package release

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/provision/internal/keyfile"
)

// command is what the commands share.
type command struct {
	say        func(code string, args phrase.Args) string
	passphrase *keyfile.Asker
}

// Command is "release" with what is done before a release goes to the hub. say is the
// catalogue's part for this program.
func Command(say func(code string, args phrase.Args) string) *cobra.Command {
	c := &command{say, keyfile.NewAsker(say)}
	cmd := &cobra.Command{Use: "release", Short: say("release-short", nil), Long: say("release-long", nil)}
	c.passphrase.Flag(cmd)
	cmd.AddCommand(c.key(), c.sign(), c.sums(), c.check())
	return cmd
}

func (c *command) key() *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "key --to FILE",
		Short: c.say("release-key-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			passphrase, err := c.passphrase.Ask(cmd, true)
			if err != nil {
				return err
			}
			public, err := MakeKey(to, passphrase)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.ErrOrStderr(), c.say("release-key-done", phrase.Args{"file": to, "public": PublicName(to), "words": public.Fingerprint().Words()}))
			fmt.Fprintln(cmd.OutOrStdout(), public)
			return nil
		},
	}
	cmd.Flags().StringVar(&to, "to", "release.age", c.say("flag-release-to", nil))
	return cmd
}

func (c *command) sign() *cobra.Command {
	var version, file string
	cmd := &cobra.Command{
		Use:   "sign --version V --key FILE PROGRAM…",
		Short: c.say("release-sign-short", nil),
		Long:  c.say("release-sign-long", nil),
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, programs []string) error {
			edition, err := protocol.ParseEdition(version)
			if err != nil {
				return err
			}
			passphrase, err := c.passphrase.Ask(cmd, false)
			if err != nil {
				return err
			}
			key, err := keyfile.Read(file, passphrase)
			if err != nil {
				return err
			}
			path, m, err := Sign(edition, time.Now(), key, programs)
			if err != nil {
				return err
			}
			c.show(cmd, m)
			fmt.Fprintln(cmd.ErrOrStderr(), c.say("release-sign-done", phrase.Args{"file": path}))
			return nil
		},
	}
	cmd.Flags().StringVar(&version, "version", "", c.say("flag-release-version", nil))
	cmd.Flags().StringVar(&file, "key", "release.age", c.say("flag-release-key", nil))
	return cmd
}

func (c *command) sums() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "sums FOLDER --key FILE",
		Short: c.say("release-sums-short", nil),
		Long:  c.say("release-sums-long", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			passphrase, err := c.passphrase.Ask(cmd, false)
			if err != nil {
				return err
			}
			key, err := keyfile.Read(file, passphrase)
			if err != nil {
				return err
			}
			path, err := SignSums(args[0], key)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.ErrOrStderr(), c.say("release-sums-done", phrase.Args{"file": path}))
			return nil
		},
	}
	cmd.Flags().StringVar(&file, "key", "release.age", c.say("flag-release-key", nil))
	return cmd
}

func (c *command) check() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "check FOLDER [--public FILE.pub]",
		Short: c.say("release-check-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var keys []seal.PublicKey
			if file != "" {
				text, err := os.ReadFile(file)
				if err != nil {
					return fmt.Errorf("read release key: %w", err)
				}
				key, err := seal.ParsePublicKey(strings.TrimSpace(string(text)))
				if err != nil {
					return fmt.Errorf("read release key %s: %w", file, err)
				}
				keys = append(keys, key)
			}
			if err := c.look(cmd, args[0], keys); err != nil {
				return err
			}
			code := "release-check-done"
			if len(keys) == 0 {
				code = "release-check-unsigned"
			}
			fmt.Fprintln(cmd.ErrOrStderr(), c.say(code, nil))
			return nil
		},
	}
	cmd.Flags().StringVar(&file, "public", "", c.say("flag-release-public", nil))
	return cmd
}

// look checks a release, or else the list of digests of make dist.
func (c *command) look(cmd *cobra.Command, folder string, keys []seal.PublicKey) error {
	m, err := Check(folder, keys)
	if err == nil {
		c.show(cmd, m)
		return nil
	}
	if _, none := os.Lstat(filepath.Join(folder, manifestFile)); !errors.Is(none, fs.ErrNotExist) {
		return err
	}
	if _, none := os.Lstat(filepath.Join(folder, sumsFile)); none != nil {
		return err
	}
	names, err := CheckSums(folder, keys)
	for _, name := range names {
		fmt.Fprintln(cmd.OutOrStdout(), name)
	}
	return err
}

// show prints what a manifest says.
func (c *command) show(cmd *cobra.Command, m protocol.Manifest) {
	for _, f := range m.Files {
		fmt.Fprintf(cmd.OutOrStdout(), "%s\t%s\t%d\t%s\n", m.Version, f.Arch, f.Size, f.SHA256)
	}
}
