package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/hub/internal/release"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// release is what is done with releases of the agent. A running hub follows within seconds.
func (o *operator) release() *cobra.Command {
	cmd := &cobra.Command{Use: "release", Short: o.say("release-short", nil), Long: o.say("release-long", nil)}
	cmd.AddCommand(o.releaseAdd(), o.releaseList(), o.releaseRollOut(), o.releasePause(), o.releaseResume())
	return cmd
}

func (o *operator) withReleases(ctx context.Context, do func(r *release.Releases) error) error {
	return o.withStore(ctx, func(s *store.Store) error { return do(release.New(s, o.data)) })
}

func (o *operator) releaseAdd() *cobra.Command {
	return o.flagWho(&cobra.Command{
		Use:   "add FOLDER",
		Short: o.say("release-add-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			keys, err := hub.ReleaseKeys(o.data)
			if err != nil {
				return err
			}
			return o.withReleases(cmd.Context(), func(r *release.Releases) error {
				m, err := r.Add(cmd.Context(), args[0], keys, o.by("release add", args[0]).Who, time.Now())
				if err != nil {
					return err
				}
				o.tell(cmd, "release-add-done", phrase.Args{"version": m.Version, "programs": len(m.Files)})
				return nil
			})
		},
	})
}

// releaseList shows how far each release is, or with a version each of its sites.
func (o *operator) releaseList() *cobra.Command {
	return &cobra.Command{
		Use:   "list [VERSION]",
		Short: o.say("release-list-short", nil),
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withReleases(cmd.Context(), func(r *release.Releases) error {
				all, err := r.All(cmd.Context())
				if err != nil {
					return err
				}
				standings, err := r.Standings(cmd.Context(), time.Now())
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				if len(args) == 1 {
					fmt.Fprintln(w, o.say("release-sites-head", nil))
					for _, s := range standings {
						if s.Order.Version == args[0] {
							fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.Order.Site, o.say("release-stage-"+string(s.Stage), nil), phrase.Plain(s.Reason), phrase.Plain(s.Version), s.Order.By, when(s.Order.At))
						}
					}
					return w.Flush()
				}
				fmt.Fprintln(w, o.say("release-list-head", nil))
				for _, one := range all {
					version, count := one.Manifest.Version.String(), map[release.Stage]int{}
					for _, s := range standings {
						if s.Order.Version == version {
							count[s.Stage]++
						}
					}
					fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\t%s\n", version, count[release.Waiting], count[release.Fetching]+count[release.Trying],
						count[release.Running], count[release.Refused]+count[release.Silent], one.Paused, when(one.AddedAt))
				}
				return w.Flush()
			})
		},
	}
}

func (o *operator) releaseRollOut() *cobra.Command {
	var to []string
	var downgrade bool
	var failures int
	cmd := &cobra.Command{
		Use:   "roll-out VERSION --to 5%|all|SITE…",
		Short: o.say("release-roll-out-short", nil),
		Long:  o.say("release-roll-out-long", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			target, err := release.ParseTarget(to)
			if err != nil {
				return err
			}
			return o.withReleases(cmd.Context(), func(r *release.Releases) error {
				sites, err := r.RollOut(cmd.Context(), args[0], target, downgrade, failures, o.by("release roll-out", args[0]).Who, time.Now())
				if err != nil {
					return err
				}
				for _, site := range sites {
					fmt.Fprintln(cmd.OutOrStdout(), site)
				}
				fmt.Fprintln(cmd.ErrOrStderr(), o.say("release-roll-out-done", phrase.Args{"version": args[0], "sites": len(sites)}))
				return nil
			})
		},
	}
	cmd.Flags().StringSliceVar(&to, "to", nil, o.say("flag-release-to", nil))
	cmd.Flags().BoolVar(&downgrade, "downgrade", false, o.say("flag-release-downgrade", nil))
	cmd.Flags().IntVar(&failures, "failures", -1, o.say("flag-release-failures", nil))
	return o.flagWho(cmd)
}

func (o *operator) releasePause() *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use:   "pause VERSION",
		Short: o.say("release-pause-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withReleases(cmd.Context(), func(r *release.Releases) error {
				if err := r.Pause(cmd.Context(), args[0], why, o.by("release pause", args[0]).Who, time.Now()); err != nil {
					return err
				}
				o.tell(cmd, "release-pause-done", phrase.Args{"version": args[0]})
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&why, "reason", "", o.say("flag-release-reason", nil))
	return o.flagWho(cmd)
}

func (o *operator) releaseResume() *cobra.Command {
	return o.flagWho(&cobra.Command{
		Use:   "resume VERSION",
		Short: o.say("release-resume-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withReleases(cmd.Context(), func(r *release.Releases) error {
				if err := r.Resume(cmd.Context(), args[0], o.by("release resume", args[0]).Who, time.Now()); err != nil {
					return err
				}
				o.tell(cmd, "release-resume-done", phrase.Args{"version": args[0]})
				return nil
			})
		},
	})
}
