package site_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/provision/internal/hubapi"
)

func write(t *testing.T, text string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "kantor.csv")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A list that is repeated does what is not done: the hub knows whose agent is in, and
// which code is still open.
func TestAListGoesOn(t *testing.T) {
	h := newHub(t)
	list, kits := write(t, "site,terminal\nkoba,X1\ntoboali,X2\nmentok,X3\nmanggar,X4\n"), filepath.Join(t.TempDir(), "kits")
	kit := []string{"kit", "write", "--csv", list, "--to", kits}
	h.asks([]string{"site koba", "claim koba", "site toboali", "claim toboali", "site mentok", "claim mentok", "site manggar", "claim manggar"}, kit...)
	h.asks(nil, kit...)

	h.sites["koba"].Standing, h.sites["koba"].Code = hubapi.Admitted, time.Time{}    // it is in
	h.sites["toboali"].Standing, h.sites["toboali"].Code = "registered", time.Time{} // its code expired
	h.sites["mentok"].Code = h.sites["mentok"].Code.Add(time.Hour)                   // somebody made another code
	h.sites["manggar"].Terminals = append(h.sites["manggar"].Terminals, "X5")        // and another terminal came
	said := h.asks([]string{"site toboali", "claim toboali", "site mentok", "claim mentok", "site manggar", "claim manggar"}, kit...)
	if !strings.Contains(said, "3 baru, 1 sudah ada, 0 gagal") {
		t.Errorf("it says %s", said)
	}
	if err := os.RemoveAll(filepath.Join(kits, "mentok")); err != nil {
		t.Fatal(err)
	}
	h.asks([]string{"site mentok", "claim mentok"}, kit...)
	h.asks(nil, "site", "add", "--csv", list)
}

// What a power cut left of the notes is passed over, and what is noted later counts.
func TestNotesOutliveAPowerCut(t *testing.T) {
	h := newHub(t)
	list, kits := write(t, "site,terminal\nkoba,X1\ntoboali,X2\n"), filepath.Join(t.TempDir(), "kits")
	kit := []string{"kit", "write", "--csv", list, "--to", kits}
	h.asks([]string{"site koba", "claim koba", "site toboali", "claim toboali"}, kit...)
	notes := filepath.Join(kits, "progress.jsonl")
	text, err := os.ReadFile(notes)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(notes, text[:len(text)-9], 0o600); err != nil {
		t.Fatal(err)
	}
	h.asks([]string{"site toboali", "claim toboali"}, kit...)
	h.asks(nil, kit...)
}

// A line that cannot be done is told with its number, and the others go on; what would
// be the same for every line ends it.
func TestWhatIsWrongWithALineAndWithAll(t *testing.T) {
	h := newHub(t)
	list := write(t, "site,terminal\nkoba,X1\ntobo ali,X2\nmentok,\nmanggar,X4\nlepar,X5\n")
	h.refuses = func(r *http.Request) (int, string) {
		if strings.Contains(r.URL.Path, "manggar") {
			return http.StatusUnprocessableEntity, "terminal"
		}
		return 0, ""
	}
	said, err := h.runs("kit", "write", "--csv", list, "--to", t.TempDir())
	if err == nil || !slices.Equal(h.asked, []string{"site koba", "claim koba", "site manggar", "site lepar", "claim lepar"}) {
		t.Errorf("%v, it asks %q", err, h.asked)
	}
	for _, want := range []string{"baris 3: Nama lokasi hanya boleh", "baris 4: Lokasi ini belum punya mesin", "baris 5: Mesin itu tidak terdaftar", "2 baru, 0 sudah ada, 3 gagal"} {
		if !strings.Contains(said, want) {
			t.Errorf("nothing of %q in:\n%s", want, said)
		}
	}
	for code, status := range map[string]int{"right": http.StatusForbidden, "login": http.StatusUnauthorized, "slow": http.StatusTooManyRequests, "trouble": http.StatusInternalServerError} {
		tries := 0
		h.refuses = func(r *http.Request) (int, string) {
			if r.Method != http.MethodPost {
				return 0, ""
			}
			tries++
			return status, code
		}
		if _, err := h.runs("kit", "write", "--csv", list, "--to", t.TempDir()); err == nil || !strings.Contains(err.Error(), "line 2") || tries != 1 {
			t.Errorf("%s: %v after %d tries", code, err, tries)
		}
	}
}

// A machine that is replaced is shut out first. Where nobody was let in, nobody is.
func TestReplace(t *testing.T) {
	h := newHub(t)
	h.sites["koba"] = &hubapi.Site{Site: "koba", Standing: hubapi.Admitted, Terminals: []protocol.Serial{"X1"}}
	replace := []string{"site", "replace", "koba", "--reason", "dicuri"}
	if said := h.asks([]string{"revoke koba", "claim koba"}, replace...); !strings.Contains(said, "kit write koba") {
		t.Errorf("it says %s", said)
	}
	h.asks([]string{"revoke koba", "claim koba"}, replace...) // the code went astray too
	h.sites["koba"].Standing = "registered"
	h.asks([]string{"revoke koba", "claim koba"}, append(replace, "--to", t.TempDir())...)
	h.refuses = func(r *http.Request) (int, string) {
		if strings.HasSuffix(r.URL.Path, "/revoke") {
			return http.StatusForbidden, "right"
		}
		return 0, ""
	}
	h.asked = nil
	if _, err := h.runs(replace...); err == nil || !strings.Contains(err.Error(), "Hanya Admin BKPSDMD") || len(h.asked) != 0 {
		t.Errorf("%v, it asks %q", err, h.asked)
	}
}

// Two commands that write into one folder would end each other's codes.
func TestOneWritesKitsIntoAFolder(t *testing.T) {
	h := newHub(t)
	h.sites["koba"] = &hubapi.Site{Site: "koba", Standing: hubapi.Admitted, Terminals: []protocol.Serial{"X1"}}
	list, kits := write(t, "site,terminal\ntoboali,X2\n"), t.TempDir()
	folder, err := os.Open(kits)
	if err == nil {
		err = unix.Flock(int(folder.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"koba"}, {"--csv", list}} {
		args = append([]string{"kit", "write", "--to", kits}, args...)
		if _, err := h.runs(args...); err == nil || !strings.Contains(err.Error(), "Perintah lain") || len(h.asked) != 0 {
			t.Errorf("%s: %v, it asks %q", args, err, h.asked)
		}
	}
	if err := folder.Close(); err != nil {
		t.Fatal(err)
	}
	if said := h.asks([]string{"claim koba"}, "kit", "write", "koba", "--to", kits); !strings.Contains(said, "sudah punya agen") {
		t.Errorf("nothing is said about the agent that is let in: %s", said)
	}
}

// What cannot become a kit asks for no code: that would end the one of the former kit.
func TestAKitThatCannotBeAsksForNoCode(t *testing.T) {
	h := newHub(t)
	h.sites["koba"] = &hubapi.Site{Site: "koba", Standing: hubapi.Expected, Terminals: []protocol.Serial{"X1"}}
	for _, file := range []string{"agent.deb", "sidik-agent_1.0.0_arm64.deb"} { // misnamed, missing
		if _, err := h.runs("kit", "write", "koba", "--to", t.TempDir(), "--package", filepath.Join(t.TempDir(), file)); err == nil || len(h.asked) != 0 {
			t.Errorf("%s: %v, it asks %q", file, err, h.asked)
		}
	}
}
