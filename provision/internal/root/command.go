package root

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/protocol/durable"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
	"github.com/bkpsdmd-babel/sidik/provision/internal/keyfile"
)

// command is what the commands share.
type command struct {
	say        func(code string, args phrase.Args) string
	dir        string
	passphrase *keyfile.Asker
}

// Command is "root" with what can be done with the root key. say is the catalogue's part
// for this program.
func Command(say func(code string, args phrase.Args) string) *cobra.Command {
	c := &command{say: say, passphrase: keyfile.NewAsker(say)}
	cmd := &cobra.Command{Use: "root", Short: say("root-short", nil), Long: say("root-long", nil)}
	cmd.PersistentFlags().StringVar(&c.dir, "dir", "root", say("flag-root-dir", nil))
	c.passphrase.Flag(cmd)
	cmd.AddCommand(c.init(), c.show(), c.sign())
	return cmd
}

func (c *command) init() *cobra.Command {
	return &cobra.Command{
		Use:   "init",
		Short: c.say("root-init-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			passphrase, err := c.passphrase.Ask(cmd, true)
			if err != nil {
				return err
			}
			r, err := Init(c.dir, passphrase)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.ErrOrStderr(), c.say("root-init-done", phrase.Args{"dir": c.dir, "words": r.Fingerprint().Words()}))
			fmt.Fprintln(cmd.OutOrStdout(), r.Fingerprint())
			return nil
		},
	}
}

func (c *command) show() *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: c.say("root-show-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := Fingerprint(c.dir)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.ErrOrStderr(), f.Words())
			fmt.Fprintln(cmd.OutOrStdout(), f)
			return nil
		},
	}
}

func (c *command) sign() *cobra.Command {
	var out string
	var yes bool
	var releases []string
	cmd := &cobra.Command{
		Use:   "sign REQUEST [--release-key FILE.pub]…",
		Short: c.say("root-sign-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return fmt.Errorf("read key request: %w", err)
			}
			request, err := trust.ParseRequest(text)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("release-key") {
				if request.Keys.Release, err = publicKeys(releases); err != nil {
					return err
				}
			}
			c.explain(cmd, request)
			if !yes {
				if err := c.confirm(cmd); err != nil {
					return err
				}
			}
			passphrase, err := c.passphrase.Ask(cmd, false)
			if err != nil {
				return err
			}
			r, err := Open(c.dir, passphrase)
			if err != nil {
				return err
			}
			document, number, err := r.Sign(request, time.Now())
			if err != nil {
				return err
			}
			if err := durable.Write(out, append(document, '\n')); err != nil {
				return fmt.Errorf("write keys document: %w", err)
			}
			fmt.Fprintln(cmd.ErrOrStderr(), c.say("root-sign-done", phrase.Args{"number": number, "file": out}))
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "keys.json", c.say("flag-root-out", nil))
	cmd.Flags().StringSliceVar(&releases, "release-key", nil, c.say("flag-root-release-key", nil))
	cmd.Flags().BoolVar(&yes, "yes", false, c.say("flag-root-yes", nil))
	return cmd
}

// publicKeys reads the public halves of release keys, one in a file. An empty name
// stands for none: then nobody may sign releases any more.
func publicKeys(files []string) (keys []seal.PublicKey, err error) {
	for _, file := range files {
		if file == "" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read release key: %w", err)
		}
		key, err := seal.ParsePublicKey(strings.TrimSpace(string(text)))
		if err != nil {
			return nil, fmt.Errorf("read release key %s: %w", file, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// explain shows what is about to be signed, so that it can be compared with what the hub
// says of itself.
func (c *command) explain(cmd *cobra.Command, r trust.Request) {
	w := cmd.ErrOrStderr()
	for i, h := range r.Keys.Signing {
		code, until := "root-sign-key", ""
		if i > 0 {
			code = "root-sign-former"
		}
		if h.Until != nil {
			until = h.Until.Format(time.DateOnly)
		}
		fmt.Fprintln(w, c.say(code, phrase.Args{"fingerprint": h.Key.Fingerprint(), "words": h.Key.Fingerprint().Words(), "until": until}))
	}
	for _, k := range r.Keys.Release {
		fmt.Fprintln(w, c.say("root-sign-release", phrase.Args{"fingerprint": k.Fingerprint(), "words": k.Fingerprint().Words()}))
	}
	fmt.Fprintln(w, c.say("root-sign-rest", phrase.Args{"authorities": len(r.Keys.Authorities), "releases": len(r.Keys.Release)}))
}

// errNotConfirmed ends a command whose question was not answered with yes.
var errNotConfirmed = errors.New("nothing was signed")

func (c *command) confirm(cmd *cobra.Command) error {
	fmt.Fprint(cmd.ErrOrStderr(), c.say("root-sign-ask", nil)+" ")
	var answer string
	if _, err := fmt.Fscanln(cmd.InOrStdin(), &answer); err != nil {
		return errNotConfirmed
	}
	switch strings.ToLower(answer) {
	case "ya", "y", "yes":
		return nil
	}
	return errNotConfirmed
}
