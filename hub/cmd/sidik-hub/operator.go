package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/systemd/command"
)

// operator is the person at the command line: language, data folder, database.
type operator struct {
	catalogue *phrase.Catalogue
	lang      phrase.Lang
	version   string

	data     string
	database string
	who      string // makes a change of the register
}

// say returns a sentence of the hub's part of the catalogue.
func (o *operator) say(code string, args phrase.Args) string {
	return o.catalogue.Say(o.lang, "hub."+code, args)
}

// tell prints a sentence to the command's standard output.
func (o *operator) tell(cmd *cobra.Command, code string, args phrase.Args) {
	fmt.Fprintln(cmd.OutOrStdout(), o.say(code, args))
}

// explain adds the next step to errors that people meet often.
func (o *operator) explain(err error) string {
	for _, known := range []struct {
		is   error
		code string
	}{
		{hub.ErrRunning, "error-running"},
		{hub.ErrNotRunning, "error-not-running"},
		{hub.ErrLoopback, "error-loopback"},
		{hub.ErrNoDatabase, "error-no-database"},
		{store.ErrNoSite, "error-no-site"},
		{store.ErrSiteKey, "error-site-key"},
		{store.ErrExists, "error-exists"},
		{store.ErrEngine, "error-engine"},
	} {
		if errors.Is(err, known.is) {
			return err.Error() + "\n" + o.say(known.code, phrase.Args{"data": o.data})
		}
	}
	if failed, is := errors.AsType[*net.OpError](err); is && failed.Op == "listen" {
		return err.Error() + "\n" + o.say("error-listen", nil)
	}
	if errors.Is(err, fs.ErrPermission) {
		return err.Error() + "\n" + o.say("error-permission", nil)
	}
	if said := o.explainRegister(err); said != "" {
		return said
	}
	if said := o.explainStick(err); said != "" {
		return said
	}
	if said := o.explainCampaign(err); said != "" {
		return said
	}
	if said := o.service().Explain(err); said != "" {
		return said
	}
	return err.Error()
}

// service is the commands that make this machine run the program by itself.
func (o *operator) service() command.Group {
	return command.Group{Program: "sidik-hub", Catalogue: o.catalogue, Lang: o.lang}
}

// command is the tree of all commands.
func (o *operator) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "sidik-hub",
		Short:         o.say("short", nil),
		Version:       o.version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&o.data, "data", "sidik-hub", o.say("flag-data", nil))
	root.PersistentFlags().StringVar(&o.database, "database", "", o.say("flag-database", nil))
	root.AddCommand(
		o.run(), o.identity(), o.key(), o.site(), o.terminal(), o.inventory(), o.unit(), o.employee(), o.place(), o.task(), o.finger(), o.capture(), o.vault(), o.validate(), o.findingCommand(), o.campaign(), o.register(), o.account(), o.condition(),
		o.punches(), o.watch(), o.verify(), o.backup(), o.restore(), o.service().Command(), o.brokerConfig(), o.operatorCertificate(), o.release(),
	)
	return root
}

// withStore runs f on the database that is there.
func (o *operator) withStore(ctx context.Context, f func(s *store.Store) error) error {
	return o.with(ctx, hub.OpenExisting, f)
}

// withNewStore is withStore for what may be done before the hub first runs.
func (o *operator) withNewStore(ctx context.Context, f func(s *store.Store) error) error {
	return o.with(ctx, hub.OpenStore, f)
}

func (o *operator) with(ctx context.Context, open func(ctx context.Context, data, dsn string) (*store.Store, error),
	f func(s *store.Store) error) (err error) {
	s, err := open(ctx, o.data, o.database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return f(s)
}

// logger writes lines that journald keeps: its own time is enough there.
func logger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}
