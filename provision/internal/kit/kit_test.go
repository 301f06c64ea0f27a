package kit_test

import (
	"bytes"
	"encoding/base64"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/provision/internal/kit"
)

// sample is a kit of an invented office, with a code of its own.
func sample(t testing.TB) kit.Kit {
	t.Helper()
	root, err := seal.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	return kit.Kit{
		Site: "samsat-koba", Terminals: []protocol.Serial{"X100C0000001", "X100C0000002"}, Root: root.Public().Fingerprint(),
		Agents: "https://hub.example.go.id:8443", Keys: []byte(`{"keys":"signed"}`), Code: protocol.NewClaimCode(),
		Until: now.Add(24 * time.Hour), Page: "https://hub.example.go.id/sites/samsat-koba", Now: now,
	}
}

func write(t testing.TB, dir string, k kit.Kit) (folder string) {
	t.Helper()
	folder, err := kit.Write(dir, k)
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

func read(t testing.TB, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func names(t testing.TB, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// Who finds any file of a kit but its claim learns no code, nor does the picture tell it.
func TestOnlyTheClaimTellsTheCode(t *testing.T) {
	k := sample(t)
	folder := write(t, t.TempDir(), k)
	if got := strings.TrimSpace(read(t, folder, "claim")); got != k.Code.Text() {
		t.Fatal("the claim does not hold the code")
	}
	bare := strings.ReplaceAll(k.Code.Text(), "-", "")
	for _, name := range names(t, folder) {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %v, %v", name, info.Mode(), err)
		}
		text := strings.ReplaceAll(read(t, folder, name), "-", "")
		for _, told := range []string{bare, base64.StdEncoding.EncodeToString([]byte(k.Code.Text()))} {
			if name != "claim" && strings.Contains(text, told) {
				t.Errorf("%s tells the code", name)
			}
		}
	}
	for _, text := range []string{read(t, folder, "BACA-SAYA.txt"), read(t, folder, "BACA-SAYA.html")} {
		for _, want := range []string{string(k.Site), "X100C0000001", "X100C0000002", k.Page, "sudo sh first-boot.sh", "sudo sidik-agent identity"} {
			if !strings.Contains(text, want) {
				t.Errorf("the instructions do not tell %q:\n%s", want, text)
			}
		}
	}
	image := regexp.MustCompile(`data:image/png;base64,([^"]+)"`).FindStringSubmatch(read(t, folder, "BACA-SAYA.html"))
	if image == nil {
		t.Fatal("the page shows no picture")
	}
	drawn, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(image[1], "&#43;", "+"))
	if err == nil {
		_, err = png.Decode(bytes.NewReader(drawn))
	}
	if err != nil {
		t.Errorf("the picture: %v", err)
	}
}

// A kit that is written again takes the place of the former one as a whole, also where a
// power cut left half of one.
func TestAKitIsWrittenAgain(t *testing.T) {
	dir := t.TempDir()
	first, second := sample(t), sample(t)
	write(t, dir, first)
	half := filepath.Join(dir, "samsat-koba.new")
	if err := os.Mkdir(half, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(half, "claim"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	folder := write(t, dir, second)
	if got := names(t, dir); !slices.Equal(got, []string{"samsat-koba"}) {
		t.Errorf("the folder of kits holds %v", got)
	}
	if strings.TrimSpace(read(t, folder, "claim")) != second.Code.Text() || !strings.Contains(read(t, folder, "agent.toml"), string(second.Root)) {
		t.Error("the second kit did not take the place of the first")
	}
}

// What fails in the middle leaves the former kit as it was.
func TestAKitThatCannotBeWrittenLeavesTheFormer(t *testing.T) {
	dir := t.TempDir()
	first, second := sample(t), sample(t)
	folder := write(t, dir, first)
	unreadable := filepath.Join(dir, "sidik-agent_1.0.0_arm64.deb") // a folder is found, and is no file to bring
	if err := os.Mkdir(unreadable, 0o700); err != nil {
		t.Fatal(err)
	}
	second.Packages = []string{unreadable}
	if _, err := kit.Write(dir, second); err == nil {
		t.Error("a kit was written without its package")
	}
	if strings.TrimSpace(read(t, folder, "claim")) != first.Code.Text() {
		t.Error("the former kit is gone")
	}
}

// Root runs the script: no value may say more there than it should.
func TestAKitRefusesValuesThatAreNone(t *testing.T) {
	for name, spoil := range map[string]func(*kit.Kit){
		"a folder elsewhere":   func(k *kit.Kit) { k.Site = "../samsat-koba" },
		"a command":            func(k *kit.Kit) { k.Site = "a;reboot" },
		"a terminal of lines":  func(k *kit.Kit) { k.Terminals = []protocol.Serial{"X1\"\n[[terminal]]"} },
		"no terminal":          func(k *kit.Kit) { k.Terminals = nil },
		"no root":              func(k *kit.Kit) { k.Root = "" },
		"an address in quotes": func(k *kit.Kit) { k.Agents = "https://hub\"\nroot = \"x" },
		"another's package":    func(k *kit.Kit) { k.Packages = []string{"kit.go"} },
		"a missing package":    func(k *kit.Kit) { k.Packages = []string{"sidik-agent_1.0.0_arm64.deb"} },
		"a plain address":      func(k *kit.Kit) { k.Agents = "http://hub.example.go.id" },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			k := sample(t)
			spoil(&k)
			if _, err := kit.Write(dir, k); err == nil || len(names(t, dir)) != 0 {
				t.Errorf("written: %v, %v", names(t, dir), err)
			}
		})
	}
}
