package launch_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bkpsdmd-babel/sidik/agent/internal/launch"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

func edition(t testing.TB, s string) protocol.Edition {
	t.Helper()
	e, err := protocol.ParseEdition(s)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func program(t testing.TB, version, over string) launch.Program {
	return launch.Program{SHA256: sha256.Sum256([]byte(version)), Version: edition(t, version), Over: over, Order: protocol.Seq{Life: 1, Counter: 7}}
}

var errBroken = errors.New("broken")

// What is started, and what is written down before, for every plan there can be.
func TestLaunch(t *testing.T) {
	two, three := program(t, "v1.2.0", "v1.1.0"), program(t, "v1.3.0", "v1.1.0")
	down := program(t, "v1.0.0", "v1.1.0")
	limit, total := launch.Seconds(launch.Limit/time.Second), launch.Seconds(launch.TotalLimit/time.Second)
	refused := func(p launch.Program, r launch.Reason) []launch.Refused {
		return []launch.Refused{{Program: p, Reason: r}}
	}
	for _, row := range []struct {
		name     string
		plan     launch.Plan
		packaged string
		broken   string // version whose file is damaged
		run      *launch.Program
		next     launch.Plan
	}{
		{"nothing planned", launch.Plan{}, "v1.1.0", "", nil, launch.Plan{}},
		{"a proven one", launch.Plan{Current: &two}, "v1.1.0", "", &two, launch.Plan{Current: &two}},
		{"a proven one that is damaged", launch.Plan{Current: &two}, "v1.1.0", "v1.2.0", nil, launch.Plan{Refused: refused(two, launch.Damaged)}},
		{"a newer package than the proven one", launch.Plan{Current: &two}, "v1.2.1", "", nil, launch.Plan{}},
		{"the package of the same version", launch.Plan{Current: &two}, "v1.2.0", "", nil, launch.Plan{}},
		{"an older package than before", launch.Plan{Current: &two}, "v1.0.0", "", &two, launch.Plan{Current: &two}},
		{"one that was ordered below the package", launch.Plan{Current: &down}, "v1.1.0", "", &down, launch.Plan{Current: &down}},
		{"a newer package than the one it was ordered below of", launch.Plan{Current: &down}, "v1.1.1", "", nil, launch.Plan{}},
		{"a package without a version", launch.Plan{Current: &two}, "dev", "", &two, launch.Plan{Current: &two}},

		{"the first trial", launch.Plan{Current: &two, Trying: &three}, "v1.1.0", "", &three, launch.Plan{Current: &two, Trying: &three, Starts: 1}},
		{"the last trial", launch.Plan{Trying: &three, Starts: 2}, "v1.1.0", "", &three, launch.Plan{Trying: &three, Starts: 3}},
		{"one trial too many", launch.Plan{Current: &two, Trying: &three, Starts: 3, Needs: launch.Needs{Hub: true}}, "v1.1.0", "", &two,
			launch.Plan{Current: &two, Refused: refused(three, launch.Starts)}},
		{"one trial too many, of the first release", launch.Plan{Trying: &three, Starts: 3}, "v1.1.0", "", nil, launch.Plan{Refused: refused(three, launch.Starts)}},
		{"a trial of what is damaged", launch.Plan{Current: &two, Trying: &three}, "v1.1.0", "v1.3.0", &two, launch.Plan{Current: &two, Refused: refused(three, launch.Damaged)}},
		{"a trial that lasts too long", launch.Plan{Trying: &three, Starts: 1, Up: limit}, "v1.1.0", "", nil, launch.Plan{Refused: refused(three, launch.Unproven)}},
		{"a trial without a network for a day", launch.Plan{Trying: &three, Starts: 1, Total: total}, "v1.1.0", "", nil, launch.Plan{Refused: refused(three, launch.Unproven)}},
		{"a trial that may go on", launch.Plan{Trying: &three, Starts: 1, Up: limit - 1, Total: total - 1}, "v1.1.0", "", &three,
			launch.Plan{Trying: &three, Starts: 2, Up: limit - 1, Total: total - 1}},
		{"a newer package than the trial", launch.Plan{Current: &two, Trying: &three, Starts: 1}, "v1.4.0", "", nil, launch.Plan{}},
	} {
		t.Run(row.name, func(t *testing.T) {
			next, run := row.plan.Launch(row.packaged, func(p launch.Program) error {
				if p.Version.String() == row.broken {
					return errBroken
				}
				return nil
			})
			if !reflect.DeepEqual(next, row.next) || !reflect.DeepEqual(run, row.run) {
				t.Errorf("Launch = %+v, runs %+v\nwant %+v, runs %+v", next, run, row.next, row.run)
			}
		})
	}
}

func TestTrialEnds(t *testing.T) {
	two, three := program(t, "v1.2.0", ""), program(t, "v1.3.0", "")
	trial := launch.Plan{Current: &two}.Try(three, launch.Needs{Hub: true, Terminal: true})
	trial, _ = trial.Launch("v1.1.0", func(launch.Program) error { return nil })
	if got := trial.Proven(); !reflect.DeepEqual(got, launch.Plan{Current: &three}) {
		t.Errorf("Proven = %+v", got)
	}
	if got := trial.Refuse(launch.Hub); !reflect.DeepEqual(got.Current, &two) || got.Trying != nil || got.Why(three.Order) != launch.Hub || got.Why(protocol.Seq{Life: 9}) != "" {
		t.Errorf("Refuse = %+v", got)
	}
	if got := trial.Failed(three); got.Trying != nil || !reflect.DeepEqual(got.Current, &two) || got.Why(three.Order) != launch.Exec {
		t.Errorf("Failed of the trial = %+v", got)
	}
	if got := (launch.Plan{Current: &two}).Failed(two); got.Current != nil || got.Why(two.Order) != launch.Exec {
		t.Errorf("Failed of the present one = %+v", got)
	}
	// A machine that is turned off every evening is no program that ends by itself.
	if got := trial.Passed(time.Minute, true, launch.Steady-1); got.Starts != 1 || got.Up != 60 || got.Total != 60 {
		t.Errorf("Passed after a while = %+v", got)
	}
	if got := trial.Passed(time.Minute, false, launch.Steady); got.Starts != 0 || got.Up != 0 || got.Total != 60 {
		t.Errorf("Passed without a network = %+v", got)
	}
	for range 20 {
		trial = trial.Refuse(launch.Hub).Try(three, launch.Needs{})
	}
	if len(trial.Refused) != 8 {
		t.Errorf("%d refusals are remembered", len(trial.Refused))
	}
}

// However often a plan is launched without a proof, it ends at a program that is not on
// trial, and stays there.
func TestEveryPlanEnds(t *testing.T) {
	versions := []string{"v1.0.0", "v1.2.0", "v1.3.0"}
	rapid.Check(t, func(rt *rapid.T) {
		pick := func(name string) *launch.Program {
			if rapid.Bool().Draw(rt, "no "+name) {
				return nil
			}
			p := program(t, rapid.SampledFrom(versions).Draw(rt, name), "v1.1.0")
			return &p
		}
		p := launch.Plan{Current: pick("current"), Trying: pick("trying"), Starts: rapid.IntRange(0, 5).Draw(rt, "starts"),
			Up: launch.Seconds(rapid.IntRange(0, 2000).Draw(rt, "up")), Total: launch.Seconds(rapid.IntRange(0, 100_000).Draw(rt, "total"))}
		broken := rapid.SampledFrom(append(versions, "")).Draw(rt, "broken")
		packaged := rapid.SampledFrom([]string{"dev", "v1.1.0", "v1.2.5"}).Draw(rt, "packaged")
		fit := func(p launch.Program) error {
			if p.Version.String() == broken {
				return errBroken
			}
			return nil
		}
		var run *launch.Program
		for range launch.MaxStarts + 1 {
			if p, run = p.Launch(packaged, fit); run != nil && fit(*run) != nil {
				rt.Fatalf("a damaged program is run: %+v", run)
			}
		}
		again, same := p.Launch(packaged, fit)
		if p.Trying != nil || !reflect.DeepEqual(again, p) || !reflect.DeepEqual(run, same) {
			rt.Fatalf("after %d starts the plan is %+v, then %+v", launch.MaxStarts+1, p, again)
		}
	})
}

// A plan is read back as it was kept, with every field.
func TestPlanIsKept(t *testing.T) {
	two, three := program(t, "v1.2.0", "v1.1.0"), program(t, "v1.3.0-rc.1", "dev")
	want := launch.Plan{Current: &two, Trying: &three, Needs: launch.Needs{Terminal: true, Hub: true}, Starts: 2, Up: 3, Total: 4,
		Refused: []launch.Refused{{Program: two, Reason: launch.Hub}}}
	for i := range reflect.TypeOf(want).NumField() {
		if reflect.ValueOf(want).Field(i).IsZero() {
			t.Fatalf("this test says nothing of %s", reflect.TypeOf(want).Field(i).Name)
		}
	}
	folder := launch.In(t.TempDir())
	if got, err := folder.Plan(); err != nil || !reflect.DeepEqual(got, launch.Plan{}) {
		t.Errorf("the plan of an empty folder = %+v, %v", got, err)
	}
	if err := folder.Keep(want); err != nil {
		t.Fatal(err)
	}
	if got, err := folder.Plan(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Plan = %+v, %v, want %+v", got, err, want)
	}
	text, err := os.ReadFile(folder.Path("plan.json"))
	if err != nil || !json.Valid(text) {
		t.Errorf("plan.json is no JSON (%v)", err)
	}
}
