package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub/internal/settings"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// siteSettings shows what is set for a site's agent, or sets it. A running hub sends it
// within seconds; an agent that is cut off by it goes back by itself.
func (o *operator) siteSettings() *cobra.Command {
	var file string
	var remove, history bool
	cmd := &cobra.Command{
		Use:   "settings SITE [--set FILE | --clear]",
		Short: o.say("site-settings-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			site, err := protocol.ParseSiteID(args[0])
			if err != nil {
				return err
			}
			return o.withStore(cmd.Context(), func(s *store.Store) error {
				set := settings.New(s)
				if file == "" && !remove {
					return o.showSettings(cmd, s, set, site, history)
				}
				text, err := settingsText(cmd.InOrStdin(), file)
				if err == nil {
					err = set.Set(cmd.Context(), site, text, o.by("site settings", string(site)).Who, time.Now())
				}
				if err != nil {
					return err
				}
				o.tell(cmd, "site-settings-done", phrase.Args{"site": site})
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&file, "set", "", o.say("flag-settings-set", nil))
	cmd.Flags().BoolVar(&remove, "clear", false, o.say("flag-settings-clear", nil))
	cmd.Flags().BoolVar(&history, "history", false, o.say("flag-settings-history", nil))
	cmd.MarkFlagsMutuallyExclusive("set", "clear", "history")
	return cmd
}

// settingsText reads a file of settings, "-" from standard input; "" is none.
func settingsText(in io.Reader, file string) (string, error) {
	switch file {
	case "":
		return "", nil
	case "-":
	default:
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, protocol.MaxSettings+1)) // one byte more is refused
	if err != nil {
		return "", fmt.Errorf("read settings: %w", err)
	}
	return string(text), nil
}

func (o *operator) showSettings(cmd *cobra.Command, s *store.Store, set *settings.Settings, site protocol.SiteID, history bool) error {
	all, err := set.Of(cmd.Context(), site)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		o.tell(cmd, "site-settings-none", phrase.Args{"site": site})
		return nil
	}
	told, heard, err := toldConfig(cmd.Context(), s, site)
	if err != nil {
		return err
	}
	if !history {
		all = all[:1]
	}
	for _, r := range all {
		o.tell(cmd, "site-settings-set", phrase.Args{"order": r.Order, "by": r.By, "at": when(r.At)})
		fmt.Fprintln(cmd.OutOrStdout(), r.Text)
	}
	code := "site-settings-waits"
	switch newest := all[0].Order; {
	case !heard:
	case told.Order == newest:
		code = "site-settings-runs"
	case told.Trying == newest:
		code = "site-settings-tries"
	case told.Refused == newest:
		o.tell(cmd, "site-settings-refused", phrase.Args{"reason": o.catalogue.Say(o.lang, "condition.config-"+told.Reason, phrase.Args{"cause": told.Detail})})
		return nil
	}
	o.tell(cmd, code, nil)
	return nil
}

// toldConfig is what a site's agent last told of its config.
func toldConfig(ctx context.Context, s *store.Store, site protocol.SiteID) (told protocol.ConfigState, heard bool, err error) {
	newest, heard, err := s.State(ctx, site)
	if err != nil || !heard {
		return told, false, err
	}
	e, err := protocol.Parse(protocol.Topic{Site: site, Kind: protocol.KindState}.String(), newest.Message)
	var state protocol.State
	if err == nil {
		err = e.Into(&state)
	}
	if _, refused := errors.AsType[*protocol.Refusal](err); refused {
		return told, false, nil // of another version
	}
	return state.Config, err == nil, err
}
