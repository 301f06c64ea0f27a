package sidik_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent"
	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// certifiedWorld is a world whose certificates last for a while that a test can wait for.
func certifiedWorld(t testing.TB, life time.Duration) *world {
	t.Helper()
	w := newWorld(t, nil)
	w.certified, w.life = true, life
	return w
}

// code makes another claim code for an office.
func (o *office) code() protocol.ClaimCode {
	o.w.t.Helper()
	code, err := hub.ExpectAgent(o.w.t.Context(), o.w.hubData(), "", "operator", o.site, protocol.Serial(o.terminal.Serial()))
	if err != nil {
		o.w.t.Fatal(err)
	}
	return code
}

// pass is the certificate file of the agent's data folder, as it stands.
func (o *office) pass() string {
	text, err := os.ReadFile(filepath.Join(o.config.Data, "pass.json"))
	if err != nil {
		return ""
	}
	return string(text)
}

// One code lets one machine in; the agent that used it goes on, the one that found the
// same code is told so, and nothing of it is stored.
func TestACodeLetsOneMachineIn(t *testing.T) {
	w := certifiedWorld(t, 0)
	w.startHub()
	o := w.newOffice("samsat-belitung", "tft-new", 50)
	code := o.code()
	other := *o
	other.config.Data = filepath.Join(w.dir, "other")
	for _, data := range []string{o.config.Data, other.config.Data} {
		if err := agent.PutClaim(data, code); err != nil {
			t.Fatal(err)
		}
	}
	o.start()
	o.arrive()
	eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(o.config.Data, "claim"))
		return errors.Is(err, os.ErrNotExist)
	}, func() string { return "the used code stays on the disk" })

	other.start()
	other.shows("enrol-claim-used")
	if other.live.Load().Status().Uplink.Connected || other.pass() != "" {
		t.Error("the second machine has a line or a certificate")
	}
	other.stop()
	o.punch(5)
	o.arrive()
}

// A certificate is renewed in time, and also when it expired while the machine was off.
func TestCertificatesAreRenewedAlsoAfterTheirEnd(t *testing.T) {
	w := certifiedWorld(t, 6*time.Second)
	w.startHub()
	o := w.newOffice("samsat-belitung", "tft-new", 10)
	o.admit()
	o.start()
	o.arrive()
	first := o.pass()
	eventually(t, func() bool { return o.pass() != first }, func() string { return "the certificate was not renewed" })
	o.punch(3)
	o.arrive()
	o.stop()
	slept := o.pass()
	expired := time.NewTimer(7 * time.Second)
	<-expired.C
	o.punch(3)
	o.start()
	eventually(t, func() bool { return o.pass() != slept }, func() string { return "an expired certificate was not renewed" })
	o.arrive()
}

// Whoever is shut out is out at once, and a new code brings the site back on a new
// machine: another key, the terminal read again, no punch twice and none lost.
func TestAShutOutSiteComesBackOnANewMachine(t *testing.T) {
	w := certifiedWorld(t, 0)
	w.startHub()
	op := operator{w, filepath.Join(build(t), "sidik-hub")}
	o := w.newOffice("samsat-belitung", "tft-new", 40)
	o.admit()
	o.start()
	o.arrive()
	op.says("site", "revoke", string(o.site), "--reason", "stolen")
	eventually(t, func() bool { return !o.live.Load().Status().Uplink.Connected }, func() string { return "the line of a site that was shut out stands" })
	o.punch(5)
	eventually(t, func() bool { return o.live.Load().Status().State.Backlog.Punches == 5 }, func() string {
		return fmt.Sprintf("%d punches wait, want 5", o.live.Load().Status().State.Backlog.Punches)
	})
	if o.live.Load().Status().Uplink.Connected {
		t.Error("a site that was shut out is back")
	}
	o.stop()

	o.config.Data = filepath.Join(w.dir, "new machine")
	o.admit()
	o.start()
	o.arrive()
}

// A site that slept through two changes of the hub's keys comes back with the newest
// document alone. Whoever has the former keys, and all that the hub had then, is nobody
// to it: he gets its punches, and none of them counts as stored.
func TestKeysAreReplacedWhileASiteSleeps(t *testing.T) {
	w := certifiedWorld(t, 0)
	w.startHub()
	o := w.newOffice("samsat-belitung", "tft-new", 20)
	o.admit()
	o.start()
	o.arrive()
	o.stop()
	w.stopHub()
	stolen := filepath.Join(w.dir, "stolen")
	copyFolder(t, w.hubData(), stolen)
	for n := range 2 {
		err := hub.PrepareKeys(w.hubData())
		request, wrong := hub.KeyRequest(w.hubData(), time.Now(), true)
		if err = errors.Join(err, wrong); err == nil {
			_, err = hub.InstallKeys(w.hubData(), w.root.Sign(t, request))
		}
		if err != nil {
			t.Fatalf("change %d: %v", n+1, err)
		}
		w.startHub()
		w.stopHub()
	}
	w.startHub()
	o.punch(5)
	o.start()
	o.arrive()
	o.stop()
	w.stopHub()

	thief := run(func(ctx context.Context) error {
		return hub.Run(ctx, hub.Config{Data: stolen, MQTT: w.listen, Agents: w.door, Pages: "127.0.0.1:0", Logger: quiet(t, "thief")})
	})
	o.punch(5)
	o.start()
	eventually(t, func() bool { return o.live.Load().Status().Uplink.Refused[protocol.ReasonKey] > 0 }, func() string {
		return fmt.Sprintf("nothing of the thief is refused: %+v", o.live.Load().Status().Uplink)
	})
	if waiting := o.live.Load().Status().State.Backlog.Punches; waiting < 5 {
		t.Errorf("%d punches wait for a receipt of the agency's hub, want the last 5 at least", waiting)
	}
	thief.end(t)
	w.startHub()
	o.arrive()
}
