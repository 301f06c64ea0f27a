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
	"time"

	"pgregory.net/rapid"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// named are the names that a page of employees lists, in order.
func (w *town) named(path string) string {
	w.t.Helper()
	_, html := w.page(path, "")
	var names []string
	for _, m := range regexp.MustCompile(`<a href="/employees/\d+">([^<]+)</a>`).FindAllStringSubmatch(html, -1) {
		names = append(names, strings.TrimSuffix(m[1], " Demo"))
	}
	return strings.Join(names, " ")
}

func TestEmployeesAreFound(t *testing.T) {
	w := newTown(newHub(t))
	w.edit(func(d *directory.Draft) error {
		return d.Set(directory.AboutEmployee, int64(w.people["Citra Demo"]), directory.EmployeeNIP, "2025-06-01", "199503032023212903")
	})
	for name, c := range map[string]struct{ query, want string }{
		"all, by name":                  {"", "Ani Budi Citra Dewi Eko"},
		"by a part of a name":           {"?q=CIT", "Citra"},
		"by a NIP with blanks":          {"?q=19900101+201501+2+901", "Ani"},
		"by the beginning of a NIP":     {"?q=1985", "Budi"},
		"by a NIP of before":            {"?q=199503032022212903", "Citra"},
		"by the hub's PIN":              {"?q=" + w.pin("Dewi Demo"), "Dewi"},
		"by nothing that there is":      {"?q=Zaenal", ""},
		"in a unit":                     {"?unit=" + fmt.Sprint(w.units["kphl-belantu"]), "Citra"},
		"in a unit and those below it":  {"?unit=" + fmt.Sprint(w.units["bakuda"]), "Ani Budi"},
		"without fingers":               {"?without=fingers", "Dewi Eko"},
		"without fingers, of this name": {"?without=fingers&q=eko", "Eko"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := w.named("/employees" + c.query); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	t.Run("in a unit and those that were merged into it", func(t *testing.T) {
		w.edit(func(d *directory.Draft) error {
			return d.Set(directory.AboutUnit, int64(w.units["kphl-belantu"]), directory.UnitMerged, "2026-01-01", fmt.Sprint(w.units["museum"]))
		})
		if got := w.named("/employees?unit=" + fmt.Sprint(w.units["museum"])); got != "Citra" {
			t.Errorf("%q, want Citra", got)
		}
	})
	t.Run("a retired one is not asked for fingers", func(t *testing.T) {
		w.edit(func(d *directory.Draft) error {
			return d.Set(directory.AboutEmployee, int64(w.people["Eko Demo"]), directory.EmployeeStatus, "2026-01-01", string(placement.Retired))
		})
		if got := w.named("/employees?without=fingers"); got != "Dewi" {
			t.Errorf("%q, want Dewi", got)
		}
	})
	t.Run("the page says what it lists, in both languages", func(t *testing.T) {
		text, _ := w.page("/employees", "")
		says(t, text, "Pegawai 5 orang", "Ani Demo 199001012015012901 "+w.pin("Ani Demo")+" UPTD Samsat Koba Aktif 2",
			"Dewi Demo – "+w.pin("Dewi Demo")+" BKPSDMD Provinsi Kepulauan Bangka Belitung Aktif belum ada", "Eko Demo 197004041995031904 "+w.pin("Eko Demo")+" belum ditempatkan Pensiun 0")
		text, _ = w.page("/employees?without=fingers", "en")
		says(t, text, "Employees without fingerprints 1 people", "Dewi Demo", "Active none yet")
	})
	t.Run("an address that nobody gave is refused", func(t *testing.T) {
		for _, query := range []string{"?unit=x", "?page=0", "?page=x", "?page=4611686018427387904", "?unit=-1", "?q=" + strings.Repeat("a", 101)} {
			if code := w.get("/employees"+query, "").StatusCode; code != http.StatusBadRequest {
				t.Errorf("%s = %d, want 400", query, code)
			}
		}
		for _, path := range []string{"/employees/999", "/employees/x", "/employees/1/placements/999/end"} {
			if code := w.get(path, "").StatusCode; code != http.StatusNotFound {
				t.Errorf("%s = %d, want 404", path, code)
			}
		}
	})
	t.Run("many stand on pages", func(t *testing.T) {
		w.edit(func(d *directory.Draft) error {
			for i := range 60 {
				w.hire(d, fmt.Sprintf("Orang %02d Demo", i), "", "museum", placement.NonASN)
			}
			return nil
		})
		first, second := w.named("/employees?q=orang"), w.named("/employees?q=orang&page=2")
		if n := strings.Count(first, "Orang"); n != 50 || !strings.HasPrefix(second, "Orang 50") || strings.Count(second, "Orang") != 10 {
			t.Errorf("%d on the first page; the second: %q", n, second)
		}
		_, html := w.page("/employees?q=orang&unit="+fmt.Sprint(w.units["museum"]), "")
		says(t, html, `href="/employees?page=2&amp;q=orang&amp;unit=`+fmt.Sprint(w.units["museum"])+`"`)
	})
}

func TestEmployeeIsShown(t *testing.T) {
	w := newTown(newHub(t))
	w.edit(func(d *directory.Draft) error {
		id := int64(w.people["Budi Demo"])
		for a, value := range map[directory.Attribute]string{directory.EmployeeBefore: "Drs.", directory.EmployeeAfter: "M.Si.",
			directory.EmployeePosition: "Penata Layanan", directory.EmployeeGrade: "III/b"} {
			if err := d.Set(directory.AboutEmployee, id, a, since, value); err != nil {
				return err
			}
		}
		_, err := d.Place(directory.Placement{SK: "821.2/77/2026", SKDate: "2025-12-29", TMT: "2026-02-01", Placement: placement.Placement{Employee: w.people["Budi Demo"],
			Unit: w.units["kphl-belantu"], Kind: placement.Acting, Period: placement.Period{From: "2026-02-01", To: "2026-08-01"}}}, true)
		return err
	})
	budi := fmt.Sprintf("/employees/%d", w.people["Budi Demo"])
	t.Run("in Indonesian", func(t *testing.T) {
		text, _ := w.page(budi, "")
		says(t, text, "Drs. Budi Demo, M.Si. Aktif PIN "+w.pin("Budi Demo")+" Lihat presensi NIP 198502022010011902 Jenis pegawai PNS Jabatan Penata Layanan Golongan III/b",
			"UPTD KPHL Belantu Mendanau akan datang Plt/Plh 1 Februari 2026 1 Agustus 2026 821.2/77/2026 29 Desember 2025 1 Februari 2026 Akhiri",
			"UPTD Samsat Koba sekarang Definitif 1 Januari 2025 tanpa batas waktu 800/1/2025 1 Januari 2025 Akhiri",
			"5 · ibu jari kanan 10 direkam di mesin CKJ2200001, bkpsdmd (perekaman nomor 7) 4 Januari 2026 08.15 dipakai",
			"Riwayat NIP 198502022010011902 sejak 1 Januari 2025", "Riwayat status Aktif sejak 1 Januari 2025",
			"198502022010011902 di semua mesin 1 Januari 2025 – tanpa batas waktu",
			"CKJ2205001 samsat-koba tercantum revisi 1.1 jari 5 ada PIN "+w.pin("Budi Demo")+" jari 5 diterima hari ini 08.15.00 sesuai")
	})
	t.Run("in English", func(t *testing.T) {
		text, _ := w.page(budi, "en")
		says(t, text, "UPTD KPHL Belantu Mendanau to come Acting 1 February 2026 1 August 2026", "5 · right thumb 10 recorded at terminal CKJ2200001, bkpsdmd (capture number 7)",
			"CKJ2205001 samsat-koba named revision 1.1 fingers 5 there PIN", "received today 08:15:00 equal")
	})
	t.Run("and leads to all their punches, under whatever PIN", func(t *testing.T) {
		w.offices[atKoba].punch(now(), punchAt(serialOf(atKoba), "198502022010011902", "2026-01-06T07:31:00"))
		_, html := w.page(budi, "")
		link := regexp.MustCompile(`href="(/punches[^"]+)"`).FindStringSubmatch(html)
		if link == nil {
			t.Fatal("the page leads to no punches")
		}
		if got := w.pins(link[1]); got != "198502022010011902" {
			t.Errorf("%s shows punches of PINs %q, want the one of old", link[1], got)
		}
	})
	t.Run("nothing of a template is on the page", func(t *testing.T) {
		_, html := w.page(budi, "")
		held, err := w.vault.Have(t.Context(), int64(w.people["Budi Demo"]))
		ok(t, err)
		if len(held) != 1 {
			t.Fatalf("%d fingers, want 1", len(held))
		}
		silent(t, html, held[0].Digest.String(), held[0].Digest.Short(), "invented template")
	})
	t.Run("somebody without fingers is said to have none", func(t *testing.T) {
		text, _ := w.page(fmt.Sprintf("/employees/%d", w.people["Eko Demo"]), "")
		says(t, text, "belum punya sidik jari di hub", "Belum pernah ditempatkan.", "Tidak ada mesin yang memuat pegawai ini")
	})
}

// TestWhereSomebodyIs: each way in which a terminal stands to somebody, with why.
func TestWhereSomebodyIs(t *testing.T) {
	w := newTown(newHub(t))
	citra := fmt.Sprintf("/employees/%d", w.people["Citra Demo"])
	for _, step := range []struct {
		name string
		do   func()
		want string
	}{
		{"the agent was never heard", func() {}, "CKJ2205030 kphl-belantu tercantum revisi 1.1 jari 6 belum pernah diterima harus masuk Operator lokasi kphl-belantu: jalankan agen; agen yang diizinkan belum pernah melapor. seharusnya sejak 29 Desember 2024"},
		{"the agent is at it", func() {
			w.holds(atForest, func(inv *roster.Inventory) { inv.Users = inv.Users[1:] })
			w.answers(atForest, protocol.StandingFailed)
		}, "tidak ada diterima hari ini 08.15.00 harus masuk Tidak perlu tindakan: agen di lokasi kphl-belantu mengerjakannya di luar jam sibuk."},
		{"the terminal takes no such PIN", func() {
			w.holds(atForest, func(inv *roster.Inventory) { inv.Users, inv.Capabilities.PINWidth = inv.Users[1:], 5 })
			w.answers(atForest, protocol.StandingBlocked)
		}, "harus masuk Admin BKPSDMD: putuskan apa yang dilakukan di mesin CKJ2205030; perubahan terhalang (PIN terlalu panjang untuk mesin)."},
		{"she is there", func() { w.equal(atForest) }, "tercantum revisi 1.1 jari 6 ada PIN " + w.pin("Citra Demo") + " jari 6 diterima hari ini 08.15.00 sesuai"},
		{"she is there, and since when", func() {
			w.answers(atForest, protocol.StandingEqual, func(r *protocol.Results) {
				r.Outcomes = []protocol.Outcome{{Act: string(roster.AddUser), PIN: w.pin("Citra Demo")}, {Act: string(roster.AddFinger), PIN: w.pin("Citra Demo"), Finger: 7, Reason: "failed"}}
			})
		}, "sesuai terakhir ditulis hari ini 08.15.00"},
		{"she retired and the plan is braked", func() {
			w.edit(func(d *directory.Draft) error {
				return d.Set(directory.AboutEmployee, int64(w.people["Citra Demo"]), directory.EmployeeStatus, "2026-01-06", string(placement.Retired))
			})
			w.reckon()
			w.answers(atForest, protocol.StandingBraked, func(r *protocol.Results) { r.Plan = protocol.Hash{7} })
		}, "tidak tercantum revisi 1.2 ada PIN " + w.pin("Citra Demo") + " jari 6 diterima hari ini 08.15.00 harus keluar Agen menahan rencana mesin ini karena terlalu banyak yang akan dihapus. seharusnya sejak 6 Januari 2026 Periksa dan setujui rencana"},
		{"she is gone, proven", func() {
			w.answers(atForest, protocol.StandingEqual, func(r *protocol.Results) {
				r.Outcomes = []protocol.Outcome{{Act: string(roster.DropUser), PIN: w.pin("Citra Demo")}}
			})
			w.holds(atForest)
		}, "tidak ada diterima hari ini 08.15.00 sudah dihapus terhapus: dilaporkan hari ini 08.15.00 untuk daftar 1.2, isi mesin hari ini 08.15.00 membuktikannya"},
	} {
		t.Run(step.name, func(t *testing.T) {
			step.do()
			text, _ := w.page(citra, "")
			says(t, text, step.want)
		})
	}
}

// moving is a form that moves Ani to the forest office by a decree of 1 February.
func (w *town) moving() url.Values {
	return url.Values{"unit": {fmt.Sprint(w.units["kphl-belantu"])}, "kind": {"definitif"}, "from": {"2026-02-01"}, "to": {""}, "sk": {"821.2/12/2026"},
		"sk-date": {"2026-01-05"}, "tmt": {""}, "ends": {"yes"}, "step": {"preview"}}
}

func (w *town) ani() string { return fmt.Sprintf("/employees/%d", w.people["Ani Demo"]) }

// seen is the token of what was looked at.
func seen(t testing.TB, html string) string {
	t.Helper()
	found := regexp.MustCompile(`name="seen" value="([0-9a-f]*)"`).FindStringSubmatch(html)
	if found == nil {
		t.Fatalf("the form has no token: %s", html)
	}
	return found[1]
}

func TestPlacementIsLookedAtThenSaved(t *testing.T) {
	w := newTown(newHub(t))
	cookies, form := jar{}, w.moving()
	answer := w.send(cookies, w.ani()+"/place", form)
	html := body(t, answer)
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("preview = %d: %s", answer.StatusCode, html)
	}
	says(t, readable(html), "Akibatnya di mesin",
		"CKJ2205030 kphl-belantu · UPTD KPHL Belantu Mendanau Masuk daftar mesin pada 29 Januari 2026. Disiapkan sebelum penempatan di UPTD KPHL Belantu Mendanau mulai 1 Februari 2026. Isi mesin ini belum diketahui",
		"CKJ2205001 samsat-koba · UPTD Samsat Koba Keluar dari daftar mesin pada 4 Februari 2026. Penempatan di UPTD Samsat Koba berakhir 1 Februari 2026, masa tenggang habis.",
		"Dilihat sampai 6 Januari 2027.")
	says(t, html, `value="821.2/12/2026"`, `value="2026-02-01"`) // what was typed stands there
	if changes := w.changes(); changes != 1 {
		t.Fatalf("%d changes after a preview, want the one that made the town", changes)
	}
	form.Set("step", "save")
	form.Set("seen", seen(t, html))
	answer = w.send(cookies, w.ani()+"/place", form)
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != w.ani() {
		t.Fatalf("save = %d to %q: %s", answer.StatusCode, answer.Header.Get("Location"), body(t, answer))
	}
	text := w.follow(cookies, w.ani())
	says(t, text, "Penempatan disimpan. Daftar mesin segera diperbarui.",
		"UPTD KPHL Belantu Mendanau akan datang Definitif 1 Februari 2026 tanpa batas waktu 821.2/12/2026 5 Januari 2026 1 Februari 2026",
		"UPTD Samsat Koba sekarang Definitif 1 Januari 2025 1 Februari 2026")
	silent(t, w.follow(cookies, w.ani()), "Penempatan disimpan.") // it is said once
	trail, err := w.directory.Changes(t.Context(), 1)
	ok(t, err)
	if by := trail[0].By; by.Who != "Siti Petugas (siti)" || by.Act != "place" || by.Subject != "kphl-belantu" || !by.At.Equal(now()) {
		t.Errorf("the audit trail says %+v", by)
	}
	if strings.Contains(w.log.String(), "Ani") {
		t.Errorf("a name is in the log: %s", w.log)
	}
	t.Run("sent twice it is saved once", func(t *testing.T) {
		answer := w.send(cookies, w.ani()+"/place", form)
		if answer.StatusCode == http.StatusSeeOther || w.changes() != 2 {
			t.Errorf("the second time = %d, %d changes; want no redirect and 2", answer.StatusCode, w.changes())
		}
	})
	t.Run("the roster does on each day what was said", func(t *testing.T) {
		for day := roster.Date("2026-01-06"); day < "2026-02-10"; day = day.Add(1) {
			w.on(day)
			for site, want := range map[protocol.SiteID]bool{atForest: day >= "2026-01-29", atKoba: day < "2026-02-04", atAgency: false} {
				_, r := w.roster(site)
				if got := slices.ContainsFunc(r.Entries, func(e roster.Entry) bool { return e.PIN == w.pin("Ani Demo") }); got != want {
					t.Errorf("%s: on the roster of %s: %v, want %v", day, site, got, want)
				}
			}
		}
		text, _ := w.page("/terminals/kphl-belantu/CKJ2205030", "")
		says(t, text, "revisi 1.2", "Ani Demo")
	})
}

// on moves the clock to the noon of a day, and reckons.
func (w *town) on(day roster.Date) {
	w.t.Helper()
	at, err := time.Parse(time.DateOnly, string(day))
	ok(w.t, err)
	w.mu.Lock()
	w.now = at.Add(5 * time.Hour)
	w.mu.Unlock()
	w.reckon()
}

// changes counts those of the register.
func (w *town) changes() int {
	w.t.Helper()
	all, err := w.directory.Changes(w.t.Context(), 0)
	ok(w.t, err)
	return len(all)
}

func TestPlacementFormRefuses(t *testing.T) {
	w := newTown(newHub(t))
	before := w.changes()
	for _, row := range []struct {
		name, field, value string
		label, want        string // the label of the field, and what stands beside it
	}{
		{"no unit", "unit", "", "Unit kerja", "Pilih unit kerja."},
		{"a unit that is not there", "unit", "99", "Unit kerja", "Pilih unit kerja."},
		{"no date", "from", "", "Mulai", "Isi tanggalnya."},
		{"a date that does not exist", "from", "2026-02-30", "Mulai", "Tanggal ini tidak ada atau tidak masuk akal."},
		{"a year that makes no sense", "from", "0026-02-01", "Mulai", "Tanggal ini tidak ada atau tidak masuk akal."},
		{"an end before the beginning", "to", "2026-01-31", "Sampai", "Tanggal ini harus sesudah tanggal mulai."},
		{"no decree", "sk", " ", "Nomor SK", "Isi nomor SK."},
		{"a decree as long as a letter", "sk", strings.Repeat("8", 101), "Nomor SK", "Paling banyak 100 huruf, dalam satu baris."},
		{"a date of the decree that does not exist", "sk-date", "x", "Tanggal SK", "Tanggal ini tidak ada atau tidak masuk akal."},
		{"a TMT that does not exist", "tmt", "x", "TMT", "Tanggal ini tidak ada atau tidak masuk akal."},
		{"a kind that nobody knows", "kind", "x", "", `jenis penempatan "x" tidak dikenal`},
	} {
		for _, step := range []string{"preview", "save"} {
			t.Run(row.name+", to "+step, func(t *testing.T) {
				form := w.moving()
				form.Set(row.field, row.value)
				form.Set("step", step)
				answer := w.send(jar{}, w.ani()+"/place", form)
				html := body(t, answer)
				if answer.StatusCode != http.StatusUnprocessableEntity {
					t.Errorf("status %d, want 422", answer.StatusCode)
				}
				says(t, readable(html), row.want)
				if row.label != "" && !regexp.MustCompile(`<label>`+row.label+`<(?s:[^L]|L[^a])*?`+regexp.QuoteMeta(row.want)+`</span>`).MatchString(html) {
					t.Errorf("%q does not stand beside the field %q: %s", row.want, row.label, html)
				}
				for field := range form {
					if field == row.field || field == "step" || field == "unit" || field == "kind" || field == "ends" || form.Get(field) == "" {
						continue
					}
					says(t, html, `name="`+field+`" value="`+form.Get(field)+`"`)
				}
			})
		}
	}
	t.Run("a form that changes nothing", func(t *testing.T) {
		answer := w.send(jar{}, w.ani()+"/status", url.Values{"status": {"aktif"}, "from": {"2026-01-06"}, "step": {"preview"}})
		says(t, readable(body(t, answer)), "Isian ini tidak mengubah apa pun di register.")
	})
	t.Run("a form that is no form", func(t *testing.T) {
		answer := w.send(jar{}, w.ani()+"/place", url.Values{"sk": {strings.Repeat("8", 70<<10)}})
		if answer.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("70 KB = %d, want 413", answer.StatusCode)
		}
	})
	if w.changes() != before {
		t.Errorf("%d changes, want %d: something was saved", w.changes(), before)
	}
}

func TestFormsComeFromOurPagesOnly(t *testing.T) {
	w := newTown(newHub(t))
	form := w.moving()
	html := body(t, w.send(jar{}, w.ani()+"/place", form))
	form.Set("step", "save")
	form.Set("seen", seen(t, html))
	for name, c := range map[string]struct {
		change func(*http.Request)
		want   int
	}{
		"another site's page":               {func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, http.StatusForbidden},
		"another port's page":               {func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, http.StatusForbidden},
		"another origin, in an old browser": {func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://example.org") }, http.StatusForbidden},
		"a name that was bent to us":        {func(r *http.Request) { r.Host = "example.org:8080" }, http.StatusMisdirectedRequest},
		"an address that is not ours":       {func(r *http.Request) { r.Host = "192.168.1.5:8080" }, http.StatusMisdirectedRequest},
		"no name at all":                    {func(r *http.Request) { r.Host = "" }, http.StatusMisdirectedRequest},
		"by PUT":                            {func(r *http.Request) { r.Method = http.MethodPut }, http.StatusMethodNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			if answer := w.send(jar{}, w.ani()+"/place", form, c.change); answer.StatusCode != c.want {
				t.Errorf("status %d, want %d", answer.StatusCode, c.want)
			}
			if w.changes() != 1 {
				t.Error("the register has changed")
			}
		})
	}
	t.Run("a page that is read under a foreign name is refused too", func(t *testing.T) {
		for _, host := range []string{"example.org", "127.0.0.1.example.org:8080", "localhost.example.org", "[2001:db8::1]:8080"} {
			r := asking(http.MethodGet, w.ani())
			r.Host = host
			if code := w.do(jar{}, r).StatusCode; code != http.StatusMisdirectedRequest {
				t.Errorf("%s = %d, want 421", host, code)
			}
		}
		for _, host := range []string{"localhost:8080", "127.0.0.1", "[::1]:8080", "127.0.0.2:1"} {
			r := asking(http.MethodGet, w.ani())
			r.Host = host
			if code := w.do(jar{}, r).StatusCode; code != http.StatusOK {
				t.Errorf("%s = %d, want 200", host, code)
			}
		}
	})
	t.Run("and from ours it is saved", func(t *testing.T) { // what was refused above was refused for its origin alone
		cookies := jar{}
		answer := w.send(cookies, w.ani()+"/place", form)
		if answer.StatusCode != http.StatusSeeOther || w.changes() != 2 {
			t.Errorf("status %d, %d changes; want 303 and 2", answer.StatusCode, w.changes())
		}
		for _, c := range answer.Cookies() {
			if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" {
				t.Errorf("cookie %+v", c)
			}
		}
	})
	t.Run("a notice says only what the catalogue says", func(t *testing.T) {
		for _, value := range []string{"<b>x</b>", "people.title-list", "people.notice-nothing", "hub.site-short"} {
			html := body(t, w.do(jar{"sidik_notice": value}, asking(http.MethodGet, "/")))
			silent(t, html, `role="status"`)
		}
	})
}

// TestWhatIsSavedWasLookedAt: a register that moved in between is looked at again.
func TestWhatIsSavedWasLookedAt(t *testing.T) {
	w := newTown(newHub(t))
	for name, between := range map[string]func(form url.Values){
		"somebody else changed the register": func(url.Values) {
			w.edit(func(d *directory.Draft) error {
				_, err := d.AddUnit("2026-01-01", fmt.Sprint("unit-", w.changes()), "Unit Demo", placement.OPD)
				return err
			})
		},
		"the form was changed":      func(form url.Values) { form.Set("from", "2026-03-01") },
		"the day changed":           func(url.Values) { w.on("2026-01-07") },
		"it was never looked at":    func(form url.Values) { form.Del("seen") },
		"somebody invented a token": func(form url.Values) { form.Set("seen", strings.Repeat("0", 24)) },
	} {
		t.Run(name, func(t *testing.T) {
			w.on("2026-01-06")
			form := w.moving()
			form.Set("seen", seen(t, body(t, w.send(jar{}, w.ani()+"/place", form))))
			form.Set("step", "save")
			between(form)
			before := w.changes()
			answer := w.send(jar{}, w.ani()+"/place", form)
			html := body(t, answer)
			if answer.StatusCode != http.StatusOK || w.changes() != before {
				t.Errorf("status %d, %d changes; want 200 and %d", answer.StatusCode, w.changes(), before)
			}
			says(t, readable(html), "Periksa lagi sebelum menyimpan.", "Akibatnya di mesin")
			if again := seen(t, html); again == "" || again == form.Get("seen") {
				t.Errorf("the token is %q again", again)
			}
		})
	}
}

// save looks at a form and saves it.
func (w *town) save(path string, form url.Values) (preview string) {
	w.t.Helper()
	form.Set("step", "preview")
	html := body(w.t, w.send(jar{}, path, form))
	form.Set("step", "save")
	form.Set("seen", seen(w.t, html))
	if answer := w.send(jar{}, path, form); answer.StatusCode != http.StatusSeeOther {
		w.t.Fatalf("save %s = %d: %s", path, answer.StatusCode, readable(body(w.t, answer)))
	}
	return readable(html)
}

func TestEndAndStatus(t *testing.T) {
	w := newTown(newHub(t))
	ani := w.people["Ani Demo"]
	reg := func() *directory.Register {
		r, err := w.directory.Register(t.Context())
		ok(t, err)
		return r
	}
	t.Run("a placement ends, and nothing follows it", func(t *testing.T) {
		path := fmt.Sprintf("%s/placements/%d/end", w.ani(), reg().PlacementsOf(ani)[0].ID)
		preview := w.save(path, url.Values{"to": {"2026-01-20"}})
		says(t, preview, "Keluar dari daftar mesin pada 23 Januari 2026. Penempatan di UPTD Samsat Koba berakhir 20 Januari 2026, masa tenggang habis.")
		if to := reg().PlacementsOf(ani)[0].To; to != "2026-01-20" {
			t.Errorf("the placement ends %s", to)
		}
	})
	t.Run("an end before the beginning is refused", func(t *testing.T) {
		path := fmt.Sprintf("%s/placements/%d/end", w.ani(), reg().PlacementsOf(ani)[0].ID)
		answer := w.send(jar{}, path, url.Values{"to": {"2024-12-31"}, "step": {"preview"}})
		if answer.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("status %d, want 422", answer.StatusCode)
		}
		says(t, readable(body(t, answer)), "Tanggal ini harus sesudah tanggal mulai.")
	})
	t.Run("who retires leaves all terminals on that day", func(t *testing.T) {
		preview := w.save(fmt.Sprintf("/employees/%d/status", w.people["Budi Demo"]), url.Values{"status": {"pensiun"}, "from": {"2026-02-01"}})
		says(t, preview, "CKJ2205001 samsat-koba · UPTD Samsat Koba Keluar dari daftar mesin pada 1 Februari 2026. Tidak lagi berstatus aktif (UPTD Samsat Koba).")
		if status := reg().Employees[w.people["Budi Demo"]].Status("2026-02-01"); status != placement.Retired {
			t.Errorf("status %s", status)
		}
		trail, err := w.directory.Changes(t.Context(), 1)
		ok(t, err)
		if trail[0].Act != "employee set" || trail[0].Subject != "" {
			t.Errorf("the audit trail says %+v", trail[0].By)
		}
	})
	t.Run("a status that nobody knows is refused", func(t *testing.T) {
		answer := w.send(jar{}, w.ani()+"/status", url.Values{"status": {"x"}, "from": {"2026-02-01"}, "step": {"preview"}})
		says(t, readable(body(t, answer)), `status: isi "x" tidak dikenal`)
	})
}

// TestPreviewSaysWhatStandsInTheWay compares it with what the agent will find.
func TestPreviewSaysWhatStandsInTheWay(t *testing.T) {
	w := newTown(newHub(t))
	preview := func(language string) string {
		answer := w.send(jar{"sidik_language": language}, w.ani()+"/place", w.moving())
		return readable(body(t, answer))
	}
	w.equal(atForest)
	says(t, preview("en"), "CKJ2205030 kphl-belantu · UPTD KPHL Belantu Mendanau Comes onto the roster on 29 January 2026. Prepared before the placement")
	silent(t, preview("id"), "Terhalang")
	for name, c := range map[string]struct {
		can  func(*roster.Capabilities)
		want string
	}{
		"templates of the other algorithm":  {func(c *roster.Capabilities) { c.Algorithm = 9 }, "Terhalang: tambah jari 5 (algoritma templat berbeda)"},
		"a PIN that is too long":            {func(c *roster.Capabilities) { c.PINWidth = 5 }, "Terhalang: tambah pegawai (PIN terlalu panjang untuk mesin)"},
		"no room":                           {func(c *roster.Capabilities) { c.Users = 2 }, "Terhalang: tambah pegawai (tempat pegawai di mesin penuh)"},
		"a terminal that cannot be written": {func(c *roster.Capabilities) { c.ReadOnly = true }, "Terhalang: tambah pegawai (mesin menolak penulisan)"},
	} {
		t.Run(name, func(t *testing.T) {
			w.holds(atForest, func(inv *roster.Inventory) { c.can(&inv.Capabilities) })
			says(t, preview("id"), c.want)
		})
	}
	t.Run("a terminal that is only added to keeps who leaves", func(t *testing.T) {
		w.edit(func(d *directory.Draft) error {
			terminal, _ := d.TerminalBy(atKoba, serialOf(atKoba))
			return d.Set(directory.AboutTerminal, int64(terminal.ID), directory.TerminalMode, "2026-01-06", string(roster.Add))
		})
		says(t, preview("id"), "Keluar dari daftar mesin pada 4 Februari 2026.", "Terhalang: hapus pegawai (mode daftar tidak mengizinkan)")
	})
	t.Run("a unit without a terminal", func(t *testing.T) {
		form := w.moving()
		form.Set("unit", fmt.Sprint(w.units["museum"]))
		form.Set("from", "2026-01-06")
		text := readable(body(t, w.send(jar{}, fmt.Sprintf("/employees/%d/place", w.people["Eko Demo"]), form)))
		says(t, text, "tidak ada mesin yang melayani unitnya", "Pegawai ini belum punya sidik jari di hub; mesin akan memuat nama dan PIN-nya saja.", "Tidak ada yang berubah di mesin mana pun.")
	})
}

// TestFormsTakeAnything: whatever somebody sends is answered, nothing is saved that was
// not looked at, and nothing of it is in the log.
func TestFormsTakeAnything(t *testing.T) {
	w := newTown(newHub(t))
	before := w.changes()
	odd := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "1", "2", "0", "-1", "2026-02-01", "2026-02-30", "9999-12-31", "0000-01-01", "99999-01-01", "definitif", "pensiun", "yes",
		"save", "preview", "\x00", "\xff", "' OR 1=1 --", strings.Repeat("9", 30)}))
	paths := []string{w.ani() + "/place", w.ani() + "/status", fmt.Sprintf("%s/placements/1/end", w.ani()), kobaPath + "/mode", kobaPath + "/approval",
		fmt.Sprintf("/captures/new?employee=%d", w.people["Dewi Demo"]), "/captures/1/cancel",
		"/accounts/new", "/accounts/99/disable", "/account/tokens", "/account/tokens/99/revoke", "/link/none"}
	rapid.Check(t, func(t *rapid.T) {
		form := url.Values{}
		for _, field := range []string{"unit", "kind", "from", "to", "sk", "sk-date", "tmt", "ends", "status", "step", "seen", "terminal", "finger", "notice", "plan",
			"name", "full-name", "role", "purpose", "password", "again"} {
			if rapid.Bool().Draw(t, "has "+field) {
				form.Set(field, odd.Draw(t, field))
			}
		}
		path := rapid.SampledFrom(paths).Draw(t, "path")
		answer := w.send(jar{}, path, form)
		if code := answer.StatusCode; code != 200 && code != 422 && code != 400 && code != 404 && code != 410 {
			t.Fatalf("POST %s = %d", path, code)
		}
	})
	if w.changes() != before {
		t.Errorf("%d changes, want %d", w.changes(), before)
	}
	if w.log.String() != "" {
		t.Errorf("the log says %s", w.log)
	}
}

// TestNamesAreTextOnPages: names come from files and terminals, and hold anything.
func TestNamesAreTextOnPages(t *testing.T) {
	const evil = `<script>alert("x")</script>'--`
	w := newTown(newHub(t))
	w.edit(func(d *directory.Draft) error {
		w.hire(d, evil, "", "", placement.NonASN)
		unit, err := d.AddUnit(since, "evil", evil, placement.OPD)
		if err != nil {
			return err
		}
		terminal, _ := d.TerminalBy(atForest, serialOf(atForest))
		if err := d.Serve(directory.Serving{Terminal: terminal.ID, Serving: placement.Serving{Unit: unit.ID, Period: placement.Period{From: since}}}); err != nil {
			return err
		}
		_, err = d.Place(directory.Placement{SK: evil, Placement: placement.Placement{Employee: w.people[evil], Unit: unit.ID, Kind: placement.Definitive, Period: placement.Period{From: since}}}, true)
		return err
	})
	w.reckon()
	w.holds(atForest, func(inv *roster.Inventory) {
		inv.Users = append(inv.Users, roster.Held{Slot: 99, PIN: `<i>9</i>`, Name: []byte("<b onclick=x>\xff"), Privilege: roster.User,
			Fingers: []roster.HeldFinger{{Number: 1, Algorithm: 10, Digest: sha256.Sum256([]byte("x"))}}})
	})
	w.answers(atForest, "<s>", func(r *protocol.Results) {
		r.Blocked = []protocol.Outcome{{Act: "<u>", PIN: "<q>", Reason: "<em>"}}
		r.Outcomes = r.Blocked
	})
	id := w.people[evil]
	form := w.moving()
	form.Set("sk", evil)
	pages := map[string]string{"a form as it was typed": body(t, w.send(jar{}, fmt.Sprintf("/employees/%d/place", id), form))}
	for _, path := range []string{"/employees", "/employees?q=" + url.QueryEscape(evil), fmt.Sprintf("/employees/%d", id), fmt.Sprintf("/employees/%d/place", id),
		"/terminals", "/terminals?q=" + url.QueryEscape(evil), "/terminals/kphl-belantu/CKJ2205030"} {
		_, pages[path] = w.page(path, "")
	}
	wild := regexp.MustCompile(`(?i)<script>|<img src=x|<b onclick|<i>9|<em>|<u>|<q>|<s>`)
	for path, html := range pages {
		if found := wild.FindString(html); found != "" {
			t.Errorf("%s holds %q as it came", path, found)
		}
		if !strings.Contains(html, "&lt;script&gt;") && path != "/terminals" {
			t.Errorf("%s does not hold the name at all: this test looks at the wrong page", path)
		}
	}
}
