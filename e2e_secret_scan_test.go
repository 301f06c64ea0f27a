package sidik_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// hidden are secrets, and what a program would print that told one: a piece of it in any
// of the forms in which Go writes bytes.
type hidden struct {
	traces map[string]string // to the secret's name
	codes  map[string]string // claim codes, in capitals without groups
	digits map[string]string // numbers that are told where they stand alone
}

func newHidden() *hidden {
	return &hidden{map[string]string{}, map[string]string{}, map[string]string{}}
}

// bytes hides a secret that is not text. Twelve bytes of it are enough to be seen.
func (h *hidden) bytes(name string, secret []byte) {
	for at := 0; at+12 <= len(secret); at += 4 {
		piece := secret[at : at+12]
		quoted := strconv.Quote(string(piece))
		for _, trace := range []string{
			string(piece), quoted[1 : len(quoted)-1], hex.EncodeToString(piece), strings.ToUpper(hex.EncodeToString(piece)),
			base64.StdEncoding.EncodeToString(piece), base64.URLEncoding.EncodeToString(piece),
			strings.Trim(fmt.Sprint(piece), "[]"), strings.ReplaceAll(strings.Trim(fmt.Sprint(piece), "[]"), " ", ","),
		} {
			h.traces[trace] = name
		}
	}
}

// text hides a secret that people or programs type.
func (h *hidden) text(name, secret string) {
	h.traces[secret] = name
	if len(secret) >= 20 {
		h.bytes(name, []byte(secret))
	}
}

// code hides a claim code, however it is grouped.
func (h *hidden) code(name string, code protocol.ClaimCode) {
	h.codes[strings.ReplaceAll(code.Text(), "-", "")] = name
}

// number hides a secret of six digits, as which many others end or begin.
func (h *hidden) number(name, digits string) { h.digits[digits] = name }

// files hides the keys of a data folder. They are in files that only their owner reads.
func (h *hidden) files(t testing.TB, folder string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || !keyFile.MatchString(entry.Name()) {
			return err
		}
		if info, err := entry.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", path, info.Mode(), err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		keys := keysIn(text)
		if len(keys) == 0 {
			t.Errorf("there is no key in %s", path)
		}
		for _, key := range keys {
			h.bytes("key of "+filepath.Join(filepath.Base(folder), entry.Name()), key)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// keyFile are the files in which keys stand on purpose, meant those with other secrets.
var (
	keyFile = regexp.MustCompile(`\.key$|^pass\.json$`)
	meant   = regexp.MustCompile(`^claim$|^comm-keys\.json$`)
)

// keysIn are the private parts of what a key file holds.
func keysIn(text []byte) (keys [][]byte) {
	private := func(der []byte) {
		switch key, _ := x509.ParsePKCS8PrivateKey(der); k := key.(type) {
		case ed25519.PrivateKey:
			keys = append(keys, k.Seed())
		case *ecdsa.PrivateKey:
			if scalar, err := k.Bytes(); err == nil {
				keys = append(keys, scalar)
			}
		default:
			keys = append(keys, der) // the seed of a sealing key
		}
	}
	if block, _ := pem.Decode(text); block != nil {
		private(block.Bytes)
	}
	var pass struct{ Key []byte }
	if json.Unmarshal(text, &pass) == nil {
		private(pass.Key)
	}
	if bytes.HasPrefix(text, []byte("sidik vault key ")) {
		for _, node := range regexp.MustCompile(`[0-9a-f]{64}\n`).FindAll(text, -1) {
			if key, err := hex.DecodeString(string(node[:64])); err == nil {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// number is one that stands alone, or the decimals of one.
var number = regexp.MustCompile(`[0-9.]+`)

// told are the names of what a text tells.
func (h *hidden) told(text []byte) (names []string) {
	for trace, name := range h.traces {
		if bytes.Contains(text, []byte(trace)) {
			names = append(names, name)
		}
	}
	var plain []byte
	for _, b := range bytes.ToUpper(text) {
		if b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' {
			plain = append(plain, b)
		}
	}
	for code, name := range h.codes {
		if bytes.Contains(plain, []byte(code)) {
			names = append(names, name)
		}
	}
	for _, digits := range number.FindAll(text, -1) {
		if name, is := h.digits[string(digits)]; is {
			names = append(names, name)
		}
	}
	if bytes.Contains(text, []byte("PRIVATE KEY-----")) || bytes.Contains(text, []byte("SEALING KEY-----")) {
		names = append(names, "a key in PEM")
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// A scan that finds nothing proves something only if it finds what is there.
func TestTheScanFindsWhatIsTold(t *testing.T) {
	secret, code := make([]byte, 32), protocol.NewClaimCode()
	rand.Read(secret)
	h := newHidden()
	h.bytes("key", secret)
	h.text("password", "enam kata dari daftar kata")
	h.code("code", code)
	h.number("communication key", "739184")
	logged := func(value any) string {
		var text bytes.Buffer
		slog.New(slog.NewTextHandler(&text, nil)).Info("it", "value", value)
		return text.String()
	}
	for before := range 3 { // where base64 begins
		longer := append(make([]byte, before, 40), secret...)
		inJSON, err := json.Marshal(longer)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{
			string(longer), string(inJSON), base64.RawURLEncoding.EncodeToString(longer), fmt.Sprint(longer), fmt.Sprintf("%x", longer), fmt.Sprintf("%X", longer),
			fmt.Sprintf("%q", longer), fmt.Sprint(struct{ key []byte }{longer}), logged(longer), logged(struct{ key []byte }{longer}),
			fmt.Sprint(longer[before+5 : before+25]), string(pem.EncodeToMemory(&pem.Block{Type: "K", Bytes: longer})),
		} {
			if got := h.told([]byte("begin " + text + " end")); !slices.Equal(got, []string{"key"}) {
				t.Errorf("in %q it finds %q", text, got)
			}
		}
	}
	plain := strings.ReplaceAll(code.Text(), "-", "")
	for text, want := range map[string]string{
		"name=enam kata dari daftar kata":                                         "password",
		base64.StdEncoding.EncodeToString([]byte("x enam kata dari daftar kata")): "password",
		code.Text():                                           "code",
		strings.ToLower(plain):                                "code",
		plain[:6] + " " + plain[6:]:                           "code",
		plain[:3] + "." + plain[3:7] + "_" + plain[7:]:        "code",
		"terminal=X100C0000003 key=739184":                    "communication key",
		`{"key":"739184"}`:                                    "communication key",
		"took=7.739184ms at 1739184 and 7391840":              "",
		"-----BEGIN EC PRIVATE KEY-----":                      "a key in PEM",
		hex.EncodeToString(secret[:8]) + code.Hash().String(): "",
	} {
		if got := strings.Join(h.told([]byte(text)), " "); got != want {
			t.Errorf("in %q it finds %q, want %q", text, got, want)
		}
	}
}
