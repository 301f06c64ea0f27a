package enrol_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer/crashtest"
	"github.com/bkpsdmd-babel/sidik/agent/internal/enrol"
	"github.com/bkpsdmd-babel/sidik/agent/internal/keyring"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/selftest"
)

// promise is what must be so from then on, whenever the power goes. The child prints it.
type promise struct {
	Agent       seal.PublicKey       // its key; zero: none yet
	Asked       bool                 // the agency may have let that key in
	Code        bool                 // a code or a certificate is there
	Certificate int64                // or a later one
	Sealing     []seal.SealingPublic // what is sealed to one of them opens
}

var purpose = seal.For("sidik/test")

// crashChild is an agent that gets in, renews and changes its sealing key, again and again.
func crashChild(hub string, root seal.Fingerprint, dir string) int {
	var p promise
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	say := func() {
		text, err := json.Marshal(p)
		must(err)
		_, err = os.Stdout.Write(append(text, '\n'))
		must(err)
	}
	code, err := protocol.ParseClaimCode(os.Getenv("SIDIK_ENROL_CODE"))
	must(err)
	_, err = enrol.PutCode(dir, code)
	must(err)
	p.Code = true
	say()
	for boot := range uint64(2) {
		keys, err := openKeys(dir, root)
		must(err)
		p.Agent, p.Asked = keys.Identity().Public(), true
		if len(p.Sealing) == 0 {
			p.Sealing = []seal.SealingPublic{keys.Sealing()}
		}
		say()
		start := newEnrolment(dir, hub, keys, boot+1)
		for range 3 {
			must(start.Attempt(context.Background()))
			p.Certificate = certificate(keys)
			if next := keys.Sealing(); next != p.Sealing[0] {
				p.Sealing = []seal.SealingPublic{next, p.Sealing[0]}
			}
			say()
		}
		p.Sealing = p.Sealing[:1] // the hub has heard of the new one
		say()
		must(opens(keys, p.Sealing[0]))
	}
	return 0
}

// opens seals something to a key and opens it.
func opens(keys *keyring.Keyring, to seal.SealingPublic) error {
	box, err := to.Seal(purpose, []byte("templat"))
	if err != nil {
		return err
	}
	_, err = keys.Open(purpose, box)
	return err
}

// TestPowerCutAtAnyWriteLeavesAnAgentThatGetsOn rebuilds every folder that a power cut can
// leave while an agent claims, renews and changes its sealing key. Each opens in the old or
// the new state, with the same identity, and gets its next certificate.
func TestPowerCutAtAnyWriteLeavesAnAgentThatGetsOn(t *testing.T) {
	a := newAgency(t)
	program, args := selftest.Command(t, "crash", a.server.URL, string(a.root.Fingerprint()))
	parent := t.TempDir()
	dir := filepath.Join(parent, "traced")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	trace, err := crashtest.Record(ctx, dir, []string{"SIDIK_ENROL_CODE=" + a.code.Text()}, program, append(args, dir)...)
	if err != nil {
		t.Fatal(err)
	}
	images := 0
	for image := range trace.Images(1, 64) { // which is all of them
		images++
		here := filepath.Join(parent, fmt.Sprint(images))
		if err := errors.Join(os.Mkdir(here, 0o700), image.WriteTo(here)); err != nil {
			t.Fatal(err)
		}
		if err := a.getsOn(here, image.Mark); err != nil {
			t.Fatalf("image of %s after %s: %v", image.Where, image.Mark, err)
		}
		if err := os.RemoveAll(here); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d images", images)
	if images < 100 {
		t.Errorf("%d images, want 100 at least", images)
	}
}

// getsOn starts an agent on what a power cut left.
func (a *agency) getsOn(dir, mark string) error {
	var want promise
	if mark != "" {
		if err := json.Unmarshal([]byte(mark), &want); err != nil {
			return err
		}
	}
	a.mu.Lock()
	a.admitted, a.newest = seal.PublicKey{}, protocol.Seq{Life: 2, Counter: 99}
	if want.Asked {
		a.admitted = want.Agent
	}
	a.mu.Unlock()
	keys, err := openKeys(dir, a.root.Fingerprint())
	if err != nil {
		return err
	}
	if agent := keys.Identity().Public(); !want.Agent.IsZero() && agent != want.Agent {
		return fmt.Errorf("another identity: %s, promised was %s", agent, want.Agent)
	}
	before := certificate(keys)
	text, err := os.ReadFile(filepath.Join(dir, "claim"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if before < want.Certificate || want.Code && before == 0 && string(text) != a.code.Text()+"\n" {
		return fmt.Errorf("certificate %d and %d bytes of a code, promised was %+v", before, len(text), want)
	}
	// Rosters sealed before and after the change of keys arrive in any order before the hub
	// knows of it.
	for _, key := range slices.Backward(want.Sealing) {
		if err := opens(keys, key); err != nil {
			return fmt.Errorf("what was sealed to %s: %w", key.KeyID(), err)
		}
	}
	if before == 0 && len(text) == 0 {
		return nil // nobody was asked in yet
	}
	if err := newEnrolment(dir, a.server.URL, keys, 3).Attempt(context.Background()); err != nil {
		return err
	}
	again, err := openKeys(dir, a.root.Fingerprint())
	if err != nil {
		return err
	}
	if now := certificate(again); now <= before || again.Identity().Public() != keys.Identity().Public() || again.Sealing() != keys.Sealing() {
		return fmt.Errorf("after getting on: certificate %d after %d", now, before)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 || e.Name() == "claim" || strings.HasSuffix(e.Name(), ".damaged") {
			return fmt.Errorf("%s is left, %v", e.Name(), err)
		}
	}
	return nil
}
