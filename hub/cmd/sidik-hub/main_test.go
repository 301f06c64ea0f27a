package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/systemd/systemdtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sidik-hub": main})
}

// TestScripts runs the command lines of testdata/script, each in a folder of its
// own. The folder "filled" in it is a hub's that holds four punches of one site;
// $HUB and $AGENT are the fingerprints of its keys. "held" is one whose terminals have
// rosters and inventories, "left" one whose people have left, "people" one with accounts. "stick" is what a
// terminal wrote, "torn" the same with damage.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  filepath.Join("testdata", "script"),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"allowed": systemdtest.Allowed},
		Setup: func(env *testscript.Env) error {
			env.Setenv("SIDIK_LANG", "en")
			env.Setenv("KEY", strings.Repeat("ab", 32))
			env.Setenv("OTHER", strings.Repeat("cd", 32))
			if err := fill(t, env, filepath.Join(env.WorkDir, "filled")); err != nil {
				return err
			}
			if err := leave(filepath.Join(env.WorkDir, "left")); err != nil {
				return err
			}
			if err := invite(filepath.Join(env.WorkDir, "people")); err != nil {
				return err
			}
			if err := carry(env); err != nil {
				return err
			}
			return hold(t, filepath.Join(env.WorkDir, "held"))
		},
	})
}

// invite makes an administrator, and an auditor who has not chosen a password.
func invite(data string) (err error) {
	ctx := context.Background()
	s, err := hub.OpenStore(ctx, data, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	accounts, by := account.New(s, time.Now), account.By{Who: "test"}
	code, err := accounts.FirstLink(ctx, by)
	if err != nil {
		return err
	}
	if _, err := accounts.Choose(ctx, code, account.Account{Name: "siti", FullName: "Siti Petugas"}, "empat kuda besi 91", ""); err != nil {
		return err
	}
	_, _, err = accounts.Add(ctx, by, account.Account{Name: "budi", FullName: "Budi Contoh", Role: account.Auditor})
	return err
}

// fill stores two equal rows, one of a minute later and one at a time that names no date.
func fill(t *testing.T, env *testscript.Env, data string) (err error) {
	key, _, err := hub.LoadKey(data)
	if err != nil {
		return err
	}
	agent := storetest.NewAgent(t, "samsat-demo")
	env.Setenv("HUB", string(key.Public().Fingerprint()))
	env.Setenv("AGENT", string(agent.Key.Public().Fingerprint()))
	var records []protocol.Record
	for n, r := range []protocol.Record{
		{PIN: "1001", Time: "2026-01-02T07:31:05"},
		{PIN: "1001", Time: "2026-01-02T07:31:05", Nth: 1},
		{PIN: "1002", Time: "2026-01-02T07:32:10", Status: 1, WorkCode: 7},
		{PIN: "1003", Time: protocol.RawTime(protocol.SourceZK, "776606400")},
	} {
		r.Serial, r.Verify, r.Source, r.Read = "DEMO1", 1, protocol.SourceZK, "read-1"
		r.Raw = fmt.Appendf(nil, "row %d", n)
		records = append(records, r)
	}
	segment, message := agent.Segment(t, records...)
	links, err := segment.Links()
	if err != nil {
		return err
	}
	ctx, at := context.Background(), time.Date(2026, 1, 2, 1, 0, 0, 0, time.UTC)
	s, err := hub.OpenStore(ctx, data, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := errors.Join(
		s.AddSite(ctx, agent.Site, agent.Key.Public().Fingerprint(), at),
		s.LearnKey(ctx, agent.Site, agent.Key.Public(), at),
		s.AddTerminal(ctx, agent.Site, "DEMO1", at),
	); err != nil {
		return err
	}
	verdicts, err := s.Accept(ctx, []store.Incoming{{Site: agent.Site, From: agent.Key.Public().KeyID(), Message: message,
		Segment: segment, Links: links, Received: at}})
	if err == nil && verdicts[0].New != len(records) {
		err = fmt.Errorf("stored %+v", verdicts[0])
	}
	return err
}
