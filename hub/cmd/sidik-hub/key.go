package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/protocol/durable"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// key is what is done with the hub's keys. The root's key never comes here: requests go
// to it and documents come back, on a stick.
func (o *operator) key() *cobra.Command {
	cmd := &cobra.Command{Use: "key", Short: o.say("key-short", nil), Long: o.say("key-long", nil)}
	cmd.AddCommand(o.keyRequest(), o.keyPrepare(), o.keyInstall(), o.keyBackup(), o.keyRestore(), o.keyCheck())
	return cmd
}

func (o *operator) keyRequest() *cobra.Command {
	var out string
	var stolen bool
	cmd := &cobra.Command{
		Use:   "request",
		Short: o.say("key-request-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			request, err := hub.KeyRequest(o.data, time.Now(), stolen)
			if err != nil {
				return err
			}
			text, err := json.Marshal(request)
			if err != nil {
				return err
			}
			if err := durable.Write(out, append(text, '\n')); err != nil {
				return fmt.Errorf("write key request: %w", err)
			}
			o.tell(cmd, "key-request-done", phrase.Args{"file": out, "words": request.Keys.Signing[0].Key.Fingerprint().Words()})
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "key-request.json", o.say("flag-key-request-out", nil))
	cmd.Flags().BoolVar(&stolen, "stolen", false, o.say("flag-key-stolen", nil))
	return cmd
}

func (o *operator) keyPrepare() *cobra.Command {
	return &cobra.Command{
		Use:   "prepare",
		Short: o.say("key-prepare-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := hub.PrepareKeys(o.data); err != nil {
				return err
			}
			o.tell(cmd, "key-prepare-done", nil)
			return nil
		},
	}
}

func (o *operator) keyInstall() *cobra.Command {
	return &cobra.Command{
		Use:   "install DOCUMENT",
		Short: o.say("key-install-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			document, err := os.ReadFile(args[0])
			if err != nil {
				return fmt.Errorf("read keys document: %w", err)
			}
			d, err := hub.InstallKeys(o.data, document)
			if err != nil {
				return err
			}
			root := d.Keys().Root.Fingerprint()
			o.tell(cmd, "key-install-done", phrase.Args{"number": d.Number(), "root": root, "words": root.Words()})
			return nil
		},
	}
}
