package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/agent"
	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// run is the agent itself.
func (o *office) run() *cobra.Command {
	var level slog.Level
	cmd := &cobra.Command{
		Use:   "run --config FILE",
		Short: o.say("run-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			a, err := o.open(cmd, level)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, a.Close()) }()
			return a.Run(cmd.Context())
		},
	}
	cmd.Flags().TextVar(&level, "log-level", slog.LevelInfo, o.say("flag-log-level", nil))
	return o.withConfig(cmd)
}

// open opens the agent that the configuration describes.
func (o *office) open(cmd *cobra.Command, level slog.Level) (*agent.Agent, error) {
	c, err := o.load()
	if err != nil {
		return nil, err
	}
	check, err := childCheck()
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
	return agent.Open(cmd.Context(), agent.Options{Config: c, Version: o.version, Check: check, Pins: pins(c.Panel, log), Logger: log})
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
			fmt.Fprintln(cmd.OutOrStdout(), key.Public().Fingerprint())
			return nil
		},
	})
}
