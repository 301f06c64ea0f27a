package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

func TestOverviewTellsHowEverySiteIs(t *testing.T) {
	h := newHub(t)
	province(h)
	t.Run("in Indonesian", func(t *testing.T) {
		text, _ := h.page("/", "")
		says(t, text,
			"Lokasi terhubung 3 dari 6", "Presensi menunggu di lokasi 1.234", "Catatan tersimpan di hub 13",
			"samsat-koba Terhubung tidak ada CKJ2205001 hari ini 08.05.00 +2 detik 41 %",
			"rsud-soekarno Terhubung 1.234 tertua 3 jam CKJ2205010 hari ini 07.41.19 −3 menit 20 detik 88 %",
			"CKJ2205011 gagal dibaca 1 Mei 2031 07.41.19 waktu di masa depan",
			"kphl-belantu Tidur terjadwal 5 Januari 2026 23.15",
			"cabdin-wilayah-4 Belum terdengar belum pernah tidak diketahui Belum ada mesin presensi.",
			"smkn-1-selat-nasik Hilang kontak; terakhir terdengar 5 Januari 2026 04.15",
			"rsud-soekarno Mesin CKJ2205011 tidak dapat dihubungi: i/o timeout.", "sejak 5 Januari 2026 06.15")
		silent(t, text, "2.000", "temuan")
	})
	t.Run("in English", func(t *testing.T) {
		text, html := h.page("/", "en")
		says(t, text, "Sites connected 3 of 6", "Punches waiting at sites 1,234",
			"samsat-koba Connected none CKJ2205001 today 08:05:00 +2 s 41 %",
			"smkn-1-selat-nasik No contact", "kphl-belantu Sleeping 5 January 2026 23:15")
		says(t, html, `<html lang="en">`)
	})
	t.Run("terminals of a site without contact are unknown", func(t *testing.T) {
		text, _ := h.page("/", "")
		says(t, text, "smkn-1-selat-nasik Hilang kontak 5 Januari 2026 04.15 tidak diketahui CKJ2205020 tidak diketahui 5 Januari 2026 02.10.00 tidak diketahui tidak diketahui")
	})
	t.Run("strangers come with the command that admits them", func(t *testing.T) {
		text, _ := h.page("/", "")
		says(t, text, "CKJ2299999 di samsat-toboali, 1 catatan menunggu", "sidik-hub terminal add --site samsat-toboali --serial CKJ2299999",
			"samsat-mentok 0123456789abcdef 3 hari ini 08.10.00", "sidik-hub site add LOKASI --agent-key SIDIK-KUNCI")
	})
}

func TestOverviewOfAnEmptyHubSaysHowToBegin(t *testing.T) {
	text, _ := newHub(t).page("/", "")
	says(t, text, "Belum ada lokasi. Daftarkan lokasi pertama dengan perintah: sidik-hub site register LOKASI", "Belum ada presensi.")
	silent(t, text, "Tidak ada yang perlu perhatian", "Lokasi yang tidak diterima", "Mesin presensi belum terdaftar")
}

func TestOverviewIsCalmWhenAllIsWell(t *testing.T) {
	h := newHub(t)
	o := h.office("samsat-koba", "T1")
	o.terminal("T1")
	o.say(now())
	text, _ := h.page("/", "")
	says(t, text, "Tidak ada yang perlu perhatian.")
	silent(t, text, "Perlu perhatian")
}

func TestConditionsOfTheHubStandFirst(t *testing.T) {
	h := newHub(t)
	province(h)
	_, err := h.store.Raise(t.Context(), store.Condition{Code: "hub-went-back", Args: map[string]string{"site": "samsat-koba"}}, now())
	ok(t, err)
	_, err = h.store.Raise(t.Context(), store.Condition{Site: "samsat-koba", Code: "key-in-two-places"}, now())
	ok(t, err)
	_, err = h.store.Raise(t.Context(), store.Condition{Site: "samsat-koba", Code: "from-a-newer-version", Subject: "T9"}, now())
	ok(t, err)
	text, _ := h.page("/", "")
	says(t, text, "Perlu perhatian Segera Basis data hub pernah kembali", "sidik-hub condition clear key-in-two-places --site samsat-koba",
		"Kondisi from-a-newer-version T9")
}

func TestManyNoticesAreCut(t *testing.T) {
	h := newHub(t)
	for i := range 20 {
		h.office(protocol.SiteID("site-" + string(rune('a'+i))))
	}
	text, _ := h.page("/", "")
	says(t, text, "dan 8 lagi; lihat halaman tiap lokasi.")
	if n := strings.Count(text, "Belum pernah terdengar."); n != 12 {
		t.Errorf("%d notices, want 12", n)
	}
}

func TestPagesSayThatTheHubHearsNobody(t *testing.T) {
	h := newHub(t)
	province(h)
	h.live.Broker, h.live.Since = false, now().Add(-10*time.Minute)
	text, _ := h.page("/", "")
	says(t, text, "Hub tidak tersambung ke broker pesan sejak hari ini 08.05.00", "samsat-koba Tidak diketahui")
	silent(t, text, "Hilang kontak") // the silence is the hub's own
}

var poll = regexp.MustCompile(`id="([a-z]+)" class="part" hx-get="([^"]+)" hx-trigger="every ([0-9]+)ms"`)

// TestNothingTravelsWhenNothingChanged follows what htmx does on every page.
func TestNothingTravelsWhenNothingChanged(t *testing.T) {
	h := newHub(t)
	koba := province(h)
	for path, parts := range map[string]int{"/": 3, "/sites/samsat-koba": 2, "/punches": 1, "/sites/samsat-koba/punches?pin=100017": 1} {
		_, html := h.page(path, "")
		found := poll.FindAllStringSubmatch(html, -1)
		if len(found) != parts {
			t.Errorf("%s has %d living parts, want %d", path, len(found), parts)
		}
		for _, part := range found {
			address := strings.ReplaceAll(part[2], "&amp;", "&")
			if part[3] != "2000" {
				t.Errorf("%s asks every %s ms, want 2000", address, part[3])
			}
			if answer := h.get(address, ""); answer.StatusCode != http.StatusNoContent || answer.ContentLength > 0 {
				t.Errorf("%s unchanged = %d, want 204 without a body", address, answer.StatusCode)
			}
			old := regexp.MustCompile(`live=\w+`).ReplaceAllString(address, "live=other")
			text, fragment := h.page(old, "")
			if strings.Contains(fragment, "<html") || !strings.Contains(fragment, `id="`+part[1]+`"`) || text == " " {
				t.Errorf("%s does not answer with the part alone: %s", old, fragment)
			}
		}
	}
	_, html := h.page("/", "")
	koba.punch(now(), punchAt("CKJ2205001", "100999", "2026-01-06T08:14:59"))
	changed := ""
	for _, part := range poll.FindAllStringSubmatch(html, -1) {
		if answer := h.get(strings.ReplaceAll(part[2], "&amp;", "&"), ""); answer.StatusCode == http.StatusOK {
			changed += part[1] + " "
		}
	}
	if changed != "summary latest sites " {
		t.Errorf("a new punch changed the parts %q, want all three", changed)
	}
}

func TestPollKeepsTheFilter(t *testing.T) {
	h := newHub(t)
	province(h)
	_, html := h.page("/punches?site=samsat-koba&pin=100017", "")
	address, err := url.Parse(strings.ReplaceAll(poll.FindStringSubmatch(html)[2], "&amp;", "&"))
	ok(t, err)
	if got := address.Query(); got.Get("site") != "samsat-koba" || got.Get("pin") != "100017" {
		t.Errorf("the part is asked for by %s", address)
	}
}

func TestSearchInTheWholeProvinceIsAskedForLessOften(t *testing.T) {
	h := newHub(t)
	province(h)
	for path, want := range map[string]string{"/punches?pin=100017": "10000", "/punches?pin=100017&site=samsat-koba": "2000", "/punches": "2000"} {
		if _, html := h.page(path, ""); poll.FindStringSubmatch(html)[3] != want {
			t.Errorf("%s is asked for every %s ms, want %s", path, poll.FindStringSubmatch(html)[3], want)
		}
	}
}

func TestLargeProvinceIsAskedForLessOften(t *testing.T) {
	h := newHub(t)
	for i := range 41 {
		h.office(protocol.SiteID("site-" + string(rune('a'+i/26)) + string(rune('a'+i%26))))
	}
	_, html := h.page("/", "")
	for _, part := range poll.FindAllStringSubmatch(html, -1) {
		if want := map[string]string{"summary": "10000", "sites": "10000", "latest": "2000"}[part[1]]; part[3] != want {
			t.Errorf("part %s is asked for every %s ms, want %s", part[1], part[3], want)
		}
	}
}
