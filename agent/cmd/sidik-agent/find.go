package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/agent/config"
	"github.com/bkpsdmd-babel/sidik/agent/internal/commkey"
	"github.com/bkpsdmd-babel/sidik/agent/internal/finder"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// search is one look for terminals by a technician.
type search struct {
	*technician
	config  string // file that says which terminals are ours; empty: nobody knows
	subnets []string
	port    uint16
	scan    finder.Scan
	ours    map[protocol.Serial]bool // still to be found; false once it was
}

// errMissing ends a search that did not find every configured terminal.
var errMissing = errors.New("not every terminal of the configuration was found; see above")

// find lists the terminals of the local network. A configuration says which are ours.
func (t *technician) find() *cobra.Command {
	s := &search{technician: t, ours: map[protocol.Serial]bool{}}
	cmd := &cobra.Command{
		Use:   "find",
		Short: t.catalogue.Say(t.lang, "finder.short", nil),
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return s.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&s.subnets, "subnet", nil, t.catalogue.Say(t.lang, "finder.flag-subnet", nil))
	flags.Uint16Var(&s.port, "port", finder.Port, t.catalogue.Say(t.lang, "finder.flag-port", nil))
	flags.StringVar(&s.config, "config", "", t.catalogue.Say(t.lang, "finder.flag-config", nil))
	return cmd
}

func (s *search) run(cmd *cobra.Command) error {
	if err := s.prepare(cmd); err != nil {
		return err
	}
	say := func(code string, args phrase.Args) {
		fmt.Fprintln(cmd.ErrOrStderr(), s.catalogue.Say(s.lang, "finder."+code, args))
	}
	if len(s.scan.Subnets) == 0 {
		say("no-subnet", nil)
		return nil
	}
	say("looking", phrase.Args{"subnets": joined(s.scan.Subnets)})
	var answers []finder.Answer
	late := s.scan.Look(cmd.Context(), func(a finder.Answer) { answers = append(answers, a) })
	if cmd.Context().Err() != nil {
		return late
	}
	slices.SortFunc(answers, func(a, b finder.Answer) int { return cmp.Compare(a.Address, b.Address) })
	var text bytes.Buffer
	page, err := newSheet(&text, s.format)
	for _, a := range answers {
		if err == nil {
			err = page.line(s.fields(a)...)
		}
	}
	if err == nil {
		err = page.end()
	}
	_, writing := text.WriteTo(cmd.OutOrStdout())
	if len(answers) == 0 {
		say("none", nil)
	}
	missing := false
	for _, serial := range slices.Sorted(maps.Keys(s.ours)) {
		if s.ours[serial] {
			missing = true
			say("missing", phrase.Args{"serial": serial})
		}
	}
	if missing && late == nil {
		late = errMissing
	}
	return errors.Join(err, writing, late)
}

// prepare takes subnets, keys and our serial numbers from flags and configuration.
func (s *search) prepare(cmd *cobra.Command) (err error) {
	if s.format == "attlog" {
		return errors.New(s.say("attlog-only-punches", nil))
	}
	var subnets []config.Subnet
	s.scan.Keys = []uint32{s.commKey}
	if s.config != "" {
		s.file = s.config
		c, err := s.load()
		if err != nil {
			return err
		}
		subnets = c.Finder.Subnets
		if !cmd.Flags().Changed("port") {
			s.port = uint16(c.Finder.Port)
		}
		for _, t := range c.Terminals {
			s.ours[protocol.Serial(t.Serial)] = true
			for _, key := range commkey.Tried(c.Data, protocol.Serial(t.Serial), t.CommKey) {
				if !slices.Contains(s.scan.Keys, key) {
					s.scan.Keys = append(s.scan.Keys, key)
				}
			}
		}
	}
	if len(s.subnets) > 0 {
		subnets = nil
	}
	for _, text := range s.subnets {
		subnet, err := config.ParseSubnet(text)
		if err != nil {
			return fmt.Errorf("--subnet: %w", err)
		}
		subnets = append(subnets, subnet)
	}
	if len(subnets) == 0 {
		keys := s.scan.Keys
		if s.scan, err = finder.Local(); err != nil {
			return err
		}
		s.scan.Keys = keys
	}
	for _, subnet := range subnets {
		s.scan.Subnets = append(s.scan.Subnets, subnet.Prefix)
	}
	s.scan.Ports = []uint16{s.port}
	return nil
}

// fields is a terminal in a line of output: ours, foreign, or locked where a key that we
// do not have keeps us from asking. Without a configuration nobody knows which are ours.
func (s *search) fields(a finder.Answer) []field {
	serial, kind := any(a.Serial), any(nil)
	_, ours := s.ours[a.Serial]
	switch {
	case a.Serial == "":
		serial, kind = nil, "locked"
	case ours:
		kind = "ours"
		s.ours[a.Serial] = false
	case s.config != "":
		kind = "foreign"
	}
	return []field{{"address", a.Address}, {"network", a.Network}, {"serial", serial}, {"terminal", kind}}
}

func joined(subnets []netip.Prefix) string {
	list := make([]string, len(subnets))
	for i, s := range subnets {
		list[i] = s.String()
	}
	return strings.Join(list, ", ")
}
