package main

import (
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/hub/internal/retention"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// run starts the hub and prints one JSON line when agents and browsers may come.
func (o *operator) run() *cobra.Command {
	var c hub.Config
	var keep retention.Days
	var level slog.Level
	cmd := &cobra.Command{
		Use:   "run",
		Short: o.say("run-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.Data, c.Database, c.Version = o.data, o.database, o.version
			c.KeepLeft, c.KeepFound, c.KeepCopies = keep.Left, keep.Found, keep.Copies
			c.Logger = logger(cmd.ErrOrStderr(), level)
			c.Ready = func(a hub.Addresses) {
				line, err := json.Marshal(a)
				if err == nil {
					fmt.Fprintln(cmd.OutOrStdout(), string(line))
				}
			}
			return hub.Run(cmd.Context(), c)
		},
	}
	cmd.Flags().StringSliceVar(&c.Brokers, "broker", nil, o.say("flag-broker", nil))
	cmd.Flags().StringVar(&c.MQTT, "mqtt", "127.0.0.1:1883", o.say("flag-mqtt", nil))
	cmd.Flags().StringVar(&c.Pages, "pages", "127.0.0.1:8080", o.say("flag-pages", nil))
	o.flagKeep(cmd, &keep)
	cmd.Flags().TextVar(&level, "log-level", slog.LevelInfo, o.say("flag-log-level", nil))
	return cmd
}

// identity prints the fingerprint that agents' configurations name.
func (o *operator) identity() *cobra.Command {
	return &cobra.Command{
		Use:   "identity",
		Short: o.say("identity-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			key, created, err := hub.LoadKey(o.data)
			if err != nil {
				return err
			}
			if created {
				fmt.Fprintln(cmd.ErrOrStderr(), o.say("key-made", phrase.Args{"data": o.data}))
			}
			fmt.Fprintln(cmd.OutOrStdout(), key.Public().Fingerprint())
			return nil
		},
	}
}
