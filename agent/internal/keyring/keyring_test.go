package keyring_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/keyring"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
	"github.com/bkpsdmd-babel/sidik/protocol/trust/trusttest"
)

// home is an agent's data folder and the time there.
type home struct {
	t    testing.TB
	dir  string
	root trusttest.Root
	now  time.Time
}

func newHome(t testing.TB) *home {
	t.Helper()
	return &home{t: t, dir: t.TempDir(), root: trusttest.NewRoot(t), now: time.Now()}
}

func (h *home) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *home) try() (*keyring.Keyring, error) {
	return keyring.Open(keyring.Options{Dir: h.dir, Root: h.root.Fingerprint(), Now: func() (time.Time, bool) { return h.now, true }})
}

func (h *home) open() *keyring.Keyring {
	h.t.Helper()
	k, err := h.try()
	h.must(err)
	return k
}

func (h *home) path(name string) string { return filepath.Join(h.dir, name) }

func (h *home) write(name, text string) {
	h.t.Helper()
	h.must(os.WriteFile(h.path(name), []byte(text), 0o600))
}

// grant is a certificate for a public key.
func (h *home) grant(public []byte) protocol.Grant {
	h.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	h.must(err)
	parsed, err := x509.ParsePKIXPublicKey(public)
	h.must(err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "samsat-belitung"}},
		&x509.Certificate{SerialNumber: big.NewInt(2)}, parsed, key)
	h.must(err)
	return protocol.Grant{Certificate: der, Renew: h.now, Until: h.now.Add(time.Hour), Brokers: []string{"ssl://127.0.0.1:8883"}}
}

// renew gives a keyring its next certificate.
func (h *home) renew(k *keyring.Keyring) {
	h.t.Helper()
	public, err := k.Request()
	h.must(err)
	h.must(k.Install(h.grant(public)))
}

// Keys that cannot be read are a person's matter: nothing is made in their place.
func TestDamagedKeysAreNeverReplaced(t *testing.T) {
	for _, row := range []struct {
		name    string
		prepare func(h *home)
	}{
		{"agent.key", func(h *home) { h.write("agent.key", "-----BEGIN") }},
		{"sealing.key", func(h *home) { h.write("sealing.key", "") }},
		{"sealing.next.key", func(h *home) { h.write("sealing.next.key", "") }},
	} {
		h := newHome(t)
		h.open()
		row.prepare(h)
		before, err := os.ReadFile(h.path(row.name))
		h.must(err)
		if _, err := h.try(); err == nil {
			t.Errorf("%s: it opens", row.name)
		}
		if after, err := os.ReadFile(h.path(row.name)); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s is another one now: %v", row.name, err)
		}
	}
}

// The newest document of the agency's root counts, over restarts too; one that is spoiled or
// another root's is as none, so that the hub's is taken.
func TestDocuments(t *testing.T) {
	h := newHome(t)
	hub, err := seal.GenerateSigningKey()
	h.must(err)
	former, err := seal.GenerateSigningKey()
	h.must(err)
	sealing, err := seal.GenerateSealingKey()
	h.must(err)
	until := h.now.Add(time.Hour)
	list := protocol.KeyList{Signing: []protocol.HubKey{{Key: hub.Public()}, {Key: former.Public(), Until: &until}}, Sealing: []seal.SealingPublic{sealing.Public()}}
	document := func(root trusttest.Root, number uint64) []byte {
		return root.Sign(t, trust.Request{Number: number - 1, Keys: list})
	}
	k := h.open()
	for _, row := range []struct {
		name    string
		message []byte
		newer   bool
		reason  protocol.Reason
	}{
		{"the first", document(h.root, 2), true, ""},
		{"a newer one", document(h.root, 3), true, ""},
		{"the same number again", document(h.root, 3), false, ""},
		{"an older one", document(h.root, 1), false, protocol.ReasonReplay},
		{"another root's", document(trusttest.NewRoot(t), 9), false, protocol.ReasonKey},
		{"nonsense", []byte("{}"), false, protocol.ReasonForm},
	} {
		newer, err := k.Take(row.message)
		if newer != row.newer || row.reason == "" && err != nil || row.reason != "" && err == nil {
			t.Errorf("%s: newer %v, %v", row.name, newer, err)
		}
		if row.reason == protocol.ReasonReplay && protocol.ReasonOf(err) != row.reason {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	k = h.open()
	if n := k.Trust().Number(); n != 3 {
		t.Errorf("after a restart document %d counts, want 3", n)
	}
	if _, counts := k.HubKey(former.Public().KeyID()); !counts {
		t.Error("the hub's former key does not count before its end")
	}
	h.now = until
	if _, counts := k.HubKey(former.Public().KeyID()); counts {
		t.Error("the hub's former key counts for ever")
	}
	h.write("keys.json", "{")
	if !h.open().Trust().IsZero() {
		t.Error("a spoiled document counts")
	}
	k = h.open()
	if newer, err := k.Take(document(h.root, 3)); !newer || err != nil {
		t.Errorf("after it was spoiled: %v, %v", newer, err)
	}
	h.root = trusttest.NewRoot(t)
	if !h.open().Trust().IsZero() {
		t.Error("another root's document counts")
	}
}

// What was asked for once is asked for again until it is granted, and nothing else is taken.
func TestCertificatesAreOfTheKeyThatWasShown(t *testing.T) {
	h := newHome(t)
	k := h.open()
	if c, err := k.Client(trust.RoleBroker).GetClientCertificate(nil); err != nil || len(c.Certificate) != 0 {
		t.Errorf("without a certificate it shows %d, %v", len(c.Certificate), err)
	}
	first, err := k.Request()
	h.must(err)
	k = h.open()
	if again, err := k.Request(); err != nil || !bytes.Equal(first, again) {
		t.Errorf("another key after a restart, %v", err)
	}
	other := newHome(t)
	foreign, err := other.open().Request()
	h.must(err)
	if err := k.Install(h.grant(foreign)); !errors.Is(err, keyring.ErrPair) {
		t.Errorf("a certificate of another key: %v", err)
	}
	if _, granted := k.Granted(); granted {
		t.Error("it is granted")
	}
	g := h.grant(first)
	h.must(k.Install(g))
	k = h.open()
	if c, err := k.Client(trust.RoleBroker).GetClientCertificate(nil); err != nil || !bytes.Equal(c.Certificate[0], g.Certificate) {
		t.Errorf("it shows another certificate than the one that it was granted, %v", err)
	}
	if next, err := k.Request(); err != nil || bytes.Equal(first, next) {
		t.Errorf("the next certificate is asked for with the key of this one, %v", err)
	}
	h.write("tls.next.key", "-----BEGIN")
	mended, err := k.Request()
	h.must(err)
	h.must(k.Install(h.grant(mended)))
	entries, err := os.ReadDir(h.dir)
	h.must(err)
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", e.Name(), info.Mode(), err)
		}
	}
}

// The former sealing key ends when somebody has sealed to the new one, and not before.
func TestSealingKeysFollowEachOther(t *testing.T) {
	h := newHome(t)
	purpose := seal.For("sidik/test")
	box := func(to seal.SealingPublic) seal.Box {
		b, err := to.Seal(purpose, []byte("templat"))
		h.must(err)
		return b
	}
	opens := func(k *keyring.Keyring, b seal.Box) bool {
		text, err := k.Open(purpose, b)
		return err == nil && string(text) == "templat"
	}
	k := h.open()
	first := k.Sealing()
	h.renew(k)
	if k.Sealing() != first {
		t.Error("the first certificate changes the sealing key")
	}
	h.renew(k)
	second := k.Sealing()
	h.renew(k) // before the hub has heard of the second
	h.renew(h.open())
	k = h.open()
	if k.Sealing() != second || second == first {
		t.Error("a key that waits for its proof was replaced, or none was made")
	}
	old, late := box(first), box(first)
	if !opens(k, old) || !opens(h.open(), old) {
		t.Error("what was sealed to the former key does not open while the hub may not know the new one")
	}
	if !opens(k, box(second)) {
		t.Error("what was sealed to the new key does not open")
	}
	for _, k := range []*keyring.Keyring{k, h.open()} {
		if opens(k, late) {
			t.Error("the former key is still there")
		}
		if k.Sealing() != second || !opens(k, box(second)) {
			t.Error("the new key is gone")
		}
	}
	h.renew(k)
	if k.Sealing() == second {
		t.Error("the next renewal changes no key")
	}
}
