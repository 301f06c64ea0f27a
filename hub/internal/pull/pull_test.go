package pull_test

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/pull"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// office is a terminal of enrolment with three fingers, and another terminal.
type office struct {
	seen   []protocol.Hash
	digest protocol.Hash // of the inventory
	asked  [][]protocol.Hash
	now    time.Time
}

func (o *office) Register(context.Context) (*directory.Register, error) {
	enrolment := directory.Facts{directory.TerminalEnrolment: {{Since: "2026-01-01", Value: "yes"}}}
	return &directory.Register{Terminals: map[placement.TerminalID]*directory.Terminal{
		1: {ID: 1, Site: "bkpsdmd", Serial: "RECORDING", Facts: enrolment}, 2: {ID: 2, Site: "samsat", Serial: "OTHER"},
	}}, nil
}

func (o *office) Inventory(_ context.Context, _ protocol.SiteID, serial protocol.Serial) (holding.Inventory, error) {
	if serial != "RECORDING" {
		return holding.Inventory{}, holding.ErrNone
	}
	return holding.Inventory{Digest: o.digest, Inventory: roster.Inventory{Serial: serial, Users: []roster.Held{
		{Slot: 1, PIN: "1", Fingers: []roster.HeldFinger{{Digest: protocol.Hash{1}}, {Number: 1, Digest: protocol.Hash{2}}}},
		{Slot: 2, PIN: "2", Fingers: []roster.HeldFinger{{Digest: protocol.Hash{3}}}},
	}}}, nil
}

func (o *office) Seen(_ context.Context, digest protocol.Hash) (bool, error) {
	return slices.Contains(o.seen, digest), nil
}

func TestOnlyWhatWasNeverSeenIsAskedFor(t *testing.T) {
	o := &office{digest: protocol.Hash{1}, now: time.Date(2026, 1, 6, 5, 0, 0, 0, time.UTC)}
	p := pull.New(pull.Options{
		Directory: o, Holding: o, Vault: o, Now: func() time.Time { return o.now }, Logger: slog.New(slog.DiscardHandler),
		Ask: func(_ protocol.SiteID, serial protocol.Serial, digests []protocol.Hash) {
			if serial != "RECORDING" {
				t.Errorf("asked terminal %s, which is not of enrolment", serial)
			}
			o.asked = append(o.asked, digests)
		},
	})
	look := func(want ...protocol.Hash) {
		t.Helper()
		o.asked = nil
		if err := p.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(want) == 0 && len(o.asked) == 0 {
			return
		}
		if len(o.asked) != 1 || !slices.Equal(o.asked[0], want) {
			t.Errorf("asked for %v, want %v", o.asked, want)
		}
	}
	o.seen = []protocol.Hash{{2}} // held, found, or let go of
	look(protocol.Hash{1}, protocol.Hash{3})
	look() // just asked
	o.now = o.now.Add(time.Hour)
	look(protocol.Hash{1}, protocol.Hash{3}) // the line may have swallowed it
	o.seen = append(o.seen, protocol.Hash{1})
	o.digest = protocol.Hash{2}
	look(protocol.Hash{3})
	o.seen = append(o.seen, protocol.Hash{3})
	o.now = o.now.Add(time.Hour)
	look()
}

// twins are two sites whose terminals of enrolment say one serial and hold the same.
type twins struct{ office }

func (*twins) Register(context.Context) (*directory.Register, error) {
	enrolment := directory.Facts{directory.TerminalEnrolment: {{Since: "2026-01-01", Value: "yes"}}}
	return &directory.Register{Terminals: map[placement.TerminalID]*directory.Terminal{
		1: {ID: 1, Site: "bkpsdmd", Serial: "RECORDING", Facts: enrolment}, 2: {ID: 2, Site: "samsat", Serial: "RECORDING", Facts: enrolment},
	}}, nil
}

func TestTwoSitesWithOneSerialAreAskedEachOnce(t *testing.T) {
	o := &twins{office{digest: protocol.Hash{1}, now: time.Date(2026, 1, 6, 5, 0, 0, 0, time.UTC)}}
	asked := map[protocol.SiteID]int{}
	p := pull.New(pull.Options{
		Directory: o, Holding: o, Vault: o, Now: func() time.Time { return o.now }, Logger: slog.New(slog.DiscardHandler),
		Ask: func(site protocol.SiteID, _ protocol.Serial, _ []protocol.Hash) { asked[site]++ },
	})
	for range 2 {
		if err := p.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if asked["bkpsdmd"] != 1 || asked["samsat"] != 1 {
		t.Errorf("asked %v times, want each site once", asked)
	}
}
