package main

import (
	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// backup copies the database while the hub runs.
func (o *operator) backup() *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "backup --to FILE",
		Short: o.say("backup-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := hub.Backup(cmd.Context(), o.data, o.database, to); err != nil {
				return err
			}
			o.tell(cmd, "backup-done", phrase.Args{"file": to})
			return nil
		},
	}
	cmd.Flags().StringVar(&to, "to", "", o.say("flag-backup-to", nil))
	_ = cmd.MarkFlagRequired("to") // the flag is defined in the line above
	return cmd
}

// restore puts a backup in place; the hub begins a new generation with it.
func (o *operator) restore() *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use:   "restore --from FILE",
		Short: o.say("restore-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.database != "" {
				return store.ErrEngine
			}
			g, err := hub.Restore(cmd.Context(), o.data, from)
			if err != nil {
				return err
			}
			o.tell(cmd, "restore-done", phrase.Args{"file": from, "generation": g.Number})
			return nil
		},
	}
	cmd.Flags().StringVar(&from, "from", "", o.say("flag-restore-from", nil))
	_ = cmd.MarkFlagRequired("from") // the flag is defined in the line above
	return cmd
}
