package sidik_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAHubFromTheSafe loses the hub's data folder. The copy of its database and the copy
// of its keys make it the same hub again: its agents come back by themselves, without
// another claim, what the vault held opens, what was destroyed stays so, and what was
// punched meanwhile counts as stored.
func TestAHubFromTheSafe(t *testing.T) {
	w := certifiedWorld(t, 0)
	w.startHub()
	op := operator{w, filepath.Join(build(t), "sidik-hub")}
	agency, samsat := w.keptOffice(op, "bkpsdmd", "agency"), w.keptOffice(op, "samsat-belitung", "samsat")
	op.says("terminal", "mode", "--serial", agency.terminal.Serial(), "--enrolment", "yes")
	op.says("terminal", "mode", "add", "--serial", samsat.terminal.Serial())
	agency.start()
	pins := op.newcomers(agency, "agency", "agency")
	agency.punch(7)
	agency.arriveAtLeast()
	database, keys, passphrase := filepath.Join(w.dir, "copy.db"), filepath.Join(w.dir, "keys.age"), filepath.Join(w.dir, "passphrase.txt")
	if err := os.WriteFile(passphrase, []byte("enam kata dari daftar kata\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	secret := []string{"--passphrase-file", passphrase}
	op.says("backup", "--to", database)
	op.says(append(secret, "key", "backup", "--to", keys)...)
	op.says(append(secret, "key", "check", "--from", keys)...)
	agency.stop()
	w.stopHub()
	agency.punch(5)
	if err := os.Rename(w.hubData(), filepath.Join(w.dir, "lost")); err != nil {
		t.Fatal(err)
	}

	op.says("restore", "--from", database)
	op.says(append(secret, "key", "restore", "--from", keys)...)
	op.says(append(secret, "key", "check", "--from", keys)...)
	if said := op.refuses(append(secret, "key", "restore", "--from", keys)...); !strings.Contains(said, "has keys already") {
		t.Errorf("a second restore says %q", said)
	}
	w.startHub()
	before := agency.pass()
	agency.start()
	agency.arriveAtLeast()
	eventually(t, func() bool { return agency.live.Load().Status().State.Backlog.Punches == 0 }, func() string { return "no receipt of the restored hub counts" })
	if agency.pass() != before {
		t.Error("the agent had to ask for another certificate")
	}
	// A finger that the vault held reaches a terminal that never had it, with a claim code
	// of before.
	op.says("place", pins[0], "--unit", "samsat", "--from", "2026-01-02", "--sk", "800/9/2026")
	samsat.start()
	eventually(t, func() bool { return samsat.has(pins[0], 1) }, func() string { return "the finger from the vault does not come" })
}
