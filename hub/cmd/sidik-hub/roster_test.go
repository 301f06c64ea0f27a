package main

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// hold makes a hub whose terminal DEMO1 holds somebody too many and somebody too few,
// and stopped at the brake; of DEMO2 nothing is known, and DEMO3 is at two sites.
func hold(t *testing.T, data string) (err error) {
	agent, second := storetest.NewAgent(t, "samsat-demo"), storetest.NewAgent(t, "bkpsdmd-demo")
	ctx, at := context.Background(), time.Date(2026, 1, 5, 1, 0, 0, 0, time.UTC)
	s, err := hub.OpenStore(ctx, data, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := errors.Join(
		s.AddSite(ctx, agent.Site, agent.Key.Public().Fingerprint(), at),
		s.AddSite(ctx, second.Site, second.Key.Public().Fingerprint(), at),
		s.AddTerminal(ctx, agent.Site, "DEMO1", at), s.AddTerminal(ctx, agent.Site, "DEMO2", at),
		s.AddTerminal(ctx, agent.Site, "DEMO3", at), s.AddTerminal(ctx, second.Site, "DEMO3", at),
	); err != nil {
		return err
	}
	h := holding.New(s)
	finger := func(n byte) roster.Finger {
		return roster.Finger{Number: 6, Algorithm: 10, Digest: protocol.Hash{n}}
	}
	first := roster.Roster{Serial: "DEMO1", AsOf: "2026-01-04", Mode: roster.Enforce}
	if _, _, err := h.SetRoster(ctx, agent.Site, "DEMO1", first, 1, at); err != nil {
		return err
	}
	first.Entries = []roster.Entry{
		{PIN: "100001", Name: "Ani Demo", Privilege: roster.Administrator, Fingers: []roster.Finger{finger(1)}},
		{PIN: "100002", Name: "Budi Demo", Privilege: roster.User, Fingers: []roster.Finger{finger(2)}},
	}
	order, _, err := h.SetRoster(ctx, agent.Site, "DEMO1", first, 1, at)
	if err != nil {
		return err
	}
	inv := roster.Inventory{Serial: "DEMO1", Capabilities: roster.Capabilities{Algorithm: 10, NameBytes: 24}, Users: []roster.Held{
		{Slot: 1, PIN: "100001", Name: []byte("ANI"), Privilege: roster.Administrator, Fingers: []roster.HeldFinger{{Number: 6, Algorithm: 10, Digest: protocol.Hash{1}}}},
		{Slot: 2, PIN: "77", Name: []byte("Citra Demo"), Privilege: roster.User},
	}}
	text, err := json.Marshal(inv)
	if err != nil {
		return err
	}
	sealing, err := seal.GenerateSealingKey()
	if err != nil {
		return err
	}
	said := holding.Said{Site: agent.Site, Serial: "DEMO1", Agent: agent.Key.Public().KeyID(), Seq: protocol.Seq{Life: 1, Counter: 1}, At: at}
	return errors.Join(
		h.TakeInventory(ctx, said, sealing.Public(), text, inv),
		h.TakeResults(ctx, said, protocol.Results{Serial: "DEMO1", Roster: order, State: protocol.StandingBraked, Plan: protocol.Hash{0xab},
			Outcomes: []protocol.Outcome{{Act: "add-user", PIN: "100001"}, {Act: "add-finger", PIN: "100001", Finger: 6, Reason: "not-read-back"}},
			Blocked:  []protocol.Outcome{{Act: "drop-user", PIN: "77", Reason: "brake"}, {Act: "add-user", PIN: "100002", Reason: "new-in-this-agent"}}}),
	)
}
