package site

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/provision/internal/hubapi"
	"github.com/bkpsdmd-babel/sidik/provision/internal/kit"
)

// order is what somebody wants of a claim, and of the kit that it is in.
type order struct {
	hours    int
	terminal string
	packages []string
}

func (c *command) flagOrder(cmd *cobra.Command, o *order) {
	f := cmd.Flags()
	f.IntVar(&o.hours, "hours", 0, c.say("flag-hours", nil))
	f.StringVar(&o.terminal, "terminal", "", c.say("flag-bound", nil))
	f.StringArrayVar(&o.packages, "package", nil, c.say("flag-package", nil))
}

// goal is where a kit goes: a folder of kits, or the boot partition of a card.
type goal struct{ to, boot, at string }

func (c *command) flagGoal(cmd *cobra.Command, g *goal, to string) {
	f := cmd.Flags()
	f.StringVar(&g.to, "to", "", to)
	f.StringVar(&g.boot, "boot", "", c.say("flag-boot", nil))
	f.StringVar(&g.at, "boot-at", "", c.say("flag-boot-at", nil))
	cmd.MarkFlagsMutuallyExclusive("to", "boot")
	cmd.MarkFlagsMutuallyExclusive("to", "boot-at")
}

// place is what takes a kit.
type place struct {
	dir   string // which must be ours alone
	write func(kit.Kit) (folder string, err error)
	next  string // what there is to do then
}

// open looks at the place before anything is asked of the hub: a new code ends the former
// one.
func (c *command) open(g goal, o order) (place, error) {
	if g.boot == "" {
		return place{dir: g.to, write: func(k kit.Kit) (string, error) { return kit.Write(g.to, k) }}, nil
	}
	card, err := kit.OpenCard(g.boot, g.at)
	if err == nil && len(o.packages) == 0 {
		err = kit.ErrNoPackage
	}
	return place{g.boot, card.Write, c.say("kit-write-card", phrase.Args{"at": card.At})}, c.explained(err)
}

func (c *command) kit() *cobra.Command {
	var csv string
	var g goal
	var o order
	write := &cobra.Command{
		Use:   "write SITE --to DIR | write SITE --boot PARTITION | write --csv FILE --to DIR",
		Short: c.say("kit-write-short", nil),
		Args:  oneOrList(&csv),
		RunE: func(cmd *cobra.Command, args []string) error {
			if csv != "" && g.boot != "" {
				return errors.New(c.say("error-card-list", nil))
			}
			to, err := c.open(g, o)
			if err != nil {
				return err
			}
			return c.withHub(cmd, func(h *hubapi.Client) error {
				if csv != "" {
					return c.writeAll(cmd, h, csv, to, o)
				}
				s, err := h.Site(cmd.Context(), protocol.SiteID(args[0]))
				if err != nil {
					return err
				}
				return c.writeOne(cmd, h, s, to, o)
			})
		},
	}
	write.Flags().StringVar(&csv, "csv", "", c.say("flag-csv", nil))
	c.flagGoal(write, &g, c.say("flag-to", nil))
	write.MarkFlagsOneRequired("to", "boot")
	c.flagOrder(write, &o)
	write.MarkFlagsMutuallyExclusive("csv", "terminal")
	cmd := &cobra.Command{Use: "kit", Short: c.say("kit-short", nil)}
	cmd.AddCommand(write)
	return cmd
}

// writeOne writes one site's kit, with a new claim code, and prints its folder.
func (c *command) writeOne(cmd *cobra.Command, h *hubapi.Client, s hubapi.Site, to place, o order) (err error) {
	way, err := h.Way(cmd.Context())
	if err != nil {
		return err
	}
	if s.Standing == hubapi.Admitted {
		c.tell(cmd, "kit-replaces", phrase.Args{"site": s.Site})
	}
	taken, err := take(to.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, taken.Close()) }()
	folder, until, err := c.make(cmd, h, way, s, to, o)
	if err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), folder)
	c.tell(cmd, "kit-write-done", phrase.Args{"site": s.Site, "until": when(until)})
	if to.next != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), to.next)
	}
	return nil
}

// errTaken says that two write kits into one folder: each would end the other's codes.
var errTaken = errors.New("somebody else is writing kits into this folder")

// take makes a folder of kits ours until it is closed.
func take(to string) (folder *os.File, err error) {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return nil, fmt.Errorf("make folder of kits: %w", err)
	}
	if folder, err = os.Open(to); err != nil {
		return nil, fmt.Errorf("open folder of kits: %w", err)
	}
	if err := unix.Flock(int(folder.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", errTaken, err), folder.Close())
	}
	return folder, nil
}

// make asks for a claim code as the last thing before it is written: the code of the
// former kit ends in that moment.
func (c *command) make(cmd *cobra.Command, h *hubapi.Client, way hubapi.Way, s hubapi.Site, to place, o order) (folder string, until time.Time, err error) {
	k := kit.Kit{
		Site: s.Site, Terminals: s.Terminals, Root: way.Root, Agents: way.Agents, Keys: way.Keys,
		Page: h.Page(s.Site), Packages: o.packages, Now: time.Now(),
	}
	if err := k.Check(); err != nil {
		return "", until, err
	}
	claim, err := h.Claim(cmd.Context(), s.Site, protocol.Serial(o.terminal), o.hours)
	if err != nil {
		return "", until, err
	}
	k.Code, k.Until = claim.Code, claim.Until
	folder, err = to.write(k)
	return folder, claim.Until, err
}
