package main

import (
	"errors"
	"net"
	"os"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/agent/config"
	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
	"github.com/bkpsdmd-babel/sidik/agent/internal/control"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/systemd/command"
)

// office is the person at the command line: language and configuration.
type office struct {
	catalogue *phrase.Catalogue
	lang      phrase.Lang
	version   string

	file string
}

// say returns a sentence of the agent's part of the catalogue.
func (o *office) say(code string, args phrase.Args) string {
	return o.catalogue.Say(o.lang, "agent."+code, args)
}

// explain adds the next step to errors that people meet often.
func (o *office) explain(err error) string {
	for _, known := range []struct {
		is   error
		code string
	}{
		{config.ErrConfig, "error-config"},
		{buffer.ErrInUse, "error-in-use"},
		{control.ErrNotRunning, "error-not-running"},
		{zk.ErrKey, "error-key"},
		{zk.ErrMagic, "error-not-terminal"},
		{zk.ErrAccessPanel, "error-not-terminal"},
		{terminal.ErrUnreachable, "error-unreachable"},
	} {
		if errors.Is(err, known.is) {
			return err.Error() + "\n" + o.say(known.code, phrase.Args{"file": o.file})
		}
	}
	if said := o.service().Explain(err); said != "" {
		return said
	}
	if _, dialing := errors.AsType[*net.OpError](err); dialing {
		return err.Error() + "\n" + o.say("error-unreachable", nil)
	}
	return err.Error()
}

// service is the commands that make this machine run the program by itself.
func (o *office) service() command.Group {
	return command.Group{Program: "sidik-agent", Catalogue: o.catalogue, Lang: o.lang}
}

// command is the tree of all commands.
func (o *office) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "sidik-agent",
		Short:         o.say("short", nil),
		Version:       o.version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(o.run(), o.status(), o.read(), o.doctor(), o.identity(), o.claim(), o.terminal(), o.panel(), o.service().Command(), o.checkBuffer())
	return root
}

// withConfig adds the flag that names the configuration.
func (o *office) withConfig(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&o.file, "config", "/etc/sidik/agent.toml", o.say("flag-config", nil))
	return cmd
}

// load reads the configuration; its language holds unless the environment says otherwise.
func (o *office) load() (config.Config, error) {
	c, err := config.Load(o.file)
	if _, set := os.LookupEnv("SIDIK_LANG"); err == nil && !set && c.Language != "" {
		o.lang = c.Lang()
	}
	return c, err
}
