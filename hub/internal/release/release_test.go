package release_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/release"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

var postgres *storetest.Postgres

func TestMain(m *testing.M) { os.Exit(storetest.Run(m, &postgres)) }

var quiet = func() *slog.Logger { return slog.New(slog.DiscardHandler) }

// world is a hub's releases with 40 sites that have agents.
type world struct {
	t      *testing.T
	db     *store.Store
	key    seal.SigningKey
	agents map[protocol.SiteID]*storetest.Agent
	spoken uint64
	*release.Releases
}

func each(t *testing.T, body func(t *testing.T, w *world)) {
	storetest.Each(t, postgres, func(t *testing.T, dsn string) {
		db, err := store.Open(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		w := &world{t: t, db: db, agents: map[protocol.SiteID]*storetest.Agent{}, Releases: release.New(db, t.TempDir())}
		if w.key, err = seal.GenerateSigningKey(); err != nil {
			t.Fatal(err)
		}
		for n := range 40 {
			site := protocol.SiteID(fmt.Sprintf("kantor-%02d", n))
			a := storetest.NewAgent(t, site)
			if err := db.AddSite(t.Context(), site, a.Key.Public().Fingerprint(), storetest.Morning()); err != nil {
				t.Fatal(err)
			}
			w.agents[site] = a
		}
		body(t, w)
	})
}

// signed writes a release into a folder.
func (w *world) signed(version string, text []byte) (folder string, digest protocol.Hash) {
	w.t.Helper()
	folder, digest = w.t.TempDir(), sha256.Sum256(text)
	edition, err := protocol.ParseEdition(version)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := protocol.SignManifest(protocol.Manifest{Version: edition, Built: storetest.Morning(),
		Files: []protocol.ReleaseFile{{Arch: protocol.ArchARMv6, Size: int64(len(text)), SHA256: digest}}}, w.key)
	if err != nil {
		w.t.Fatal(err)
	}
	file, err := s.Append(nil)
	if err == nil {
		err = errors.Join(os.WriteFile(filepath.Join(folder, "release.json"), file, 0o600), os.WriteFile(filepath.Join(folder, "sidik-agent"), text, 0o700))
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return folder, digest
}

func (w *world) add(version string) (digest protocol.Hash) {
	w.t.Helper()
	folder, digest := w.signed(version, []byte("program "+version))
	if _, err := w.Add(w.t.Context(), folder, []seal.PublicKey{w.key.Public()}, "Ani Demo", storetest.Morning()); err != nil {
		w.t.Fatal(err)
	}
	return digest
}

func (w *world) rollOut(version string, to ...string) []protocol.SiteID {
	w.t.Helper()
	target, err := release.ParseTarget(to)
	if err != nil {
		w.t.Fatal(err)
	}
	sites, err := w.RollOut(w.t.Context(), version, target, false, -1, "Ani Demo", storetest.Morning())
	if err != nil {
		w.t.Fatal(err)
	}
	return sites
}

func (w *world) order(site protocol.SiteID) release.Order {
	w.t.Helper()
	orders, err := w.Orders(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, o := range orders {
		if o.Site == site {
			return o
		}
	}
	w.t.Fatalf("site %s has no order", site)
	return release.Order{}
}

// says lets a site's agent say how far it is.
func (w *world) says(site protocol.SiteID, stage protocol.ReleaseStage, reason string, at time.Time) {
	w.t.Helper()
	a, o := w.agents[site], w.order(site)
	w.spoken++
	state := protocol.State{Status: protocol.StatusReady, Key: a.Key.Public(), Version: "v1.1.0", Conditions: []protocol.Condition{}, Terminals: []protocol.Terminal{},
		Release: &protocol.ReleaseState{Version: o.Version, Order: o.Seq, Stage: stage, Reason: reason}}
	seq := protocol.Seq{Life: 1, Counter: w.spoken}
	message, err := protocol.Seal(protocol.Envelope{Kind: protocol.KindState, Site: site, Seq: seq}, state, a.Key)
	if err == nil {
		_, err = w.db.SaveState(w.t.Context(), store.State{Site: site, Seq: seq, Message: message, Received: at})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) judge(at time.Time) release.Release {
	w.t.Helper()
	if err := w.Judge(w.t.Context(), at, quiet()); err != nil {
		w.t.Fatal(err)
	}
	all, err := w.All(w.t.Context())
	if err != nil || len(all) == 0 {
		w.t.Fatalf("releases %+v, %v", all, err)
	}
	return all[0]
}

func TestOnlyWhatTheReleaseKeySignedIsAdded(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		folder, digest := w.signed("v1.2.0", []byte("program"))
		keys := []seal.PublicKey{w.key.Public()}
		other, err := seal.GenerateSigningKey()
		if err != nil {
			t.Fatal(err)
		}
		add := func(folder string, keys []seal.PublicKey) error {
			_, err := w.Add(t.Context(), folder, keys, "Ani Demo", storetest.Morning())
			return err
		}
		if err := add(folder, nil); !errors.Is(err, release.ErrKeys) {
			t.Errorf("without a release key: %v, want ErrKeys", err)
		}
		if err := add(folder, []seal.PublicKey{other.Public()}); !errors.Is(err, protocol.ErrReleaseKey) {
			t.Errorf("by another key: %v, want ErrReleaseKey", err)
		}
		program := filepath.Join(folder, "sidik-agent")
		if err := os.WriteFile(program, []byte("PROGRAM"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := add(folder, keys); !errors.Is(err, release.ErrDigest) {
			t.Errorf("with a changed program: %v, want ErrDigest", err)
		}
		if all, err := w.All(t.Context()); err != nil || len(all) != 0 {
			t.Fatalf("releases %+v, %v", all, err)
		}
		if err := os.WriteFile(program, []byte("program"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(add(folder, keys), add(folder, keys)); err != nil {
			t.Errorf("twice the same: %v", err)
		}
		again, _ := w.signed("v1.2.0", []byte("another program"))
		if err := add(again, keys); !errors.Is(err, release.ErrOther) {
			t.Errorf("another release of the version: %v, want ErrOther", err)
		}
		site := w.rollOut("v1.2.0", "kantor-07")[0]
		f, err := w.Program(t.Context(), site, digest)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(f)
		if err = errors.Join(err, f.Close()); err != nil || !bytes.Equal(text, []byte("program")) {
			t.Errorf("the program is %q, %v", text, err)
		}
		if _, err := w.Program(t.Context(), "kantor-08", digest); !errors.Is(err, release.ErrNotHere) {
			t.Errorf("for a site without an order: %v, want ErrNotHere", err)
		}
		if _, err := w.Program(t.Context(), site, protocol.Hash{1}); !errors.Is(err, release.ErrNotHere) {
			t.Errorf("another program: %v, want ErrNotHere", err)
		}
	})
}

func TestAGreaterShareOnlyAdds(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.add("v1.2.0")
		w.add("v1.3.0")
		first := w.rollOut("v1.2.0", "5%")
		more := w.rollOut("v1.2.0", "20%")
		if len(first) != 2 || len(more) != 6 || slices.ContainsFunc(more, func(s protocol.SiteID) bool { return slices.Contains(first, s) }) {
			t.Errorf("5%% are %v, then to 20%% come %v", first, more)
		}
		if again := w.rollOut("v1.2.0", "20%"); len(again) != 0 {
			t.Errorf("the same share again orders %v", again)
		}
		before := w.order(first[0]).Seq
		if named := w.rollOut("v1.2.0", string(first[0])); len(named) != 1 || !before.Less(w.order(first[0]).Seq) {
			t.Errorf("a site that is named gets %v", named)
		}
		if three := w.rollOut("v1.3.0", "5%"); slices.Equal(three, first) {
			t.Errorf("another version begins with the same sites %v", three)
		}
		rest := w.rollOut("v1.2.0", "all") // who is to run the higher version stays there
		if len(rest) < 30 || len(rest) > 32 {
			t.Errorf("all the rest are %d", len(rest))
		}
		for _, row := range []struct {
			version string
			to      release.Target
			want    error
		}{{"v1.4.0", release.Target{Percent: 5}, release.ErrNone}, {"v1.2.0", release.Target{Sites: []protocol.SiteID{"nobody"}}, release.ErrSite}} {
			if _, err := w.RollOut(t.Context(), row.version, row.to, false, -1, "Ani Demo", storetest.Morning()); !errors.Is(err, row.want) {
				t.Errorf("%+v: %v, want %v", row, err, row.want)
			}
		}
		if _, err := w.RollOut(t.Context(), "v1.2.0", release.Target{Percent: 5}, false, -1, " ", storetest.Morning()); !errors.Is(err, release.ErrWho) {
			t.Errorf("by nobody: %v, want ErrWho", err)
		}
	})
}

func TestRollOutPausesItself(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		digest, at := w.add("v1.2.0"), storetest.Morning()
		sites := w.rollOut("v1.2.0", "50%") // 20: one may fail
		w.says(sites[0], protocol.ReleaseRefused, "hub", at)
		w.says(sites[1], protocol.ReleaseRefused, "lower", at) // not the version's fault
		w.says(sites[2], protocol.ReleaseRunning, "", at)
		w.says(sites[3], protocol.ReleaseTrying, "", at)
		if r := w.judge(at); r.Paused != "" {
			t.Fatalf("one failure pauses: %q", r.Paused)
		}
		// A site that began and is not heard of for more than a day is the second.
		if r := w.judge(at.Add(27 * time.Hour)); r.Paused != "2/20" {
			t.Fatalf("two failures do not pause: %q", r.Paused)
		}
		if c, err := w.db.Conditions(t.Context(), ""); err != nil || len(c) != 1 || c[0].Code != release.ConditionPaused || c[0].Args["failed"] != "2" {
			t.Errorf("conditions %+v, %v", c, err)
		}
		if o := w.order(sites[5]); !o.Paused {
			t.Error("an order of a paused version is not paused")
		}
		if _, err := w.Program(t.Context(), sites[5], digest); !errors.Is(err, release.ErrNotHere) {
			t.Errorf("a paused program is given out: %v", err)
		}
		if _, err := w.RollOut(t.Context(), "v1.2.0", release.Target{Percent: 100}, false, -1, "Ani Demo", at); !errors.Is(err, release.ErrPaused) {
			t.Errorf("a paused version is rolled out: %v", err)
		}
		if err := w.Resume(t.Context(), "v1.2.0", "Ani Demo", at); err != nil {
			t.Fatal(err)
		}
		if c, err := w.db.Conditions(t.Context(), ""); err != nil || len(c) != 0 {
			t.Errorf("conditions after going on %+v, %v", c, err)
		}
		if _, err := w.RollOut(t.Context(), "v1.2.0", release.Target{Percent: 100}, false, 5, "Ani Demo", at); err != nil {
			t.Fatal(err)
		}
		if r := w.judge(at.Add(27 * time.Hour)); r.Paused != "" || r.Failures != 5 {
			t.Errorf("with five allowed: %+v", r)
		}
	})
}

func TestStandings(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.add("v1.2.0")
		at := storetest.Morning()
		sites := w.rollOut("v1.2.0", "kantor-01", "kantor-02", "kantor-03", "kantor-04")
		w.says(sites[0], protocol.ReleaseFetching, "no-room", at)
		w.says(sites[1], protocol.ReleaseRefused, "starts", at)
		w.says(sites[2], protocol.ReleaseRunning, "", at)
		w.rollOut("v1.2.0", string(sites[1])) // once more: what it said was of the order before
		all, err := w.Standings(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range all {
			got = append(got, string(s.Stage)+s.Reason)
		}
		if want := []string{"fetchingno-room", "waiting", "running", "waiting"}; !slices.Equal(got, want) {
			t.Errorf("the sites are %v, want %v", got, want)
		}
	})
}
