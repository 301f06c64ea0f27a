package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// steps returns the five steps of a site's page, as people read them, with their lights.
func steps(t *testing.T, html string) []string {
	t.Helper()
	_, rest, found := strings.Cut(html, `<ol class="way">`)
	list, _, ended := strings.Cut(rest, "</ol>")
	if !found || !ended {
		t.Fatalf("no way of the last punch in %s", html)
	}
	var all []string
	for i, item := range strings.Split(list, `<li class="`) {
		if i > 0 {
			light, text, _ := strings.Cut(item, `">`)
			all = append(all, light+":"+readable(text))
		}
	}
	if len(all) != 5 {
		t.Fatalf("%d steps, want 5: %q", len(all), all)
	}
	return all
}

// expect compares steps by their beginnings.
func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("step %d = %q, want %q…", i+1, got[i], want[i])
		}
	}
}

func TestWayOfAPunch(t *testing.T) {
	h := newHub(t)
	koba := province(h)
	t.Run("all is proven", func(t *testing.T) {
		_, html := h.page("/sites/samsat-koba", "")
		expect(t, steps(t, html),
			"ok: Dibaca di mesin hari ini 08.13.00 Pembacaan lengkap terakhir; 1 mesin",
			"ok: Disimpan di agen hari ini 08.14.40 6 catatan",
			"ok: Dikirim hari ini 08.05.03 Semua sudah dikirim dan diterima.",
			"ok: Disimpan di hub hari ini 08.05.03 6 catatan tersimpan; terakhir dari mesin CKJ2205001, waktu presensi 6 Januari 2026 08.05.00",
			"ok: Bukti tersimpan hari ini 08.11.00 Semua terbukti tersimpan, sampai nomor 6.")
	})
	t.Run("in English", func(t *testing.T) {
		_, html := h.page("/sites/samsat-koba", "en")
		expect(t, steps(t, html), "ok: Read at the terminal today 08:13:00", "ok: Buffered by the agent", "ok: Sent", "ok: Stored at the hub", "ok: Receipt")
	})
	t.Run("a terminal cannot be read and the queue does not shrink", func(t *testing.T) {
		_, html := h.page("/sites/rsud-soekarno", "")
		expect(t, steps(t, html),
			"bad: Dibaca di mesin hari ini 08.13.00 Pembacaan lengkap terakhir; 2 mesin di lokasi ini. Mesin CKJ2205011 tidak dapat dihubungi: i/o timeout. Periksa listrik",
			"ok:",
			"bad: Dikirim hari ini 07.45.00 1.234 presensi menunggu, tertua 3 jam. Sambungan ada tetapi antrean tidak berkurang.",
			"ok: Disimpan di hub",
			"wait: Bukti tersimpan Hub sudah menandatangani sampai nomor 5; agen baru membaca sampai 0.")
	})
	t.Run("the site is not heard", func(t *testing.T) {
		text, html := h.page("/sites/smkn-1-selat-nasik", "")
		expect(t, steps(t, html), "unknown: Dibaca di mesin", "unknown: Disimpan di agen",
			"bad: Dikirim 5 Januari 2026 02.15 Tidak diketahui berapa presensi yang menunggu di lokasi. Hilang kontak; terakhir terdengar 5 Januari 2026 04.15. Periksa listrik dan internet",
			"ok: Disimpan di hub 5 Januari 2026 02.15")
		says(t, text, "Menurut laporan terakhir, 5 Januari 2026 04.14") // the will was written a second before it came
	})
	t.Run("never heard", func(t *testing.T) {
		_, html := h.page("/sites/cabdin-wilayah-4", "")
		expect(t, steps(t, html), "unknown:", "unknown:", "bad: Dikirim Belum ada laporan dari agen. Belum pernah terdengar.", "wait: Disimpan di hub Belum ada presensi", "unknown:")
	})
	t.Run("a terminal is not registered", func(t *testing.T) {
		text, html := h.page("/sites/samsat-toboali", "")
		expect(t, steps(t, html), "ok:", "ok:", "ok:",
			"wait: Disimpan di hub hari ini 07.15.00 1 catatan tersimpan; terakhir dari mesin CKJ2299999, waktu presensi 6 Januari 2026 07.15.00. 1 catatan dari mesin CKJ2299999 menunggu karena mesin belum terdaftar. sidik-hub terminal add --site samsat-toboali --serial CKJ2299999")
		says(t, text, "belum terdaftar", "Belum ada presensi.")
	})
	t.Run("registering it shows what waited", func(t *testing.T) {
		ok(t, h.store.AddTerminal(t.Context(), "samsat-toboali", "CKJ2299999", now()))
		text, html := h.page("/sites/samsat-toboali", "")
		expect(t, steps(t, html)[3:], "ok:")
		says(t, text, "07.15.00 100601")
		silent(t, text, "belum terdaftar")
	})
	t.Run("the buffer refuses to write", func(t *testing.T) {
		koba.say(now(), func(s *protocol.State) {
			s.Conditions = []protocol.Condition{{Code: "buffer-failing", Severity: protocol.SeverityError, Args: map[string]string{"cause": "read-only"}}}
		})
		_, html := h.page("/sites/samsat-koba", "")
		expect(t, steps(t, html), "ok:", "bad: Disimpan di agen hari ini 08.15.00 6 catatan pada epoch ini, aman di penyimpanan agen. Penyimpanan agen menolak menulis: read-only.")
	})
	t.Run("room for few days", func(t *testing.T) {
		koba.say(now(), func(s *protocol.State) { s.Conditions, s.Capacity.DaysLeft = nil, 3 })
		_, html := h.page("/sites/samsat-koba", "")
		expect(t, steps(t, html), "ok:", "wait: Disimpan di agen hari ini 08.15.00 6 catatan pada epoch ini, aman di penyimpanan agen. Ruang simpan agen tinggal untuk 3 hari.")
	})
	t.Run("a fork", func(t *testing.T) {
		other := *koba.Agent
		other.Last, other.Head = 0, other.Epoch
		segment, message := other.Segment(t, punchAt("CKJ2205001", "100777", "2026-01-06T08:00:00"))
		links, err := segment.Links()
		ok(t, err)
		verdicts, err := h.store.Accept(t.Context(), []store.Incoming{{Site: koba.Site, From: koba.Key.Public().KeyID(), Message: message, Segment: segment, Links: links, Received: now()}})
		ok(t, err)
		if verdicts[0].Outcome != store.OutcomeFork {
			t.Fatalf("outcome %s, want a fork", verdicts[0].Outcome)
		}
		text, html := h.page("/sites/samsat-koba", "")
		expect(t, steps(t, html)[3:], "bad: Disimpan di hub hari ini 08.05.03 6 catatan tersimpan; terakhir dari mesin CKJ2205001, waktu presensi 6 Januari 2026 08.05.00. Isi agen berbeda dari hub mulai nomor 1")
		says(t, text, "mulai nomor 1")
	})
}

func TestSiteShowsItsTerminalsAndReceipts(t *testing.T) {
	h := newHub(t)
	koba := province(h)
	text, _ := h.page("/sites/samsat-koba", "")
	says(t, text, "CKJ2205001 terbaca", "Data sampai 6 Januari 2026 08.05.00", "Terbaca sampai 6 Januari 2026 08.12.00",
		"terbukti oleh hitungan mesin", "41.820 dari 100.000", "184 dari 3.000", "361 dari 3.000", "X100-C Ver 6.60 Sep 27 2019", "192.168.1.201:4370",
		koba.Epoch.Short()+" dipakai sekarang 6 "+koba.Head.Short()+" tidak ada",
		"12 MB dari 256 MB cukup untuk 412 hari lagi", "tersinkron", string(koba.Key.Public().KeyID()))
}

// TestWordsOfANewerAgentAreShown: what an agent says must never take a page away.
func TestWordsOfANewerAgentAreShown(t *testing.T) {
	h := newHub(t)
	o := h.office("samsat-koba", "T1")
	o.terminal("T1", func(m *protocol.Terminal) {
		m.Proof, m.LastError = "oracle", "<script>"
		m.Logs = protocol.Fill{Used: -1, Capacity: -5}
		m.Watermark = "tomorrow"
	})
	o.say(now(), func(s *protocol.State) {
		s.Clock, s.Capacity = "atomic", protocol.Capacity{DaysLeft: -1}
		s.Receipt = []byte(`{"body":7}`)
		s.Conditions = []protocol.Condition{{Code: "page.title-sites", Severity: "fatal", Subject: "<b>x</b>"}}
	})
	text, html := h.page("/sites/samsat-koba", "")
	says(t, text, "oracle", "atomic", "fatal", "Kondisi page.title-sites <b>x</b>", "Mesin T1 gagal dibaca (<script>)", "tanggal mustahil (tomorrow)")
	if strings.Contains(html, "<b>x</b>") || strings.Contains(html, "(<script>") {
		t.Errorf("what an agent says became a tag: %s", html)
	}
	h.page("/", "en")
}

func TestUnknownSites(t *testing.T) {
	h := newHub(t)
	for _, path := range []string{"/sites/nowhere", "/sites/_", "/sites/a%2Fb", "/sites/nowhere/punches", "/sites/nowhere/punches.csv", "/sites/-x"} {
		if answer := h.get(path, ""); answer.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s = %d, want 404", path, answer.StatusCode)
		}
	}
}

func TestStatesAreReadAsOfTheirTelling(t *testing.T) {
	h := newHub(t)
	o := h.office("samsat-koba", "T1")
	o.terminal("T1")
	oldest := now().Add(-time.Hour)
	o.say(now().Add(-time.Hour), func(s *protocol.State) {
		s.Status, s.Backlog = protocol.StatusDisconnected, protocol.Backlog{Punches: 3, Oldest: &oldest}
	})
	text, _ := h.page("/", "")
	says(t, text, "samsat-koba Dimatikan hari ini 07.15.00 3 tertua 1 jam T1 tidak diketahui", "Presensi menunggu di lokasi 3")
}
