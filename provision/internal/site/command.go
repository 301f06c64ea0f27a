// Package site is what an operator does for sites at a hub, as commands: log in, register
// sites, make claim codes, shut sites out, write kits; one by one or from a list.
//
// It knows the hub's API and the writer of kits. It decides nothing: the hub does. Beware:
// a claim code leaves it by standard output or in a kit, and in no sentence.
package site

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
	"github.com/bkpsdmd-babel/sidik/provision/internal/hubapi"
	"github.com/bkpsdmd-babel/sidik/provision/internal/kit"
	"github.com/bkpsdmd-babel/sidik/provision/internal/list"
)

// command is what the commands share.
type command struct {
	say     func(code string, args phrase.Args) string
	all     func(code string, args phrase.Args) string // the whole catalogue
	profile string                                     // file of the login
}

// Commands are login, site, claim and kit. say is the catalogue's part for this program, all
// the whole of it; profile is where a login is kept unless somebody says otherwise, empty for nowhere.
func Commands(say, all func(code string, args phrase.Args) string, profile string) []*cobra.Command {
	c := &command{say: say, all: all}
	commands := []*cobra.Command{c.login(), c.site(), c.claim(), c.kit()}
	for _, cmd := range commands {
		cmd.PersistentFlags().StringVar(&c.profile, "profile", profile, say("flag-profile", nil))
		if profile == "" {
			_ = cmd.MarkPersistentFlagRequired("profile") // the flag is defined in the line above
		}
	}
	return commands
}

func (c *command) login() *cobra.Command {
	var hub, root, name, passwordFile string
	cmd := &cobra.Command{
		Use:   "login --hub URL --root FINGERPRINT --name NAME",
		Short: c.say("login-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fingerprint, err := seal.ParseFingerprint(root)
			if err != nil {
				return fmt.Errorf("--root: %w", err)
			}
			password, err := c.password(cmd, passwordFile)
			if err != nil {
				return err
			}
			machine, err := os.Hostname()
			if err != nil {
				return fmt.Errorf("name of this machine: %w", err)
			}
			p, err := hubapi.Login(cmd.Context(), hub, fingerprint, name, password, "sidik-provision, "+machine)
			if err != nil {
				return c.explained(err)
			}
			if err := p.Save(c.profile); err != nil {
				return err
			}
			code := "login-by-root"
			if p.Public {
				code = "login-by-name"
			}
			c.tell(cmd, code, nil)
			c.tell(cmd, "login-done", phrase.Args{"name": name, "hub": p.Hub, "until": when(p.Expires)})
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&hub, "hub", "", c.say("flag-hub", nil))
	f.StringVar(&root, "root", "", c.say("flag-login-root", nil))
	f.StringVar(&name, "name", "", c.say("flag-login-name", nil))
	f.StringVar(&passwordFile, "password-file", "", c.say("flag-password-file", nil))
	for _, flag := range []string{"hub", "root", "name"} {
		_ = cmd.MarkFlagRequired(flag) // the flags are defined above
	}
	return cmd
}

// password reads it from its file, or from a terminal without showing it.
func (c *command) password(cmd *cobra.Command, file string) (string, error) {
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("read password: %w", err)
		}
		return strings.TrimRight(string(text), "\r\n"), nil
	}
	stdin, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(stdin.Fd())) {
		return "", errors.New(c.say("password-no-terminal", nil))
	}
	fmt.Fprint(cmd.ErrOrStderr(), c.say("password-ask", nil)+" ")
	text, err := term.ReadPassword(int(stdin.Fd()))
	fmt.Fprintln(cmd.ErrOrStderr())
	return string(text), err
}

// withHub does something at the hub of the login. Its errors are sentences.
func (c *command) withHub(cmd *cobra.Command, do func(h *hubapi.Client) error) error {
	p, err := hubapi.Read(c.profile)
	if err != nil {
		return c.explained(err)
	}
	h, newest, err := hubapi.Open(cmd.Context(), p)
	if err != nil {
		return c.explained(err)
	}
	defer h.Close()
	if !bytes.Equal(newest.Keys, p.Keys) {
		if err := newest.Save(c.profile); err != nil {
			return err
		}
	}
	return c.explained(do(h))
}

// explained puts a sentence before an error that people can do something about.
func (c *command) explained(err error) error {
	if err == nil {
		return nil
	}
	said := ""
	if refused, is := errors.AsType[*hubapi.Refusal](err); is {
		said = refusal(refused)
	}
	for _, row := range []struct {
		is   error
		said string
	}{
		{hubapi.ErrNoLogin, "no-login"},
		{hubapi.ErrAddress, "address"},
		{trust.ErrRoot, "wrong-hub"},
		{trust.ErrServer, "wrong-hub"},
		{hubapi.ErrNoKeys, "no-keys"},
		{kit.ErrNoTerminal, "no-terminal"},
		{kit.ErrPackage, "package"},
		{kit.ErrNoPackage, "no-package"},
		{kit.ErrNoCard, "no-card"},
		{kit.ErrMount, "mount"},
		{kit.ErrLine, "cmdline"},
		{kit.ErrOthers, "others"},
		{protocol.ErrSiteID, "site-id"},
		{protocol.ErrSerial, "serial"},
		{list.ErrHead, "head"},
		{list.ErrQuotes, "quotes"},
		{list.ErrTwice, "twice"},
		{errTaken, "taken"},
		{errRows, "rows"},
		{errUnwell, "unwell"},
	} {
		if errors.Is(err, row.is) {
			said = row.said
			break
		}
	}
	if said == "" {
		return err
	}
	return fmt.Errorf("%s (%w)", c.say("error-"+said, nil), err)
}

// refusal is the sentence for a refusal of the hub; empty where there is none.
func refusal(r *hubapi.Refusal) string {
	switch r.Code {
	case "errand-site":
		return "no-site"
	case "errand-busy":
		return "wait-errand"
	case "no-site", "nobody", "life", "terminal", "reason", "right", "no-agents", "no-root":
		return r.Code
	case "wrong":
		return "password"
	case "slow", "busy":
		return "wait"
	}
	if r.Status == http.StatusUnauthorized {
		return "no-login"
	}
	return ""
}

func (c *command) tell(cmd *cobra.Command, code string, args phrase.Args) {
	fmt.Fprintln(cmd.ErrOrStderr(), c.say(code, args))
}

// when prints a time of the hub as a kit does, or a dash for none.
func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(time.FixedZone("WIB", int(protocol.Zone/time.Second))).Format("2006-01-02 15:04 MST")
}
