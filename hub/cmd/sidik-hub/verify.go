package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/verify"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// errBroken ends the command with status 1 after the breaks were printed.
var errBroken = errors.New("the stored punches do not verify")

// verify recomputes everything, writes the evidence of a month, or checks one.
func (o *operator) verify() *cobra.Command {
	var site, month, export, check, hubKey string
	var agentKeys []string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: o.say("verify-short", nil),
		Long:  o.say("verify-long", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case check != "":
				return o.checkEvidence(cmd, check, hubKey, agentKeys)
			case export != "":
				return o.exportEvidence(cmd, site, month, export)
			default:
				return o.verifyStore(cmd)
			}
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&export, "export", "", o.say("flag-export", nil))
	flags.StringVar(&site, "site", "", o.say("flag-site", nil))
	flags.StringVar(&month, "month", "", o.say("flag-month", nil))
	flags.StringVar(&check, "check", "", o.say("flag-check", nil))
	flags.StringVar(&hubKey, "hub-key", "", o.say("flag-hub-key", nil))
	flags.StringSliceVar(&agentKeys, "agent-key", nil, o.say("flag-agent-keys", nil))
	return cmd
}

func (o *operator) verifyStore(cmd *cobra.Command) error {
	return o.withStore(cmd.Context(), func(s *store.Store) error {
		report, err := verify.Verify(cmd.Context(), s, func(b verify.Break) {
			fmt.Fprintln(cmd.OutOrStdout(), b)
		})
		if err != nil {
			return err
		}
		o.tell(cmd, "verify-done", phrase.Args{"sites": report.Sites, "epochs": report.Epochs,
			"segments": report.Segments, "sightings": report.Sightings, "breaks": report.Breaks})
		if report.Breaks > 0 {
			return errBroken
		}
		return nil
	})
}

func (o *operator) exportEvidence(cmd *cobra.Command, site, month, path string) (err error) {
	id, err := protocol.ParseSiteID(site)
	if err != nil {
		return fmt.Errorf("--site: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	err = o.withStore(cmd.Context(), func(s *store.Store) error {
		key, _, err := hub.LoadKey(o.data)
		if err != nil {
			return err
		}
		_, err = verify.Export(cmd.Context(), s, id, month, key, time.Now(), f)
		return err
	})
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	o.tell(cmd, "export-done", phrase.Args{"file": path, "site": id, "month": month})
	return nil
}

// trust reads the fingerprints that an auditor knows from elsewhere.
func trust(hubKey string, agentKeys []string) (t verify.Trusted, err error) {
	if t.Hub, err = seal.ParseFingerprint(hubKey); err != nil {
		return t, fmt.Errorf("--hub-key: %w", err)
	}
	for _, text := range agentKeys {
		key, err := seal.ParseFingerprint(text)
		if err != nil {
			return t, fmt.Errorf("--agent-key: %w", err)
		}
		t.Agents = append(t.Agents, key)
	}
	return t, nil
}

func (o *operator) checkEvidence(cmd *cobra.Command, path, hubKey string, agentKeys []string) error {
	t, err := trust(hubKey, agentKeys)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	evidence, err := verify.Check(f, t)
	if err != nil {
		return fmt.Errorf("check %s: %w", path, err)
	}
	o.tell(cmd, "check-done", phrase.Args{"file": path, "site": evidence.Site, "month": evidence.Month, "punches": evidence.Punches})
	return nil
}
