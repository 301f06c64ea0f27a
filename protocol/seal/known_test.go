package seal_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// keyFile writes a private key as PKCS #8.
func keyFile(t testing.TB, private any) (path string, text []byte) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "key.pem")
	text = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, text
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Keys and signatures of the standard (RFC 8032, section 7.1), so that a program
// in another language can take our files and check our signatures.
func TestKnownKeys(t *testing.T) {
	for _, row := range []struct{ name, seed, public, fingerprint, message, sig string }{
		{
			"RFC 8032 test 1, an empty message",
			"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
			"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
			"21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721b9",
			"",
			"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
		},
		{
			"RFC 8032 test 3, two bytes",
			"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
			"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
			"dac073e0123bdea59dd9b3bda9cf6037f63aca82627d7abcd5c4ac29dd74003e",
			"af82",
			"6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			path, _ := keyFile(t, ed25519.NewKeyFromSeed(unhex(t, row.seed)))
			key, err := seal.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(key.Public().Fingerprint()); got != row.fingerprint {
				t.Errorf("fingerprint = %s, want %s", got, row.fingerprint)
			}
			if got := hex.EncodeToString(key.Sign(unhex(t, row.message))); got != row.sig {
				t.Errorf("Sign = %s, want %s", got, row.sig)
			}
			if !key.Public().Verify(unhex(t, row.message), unhex(t, row.sig)) {
				t.Error("Verify = false")
			}
		})
	}
}

// The zero key is a point of small order, under which anybody can sign: a key
// that was never set must not be one that everybody has.
func TestZeroKeyTakesNoSignature(t *testing.T) {
	sig := make([]byte, ed25519.SignatureSize)
	sig[0] = 1 // R is the neutral point, S is 0
	forged := 0
	for i := range 64 {
		message := []byte{byte(i)}
		if !ed25519.Verify(make([]byte, ed25519.PublicKeySize), message, sig) {
			continue
		}
		forged++
		if (seal.PublicKey{}).Verify(message, sig) {
			t.Errorf("the zero key took a forged signature over %x", message)
		}
	}
	if forged == 0 {
		t.Error("no signature could be forged: this test shows nothing")
	}
}

// A known seed must not be found in anything that is printed, in no form.
func TestNoFormOfASigningKeyShowsItsSeed(t *testing.T) {
	seed := []byte("0123456789ABCDEFGHIJKLMNOPQRSTUV")
	path, _ := keyFile(t, ed25519.NewKeyFromSeed(seed))
	key, err := seal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("x", "key", key)
	}
	if n := strings.Count(log.String(), string(key.Public().KeyID())); n != 2 {
		t.Errorf("the logs name the key %d times, want 2: %s", n, &log)
	}
	shown := []string{log.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d", "%o", "%b", "%c", "%U", "%t", "%p"} {
		for _, value := range []any{key, &key, []seal.SigningKey{key}, struct{ K seal.SigningKey }{key}, struct{ k seal.SigningKey }{key}, map[string]any{"k": key}} {
			shown = append(shown, fmt.Sprintf(verb, value))
		}
	}
	piece := seed[4:12]
	for _, form := range []string{"%s", "%x", "%X", "%d", "%o", "%b", "%c", "%U", "%q"} {
		secret := strings.Trim(fmt.Sprintf(form, piece), `[]"`)
		for _, s := range shown {
			if strings.Contains(s, secret) {
				t.Errorf("%q shows the seed", s)
			}
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("a key of another kind", func(t *testing.T) {
		path, _ := keyFile(t, curve)
		if _, _, err := seal.LoadOrCreate(path); !errors.Is(err, seal.ErrKeyFile) {
			t.Errorf("LoadOrCreate = %v, want ErrKeyFile", err)
		}
	})
	t.Run("a folder in the file's place", func(t *testing.T) {
		if _, _, err := seal.LoadOrCreate(t.TempDir()); err == nil {
			t.Error("LoadOrCreate = nil")
		}
	})
	t.Run("a folder that is missing", func(t *testing.T) {
		if _, _, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "gone", "key.pem")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("LoadOrCreate = %v, want ErrNotExist", err)
		}
	})
	// A file that a dying disk cut short is never taken for a key, and never
	// replaced by a new identity.
	t.Run("every cut of the file", func(t *testing.T) {
		path, text := keyFile(t, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
		whole, err := seal.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		for n := range text {
			if err := os.WriteFile(path, text[:n], 0o600); err != nil {
				t.Fatal(err)
			}
			key, created, err := seal.LoadOrCreate(path)
			if created || err == nil && key.Public() != whole.Public() || err != nil && !errors.Is(err, seal.ErrKeyFile) {
				t.Errorf("the first %d bytes: %v, created %v, %v", n, key, created, err)
			}
			if left, _ := os.ReadFile(path); !bytes.Equal(left, text[:n]) {
				t.Fatalf("the first %d bytes: the file was changed", n)
			}
		}
	})
}

// Two starts at one time get one identity.
func TestOneIdentityForMany(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pem")
	const starts = 16
	keys, made := make([]seal.SigningKey, starts), make([]bool, starts)
	errs := make([]error, starts)
	var all sync.WaitGroup
	for i := range starts {
		all.Go(func() { keys[i], made[i], errs[i] = seal.LoadOrCreate(path) })
	}
	all.Wait()
	kept, err := seal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	makers := 0
	for i := range starts {
		switch {
		case errs[i] == nil && keys[i].Public() != kept.Public():
			t.Errorf("start %d has a key that is not in the file", i)
		case errs[i] != nil && !errors.Is(errs[i], fs.ErrExist):
			t.Errorf("start %d = %v, want the key or ErrExist", i, errs[i])
		case made[i]:
			makers++
		}
	}
	if makers != 1 {
		t.Errorf("%d starts say that they made the key, want 1", makers)
	}
}

func FuzzParsePublicKey(f *testing.F) {
	path, _ := keyFile(f, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	key, err := seal.Load(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(key.Public().String())
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := seal.ParsePublicKey(text)
		if err != nil {
			if !key.IsZero() {
				t.Errorf("a refused text left %s behind", key)
			}
			return
		}
		if key.String() != text {
			t.Errorf("%q is read as %s", text, key)
		}
	})
}
