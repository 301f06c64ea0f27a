package release_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/provision/internal/release"
)

// dist is a folder as make dist leaves it.
func dist(t *testing.T) (folder string) {
	t.Helper()
	files := map[string][]byte{"sidik-agent_1.4.0_arm64.deb": []byte("a package"), "sidik-v1.4.0-linux-arm64.tar.gz": []byte("an archive")}
	var list strings.Builder
	for _, name := range []string{"sidik-agent_1.4.0_arm64.deb", "sidik-v1.4.0-linux-arm64.tar.gz"} {
		fmt.Fprintf(&list, "%x  %s\n", sha256.Sum256(files[name]), name)
	}
	files["SHA256SUMS"] = []byte(list.String())
	return written(t, files)
}

func change(t *testing.T, path string, to func(text []byte) []byte) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, to(text), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// By the commands of the README: from what make dist wrote to whoever downloaded one
// package of it.
func TestDigestsAreSignedAndChecked(t *testing.T) {
	keys := written(t, map[string][]byte{"words": []byte(passphrase + "\n")})
	words, key := "--passphrase-file="+filepath.Join(keys, "words"), filepath.Join(keys, "release.age")
	if _, err := run(t, "release", "key", "--to", key, words); err != nil {
		t.Fatal(err)
	}
	folder, public := dist(t), release.PublicName(key)
	if _, err := run(t, "release", "check", folder, "--public", public); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("check before signing: %v, want that there is no signature", err)
	}
	if _, err := run(t, "release", "sums", folder, "--key", key, words); err != nil {
		t.Fatal(err)
	}
	out, err := run(t, "release", "check", folder, "--public", public)
	if err != nil || out != "sidik-agent_1.4.0_arm64.deb\nsidik-v1.4.0-linux-arm64.tar.gz\n" {
		t.Errorf("check = %q, %v", out, err)
	}
	if err := os.Remove(filepath.Join(folder, "sidik-v1.4.0-linux-arm64.tar.gz")); err != nil {
		t.Fatal(err)
	}
	if out, err := run(t, "release", "check", folder, "--public", public); err != nil || out != "sidik-agent_1.4.0_arm64.deb\n" {
		t.Errorf("check of one package = %q, %v", out, err)
	}

	// The key as the README gives it to OpenSSL.
	text, err := os.ReadFile(public)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA" + string(text) + "-----END PUBLIC KEY-----\n"))
	if block == nil {
		t.Fatalf("no PEM of %q", text)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile(filepath.Join(folder, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	if signature, err := os.ReadFile(filepath.Join(folder, "SHA256SUMS.sig")); err != nil || !ed25519.Verify(parsed.(ed25519.PublicKey), list, signature) {
		t.Errorf("without Sidik the signature is wrong (%v)", err)
	}
}

func TestDigestsThatAreNotRight(t *testing.T) {
	key, err := seal.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	other, err := seal.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	signed := func() string {
		folder := dist(t)
		if _, err := release.SignSums(folder, key); err != nil {
			t.Fatal(err)
		}
		return folder
	}
	for _, row := range []struct {
		name string
		file string
		to   func(text []byte) []byte
		want error
	}{
		{"a package of another build", "sidik-agent_1.4.0_arm64.deb", bytes.ToUpper, release.ErrSumsOther},
		{"a line of another", "SHA256SUMS", func(text []byte) []byte {
			return append(text, bytes.Replace(text[:67], []byte(".deb"), []byte("x.deb"), 1)...)
		}, release.ErrSums},
		{"a list without its last line", "SHA256SUMS", func(text []byte) []byte { return text[:bytes.IndexByte(text, '\n')+1] }, release.ErrSumsKey},
		{"an empty list", "SHA256SUMS", func([]byte) []byte { return nil }, release.ErrSums},
		{"a list cut off", "SHA256SUMS", func(text []byte) []byte { return text[:len(text)-1] }, release.ErrSums},
		{"a list of files elsewhere", "SHA256SUMS", func(text []byte) []byte { return bytes.ReplaceAll(text, []byte("  sidik"), []byte("  ../sidik")) }, release.ErrSums},
		{"a list without end", "SHA256SUMS", func(text []byte) []byte { return bytes.Repeat(text, 400) }, release.ErrSums},
		{"a broken signature", "SHA256SUMS.sig", func(text []byte) []byte { text[5] ^= 1; return text }, release.ErrSumsKey},
		{"no signature at all", "SHA256SUMS.sig", func([]byte) []byte { return nil }, release.ErrSumsKey},
	} {
		t.Run(row.name, func(t *testing.T) {
			folder := signed()
			change(t, filepath.Join(folder, row.file), row.to)
			if _, err := release.CheckSums(folder, []seal.PublicKey{key.Public()}); !errors.Is(err, row.want) {
				t.Errorf("CheckSums = %v, want %v", err, row.want)
			}
		})
	}
	if _, err := release.CheckSums(signed(), []seal.PublicKey{other.Public()}); !errors.Is(err, release.ErrSumsKey) {
		t.Errorf("CheckSums by another key: %v, want ErrSumsKey", err)
	}
	if _, err := release.CheckSums(signed(), []seal.PublicKey{other.Public(), key.Public()}); err != nil {
		t.Errorf("CheckSums by two keys: %v", err)
	}
	alone := written(t, map[string][]byte{"SHA256SUMS": fmt.Appendf(nil, "%x  sidik.deb\n", sha256.Sum256(nil))})
	if _, err := release.CheckSums(alone, nil); !errors.Is(err, release.ErrSumsNone) {
		t.Errorf("CheckSums without any file: %v, want ErrSumsNone", err)
	}
	if _, err := release.SignSums(alone, key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("SignSums without the files: %v, want that one is not there", err)
	}
	wrong := dist(t)
	change(t, filepath.Join(wrong, "sidik-agent_1.4.0_arm64.deb"), bytes.ToUpper)
	if _, err := release.SignSums(wrong, key); !errors.Is(err, release.ErrSumsOther) {
		t.Errorf("SignSums of another build: %v, want ErrSumsOther", err)
	}
	if _, err := os.Stat(filepath.Join(wrong, "SHA256SUMS.sig")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was signed (%v)", err)
	}
}
