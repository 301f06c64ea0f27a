package web_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

const kobaPath = "/terminals/samsat-koba/CKJ2205001"

func TestTerminalsAreListed(t *testing.T) {
	w := newTown(newHub(t))
	w.answers(atForest, protocol.StandingBlocked, func(r *protocol.Results) {
		r.Blocked = []protocol.Outcome{{Act: "add-user", PIN: "1", Reason: "pin-width"}, {Act: "add-user", PIN: "2", Reason: "pin-width"}}
	})
	w.holds(atForest)
	listed := func(query string) string {
		_, html := w.page("/terminals"+query, "")
		var all []string
		for _, m := range regexp.MustCompile(`<a href="/terminals/[^"/]+/[^"]+">([^<]+)</a>`).FindAllStringSubmatch(html, -1) {
			all = append(all, m[1])
		}
		return strings.Join(all, " ")
	}
	for name, c := range map[string]struct{ query, want string }{
		"all, by site":                 {"", "CKJ2200001 CKJ2205030 CKJ2205001"},
		"by a part of a serial number": {"?q=5030", "CKJ2205030"},
		"by a part of a site":          {"?q=SAMSAT", "CKJ2205001"},
		"by a unit":                    {"?q=mendanau", "CKJ2205030"},
		"by how they stand":            {"?standing=equal", "CKJ2205001"},
		"those that are blocked":       {"?standing=blocked", "CKJ2205030"},
		"those never heard":            {"?standing=unsealed", "CKJ2200001"},
		"none":                         {"?standing=braked", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := listed(c.query); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	t.Run("in both languages", func(t *testing.T) {
		text, _ := w.page("/terminals", "")
		says(t, text, "3 mesin", "CKJ2205001 samsat-koba UPTD Samsat Koba Tegakkan 3 orang, 3 jari revisi 1.1 3 orang, 3 jari kurang dari 1 menit lalu sesuai",
			"CKJ2205030 kphl-belantu UPTD KPHL Belantu Mendanau Tegakkan 2 orang, 1 jari revisi 1.1 2 orang, 1 jari kurang dari 1 menit lalu terhalang PIN terlalu panjang untuk mesin: 2",
			"CKJ2200001 bkpsdmd BKPSDMD Provinsi Kepulauan Bangka Belitung Tegakkan 1 orang, 0 jari revisi 1.1 belum pernah diterima agen belum melapor")
		text, _ = w.page("/terminals", "en")
		says(t, text, "3 terminals", "CKJ2205001 samsat-koba UPTD Samsat Koba Enforce 3 people, 3 fingers revision 1.1 3 people, 3 fingers under a minute ago equal",
			"the PIN is too long for the terminal: 2")
	})
	t.Run("what holds from a later day is not said of today", func(t *testing.T) {
		w.edit(func(d *directory.Draft) error {
			agency, _ := d.TerminalBy(atAgency, serialOf(atAgency))
			return d.Set(directory.AboutTerminal, int64(agency.ID), directory.TerminalEnrolment, "2030-01-01", "yes")
		})
		for _, path := range []string{"/terminals", "/terminals/bkpsdmd/CKJ2200001"} {
			text, _ := w.page(path, "")
			silent(t, text, "mesin perekaman")
		}
	})
	t.Run("an address that nobody gave is refused", func(t *testing.T) {
		for path, want := range map[string]int{"/terminals?standing=x": 400, "/terminals?page=0": 400, "/terminals?page=x": 400, "/terminals?page=4611686018427387904": 400, kobaPath + "?page=x": 400,
			"/terminals/samsat-koba/x": 404, "/terminals/x/CKJ2205001": 404} {
			if code := w.get(path, "").StatusCode; code != want {
				t.Errorf("%s = %d, want %d", path, code, want)
			}
		}
	})
}

func TestRosterAgainstInventory(t *testing.T) {
	w := newTown(newHub(t))
	t.Run("all is equal", func(t *testing.T) {
		text, _ := w.page(kobaPath, "")
		says(t, text, "CKJ2205001 sesuai Melayani UPTD Samsat Koba (penanggung jawab) Mode Tegakkan Ubah", "Isi mesin sama dengan daftar mesin",
			"3 PIN, 0 berbeda", w.pin("Ani Demo")+" Ani Demo Ani Demo jari 5, 6 Ani Demo jari 5, 6 sesuai",
			w.pin("Dewi Demo")+" Dewi Demo Dewi Demo tanpa sidik jari · administrator Dewi Demo tanpa sidik jari · administrator sesuai",
			"algoritma 10 PIN sampai 9 angka; tempat untuk 3.000 orang, 3.000 jari")
	})
	w.holds(atKoba, func(inv *roster.Inventory) {
		for i, u := range inv.Users {
			switch u.PIN {
			case w.pin("Ani Demo"):
				inv.Users[i].Fingers = u.Fingers[:1]
				inv.Users[i].Name = []byte("ANI")
			case w.pin("Budi Demo"):
				inv.Users[i].PIN, inv.Users[i].Password = "198502022010011902", true // by his alias
			}
		}
		inv.Users = append(inv.Users, roster.Held{Slot: 9, PIN: "77", Name: []byte("Orang Lama"), Privilege: roster.Administrator,
			Fingers: []roster.HeldFinger{{Number: 2, Algorithm: 10, Digest: sha256.Sum256([]byte("old"))}}})
	})
	t.Run("each difference is marked, in the order of the agent's steps", func(t *testing.T) {
		text, html := w.page(kobaPath, "")
		says(t, text, "2 berbeda", w.pin("Ani Demo")+" Ani Demo Ani Demo jari 5, 6 ANI jari 5 berbeda ubah pegawai (nama Ani Demo) tambah jari 6",
			w.pin("Budi Demo")+" di mesin dengan PIN 198502022010011902 Budi Demo Budi Demo jari 5 Budi Demo jari 5 · ada kata sandi sesuai",
			"77 tidak tercantum Orang Lama jari 2 · administrator tidak tercantum hapus pegawai",
			"Periksa administrator yang tidak diberi hak · PIN 77 · Orang Lama")
		inv, err := w.holding.Inventory(t.Context(), atKoba, serialOf(atKoba))
		ok(t, err)
		_, want := w.roster(atKoba)
		plan := roster.Diff(want, inv.Inventory)
		if steps := strings.Count(html, `data-label="No."`); len(plan.Changes) == 0 || steps != len(plan.Changes) {
			t.Errorf("%d steps on the page, %d of the agent", steps, len(plan.Changes))
		}
		says(t, text, fmt.Sprintf("Perubahan: %d", len(plan.Changes)))
	})
	t.Run("in English", func(t *testing.T) {
		text, _ := w.page(kobaPath, "en")
		says(t, text, "2 differ", "ANI fingers 5 differs change user (name Ani Demo) add finger 6", "on the terminal as PIN 198502022010011902", "77 not named Orang Lama fingers 2 · administrator not named delete user",
			"Look an administrator without a grant · PIN 77")
	})
	t.Run("who is not there is lacking", func(t *testing.T) {
		w.holds(atKoba, func(inv *roster.Inventory) {
			inv.Users = slices.DeleteFunc(inv.Users, func(u roster.Held) bool { return u.PIN == w.pin("Budi Demo") })
		})
		text, _ := w.page(kobaPath, "")
		says(t, text, w.pin("Budi Demo")+" Budi Demo Budi Demo jari 5 tidak ada kurang di mesin")
		text, _ = w.page(kobaPath, "en")
		says(t, text, "not there lacking")
		w.holds(atKoba, func(inv *roster.Inventory) {
			for i, u := range inv.Users {
				if u.PIN == w.pin("Ani Demo") {
					inv.Users[i].Fingers = u.Fingers[:1]
				}
			}
		})
	})
	t.Run("what the mode does not let through is blocked, with why", func(t *testing.T) {
		w.edit(func(d *directory.Draft) error {
			terminal, _ := d.TerminalBy(atKoba, serialOf(atKoba))
			return d.Set(directory.AboutTerminal, int64(terminal.ID), directory.TerminalMode, "2026-01-06", string(roster.Observe))
		})
		w.reckon()
		text, _ := w.page(kobaPath, "")
		says(t, text, "Mode Amati", "Terhalang:", "tambah jari 6 "+w.pin("Ani Demo")+" Ani Demo mode daftar tidak mengizinkan")
		silent(t, text, "Perubahan: ")
	})
	t.Run("nothing of a template is on the page", func(t *testing.T) {
		_, html := w.page(kobaPath, "")
		best, err := w.vault.Best(t.Context())
		ok(t, err)
		for _, h := range best {
			silent(t, html, h.Digest.String(), h.Digest.Short())
		}
	})
	t.Run("history and outcomes", func(t *testing.T) {
		w.answers(atKoba, protocol.StandingBlocked, func(r *protocol.Results) {
			r.Outcomes = []protocol.Outcome{{Act: "add-finger", PIN: "100001", Finger: 6}, {Act: "add-user", PIN: "100002", Reason: "users-full"}, {Act: "new-act", PIN: "100003", Reason: "new-reason"}}
		})
		text, _ := w.page(kobaPath, "")
		says(t, text, "1.2 hari ini 08.15.00 6 Januari 2026 Amati 3 orang, 3 jari +0 −0 ~0 –", "1.1 hari ini 08.15.00 6 Januari 2026 Tegakkan 3 orang, 3 jari +3 −0 ~0 –",
			"1.2 100001 tambah jari 6 selesai dan terbaca kembali", "1.2 100002 tambah pegawai tempat pegawai di mesin penuh", "1.2 100003 new-act new-reason")
	})
	t.Run("a terminal of which nothing is known", func(t *testing.T) {
		text, _ := w.page("/terminals/bkpsdmd/CKJ2200001", "")
		says(t, text, "agen belum melapor", "Isi mesin belum pernah diterima dari agennya", "belum pernah diterima")
	})
}

// TestEveryPageSpeaksBothLanguages and says nothing that is a code.
func TestEveryPageSpeaksBothLanguages(t *testing.T) {
	w := newTown(newHub(t))
	w.enrols()
	w.braked()
	order, follow := w.dewi()
	w.send(jar{}, order, ordering())
	code := regexp.MustCompile(`\b(people|terminals|captures|capture|hub|register|whereabouts|page)\.[a-z]+-?[a-z-]*\b|\{[a-z]+\}`)
	for path, said := range map[string][2]string{
		"/employees": {"Cari", "Search"}, "/employees?without=fingers": {"Pegawai tanpa sidik jari", "Employees without fingerprints"},
		w.ani(): {"Di mesin mana sekarang", "On which terminals now"}, w.ani() + "/place": {"Penempatan baru", "New placement"},
		w.ani() + "/status": {"Ubah status", "Change the status"}, w.ani() + "/placements/1/end": {"Akhiri penempatan", "End a placement"},
		"/terminals": {"Penanggung jawab", "Responsible unit"}, "/terminals/tasks": {"Pekerjaan terbuka", "Open tasks"},
		kobaPath: {"Riwayat daftar mesin", "History of rosters"}, kobaPath + "/approval": {"Setujui rencana ini", "Approve this plan"}, kobaPath + "/mode": {"Ubah mode mesin", "Change the terminal's mode"},
		"/captures": {"Perekaman sidik jari", "Captures of fingers"}, order: {"Mulai perekaman", "Start the capture"}, follow: {"Batalkan", "Cancel"}, "/captures/1/cancel": {"Batalkan perekaman ini", "Cancel this capture"},
	} {
		for i, language := range []string{"id", "en"} {
			text, html := w.page(path, language)
			says(t, text, said[i])
			silent(t, text, said[1-i])
			says(t, html, `<html lang="`+language+`">`)
			if found := code.FindString(text); found != "" {
				t.Errorf("%s in %s says %q", path, language, found)
			}
		}
	}
}

func TestManyPeopleOfATerminalStandOnPages(t *testing.T) {
	w := newTown(newHub(t))
	w.edit(func(d *directory.Draft) error {
		for i := range 130 {
			w.hire(d, fmt.Sprintf("Orang %03d Demo", i), "", "samsat-koba", placement.NonASN)
		}
		return nil
	})
	w.reckon()
	first, html := w.page(kobaPath, "")
	second, _ := w.page(kobaPath+"?page=2", "")
	says(t, first, "133 PIN, 130 berbeda", "Orang 000 Demo")
	says(t, html, `href="/terminals/samsat-koba/CKJ2205001?page=2#sides"`)
	says(t, second, "Orang 129 Demo", w.pin("Ani Demo")+" Ani Demo")
}

// braked has the agent of Koba stop at a plan.
func (w *town) braked() protocol.Hash {
	w.t.Helper()
	plan := protocol.Hash(sha256.Sum256([]byte("plan")))
	w.holds(atKoba, func(inv *roster.Inventory) {
		for i := range 30 {
			inv.Users = append(inv.Users, roster.Held{Slot: uint16(100 + i), PIN: fmt.Sprint(500 + i), Name: fmt.Appendf(nil, "Lama %d", i), Privilege: roster.User})
		}
	})
	w.answers(atKoba, protocol.StandingBraked, func(r *protocol.Results) { r.Plan = plan })
	return plan
}

func TestBrakedPlanIsApproved(t *testing.T) {
	w := newTown(newHub(t))
	approval := kobaPath + "/approval"
	t.Run("where nothing waits", func(t *testing.T) {
		text, html := w.page(approval, "")
		says(t, text, "Tidak ada rencana yang menunggu persetujuan di mesin ini.")
		silent(t, html, "<form class=\"form\"")
	})
	plan := w.braked()
	approved := func() protocol.Hash { v, _ := w.roster(atKoba); return v.Approved }
	t.Run("the terminal says that it waits", func(t *testing.T) {
		text, html := w.page(kobaPath, "")
		says(t, text, "ditahan: menunggu persetujuan", "Agen berhenti pada rencana ini karena terlalu banyak yang akan dihapus.", "Perubahan: 30 30 di antaranya menghapus", "hapus pegawai 500 Lama 0")
		says(t, html, `href="`+approval+`"`)
		text, _ = w.page(approval, "en")
		says(t, text, "Approve the plan", "Changes: 30 30 of them delete", "Approve this plan", plan.Short())
	})
	form := func() url.Values { return url.Values{"plan": {plan.String()}} }
	for name, c := range map[string]struct {
		change func(url.Values)
		code   int
		want   string
	}{
		"another plan": {func(f url.Values) { f.Set("plan", protocol.Hash{9}.String()) }, 422, "Rencana itu tidak menunggu persetujuan lagi"},
		"no plan":      {func(f url.Values) { f.Del("plan") }, 400, "Formulir tidak dapat dibaca"},
	} {
		t.Run(name, func(t *testing.T) {
			f := form()
			c.change(f)
			answer := w.send(jar{}, approval, f)
			if answer.StatusCode != c.code || !approved().IsZero() {
				t.Errorf("status %d, approved %s; want %d and none", answer.StatusCode, approved(), c.code)
			}
			says(t, readable(body(t, answer)), c.want)
		})
	}
	t.Run("from another site's page", func(t *testing.T) {
		answer := w.send(jar{}, approval, form(), func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") })
		if answer.StatusCode != http.StatusForbidden || !approved().IsZero() {
			t.Errorf("status %d, approved %s; want 403 and none", answer.StatusCode, approved())
		}
	})
	t.Run("by a named person it is", func(t *testing.T) {
		cookies := jar{}
		answer := w.send(cookies, approval, form())
		if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != kobaPath {
			t.Fatalf("status %d to %q: %s", answer.StatusCode, answer.Header.Get("Location"), body(t, answer))
		}
		v, _ := w.roster(atKoba)
		if v.Approved != plan || v.ApprovedBy != "Siti Petugas (siti)" {
			t.Errorf("approved %s by %q", v.Approved, v.ApprovedBy)
		}
		says(t, w.follow(cookies, kobaPath), "Rencana disetujui. Agen segera melanjutkan.", "Rencana ini sudah disetujui oleh Siti Petugas (siti); agen segera melanjutkan.", "~0 Siti Petugas")
	})
	t.Run("another inventory makes another plan", func(t *testing.T) {
		w.answers(atKoba, protocol.StandingEqual)
		answer := w.send(jar{}, approval, form())
		says(t, readable(body(t, answer)), "Rencana itu tidak menunggu persetujuan lagi")
	})
}

func TestModeIsSet(t *testing.T) {
	w := newTown(newHub(t))
	w.braked()
	mode := func() roster.Mode { w.reckon(); _, r := w.roster(atKoba); return r.Mode }
	path := kobaPath + "/mode"
	t.Run("the form says what each mode would do", func(t *testing.T) {
		text, html := w.page(path, "")
		says(t, text, "Amati Agen hanya membaca dan melaporkan perbedaan; tidak ada yang ditulis ke mesin. Sekarang: tidak ada yang diubah.",
			"Tegakkan Agen menyamakan isi mesin dengan daftar mesin, juga menghapus yang tidak tercantum. Sekarang: 30 perubahan, 30 di antaranya menghapus.")
		says(t, html, `value="enforce" checked`)
		text, _ = w.page(path, "en")
		says(t, text, "Observe The agent only reads and reports differences", "Now: 30 changes, 30 of them delete.")
	})
	t.Run("it is saved in somebody's name", func(t *testing.T) {
		cookies := jar{}
		answer := w.send(cookies, path, url.Values{"mode": {"observe"}})
		if answer.StatusCode != http.StatusSeeOther {
			t.Fatalf("status %d: %s", answer.StatusCode, body(t, answer))
		}
		if got := mode(); got != roster.Observe {
			t.Errorf("mode %s", got)
		}
		says(t, w.follow(cookies, kobaPath), "Mode disimpan.", "Mode Amati")
		trail, err := w.directory.Changes(t.Context(), 1)
		ok(t, err)
		if trail[0].Who != "Siti Petugas (siti)" || trail[0].Act != "terminal mode" || trail[0].Subject != "CKJ2205001" {
			t.Errorf("the audit trail says %+v", trail[0].By)
		}
	})
	for name, c := range map[string]struct {
		form url.Values
		want string
	}{
		"enforce without a signed validation": {url.Values{"mode": {"enforce"}}, "CKJ2205001"},
		"no mode":                             {url.Values{}, "Pilih mode."},
		"a mode that nobody knows":            {url.Values{"mode": {"x"}}, "Pilih mode."},
	} {
		t.Run(name, func(t *testing.T) {
			answer := w.send(jar{}, path, c.form)
			html := body(t, answer)
			if answer.StatusCode != http.StatusUnprocessableEntity || mode() != roster.Observe {
				t.Errorf("status %d, mode %s; want 422 and observe", answer.StatusCode, mode())
			}
			says(t, readable(html), c.want)
			says(t, html, `class="wrong"`)
		})
	}
}

func TestOpenTasksAreListed(t *testing.T) {
	w := newTown(newHub(t))
	w.edit(func(d *directory.Draft) error {
		return d.Set(directory.AboutEmployee, int64(w.people["Budi Demo"]), directory.EmployeeStatus, "2026-01-06", string(placement.Retired))
	})
	w.reckon()
	w.answers(atKoba, protocol.StandingBraked, func(r *protocol.Results) { r.Plan = protocol.Hash{7} })
	text, html := w.page("/terminals/tasks", "")
	says(t, text, "CKJ2205001 samsat-koba 6 Januari 2026 1 pegawai atau jarinya harus dihapus dari mesin Budi Demo Agen berhenti pada rencana ini karena terlalu banyak yang akan dihapus. Tidak ada yang dihapus sebelum disetujui. Setujui rencana",
		"CKJ2205030 kphl-belantu", "2 pegawai atau jarinya harus masuk ke mesin Citra Demo , Dewi Demo Operator lokasi kphl-belantu: jalankan agen")
	says(t, html, `href="/terminals/samsat-koba/CKJ2205001/approval"`, fmt.Sprintf(`href="/employees/%d"`, w.people["Budi Demo"]))
	text, _ = w.page("/terminals/tasks", "en")
	says(t, text, "Open tasks 3", "6 January 2026")
	for _, site := range []protocol.SiteID{atAgency, atKoba, atForest} {
		w.equal(site)
	}
	text, _ = w.page("/terminals/tasks", "")
	says(t, text, "Tidak ada pekerjaan terbuka di mesin mana pun.")
}
