package seal_test

import (
	"bytes"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
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

// A known seed must not be found in anything that is printed, in no form.
func TestNoFormOfASealingKeyShowsItsSeed(t *testing.T) {
	seed := []byte("0123456789ABCDEFGHIJKLMNOPQRSTUV")
	key := sealingKeyFromSeed(t, seed)
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("x", "key", key)
	}
	if n := strings.Count(log.String(), string(key.Public().KeyID())); n != 2 {
		t.Errorf("the logs name the key %d times, want 2: %s", n, &log)
	}
	shown := []string{log.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d", "%o", "%b", "%c", "%U", "%t", "%p"} {
		for _, value := range []any{key, &key, []seal.SealingKey{key}, struct{ K seal.SealingKey }{key}, struct{ k seal.SealingKey }{key}, map[string]any{"k": key}} {
			shown = append(shown, fmt.Sprintf(verb, value))
		}
	}
	for _, form := range []string{"%s", "%x", "%X", "%d", "%o", "%b", "%c", "%U", "%q"} {
		secret := strings.Trim(fmt.Sprintf(form, seed[4:12]), `[]"`)
		for _, s := range shown {
			if strings.Contains(s, secret) {
				t.Errorf("%q shows the seed", s)
			}
		}
	}
	if _, err := json.Marshal(key); err == nil {
		t.Error("json.Marshal(sealing key) succeeded, want a refusal")
	}
}

func TestSealingPublicHasOneText(t *testing.T) {
	key := newSealingKey(t).Public()
	back, err := seal.ParseSealingPublic(key.String())
	if err != nil || back != key {
		t.Errorf("ParseSealingPublic(String()) = %v", err)
	}
	if got, want := key.KeyID(), seal.KeyID(key.Fingerprint()[:16]); got != want {
		t.Errorf("KeyID = %s, want %s", got, want)
	}
	for _, row := range []struct{ name, text string }{
		{"empty", ""},
		{"a signing key", newKey(t).Public().String()},
		{"a line end", key.String() + "\n"},
		{"cut off", key.String()[:1620]},
		{"the zero key", (seal.SealingPublic{}).String()},
		{"numbers that are none of this algorithm", strings.Repeat("/", 1621) + "w=="},
	} {
		t.Run(row.name+" refused", func(t *testing.T) {
			if k, err := seal.ParseSealingPublic(row.text); !errors.Is(err, seal.ErrSealingPublic) || !k.IsZero() {
				t.Errorf("ParseSealingPublic = %v, want ErrSealingPublic", err)
			}
		})
	}
}

// sealingKeyFromSeed makes a key of known bytes the only way there is: by its file.
func sealingKeyFromSeed(t testing.TB, seed []byte) seal.SealingKey {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sealing.pem")
	writeSealingFile(t, path, seed)
	key, err := seal.LoadSealing(path)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func writeSealingFile(t testing.TB, path string, seed []byte) {
	t.Helper()
	private, err := hpke.MLKEM768X25519().NewPrivateKey(seed)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{
		Type:    "SIDIK SEALING KEY",
		Headers: map[string]string{"Fingerprint": fmt.Sprintf("%x", sha256.Sum256(private.PublicKey().Bytes()))},
		Bytes:   seed,
	})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSealingKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sealing.pem")
	first, created, err := seal.LoadOrCreateSealing(path)
	if err != nil || !created {
		t.Fatalf("LoadOrCreateSealing on a new path: created %v, err %v", created, err)
	}
	box := mustSeal(t, first.Public(), finger(), []byte("kept"))
	again, created, err := seal.LoadOrCreateSealing(path)
	if err != nil || created {
		t.Fatalf("LoadOrCreateSealing on its own file: created %v, err %v", created, err)
	}
	if got, err := again.Open(finger(), box); err != nil || string(got) != "kept" {
		t.Errorf("the key from the file opens %q, %v", got, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file mode = %v (%v), want 0600", info.Mode(), err)
	}
	if _, err := seal.CreateSealing(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("CreateSealing over a key = %v, want ErrExist", err)
	}
	if _, err := seal.Load(path); !errors.Is(err, seal.ErrKeyFile) {
		t.Errorf("Load (signing) of a sealing key = %v, want ErrKeyFile", err)
	}
	signing := filepath.Join(t.TempDir(), "key.pem")
	if _, err := seal.Create(signing); err != nil {
		t.Fatal(err)
	}
	if _, _, err := seal.LoadOrCreateSealing(signing); !errors.Is(err, seal.ErrSealingFile) {
		t.Errorf("LoadOrCreateSealing of a signing key = %v, want ErrSealingFile", err)
	}
}

// A file that a dying disk changed is never taken for another key: what was sealed
// to the right one would seem lost. Nor is it replaced.
func TestDamagedSealingFileIsRefusedAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sealing.pem")
	whole, err := seal.CreateSealing(path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	try := func(what string, changed []byte) {
		if err := os.WriteFile(path, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		key, created, err := seal.LoadOrCreateSealing(path)
		if created || err == nil && key.Public() != whole.Public() || err != nil && !errors.Is(err, seal.ErrSealingFile) {
			t.Errorf("%s: %v, created %v, %v", what, key, created, err)
		}
		if left, _ := os.ReadFile(path); !bytes.Equal(left, changed) {
			t.Fatalf("%s: the file was changed", what)
		}
	}
	for n := range text {
		try(fmt.Sprintf("the first %d bytes", n), text[:n])
		for bit := range 8 {
			changed := bytes.Clone(text)
			changed[n] ^= 1 << bit
			try(fmt.Sprintf("bit %d of byte %d", bit, n), changed)
		}
	}
}

func TestErasedSealingKeyIsGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sealing.pem")
	if _, err := seal.CreateSealing(path); err != nil {
		t.Fatal(err)
	}
	// A second name shows what becomes of the bytes themselves.
	witness := filepath.Join(t.TempDir(), "witness")
	if err := os.Link(path, witness); err != nil {
		t.Fatal(err)
	}
	if err := seal.EraseSealing(path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is still there (%v)", err)
	}
	left, err := os.ReadFile(witness)
	if err != nil || len(left) == 0 || len(bytes.Trim(left, "\x00")) > 0 {
		t.Errorf("the bytes were not overwritten (%v)", err)
	}
	if err := seal.EraseSealing(path); err != nil {
		t.Errorf("EraseSealing once more = %v, want nil", err)
	}
	if err := seal.EraseSealing(t.TempDir()); err == nil {
		t.Error("EraseSealing of a folder succeeded")
	}
}
