package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/job"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// capture is about recording fingers at a terminal of enrolment.
func (o *operator) capture() *cobra.Command {
	cmd := &cobra.Command{Use: "capture", Short: o.sayCapture("short", nil)}
	cmd.AddCommand(o.captureStart(), o.captureList(), o.captureShow(), o.captureCancel(), o.captureNotice())
	return cmd
}

// sayCapture returns a sentence of the captures' part of the catalogue.
func (o *operator) sayCapture(code string, args phrase.Args) string {
	return o.catalogue.Say(o.lang, "capture."+code, args)
}

// withJobs runs f with the register and the jobs; what they refuse is said in words.
func (o *operator) withJobs(ctx context.Context, f func(reg *directory.Register, jobs *job.Jobs) error) error {
	err := o.withStore(ctx, func(s *store.Store) error {
		register := directory.New(s, placement.Usual())
		reg, err := register.Register(ctx)
		if err != nil {
			return err
		}
		return f(reg, job.New(s, register))
	})
	if refusal, ok := errors.AsType[job.Refusal](err); ok {
		return errors.New(o.words().CaptureRefused(refusal))
	}
	return err
}

func (o *operator) captureStart() *cobra.Command {
	var order job.Order
	var site, serial, number string
	var fingers []uint
	var follow bool
	cmd := &cobra.Command{
		Use:   "start --serial SERIAL --employee NUMBER --finger N --finger N --notice-shown",
		Short: o.sayCapture("start-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.withJobs(cmd.Context(), func(reg *directory.Register, jobs *job.Jobs) error {
				e, err := findEmployee(reg, number)
				if err != nil {
					return err
				}
				order.Site, order.Serial, order.Employee = protocol.SiteID(site), protocol.Serial(serial), e.ID
				for _, f := range fingers {
					order.Fingers = append(order.Fingers, uint8(min(f, 255))) // what is no finger is refused
				}
				order.Who = o.by("capture start", "").Who
				started, err := jobs.Start(cmd.Context(), order, time.Now())
				if err != nil {
					return err
				}
				for _, j := range started {
					fmt.Fprintln(cmd.OutOrStdout(), o.sayCapture("started", phrase.Args{"id": j.ID, "finger": j.Finger, "pin": j.PIN,
						"serial": j.Serial, "site": j.Site, "until": when(j.Expires)}))
				}
				if len(started) == 1 {
					fmt.Fprintln(cmd.OutOrStdout(), o.sayCapture("two-recommended", nil))
				}
				if !follow {
					return nil
				}
				var failed []error
				for _, j := range started {
					failed = append(failed, o.followJob(cmd.Context(), cmd.OutOrStdout(), jobs, j.ID))
				}
				return errors.Join(failed...)
			})
		},
	}
	cmd.Flags().StringVar(&site, "site", "", o.sayCapture("flag-site", nil))
	cmd.Flags().StringVar(&serial, "serial", "", o.sayCapture("flag-serial", nil))
	cmd.Flags().StringVar(&number, "employee", "", o.sayCapture("flag-employee", nil))
	cmd.Flags().UintSliceVar(&fingers, "finger", nil, o.sayCapture("flag-finger", nil))
	cmd.Flags().BoolVar(&order.Notice, "notice-shown", false, o.sayCapture("flag-notice", nil))
	cmd.Flags().DurationVar(&order.For, "for", job.Lasts, o.sayCapture("flag-for", nil))
	cmd.Flags().BoolVar(&follow, "follow", false, o.sayCapture("flag-follow", nil))
	for _, needed := range []string{"serial", "employee", "finger"} {
		_ = cmd.MarkFlagRequired(needed) // the flags are defined above
	}
	return o.flagWho(cmd)
}

func (o *operator) captureList() *cobra.Command {
	var filter job.Filter
	cmd := &cobra.Command{
		Use:   "list",
		Short: o.sayCapture("list-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.withJobs(cmd.Context(), func(_ *directory.Register, jobs *job.Jobs) error {
				all, err := jobs.List(cmd.Context(), filter)
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, o.sayCapture("head", nil))
				for _, j := range all {
					fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", j.ID, j.Site, j.Serial, j.PIN, j.Finger, when(j.OrderedAt), j.OrderedBy, o.words().Capture(j))
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().BoolVar(&filter.Open, "open", false, o.sayCapture("flag-open", nil))
	return cmd
}

func (o *operator) captureShow() *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: o.sayCapture("show-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withJobs(cmd.Context(), func(_ *directory.Register, jobs *job.Jobs) error {
				j, err := jobs.Get(cmd.Context(), jobID(args[0]))
				if err != nil {
					return err
				}
				out := cmd.OutOrStdout()
				fmt.Fprintln(out, o.sayCapture("started", phrase.Args{"id": j.ID, "finger": j.Finger, "pin": j.PIN,
					"serial": j.Serial, "site": j.Site, "until": when(j.Expires)}))
				fmt.Fprintln(out, o.sayCapture("shown", phrase.Args{"ordered": when(j.OrderedAt), "who": j.OrderedBy,
					"wording": j.Notice.Wording, "shown": when(j.Notice.At), "by": j.Notice.By}))
				if follow {
					return o.followJob(cmd.Context(), out, jobs, j.ID)
				}
				fmt.Fprintln(out, o.words().Capture(j))
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&follow, "follow", false, o.sayCapture("flag-follow", nil))
	return cmd
}

func (o *operator) captureCancel() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cancel ID",
		Short: o.sayCapture("cancel-short", nil),
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withJobs(cmd.Context(), func(_ *directory.Register, jobs *job.Jobs) error {
				if err := jobs.Cancel(cmd.Context(), jobID(args[0]), o.by("capture cancel", "").Who, time.Now()); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), o.sayCapture("cancelled", phrase.Args{"id": args[0]}))
				return nil
			})
		},
	}
	return o.flagWho(cmd)
}

func (o *operator) captureNotice() *cobra.Command {
	return &cobra.Command{
		Use:   "notice",
		Short: o.sayCapture("notice-short", nil),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprintf(cmd.OutOrStdout(), "%s\n\n(%s)\n", o.sayCapture("notice", nil), job.Wording)
			return nil
		},
	}
}

// jobID reads a number; what is none names no job.
func jobID(text string) int64 {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return id
}

// followEvery is how often a job that is followed is looked at.
const followEvery = 200 * time.Millisecond

// followJob writes every step of a job until it ends; an end without a template is an
// error.
func (o *operator) followJob(ctx context.Context, out io.Writer, jobs *job.Jobs, id int64) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for last := ""; ; {
		j, err := jobs.Get(ctx, id)
		if err != nil {
			return err
		}
		said := fmt.Sprintf("%d: %s", j.ID, o.words().Capture(j))
		if !j.State.Open() && j.State != job.Done {
			return errors.New(said)
		}
		if said != last {
			fmt.Fprintln(out, said)
			last = said
		}
		if !j.State.Open() {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}
