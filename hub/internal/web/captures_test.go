package web_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/job"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// enrols makes the agency's terminal one of enrolment.
func (w *town) enrols() {
	w.t.Helper()
	w.edit(func(d *directory.Draft) error {
		terminal, _ := d.TerminalBy(atAgency, serialOf(atAgency))
		return d.Set(directory.AboutTerminal, int64(terminal.ID), directory.TerminalEnrolment, since, "yes")
	})
}

// dewi is where a capture of Dewi is ordered, and where it is followed.
func (w *town) dewi() (order, follow string) {
	return fmt.Sprintf("/captures/new?employee=%d", w.people["Dewi Demo"]), fmt.Sprintf("/captures?employee=%d", w.people["Dewi Demo"])
}

func ordering() url.Values {
	return url.Values{"terminal": {"bkpsdmd/CKJ2200001"}, "finger": {"6", "3"}, "notice": {job.Wording}}
}

func TestCaptureIsOrderedAndFollowed(t *testing.T) {
	w := newTown(newHub(t))
	order, follow := w.dewi()
	t.Run("without a terminal of enrolment the page says how to make one", func(t *testing.T) {
		text, html := w.page(order, "")
		says(t, text, "Belum ada mesin perekaman.", "sidik-hub terminal mode --serial NOMOR --enrolment yes")
		silent(t, html, `class="form"`)
	})
	w.enrols()
	t.Run("the form shows the notice and recommends two fingers", func(t *testing.T) {
		text, html := w.page(order, "")
		says(t, text, "Rekam sidik jari Dewi Demo, PIN "+w.pin("Dewi Demo"), "Sebaiknya dua jari", "UU Nomor 27 Tahun 2022 tentang Pelindungan Data Pribadi",
			"mintalah cara presensi lain kepada BKPSDMD", "Pemberitahuan ini (versi "+job.Wording+") sudah ditunjukkan kepada pegawai.")
		says(t, html, `value="6" checked`, `value="3" checked`, "<option selected>bkpsdmd/CKJ2200001</option>")
		silent(t, html, `value="`+job.Wording+`" checked`) // that, a person says
		text, _ = w.page(order, "en")
		says(t, text, "Capture fingers Dewi Demo", "Notice before a finger is captured", "right index finger", "This notice (version "+job.Wording+") was shown to the employee.")
		text, _ = w.page(fmt.Sprintf("/captures/new?employee=%d", w.people["Ani Demo"]), "")
		says(t, text, "ibu jari kanan sudah ada", "telunjuk kanan sudah ada")
	})
	jobs := func() []job.Job {
		all, err := w.jobs.List(t.Context(), job.Filter{})
		ok(t, err)
		return all
	}
	for name, c := range map[string]struct {
		change func(url.Values)
		want   string
	}{
		"the notice was not shown":   {func(f url.Values) { f.Del("notice") }, "Tunjukkan pemberitahuan kepada pegawai, lalu beri tanda di sini."},
		"an older notice was shown":  {func(f url.Values) { f.Set("notice", "2020-1") }, "Tunjukkan pemberitahuan kepada pegawai, lalu beri tanda di sini."},
		"no finger":                  {func(f url.Values) { f.Del("finger") }, "Pilih sedikitnya satu jari."},
		"no terminal":                {func(f url.Values) { f.Del("terminal") }, "Pilih mesin perekaman."},
		"a terminal of an office":    {func(f url.Values) { f.Set("terminal", "samsat-koba/CKJ2205001") }, "Pilih mesin perekaman."},
		"a finger that nobody has":   {func(f url.Values) { f["finger"] = []string{"10"} }, "Pilih sedikitnya satu jari."},
		"somebody who does not work": {func(f url.Values) { f.Set("who", "eko") }, "Pegawai itu tidak berstatus aktif"},
	} {
		t.Run(name, func(t *testing.T) {
			form, path := ordering(), order
			c.change(form)
			if form.Get("who") == "eko" {
				w.edit(func(d *directory.Draft) error {
					return d.Set(directory.AboutEmployee, int64(w.people["Eko Demo"]), directory.EmployeeStatus, since, string(placement.Retired))
				})
				path = fmt.Sprintf("/captures/new?employee=%d", w.people["Eko Demo"])
			}
			answer := w.send(jar{}, path, form)
			if answer.StatusCode != http.StatusUnprocessableEntity || len(jobs()) != 0 {
				t.Errorf("status %d, %d jobs; want 422 and none", answer.StatusCode, len(jobs()))
			}
			says(t, readable(body(t, answer)), c.want)
		})
	}
	t.Run("from another site's page", func(t *testing.T) {
		answer := w.send(jar{}, order, ordering(), func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") })
		if answer.StatusCode != http.StatusForbidden || len(jobs()) != 0 {
			t.Errorf("status %d, %d jobs; want 403 and none", answer.StatusCode, len(jobs()))
		}
	})
	cookies := jar{}
	answer := w.send(cookies, order, ordering())
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != follow {
		t.Fatalf("order = %d to %q: %s", answer.StatusCode, answer.Header.Get("Location"), body(t, answer))
	}
	all := jobs()
	if len(all) != 2 || all[1].Finger != 3 && all[1].Finger != 6 || all[0].OrderedBy != "Siti Petugas (siti)" || all[0].Notice.By != "Siti Petugas (siti)" || all[0].Notice.Wording != job.Wording {
		t.Fatalf("jobs %+v", all)
	}
	says(t, w.follow(cookies, follow), "Perekaman dimulai.", "telunjuk kanan PIN "+w.pin("Dewi Demo")+" menunggu menunggu agen di lokasi CKJ2200001 bkpsdmd hari ini 08.15.00 oleh Siti Petugas (siti) pemberitahuan "+job.Wording+" ditunjukkan Batalkan",
		"telunjuk kiri PIN")
	says(t, readable(body(t, w.send(jar{}, order, ordering()))), "Salah satu jari ini sedang diminta.")
	first := all[0]
	tell := func(p protocol.Progress) {
		t.Helper()
		p.Job, p.Serial = first.Number, first.Serial
		ok(t, w.jobs.Tell(t.Context(), first.Site, p, w.clock()))
	}
	for _, step := range []struct {
		name   string
		do     func()
		id, en string
	}{
		{"the terminal waits", func() { tell(protocol.Progress{Step: protocol.StepAsked}) }, "berlangsung mesin menunggu jari", "under way the terminal waits for the finger"},
		{"a bad sample", func() { tell(protocol.Progress{Step: protocol.StepBad, Bad: 1}) }, "sampel kurang baik, ulangi (1)", "the sample is bad, once more (1)"},
		{"stored", func() { tell(protocol.Progress{Step: protocol.StepStored, Good: 3, Bad: 1}) }, "tersimpan di mesin, templat sedang dikirim", "stored at the terminal"},
		{"in the vault", func() {
			ok(t, w.jobs.Landed(t.Context(), first.ID, protocol.Hash(sha256.Sum256([]byte("x"))), w.clock()))
		}, "tersimpan selesai: templat tersimpan terenkripsi di hub", "stored done: the template is in the vault"},
	} {
		t.Run(step.name, func(t *testing.T) {
			step.do()
			text, _ := w.page(follow, "")
			says(t, text, step.id)
			text, _ = w.page("/captures", "en")
			says(t, text, step.en, "Dewi Demo")
		})
	}
}

func TestCaptureIsCancelled(t *testing.T) {
	w := newTown(newHub(t))
	w.enrols()
	order, follow := w.dewi()
	form := ordering()
	form["finger"] = []string{"6"}
	cookies := jar{}
	w.send(cookies, order, form)
	says(t, w.follow(cookies, follow), "Sebaiknya rekam juga satu jari dari tangan lainnya.")
	path := "/captures/1/cancel"
	text, _ := w.page(path, "")
	says(t, text, "Batalkan perekaman", "Dewi Demo", "telunjuk kanan", "menunggu agen di lokasi")
	answer := w.send(cookies, path, url.Values{})
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != follow {
		t.Fatalf("cancel = %d: %s", answer.StatusCode, body(t, answer))
	}
	text = w.follow(cookies, follow)
	says(t, text, "Perekaman dibatalkan.", "dibatalkan")
	silent(t, strings.SplitN(text, "Keadaan", 2)[1], "Batalkan")
	j, err := w.jobs.Get(t.Context(), 1)
	ok(t, err)
	if j.State != job.Cancelled || j.CancelledBy != "Siti Petugas (siti)" {
		t.Errorf("job %+v", j)
	}
	answer = w.send(jar{}, path, url.Values{})
	says(t, readable(body(t, answer)), "Perekaman itu sudah berakhir.")
	for path, want := range map[string]int{"/captures/99/cancel": 404, "/captures/x/cancel": 404, "/captures/new": 404, "/captures/new?employee=99": 404, "/captures?employee=x": 404} {
		if code := w.get(path, "").StatusCode; code != want {
			t.Errorf("%s = %d, want %d", path, code, want)
		}
	}
}

// TestBrowserCapture follows a capture as somebody beside the terminal does.
func TestBrowserCapture(t *testing.T) {
	town := newTown(newHub(t))
	town.enrols()
	w := openWindow(t, town.hub)
	w.goTo("/employees?without=fingers")
	w.press(".people a")
	w.press("a[href^='/captures/new']")
	w.picture("capture-desk")
	w.do(chromedp.Click("input[name=notice]"))
	w.press(".actions .button")
	w.sees("Perekaman dimulai.", 3*time.Second)
	w.sees("menunggu agen di lokasi", time.Second)
	all, err := town.jobs.List(t.Context(), job.Filter{Open: true})
	ok(t, err)
	if len(all) != 2 {
		t.Fatalf("%d jobs, want 2", len(all))
	}
	ok(t, town.jobs.Tell(t.Context(), all[0].Site, protocol.Progress{Job: all[0].Number, Serial: all[0].Serial, Step: protocol.StepAsked}, town.clock()))
	w.sees("mesin menunggu jari", 4*time.Second) // by itself
	w.screen(360, 740, chromedp.EmulateMobile)
	for name, path := range map[string]string{"captures": "/captures", "capture": fmt.Sprintf("/captures/new?employee=%d", town.people["Dewi Demo"]), "cancel": "/captures/1/cancel"} {
		w.goTo(path)
		w.fits(path)
		w.picture(name + "-phone")
	}
	w.quiet()
}
