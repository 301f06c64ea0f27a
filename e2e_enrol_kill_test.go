package sidik_test

import (
	"bytes"
	"database/sql"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent"
	"github.com/bkpsdmd-babel/sidik/hub"
)

// An agent whose certificates end as soon as they are there asks for the next one at each
// start, and is killed about then, again and again; every few times with another code to
// claim. In the end it is its site's by one key, and no punch is missing.
func TestKillsWhileGettingInLeaveOneIdentity(t *testing.T) {
	kills := 15
	if testing.Short() {
		kills = 5
	}
	if os.Getenv("SIDIK_SOAK") != "" {
		kills = 300
	}
	w := certifiedWorld(t, time.Second) // the least that a certificate can say
	log := &diary{}
	w.log = log
	w.startHub()
	programs := build(t)
	o := w.newOffice("samsat-belitung", "tft-new", 20)
	o.admit()
	process := newProcess(t, filepath.Join(programs, "sidik-agent"), "run", "--config", o.writeConfig())
	stop := o.punching(20 * time.Millisecond)
	defer stop()

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for n := range kills {
		if n%5 == 4 {
			if err := agent.PutClaim(o.config.Data, o.code()); err != nil {
				t.Fatal(err)
			}
		}
		process.start()
		pause := time.NewTimer(time.Duration(random.IntN(400)+10) * time.Millisecond)
		<-pause.C
		process.kill()
	}
	stop()
	let := bytes.Count(log.bytes(), []byte("agent let in"))
	w.stopHub()
	w.life = 0
	w.startHub()
	o.start() // who was let in for a second finds out that it is over, without a clock
	eventually(t, func() bool { _, err := os.Stat(filepath.Join(o.config.Data, "claim")); return err != nil }, func() string { return "a code is left" })
	o.arrive()
	o.stop()

	key, created, err := agent.LoadKey(o.config.Data)
	if err != nil || created {
		t.Fatalf("the agent's key: made now %v, %v", created, err)
	}
	damaged, err := filepath.Glob(filepath.Join(o.config.Data, "*.damaged"))
	if err != nil || len(damaged) != 0 {
		t.Errorf("files were set aside: %q, %v", damaged, err)
	}
	s, err := hub.OpenStore(t.Context(), w.hubData(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	keys := 0 // that were ever the site's
	if err := s.Query(t.Context(), func(rows *sql.Rows) error { return rows.Scan(&keys) }, "SELECT COUNT(*) FROM agent_key"); err != nil || keys != 1 {
		t.Errorf("%d keys were admitted, %v, want one", keys, err)
	}
	held, err := s.Agent(t.Context(), o.site)
	if err != nil || held.Key != key.Public() {
		t.Errorf("the site's key is another one than the agent's, %v", err)
	}
	operator{w, filepath.Join(programs, "sidik-hub")}.says("verify")
	t.Logf("killed %d times, let in %d times meanwhile", kills, let)
}
