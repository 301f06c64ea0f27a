package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/hub/internal/admission"
	"github.com/bkpsdmd-babel/sidik/hub/internal/retention"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/systemd"
	"github.com/bkpsdmd-babel/sidik/systemd/pulse"
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
			manager, err := systemd.FromEnvironment(os.Getenv)
			if err != nil {
				return err
			}
			c.Pulse = pulse.New()
			c.Invite = func(link string) {
				fmt.Fprintln(cmd.ErrOrStderr(), o.catalogue.Say(o.lang, "account.first-link", phrase.Args{"link": link}))
			}
			born, pages := make(chan struct{}), ""
			c.Ready = func(a hub.Addresses) {
				line, err := json.Marshal(a)
				if err == nil {
					fmt.Fprintln(cmd.OutOrStdout(), string(line))
				}
				pages = a.Pages
				close(born)
			}
			life := systemd.Life{Ready: born, Pulse: c.Pulse, Logger: c.Logger, Status: func() string {
				return o.catalogue.Say(o.lang, "service.hub-up", phrase.Args{"pages": pages})
			}}
			return manager.Run(cmd.Context(), life, func(ctx context.Context) error { return hub.Run(ctx, c) })
		},
	}
	cmd.Flags().StringSliceVar(&c.Brokers, "broker", nil, o.say("flag-broker", nil))
	cmd.Flags().StringVar(&c.MQTT, "mqtt", "127.0.0.1:8883", o.say("flag-mqtt", nil))
	cmd.Flags().StringVar(&c.Agents, "agents", "127.0.0.1:8443", o.say("flag-agents", nil))
	cmd.Flags().StringSliceVar(&c.Names, "name", nil, o.say("flag-name", nil))
	cmd.Flags().StringSliceVar(&c.Advertise, "broker-address", nil, o.say("flag-broker-address", nil))
	cmd.Flags().DurationVar(&c.CertificateLife, "certificate-life", admission.DefaultLife, o.say("flag-certificate-life", nil))
	cmd.Flags().StringVar(&c.Pages, "pages", "127.0.0.1:8080", o.say("flag-pages", nil))
	cmd.Flags().StringVar(&c.PagesCert, "pages-cert", "", o.catalogue.Say(o.lang, "account.flag-pages-cert", nil))
	cmd.Flags().StringVar(&c.PagesKey, "pages-key", "", o.catalogue.Say(o.lang, "account.flag-pages-key", nil))
	cmd.MarkFlagsRequiredTogether("pages-cert", "pages-key")
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
			fmt.Fprintln(cmd.ErrOrStderr(), key.Public().Fingerprint().Words())
			fmt.Fprintln(cmd.OutOrStdout(), key.Public().Fingerprint())
			return nil
		},
	}
}
