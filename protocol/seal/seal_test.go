package seal_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

func newKey(t *testing.T) seal.SigningKey {
	t.Helper()
	k, err := seal.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSignature(t *testing.T) {
	a, b := newKey(t), newKey(t)
	message := []byte("punches of one morning")
	sig := a.Sign(message)
	flipped := append([]byte(nil), sig...)
	flipped[10] ^= 1
	for _, row := range []struct {
		name    string
		key     seal.PublicKey
		message []byte
		sig     []byte
		want    bool
	}{
		{"own signature holds", a.Public(), message, sig, true},
		{"another key refuses", b.Public(), message, sig, false},
		{"another message refused", a.Public(), []byte("punches of another morning"), sig, false},
		{"one bit of the signature refused", a.Public(), message, flipped, false},
		{"short signature refused", a.Public(), message, sig[:63], false},
		{"no signature refused", a.Public(), message, nil, false},
		{"zero key refuses", seal.PublicKey{}, message, sig, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := row.key.Verify(row.message, row.sig); got != row.want {
				t.Errorf("Verify = %v, want %v", got, row.want)
			}
		})
	}
}

func TestSigningKeyNeverPrintsItself(t *testing.T) {
	dir := t.TempDir()
	key, err := seal.Create(filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.Split(string(file), "\n")[1]
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", key, "wrapped", struct{ K seal.SigningKey }{key})
	shown := []string{log.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		shown = append(shown, fmt.Sprintf(verb, key), fmt.Sprintf(verb, struct{ K seal.SigningKey }{key}))
	}
	for _, s := range shown {
		if strings.Contains(s, secret[10:]) || strings.Contains(s, "private") {
			t.Errorf("a signing key printed itself: %q", s)
		}
	}
	if _, err := json.Marshal(key); err == nil {
		t.Error("json.Marshal(signing key) succeeded, want a refusal")
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pem")
	first, created, err := seal.LoadOrCreate(path)
	if err != nil || !created {
		t.Fatalf("LoadOrCreate on a new path: created %v, err %v", created, err)
	}
	again, created, err := seal.LoadOrCreate(path)
	if err != nil || created {
		t.Fatalf("LoadOrCreate on its own file: created %v, err %v", created, err)
	}
	if first.Public() != again.Public() {
		t.Error("the key changed between two loads")
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file mode = %v (%v), want 0600", info.Mode(), err)
	}
	if _, err := seal.Create(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create over a key = %v, want ErrExist", err)
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".key-*"))
	if len(left) != 0 {
		t.Errorf("temporary files left: %v", left)
	}

	broken := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(broken, []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := seal.LoadOrCreate(broken); !errors.Is(err, seal.ErrKeyFile) {
		t.Errorf("LoadOrCreate on a damaged file = %v, want ErrKeyFile", err)
	}
	if text, _ := os.ReadFile(broken); string(text) != "not a key" {
		t.Error("a damaged key file was replaced")
	}
}

func TestTextForms(t *testing.T) {
	key := newKey(t).Public()
	back, err := seal.ParsePublicKey(key.String())
	if err != nil || back != key {
		t.Errorf("ParsePublicKey(String()) = %v, %v", back, err)
	}
	fp, err := seal.ParseFingerprint(strings.ToUpper(string(key.Fingerprint())))
	if err != nil || fp != key.Fingerprint() {
		t.Errorf("ParseFingerprint in capitals = %v, %v", fp, err)
	}
	if got, want := key.KeyID(), seal.KeyID(key.Fingerprint()[:16]); got != want {
		t.Errorf("KeyID = %s, want %s", got, want)
	}
	for _, bad := range []string{"", "ab", strings.Repeat("g", 64), string(fp) + "00"} {
		if _, err := seal.ParseFingerprint(bad); !errors.Is(err, seal.ErrFingerprint) {
			t.Errorf("ParseFingerprint(%q) = %v, want ErrFingerprint", bad, err)
		}
	}
	for _, bad := range []string{"", "AAAA", key.String() + "\n", key.String()[:43]} {
		if _, err := seal.ParsePublicKey(bad); !errors.Is(err, seal.ErrPublicKey) {
			t.Errorf("ParsePublicKey(%q) = %v, want ErrPublicKey", bad, err)
		}
	}
}
