package web_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// faulty is a town in which the terminal at Koba holds a guest who administers it, names
// Ani otherwise, and lacks Budi; and Dewi has no finger anywhere.
func faulty(h *hub) *town {
	w := newTown(h)
	budi := w.pin("Budi Demo")
	w.holds(atKoba, func(inv *roster.Inventory) {
		users := inv.Users[:0]
		for _, u := range inv.Users {
			if u.PIN == w.pin("Ani Demo") {
				u.Name = []byte("ANI")
			}
			if u.PIN != budi {
				users = append(users, u)
			}
		}
		inv.Users = append(users, roster.Held{Slot: 90, PIN: "77", Name: []byte("TAMU"), Privilege: roster.Administrator,
			Fingers: []roster.HeldFinger{{Number: 1, Algorithm: 10, Digest: protocol.Hash{7}}}})
	})
	return w
}

const kobaFindings = "/findings/samsat-koba/CKJ2205001"

// finding is the address of the one finding whose row says something.
func (w *town) finding(said string) string {
	w.t.Helper()
	_, html := w.page(kobaFindings, "")
	for _, row := range strings.Split(html, "<tr>") {
		if m := regexp.MustCompile(`href="(` + kobaFindings + `/[0-9a-f]{8})"`).FindStringSubmatch(row); m != nil && strings.Contains(readable(row), said) {
			return m[1]
		}
	}
	w.t.Fatalf("no finding says %q:\n%s", said, readable(html))
	return ""
}

// done fails unless a form led away.
func (w *town) done(cookies jar, path string, form url.Values) string {
	w.t.Helper()
	answer := w.send(cookies, path, form)
	if answer.StatusCode != http.StatusSeeOther {
		w.t.Fatalf("POST %s = %d: %s", path, answer.StatusCode, readable(body(w.t, answer)))
	}
	return w.follow(cookies, answer.Header.Get("Location"))
}

// again fails unless a form is shown again with a sentence.
func (w *town) again(path string, form url.Values, sentence string) {
	w.t.Helper()
	answer := w.send(jar{}, path, form)
	if text := readable(body(w.t, answer)); answer.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(text, sentence) {
		w.t.Errorf("POST %s = %d, want 422 with %q:\n%s", path, answer.StatusCode, sentence, text)
	}
}

func TestFindingsAreShownAndDecided(t *testing.T) {
	w := faulty(newHub(t))
	text, _ := w.page("/findings", "")
	says(t, text, "CKJ2205001 samsat-koba UPTD Samsat Koba", "belum pernah dibaca", "dua perekaman dari satu jari tidak dikenali")
	text, _ = w.page(kobaFindings, "")
	says(t, text, "3 pengguna, 3 templat.", "4 ketidaksesuaian belum diputuskan.", "PIN 77 (TAMU) ada di mesin, tetapi tidak ada di data pegawai. PIN ini pengelola (administrator) mesin!",
		`Nama `+w.pin("Ani Demo")+` (Ani Demo) di mesin "ANI", seharusnya "Ani Demo".`, "(Budi Demo) ditempatkan di sini, tetapi tidak ada di mesin")
	text, _ = w.page(kobaFindings, "en")
	says(t, text, "Findings that nobody has decided: 4.", "Equal templates (class h) are recognised by equal bytes only")

	guest, cookies := w.finding("PIN 77"), jar{}
	says(t, w.follow(cookies, guest), "ada di mesin, tidak ada di data pegawai", "Bukti", "hapus dari mesin", "dilaksanakan agen pada pembacaan mesin berikutnya",
		"petakan PIN ini ke pegawai", "terima dengan alasan")
	w.again(guest, url.Values{}, "Pilih salah satu penyelesaian.")
	w.again(guest, url.Values{"act": {"accept"}}, "Menerima ketidaksesuaian memerlukan alasan.")
	w.again(guest, url.Values{"act": {"rename"}}, "tidak berlaku untuk ketidaksesuaian")
	w.again(guest, url.Values{"act": {"map-pin"}, "employee": {"nobody"}}, "pegawai")
	says(t, w.done(cookies, guest, url.Values{"act": {"accept"}, "reason": {"teknisi mesin"}}), "Diterima dengan alasan; dibiarkan di mesin",
		"terima dengan alasan teknisi mesin oleh Siti Petugas (siti)", "3 ketidaksesuaian belum diputuskan.")
	says(t, w.done(cookies, w.finding("Nama"), url.Values{"act": {"rename"}}), "dilaksanakan agen pada pembacaan mesin berikutnya")
	w.reckon()
	if _, r := w.roster(atKoba); len(r.Keep) != 1 || r.Keep[0].PIN != "77" || !r.Keep[0].User {
		t.Errorf("the roster keeps %+v, want the guest", r.Keep)
	}

	// What is gone is not decided again, and nothing is decided about what has changed.
	w.holds(atKoba)
	ok(t, w.decisions.Settle(t.Context()))
	says(t, w.done(cookies, guest, url.Values{"act": {"delete"}}), "Ketidaksesuaian itu sudah tidak ada, atau buktinya berubah.",
		"1 ketidaksesuaian belum diputuskan.", "Sudah selesai", "ganti nama di mesin oleh Siti Petugas (siti)")
	for _, path := range []string{"/findings/samsat-koba/NOBODY", "/campaigns/9", "/campaigns/x"} {
		if code := w.get(path, "").StatusCode; code != http.StatusNotFound {
			t.Errorf("%s = %d, want 404", path, code)
		}
	}
	silent(t, w.log.String(), "TAMU", "Ani Demo", "Siti Petugas")
}

// A right is corrected on the side that is wrong.
func TestRightIsCorrectedInTheRegister(t *testing.T) {
	w, cookies := newTown(newHub(t)), jar{}
	w.holds(atKoba, func(inv *roster.Inventory) {
		for i := range inv.Users {
			if inv.Users[i].PIN == w.pin("Ani Demo") {
				inv.Users[i].Privilege = roster.Manager
			}
		}
	})
	path := w.finding("mempunyai hak manager")
	says(t, w.follow(cookies, path), "menurut data pegawai: user (mesin diperbaiki)", "menurut mesin: manager (data pegawai diubah)")
	says(t, w.done(cookies, path, url.Values{"act": {"grant"}, "privilege": {"manager"}}), "data pegawai sudah diubah")
	reg, err := w.directory.Register(t.Context())
	ok(t, err)
	granted := false
	for _, g := range reg.Grants {
		granted = granted || g.Employee == w.people["Ani Demo"] && g.Privilege == roster.Manager && g.Terminal != 0
	}
	if !granted {
		t.Errorf("the register grants %+v, want Ani a manager of this terminal", reg.Grants)
	}
	silent(t, w.follow(cookies, kobaFindings), "mempunyai hak manager")
}

func TestClassIsDecidedAsProposed(t *testing.T) {
	w, cookies := faulty(newHub(t)), jar{}
	says(t, w.follow(cookies, kobaFindings), "Putuskan segolongan sesuai usul")
	says(t, w.done(cookies, kobaFindings, url.Values{"class": {"b"}}), "Keputusan untuk golongan itu disimpan.", "tulis ke mesin oleh Siti Petugas (siti)", "3 ketidaksesuaian belum diputuskan.")
}

func TestCampaignIsLedByPages(t *testing.T) {
	w, cookies := faulty(newHub(t)), jar{}
	w.again("/campaigns/new", url.Values{"name": {"Validasi"}, "lead": {"Citra Demo"}, "from": {"2026-01-06"}, "to": {"2026-01-09"}}, "sedikitnya satu unit kerja")
	text := w.done(cookies, "/campaigns/new", url.Values{"name": {"Validasi Januari"}, "lead": {"Citra Demo"}, "from": {"2026-01-06"}, "to": {"2026-01-09"},
		"unit": {fmt.Sprint(w.units["bakuda"])}})
	says(t, text, "Kampanye dibuat.", "Validasi Januari", "6 Januari 2026 sampai 9 Januari 2026", "CKJ2205001", "belum diputuskan", "4 belum")
	silent(t, text, string(serialOf(atForest)))
	says(t, w.done(cookies, "/campaigns/1/visit/samsat-koba/CKJ2205001", url.Values{"day": {"2026-01-07"}, "visitor": {"Dedi Demo"}}),
		"Kunjungan direncanakan.", "7 Januari 2026 Dedi Demo")
	w.again("/campaigns/1/visit/samsat-koba/CKJ2205001", url.Values{"day": {"2026-02-07"}, "visitor": {"Dedi Demo"}}, "Hari kunjungan harus antara")
	sign := url.Values{"number": {"800/7/BKPSDMD/2026"}, "place": {"Koba"}, "day": {"2026-01-07"}, "agency-name": {"Eka Demo"}, "agency-position": {"Kepala Bidang"},
		"agency-nip": {"198001012005012901"}, "office-name": {"Gani Demo"}, "office-position": {"Kepala UPTD"}}
	const minutes = "/campaigns/1/minutes/samsat-koba/CKJ2205001"
	w.again(minutes, sign, "masih mempunyai 4 ketidaksesuaian yang belum diputuskan")
	if code := w.get(minutes+"/document.pdf", "").StatusCode; code != http.StatusNotFound {
		t.Errorf("minutes that nobody signed are %d, want 404", code)
	}
	for _, said := range []string{"PIN 77", "Nama", "tidak ada di mesin", "belum mempunyai sidik jari"} {
		w.done(cookies, w.finding(said), url.Values{"act": {"accept"}, "reason": {"demo"}})
	}
	bad := url.Values{}
	for k, v := range sign {
		bad[k] = v
	}
	bad.Set("place", "")
	w.again(minutes, bad, "Berita Acara memerlukan nomor, tempat")
	says(t, w.done(cookies, minutes, sign), "Berita Acara ditandatangani.", "800/7/BKPSDMD/2026", "cetak PDF")
	says(t, w.follow(cookies, minutes), "Sudah ditandatangani dengan nomor 800/7/BKPSDMD/2026. SHA-256")
	says(t, w.done(cookies, minutes, sign), "sudah ditandatangani sebelumnya")
	for path, begin := range map[string]string{minutes + "/document.pdf": "%PDF-", "/campaigns/1/summary.pdf": "%PDF-", "/campaigns/1/summary.xlsx": "PK"} {
		answer := w.get(path, "")
		if text := body(t, answer); answer.StatusCode != http.StatusOK || !bytes.HasPrefix([]byte(text), []byte(begin)) || !strings.Contains(answer.Header.Get("Content-Disposition"), "attachment") {
			t.Errorf("%s = %d, %q, want a file to keep", path, answer.StatusCode, answer.Header.Get("Content-Disposition"))
		}
	}
	text, _ = w.page("/campaigns", "en")
	says(t, text, "Validasi Januari", "6 January 2026 – 9 January 2026", "Citra Demo")
}

// What somebody does with a mouse: from the menu to the decision, and to the minutes.
func TestBrowserDecidesAndSigns(t *testing.T) {
	h := newHub(t)
	town := faulty(h)
	w := openWindow(t, h)
	for _, screen := range []struct {
		name          string
		width, height int64
		options       []chromedp.EmulateViewportOption
	}{{"desk", 1280, 800, nil}, {"phone", 390, 844, []chromedp.EmulateViewportOption{chromedp.EmulateMobile}}} {
		w.screen(screen.width, screen.height, screen.options...)
		for name, path := range map[string]string{"findings-all": "/findings", "findings": kobaFindings, "decide": town.finding("PIN 77"), "campaign-new": "/campaigns/new", "campaigns": "/campaigns"} {
			w.goTo(path)
			w.fits(path)
			w.picture(name + "-" + screen.name)
		}
	}
	w.screen(1280, 800)
	w.goTo("/")
	click := func(selector string) {
		t.Helper()
		_, err := chromedp.RunResponse(w.ctx, chromedp.Click(selector))
		ok(t, err)
	}
	click(`header a[href="/findings"]`)
	click(`a[href="` + kobaFindings + `"]`)
	for range 4 {
		click(`a.button[href^="` + kobaFindings + `/"]`)
		w.do(chromedp.SetValue("input[name=reason]", "demo"))
		click(`button[value=accept]`)
		w.sees("Diterima dengan alasan", 3*time.Second)
	}
	click(`header a[href="/campaigns"]`)
	click(`a[href="/campaigns/new"]`)
	w.do(chromedp.SetValue("input[name=name]", "Validasi Januari"), chromedp.SetValue("input[name=lead]", "Citra Demo"),
		chromedp.SetValue("input[name=to]", "2026-01-09"), chromedp.Click(`input[name=unit][value="`+fmt.Sprint(town.units["samsat-koba"])+`"]`))
	click(`.actions button`)
	w.sees("Kampanye dibuat.", 3*time.Second)
	w.picture("campaign-desk")
	click(`a.button[href$="/minutes/samsat-koba/CKJ2205001"]`)
	w.picture("minutes-desk")
	for name, value := range map[string]string{"number": "800/7", "place": "Koba", "agency-name": "Eka Demo", "agency-position": "Kepala Bidang",
		"office-name": "Gani Demo", "office-position": "Kepala UPTD"} {
		w.do(chromedp.SetValue("input[name="+name+"]", value))
	}
	click(`.actions button`)
	w.sees("Berita Acara ditandatangani.", 3*time.Second)
	w.picture("campaign-signed-desk")
	w.quiet()
}
