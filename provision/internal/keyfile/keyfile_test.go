package keyfile_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/provision/internal/keyfile"
)

const passphrase = "enam kata dari daftar kata"

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// locked is a key, and the text of its file with a passphrase that is quick to try.
func locked(t testing.TB) (seal.SigningKey, []byte) {
	t.Helper()
	key, err := seal.GenerateSigningKey()
	ok(t, err)
	to, err := age.NewScryptRecipient(passphrase)
	ok(t, err)
	to.SetWorkFactor(4)
	var text bytes.Buffer
	a := armor.NewWriter(&text)
	w, err := age.Encrypt(a, to)
	ok(t, err)
	ok(t, errors.Join(key.Wrap(w), w.Close(), a.Close()))
	return key, text.Bytes()
}

func TestAKeyIsWrittenOnce(t *testing.T) {
	if _, err := keyfile.Make("lima belas hur"); !errors.Is(err, keyfile.ErrWeak) {
		t.Errorf("a short passphrase: %v", err)
	}
	key, err := keyfile.Make(passphrase)
	ok(t, err)
	path := filepath.Join(t.TempDir(), "key.age")
	ok(t, keyfile.Write(path, key, passphrase))
	before, err := os.ReadFile(path)
	ok(t, err)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || strings.Contains(string(before), "PRIVATE") {
		t.Errorf("mode %v, %v: %s", info.Mode(), err, before)
	}
	other, err := keyfile.Make(passphrase)
	ok(t, err)
	if err := keyfile.Write(path, other, passphrase); !errors.Is(err, keyfile.ErrExists) {
		t.Errorf("written a second time: %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file changed, %v", err)
	}
	if read, err := keyfile.Read(path, passphrase); err != nil || read.Public() != key.Public() {
		t.Errorf("read: %v", err)
	}
	// Where nobody can look, nothing is known to be free.
	if err := keyfile.Free(filepath.Join(path, "below a file")); err == nil || errors.Is(err, keyfile.ErrExists) {
		t.Errorf("a path that cannot be: %v", err)
	}
}

func TestReadTellsDamageFromAWrongPassphrase(t *testing.T) {
	key, whole := locked(t)
	path := filepath.Join(t.TempDir(), "key.age")
	if _, err := keyfile.Read(path, passphrase); !errors.Is(err, keyfile.ErrMissing) {
		t.Errorf("no file: %v", err)
	}
	changed := bytes.Clone(whole)
	changed[len(changed)-60] ^= 1
	for _, row := range []struct {
		name, passphrase string
		text             []byte
		want             error
	}{
		{"untouched", passphrase, whole, nil},
		{"another passphrase", passphrase + " ", whole, keyfile.ErrPassphrase},
		{"no passphrase", "", whole, keyfile.ErrPassphrase},
		{"a file without its end", passphrase, whole[:len(whole)/2], keyfile.ErrDamaged},
		{"an empty file", passphrase, nil, keyfile.ErrDamaged},
		{"a changed letter", passphrase, changed, keyfile.ErrDamaged},
		{"a key in clear", passphrase, []byte("-----BEGIN PRIVATE KEY-----\n"), keyfile.ErrDamaged},
	} {
		ok(t, os.WriteFile(path, row.text, 0o600))
		read, err := keyfile.Read(path, row.passphrase)
		if !errors.Is(err, row.want) || row.want == nil && (err != nil || read.Public() != key.Public()) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(row.text, after) {
			t.Errorf("%s: the file changed, %v", row.name, err)
		}
	}
}
