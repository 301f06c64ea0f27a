package release_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/provision/internal/keyfile"
	"github.com/bkpsdmd-babel/sidik/provision/internal/release"
	"github.com/bkpsdmd-babel/sidik/provision/internal/root"
)

const passphrase = "enam kata yang tidak ada di daftar"

// t0 is when releases of these tests are signed.
var t0 = time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("WIB", 7*3600))

// program is the head of a program for Linux, and what it says of itself.
func program(machine uint16, bits int, version string) []byte {
	class, size := byte(2), 64
	if bits == 32 {
		class, size = 1, 52
	}
	b := make([]byte, size)
	copy(b, []byte{0x7f, 'E', 'L', 'F', class, 1, 1})
	binary.LittleEndian.PutUint16(b[16:], 2) // a program
	binary.LittleEndian.PutUint16(b[18:], machine)
	b[20] = 1
	if bits == 32 {
		b[40] = 52
	} else {
		b[52] = 64
	}
	return append(b, "version "+version...)
}

// written puts files into a folder.
func written(t *testing.T, files map[string][]byte) (folder string) {
	t.Helper()
	folder = t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// run runs the commands as a person would.
func run(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	stdout, _, err = tells(t, args...)
	return stdout, err
}

// tells is run with what goes to standard error.
func tells(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	catalogue := phrase.New()
	say := func(code string, a phrase.Args) string { return catalogue.Say(phrase.English, "provision."+code, a) }
	cmd := &cobra.Command{Use: "sidik-provision", SilenceErrors: true, SilenceUsage: true}
	cmd.AddCommand(release.Command(say), root.Command(say))
	var out, told bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&told)
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(t.Context())
	return out.String(), told.String(), err
}

// From a key to a release that can be checked, by the commands of the README; the key's
// file tells nothing without its passphrase.
func TestAReleaseIsSignedAndChecked(t *testing.T) {
	keys := written(t, map[string][]byte{"words": []byte(passphrase + "\n"), "other": []byte("other words than those of before\n"), "short": []byte("short\n")})
	words, key := "--passphrase-file="+filepath.Join(keys, "words"), filepath.Join(keys, "release.age")
	if _, err := run(t, "release", "key", "--to", key, "--passphrase-file="+filepath.Join(keys, "short")); !errors.Is(err, keyfile.ErrWeak) {
		t.Fatalf("a short passphrase: %v, want ErrWeak", err)
	}
	out, err := run(t, "release", "key", "--to", key, words)
	if err != nil {
		t.Fatal(err)
	}
	public, err := seal.ParsePublicKey(strings.TrimSpace(out))
	if err != nil {
		t.Fatal(err)
	}
	if beside, err := os.ReadFile(release.PublicName(key)); err != nil || string(beside) != out {
		t.Errorf("beside the key stands %q, %v; printed was %q", beside, err, out)
	}
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info.Mode(), err)
	}
	if text, err := os.ReadFile(key); err != nil || !bytes.HasPrefix(text, []byte("-----BEGIN AGE ENCRYPTED FILE-----")) {
		t.Errorf("the key's file is not encrypted (%v)", err)
	}
	if _, err := run(t, "release", "key", "--to", key, words); !errors.Is(err, keyfile.ErrExists) {
		t.Errorf("a second key in the same file: %v, want ErrExists", err)
	}

	folder := written(t, map[string][]byte{"agent-amd64": program(62, 64, "v1.4.0"), "agent-arm64": program(183, 64, "v1.4.0"), "agent-arm": program(40, 32, "v1.4.0")})
	at := func(name string) string { return filepath.Join(folder, name) }
	sign := []string{"release", "sign", "--version", "v1.4.0", "--key", key, at("agent-amd64"), at("agent-arm64"), at("agent-arm")}
	if _, err := run(t, append(sign, "--passphrase-file="+filepath.Join(keys, "other"))...); !errors.Is(err, keyfile.ErrPassphrase) {
		t.Errorf("another passphrase: %v, want ErrPassphrase", err)
	}
	out, err = run(t, append(sign, words)...)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"v1.4.0\tamd64\t", "v1.4.0\tarm64\t", "v1.4.0\tarmv6\t"} {
		if !strings.Contains(out, want) {
			t.Errorf("signed was %q, without %q", out, want)
		}
	}
	if _, err := run(t, "release", "check", folder, "--public", release.PublicName(key)); err != nil {
		t.Errorf("check: %v", err)
	}
	if _, err := release.Check(folder, []seal.PublicKey{public}); err != nil {
		t.Errorf("Check: %v", err)
	}
	other, err := seal.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := release.Check(folder, []seal.PublicKey{other.Public()}); !errors.Is(err, protocol.ErrReleaseKey) {
		t.Errorf("Check by another key: %v, want ErrReleaseKey", err)
	}
	if err := os.WriteFile(at("agent-arm"), program(40, 32, "v1.4.0 and more"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t, "release", "check", folder); !errors.Is(err, release.ErrDigest) {
		t.Errorf("a program that was changed: %v, want ErrDigest", err)
	}
}

func TestWhatCannotBeSigned(t *testing.T) {
	key, err := seal.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	version, err := protocol.ParseEdition("v1.4.0")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name  string
		files map[string][]byte
		want  error // nil: any
	}{
		{"a text", map[string][]byte{"a": []byte("#!/bin/sh\n# v1.4.0")}, release.ErrProgram},
		{"a program for another machine", map[string][]byte{"a": program(243, 64, "v1.4.0")}, release.ErrProgram},
		{"a program of another version", map[string][]byte{"a": program(62, 64, "v1.3.9")}, release.ErrVersion},
		{"two for one processor", map[string][]byte{"a": program(62, 64, "v1.4.0"), "b": program(62, 64, "v1.4.0.")}, nil},
		{"nothing", nil, nil},
	} {
		folder := written(t, row.files)
		var programs []string
		for name := range row.files {
			programs = append(programs, filepath.Join(folder, name))
		}
		_, _, err := release.Sign(version, t0, key, programs)
		if err == nil || row.want != nil && !errors.Is(err, row.want) {
			t.Errorf("%s: Sign = %v, want %v", row.name, err, row.want)
		}
		if _, err := os.Stat(filepath.Join(folder, "release.json")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a manifest was written (%v)", row.name, err)
		}
	}
	if _, _, err := release.Sign(version, t0, key, []string{filepath.Join(written(t, map[string][]byte{"a": program(62, 64, "v1.4.0")}), "a"),
		filepath.Join(written(t, map[string][]byte{"b": program(40, 32, "v1.4.0")}), "b")}); err == nil {
		t.Error("programs of two folders were signed")
	}
}

// Whatever goes wrong or well, no command and no file beside the encrypted one tells a
// piece of the release key or its passphrase.
func TestNothingTellsTheReleaseKey(t *testing.T) {
	folder := written(t, map[string][]byte{"words": []byte(passphrase + "\n"), "other": []byte("other words than those of before\n"), "agent-amd64": program(62, 64, "v1.4.0")})
	at := func(name string) string { return filepath.Join(folder, name) }
	words, key := "--passphrase-file="+at("words"), at("release.age")
	sign := []string{"release", "sign", "--version", "v1.4.0", "--key", key, at("agent-amd64")}
	said := map[string]string{}
	note := func(what string, works bool, args ...string) {
		t.Helper()
		out, told, err := tells(t, args...)
		if (err == nil) != works {
			t.Fatalf("%s: %v", what, err)
		}
		said[what] = out + told
		if err != nil {
			said[what] += err.Error()
		}
	}
	note("making the key", true, "release", "key", "--to", key, words)
	note("making it again", false, "release", "key", "--to", key, words)
	note("signing", true, append(sign, words)...)
	note("signing by another passphrase", false, append(sign, "--passphrase-file="+at("other"))...)
	note("checking", true, "release", "check", folder, "--public", release.PublicName(key))
	held, err := keyfile.Read(key, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"half": whole[:len(whole)/2], "unlocked": []byte(passphrase)} {
		if err := os.WriteFile(key, text, 0o600); err != nil {
			t.Fatal(err)
		}
		note("signing by a key's file that is "+name, false, append(sign, words)...)
	}
	for _, path := range []string{at("release.json"), release.PublicName(key)} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		said[path] = string(text)
	}

	var text bytes.Buffer
	if err := held.Wrap(&text); err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text.Bytes())
	seed := block.Bytes[len(block.Bytes)-ed25519.SeedSize:]
	secrets := []string{passphrase, "PRIVATE KEY"}
	for n := 0; n+9 <= len(seed); n++ {
		piece := seed[n : n+9]
		secrets = append(secrets, string(piece), hex.EncodeToString(piece), base64.StdEncoding.EncodeToString(piece), strings.Trim(fmt.Sprint(piece), "[]"))
	}
	for what, text := range said {
		for _, secret := range secrets {
			if text == "" || strings.Contains(text, secret) {
				t.Errorf("%s tells %q, or nothing", what, secret)
			}
		}
	}
}
