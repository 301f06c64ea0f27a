package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/agent"
	"github.com/bkpsdmd-babel/sidik/agent/config"
	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
	"github.com/bkpsdmd-babel/sidik/agent/internal/control"
	"github.com/bkpsdmd-babel/sidik/agent/internal/panel"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/systemd"
	"github.com/bkpsdmd-babel/sidik/systemd/pulse"
)

// run is the agent itself.
func (o *office) run() *cobra.Command {
	var level slog.Level
	cmd := &cobra.Command{
		Use:   "run --config FILE",
		Short: o.say("run-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			c, err := o.load()
			if err != nil {
				return err
			}
			log := logger(cmd, level)
			launched, err := o.launched(c.Data, log)
			if err != nil {
				return err
			}
			manager, err := systemd.FromEnvironment(os.Getenv)
			if err != nil {
				return err
			}
			alive := pulse.New()
			a, err := o.open(cmd, c, agent.Options{Logger: log, Pulse: alive, Launched: launched})
			if err != nil {
				return err
			}
			life := systemd.Life{Ready: alive.Begun(), Pulse: alive, Logger: log, Again: agent.ErrRestart, Status: func() string { return o.now(a.Status()) }}
			err = errors.Join(manager.Run(cmd.Context(), life, a.Run), a.Close())
			switch {
			case agent.Replaced(err):
				return launchAgain(manager)
			case errors.Is(err, agent.ErrRestart):
				return again(manager)
			}
			return err
		},
	}
	cmd.Flags().TextVar(&level, "log-level", slog.LevelInfo, o.say("flag-log-level", nil))
	return o.withConfig(cmd)
}

// again starts this program anew in its own place: for the service manager it is the
// same process.
func again(manager systemd.Manager) error {
	program, err := os.Executable()
	if err == nil {
		err = syscall.Exec(program, os.Args, append(os.Environ(), manager.Environ()...))
	}
	return fmt.Errorf("start again with other settings: %w", err)
}

// now says in one line how the agent is, for the service manager's own status.
func (o *office) now(s control.Status) string {
	code := "agent-down"
	if s.Uplink.Connected {
		code = "agent-up"
	}
	return o.catalogue.Say(o.lang, "service."+code, phrase.Args{
		"site": s.Site, "terminals": len(s.State.Terminals), "waiting": s.State.Backlog.Punches,
	})
}

// logger writes lines that journald keeps: its own time is enough there.
func logger(cmd *cobra.Command, level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
}

// open opens the agent that a configuration describes.
func (o *office) open(cmd *cobra.Command, c config.Config, with agent.Options) (_ *agent.Agent, err error) {
	if with.Check, err = childCheck(); err != nil {
		return nil, err
	}
	with.Config, with.Version = c, o.version
	with.Pins = func(c config.Panel) panel.Pins { return pins(c, with.Logger) }
	return agent.Open(cmd.Context(), with)
}

// childCheck returns the examination of a buffer file by another process of
// this very program.
func childCheck() (func(ctx context.Context, path string) error, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return buffer.CheckInChild(program, "check-buffer"), nil
}

// checkBuffer is that other process. Its exit status tells the outcome.
func (o *office) checkBuffer() *cobra.Command {
	return &cobra.Command{
		Use:    "check-buffer FILE",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE:   func(_ *cobra.Command, args []string) error { return buffer.CheckFile(args[0]) },
	}
}

// claim gives the agent the code that lets it in at the hub.
func (o *office) claim() *cobra.Command {
	return o.withConfig(&cobra.Command{
		Use:   "claim CODE",
		Short: o.say("claim-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			code, err := protocol.ParseClaimCode(args[0])
			if err != nil {
				return err
			}
			c, err := o.load()
			if err != nil {
				return err
			}
			if c.Hub.Address == "" {
				return errors.New(o.say("claim-by-hand", phrase.Args{"file": o.file}))
			}
			if err := agent.PutClaim(c.Data, code); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), o.say("claim-done", phrase.Args{"site": c.Site}))
			return nil
		},
	})
}

// identity prints the fingerprint that the hub's operator admits.
func (o *office) identity() *cobra.Command {
	return o.withConfig(&cobra.Command{
		Use:   "identity --config FILE",
		Short: o.say("identity-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.load()
			if err != nil {
				return err
			}
			key, created, err := agent.LoadKey(c.Data)
			if err != nil {
				return err
			}
			if created {
				fmt.Fprintln(cmd.ErrOrStderr(), o.say("key-made", phrase.Args{"data": c.Data}))
			}
			fmt.Fprintln(cmd.ErrOrStderr(), key.Public().Fingerprint().Words())
			fmt.Fprintln(cmd.OutOrStdout(), key.Public().Fingerprint())
			return nil
		},
	})
}
