package sidik_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// An agent is killed again and again while it is brought to another version and back:
// while it downloads, while it gives its process away, while the other version proves
// itself. It always comes up as one of the two, gets a later order done, and loses no punch.
func TestKillsWhileTheVersionChanges(t *testing.T) {
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	const program = "./agent/cmd/sidik-agent"
	w := certifiedWorld(t, 0)
	a := newAgency(t, w, compile(t, "v1.4.0", "./hub/cmd/sidik-hub"))
	w.startHub()
	o := w.newOffice("samsat-koba", "tft-new", 20)
	o.admit()
	versions, packaged := []string{"v1.2.0", "v1.1.0"}, ""
	for _, version := range versions {
		packaged = compile(t, version, program) // the last of them
		folder, _ := a.release(version, contents(t, packaged), a.key)
		a.printed("release", "add", folder)
	}
	process := newProcess(t, packaged, "run", "--config", o.writeConfig())
	process.start()
	o.arrive()
	order := func(version string) {
		a.printed("release", "roll-out", version, "--to", string(o.site), "--downgrade")
	}
	stop := o.punching(50 * time.Millisecond)
	defer stop()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	seen := map[string]int{} // what a site was killed in
	for n := range rounds {
		version := versions[n%2]
		order(version)
		for range 2 { // fewer than end a trial
			pause := time.NewTimer(time.Duration(random.IntN(4000)+100) * time.Millisecond)
			<-pause.C
			seen[a.stage(version)]++
			process.kill()
			process.start()
		}
		a.shows(version, "selesai", " "+version+" ")
	}
	stop()
	o.arrive()
	process.end()
	operator{w, a.program}.says("verify")
	t.Logf("killed in %v", seen)
}

// stage is how far the first site of a version is, as people read it.
func (a agency) stage(version string) string {
	lines := strings.Split(a.printed("release", "list", version), "\n")
	if len(lines) < 2 || len(strings.Fields(lines[1])) < 2 {
		return fmt.Sprint(lines)
	}
	return strings.Fields(lines[1])[1]
}
