package sidik_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// list writes a list of n sites with a terminal each, and lines that cannot be done.
func list(t testing.TB, dir string, n int, wrong ...string) string {
	t.Helper()
	text := "site;terminal;terminal2\r\n"
	for i := range n {
		text += fmt.Sprintf("kantor-%03d;X100C%06d;\r\n", i+1, i+1)
	}
	file := filepath.Join(dir, "kantor.csv")
	if err := os.WriteFile(file, []byte("\ufeff"+text+strings.Join(wrong, "\r\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// kitFiles are what a kit consists of.
func kitFiles() []string {
	return []string{"BACA-SAYA.html", "BACA-SAYA.txt", "agent.toml", "claim", "first-boot.sh", "keys.json"}
}

// The kits of a whole province are written from a list. Killed in between, the command goes
// on where it was: every kit is whole, each code is its own, and what was done stays.
func TestKitsOfAProvinceGoOnAfterAKill(t *testing.T) {
	n := 300
	if testing.Short() {
		n = 40
	}
	w := certifiedWorld(t, 0)
	w.startHub()
	p := newProvider(t, w)
	file, kits := list(t, w.dir, n, "kantor 301;X1", "kantor-302", "kantor-001;X100C000001"), filepath.Join(w.dir, "kits")
	for _, after := range []int{n / 10, n / 2} {
		cmd := p.command("kit", "write", "--csv", file, "--to", kits)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return len(folders(t, kits)) >= after }, func() string { return "no kits are written" })
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		for _, name := range folders(t, kits) {
			whole(t, filepath.Join(kits, name))
		}
	}
	before := codes(t, kits)
	begun := time.Now()
	_, said, err := p.tries("kit", "write", "--csv", file, "--to", kits)
	for _, want := range []string{fmt.Sprint("baris ", n+2, ": "), fmt.Sprint("baris ", n+3, ": Lokasi ini belum punya mesin"), fmt.Sprint("baris ", n+4, ": ")} {
		if err == nil || !strings.Contains(said, want) {
			t.Errorf("the last run: %v, and nothing of %q in:\n%s", err, want, said)
		}
	}
	if got := folders(t, kits); len(got) != n {
		t.Errorf("%d kits, want %d", len(got), n)
	}
	after, again := codes(t, kits), 0
	distinct := map[string]bool{}
	for name, code := range after {
		distinct[code] = true
		whole(t, filepath.Join(kits, name))
		if before[name] != "" && before[name] != code {
			again++
		}
	}
	if len(distinct) != n || again > 1 {
		t.Errorf("%d codes for %d kits; %d that were whole were written again, want the one at most during which the command died", len(distinct), n, again)
	}
	t.Logf("the rest, %d kits, took %s", n-len(before), time.Since(begun).Round(10*time.Millisecond))
	if list := p.does("site", "list"); strings.Count(list, "ditunggu") != n {
		t.Errorf("%d sites are expected, want %d", strings.Count(list, "ditunggu"), n)
	}
	_, said, _ = p.tries("site", "add", "--csv", file)
	if !strings.Contains(said, fmt.Sprintf("1 baru, %d sudah ada, 2 gagal", n)) {
		t.Errorf("sites from the same list: %s", said)
	}
}

// Offices whose kits were written from one list come up at once, each with its punches.
func TestAProvinceComesUpFromAList(t *testing.T) {
	n := 300
	if testing.Short() {
		n = 20
	}
	w := certifiedWorld(t, 0)
	w.startHub()
	p := newProvider(t, w)
	offices, kits := p.province("kantor", n)
	begun := time.Now()
	w.comeUp(offices, kits)
	t.Logf("from %d kits to as many sites that are ready with all punches stored: %s", n, time.Since(begun).Round(10*time.Millisecond))
	if list := p.does("site", "list"); strings.Count(list, "diterima") != n {
		t.Errorf("%d sites are admitted, want %d", strings.Count(list, "diterima"), n)
	}
}

// province makes offices whose terminals hold punches, and writes their kits from a list.
func (p provider) province(name string, n int) (offices []*office, kits string) {
	p.w.t.Helper()
	text := "site,terminal\n"
	for i := range n {
		o := p.w.newOffice(fmt.Sprintf("%s-%03d", name, i+1), "tft-new", 30)
		offices = append(offices, o)
		text += fmt.Sprintf("%s,%s\n", o.site, o.terminal.Serial())
	}
	file, kits := filepath.Join(p.w.dir, name+".csv"), filepath.Join(p.w.dir, "kits")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.w.t.Fatal(err)
	}
	p.does("kit", "write", "--csv", file, "--to", kits)
	return offices, kits
}

// comeUp puts all kits in place and waits until all offices are ready and have told all.
func (w *world) comeUp(offices []*office, kits string) {
	w.t.Helper()
	for _, o := range offices {
		o.arrives(filepath.Join(kits, string(o.site)))
	}
	up, ready := 0, w.readiness()
	within(w.t, 3*patience, func() bool {
		for up < len(offices) && ready(offices[up].site) {
			up++
		}
		return up == len(offices)
	}, func() string { return fmt.Sprintf("%d of %d sites are ready", up, len(offices)) })
	for _, o := range offices {
		o.arrive()
	}
}

// folders are the kits in a folder, without what is not finished.
func folders(t testing.TB, kits string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(kits)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && filepath.Ext(e.Name()) == "" {
			names = append(names, e.Name())
		}
	}
	return names
}

func codes(t testing.TB, kits string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range folders(t, kits) {
		text, err := os.ReadFile(filepath.Join(kits, name, "claim"))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = strings.TrimSpace(string(text))
	}
	return all
}

// whole fails when a kit lacks a file, tells its code elsewhere than in its claim, holds
// a private key, or lets others read it.
func whole(t testing.TB, kit string) {
	t.Helper()
	var names []string
	code, err := os.ReadFile(filepath.Join(kit, "claim"))
	if err != nil || len(bytes.TrimSpace(code)) != len("K7QM-2XWD-9RTA") {
		t.Fatalf("the claim of %s: %v", kit, err)
	}
	bare := strings.ReplaceAll(strings.TrimSpace(string(code)), "-", "")
	err = filepath.WalkDir(kit, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		names = append(names, e.Name())
		info, err := e.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if len(text) == 0 || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has %d bytes and mode %v", path, len(text), info.Mode())
		}
		for _, word := range []string{"PRIVATE KEY", `"private"`, `"token"`, "sidik_"} {
			if bytes.Contains(text, []byte(word)) {
				t.Errorf("%s holds %s", path, word)
			}
		}
		if e.Name() != "claim" && strings.Contains(strings.ReplaceAll(string(text), "-", ""), bare) {
			t.Errorf("%s tells the claim code", path)
		}
		return err
	})
	slices.Sort(names)
	if err != nil || !slices.Equal(names, kitFiles()) {
		t.Errorf("the kit %s holds %v (%v)", kit, names, err)
	}
}
