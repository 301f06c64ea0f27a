package web_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/admission"
	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/api"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// doored is a town whose hub lets agents in by codes.
type doored struct {
	*town
	admissions *admission.Admissions
}

const (
	atSchool     = protocol.SiteID("smkn-1-koba")
	schoolSerial = protocol.Serial("X100C0001")
	schoolPath   = "/sites/smkn-1-koba/admission"
)

// newDoored has a school that is registered and nothing more.
func newDoored(t *testing.T) *doored {
	t.Helper()
	w := &doored{town: newTown(newHub(t))}
	issuer, _, err := authority.LoadOrCreate(t.TempDir(), now())
	ok(t, err)
	w.admissions = admission.New(admission.Options{Database: w.store, Issuer: issuer, Now: now})
	w.parts.Way.Admissions = w.admissions
	w.web = web.New(w.parts)
	w.pages = as(w.admin, w.web)
	ok(t, w.admissions.Register(t.Context(), atSchool, schoolSerial))
	return w
}

// machine is what comes with a claim code.
type machine struct {
	key seal.SigningKey
	tls []byte
	n   uint64
}

func newMachine(t testing.TB) *machine {
	t.Helper()
	m := &machine{}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ok(t, err)
	m.tls, err = x509.MarshalPKIXPublicKey(private.Public())
	ok(t, err)
	m.key, err = seal.GenerateSigningKey()
	ok(t, err)
	return m
}

func (m *machine) words() string { return m.key.Public().Fingerprint().Words() }

// says is a message of this machine, as the hub reads it.
func (m *machine) says(t testing.TB, kind protocol.Kind, body any) protocol.Envelope {
	t.Helper()
	m.n++
	text, err := protocol.Seal(protocol.Envelope{Kind: kind, Site: atSchool, Seq: protocol.Seq{Life: 1, Counter: m.n}}, body, m.key)
	ok(t, err)
	e, err := protocol.Parse("", text)
	ok(t, err)
	return e
}

// claims comes to the hub with a code that a person has copied from a page.
func (w *doored) claims(m *machine, code string) error {
	w.t.Helper()
	read, err := protocol.ParseClaimCode(code)
	ok(w.t, err)
	_, _, err = w.admissions.Claim(w.t.Context(), m.says(w.t, protocol.KindClaim, protocol.Claim{Code: read, Key: m.key.Public(), TLS: m.tls, Terminals: []protocol.Serial{schoolSerial}}))
	return err
}

func (w *doored) renews(m *machine) error {
	_, _, err := w.admissions.Renew(w.t.Context(), m.says(w.t, protocol.KindRenewal, protocol.Renewal{TLS: m.tls}))
	return err
}

var shownCode = regexp.MustCompile(`<code>([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4})</code>`)

// code sends a form that makes a claim code, and returns what the page shows.
func (w *doored) code(path string, form url.Values) string {
	w.t.Helper()
	cookies := jar{}
	answer := w.send(cookies, path, form)
	html := body(w.t, answer)
	found := shownCode.FindStringSubmatch(html)
	if answer.StatusCode != http.StatusOK || found == nil {
		w.t.Fatalf("POST %s = %d, and no code: %s", path, answer.StatusCode, readable(html))
	}
	says(w.t, html, `href="/language/en?back=%2fsites%2fsmkn-1-koba%2fadmission"`) // and not to a form that was sent
	silent(w.t, fmt.Sprint(cookies, answer.Header), found[1])
	return found[1]
}

func TestASiteIsLetInReplacedAndShutOut(t *testing.T) {
	w := newDoored(t)
	text, _ := w.page("/admissions", "")
	says(t, text, "smkn-1-koba Terdaftar, belum ada agen – – X100C0001", "samsat-koba Agen diterima")
	text, html := w.page(schoolPath, "")
	says(t, text, "Terdaftar, belum ada agen", "Buat kode klaim")
	silent(t, html, "Enam kata", schoolPath+"/revoke", schoolPath+"/replace") // nobody is there

	text, _ = w.page("/sites/smkn-1-koba", "") // where its kit leads to
	says(t, text, "smkn-1-koba Tanpa agen", "Tidak ada agen yang diterima di lokasi ini", "X100C0001", "Enam kata, sertifikat, kode klaim")
	silent(t, text, "Nomor kunci")
	text, _ = w.page("/", "")
	says(t, text, "smkn-1-koba Tanpa agen")
	silent(t, text, "smkn-1-koba Belum pernah terdengar. Pastikan") // nobody is alarmed because nobody was asked in

	w.again(schoolPath+"/code", url.Values{}, "Pilih berapa lama kode berlaku.")
	w.again(schoolPath+"/code", url.Values{"days": {"31"}}, "Pilih berapa lama kode berlaku.")
	w.again(schoolPath+"/code", url.Values{"days": {"1"}, "terminal": {"CKJ2205001"}}, "Pilih mesin yang terdaftar di lokasi ini.")
	w.again(schoolPath+"/revoke", url.Values{"reason": {"dicuri"}}, "Tidak ada agen yang diterima")
	first := w.code(schoolPath+"/code", url.Values{"days": {"30"}})
	second := w.code(schoolPath+"/code", url.Values{"days": {"3"}, "terminal": {string(schoolSerial)}})
	text, html = w.page(schoolPath, "")
	says(t, text, "Kode klaim menunggu dipakai", "Kode klaim berlaku sampai 9 Januari 2026 08.15")
	silent(t, html, first, second)

	m := newMachine(t)
	if err := w.claims(newMachine(t), first); err == nil {
		t.Error("an earlier code lets a machine in")
	}
	ok(t, w.claims(m, second))
	text, _ = w.page(schoolPath, "")
	says(t, text, "Agen diterima", "Diterima hari ini 08.15.00", "Sertifikat sampai 6 April 2026", m.words(), "Semuanya harus sama persis")
	text, _ = w.page(schoolPath, "en")
	says(t, text, "Its agent is admitted", "Certificate until", m.words(), "Replace the machine")

	for want, reason := range map[string]string{"Isi alasannya.": " ", "Paling panjang 300 huruf": strings.Repeat("a", 301), "dalam satu baris.": "dicuri\nkemarin"} {
		for _, act := range []string{"/revoke", "/replace"} {
			w.again(schoolPath+act, url.Values{"reason": {reason}, "days": {"1"}}, want)
		}
	}
	w.again(schoolPath+"/replace", url.Values{"reason": {"dicuri"}, "days": {"2"}}, "Pilih berapa lama kode berlaku.")
	ok(t, w.renews(m)) // a form that is wrong anywhere does nothing
	third := w.code(schoolPath+"/replace", url.Values{"reason": {"dicuri pada 5 Januari"}, "days": {"1"}})
	if w.renews(m) == nil {
		t.Error("the machine that was replaced renews its certificate")
	}
	text, _ = w.page(schoolPath, "")
	says(t, text, "Kode klaim menunggu dipakai", "Terakhir dicabut hari ini 08.15.00 Oleh Siti Petugas (siti): dicuri pada 5 Januari")
	other := newMachine(t)
	ok(t, w.claims(other, third))
	text, _ = w.page("/sites/smkn-1-koba", "")
	says(t, text, "Enam kata, sertifikat, kode klaim")

	says(t, w.done(jar{}, schoolPath+"/revoke", url.Values{"reason": {"kantor pindah"}}), "Lokasi ini dicabut.", "Dicabut", "kantor pindah")
	if w.renews(other) == nil {
		t.Error("a machine that was shut out renews its certificate")
	}
	text, _ = w.page("/sites/smkn-1-koba", "") // stays, with all that was stored
	says(t, text, "smkn-1-koba Tanpa agen")
	w.page("/sites/smkn-1-koba/punches", "")
	for _, path := range []string{"/sites/nowhere/admission", "/sites/no%20site/admission", "/sites/nowhere/admission/code"} {
		if code := w.get(path, "").StatusCode; code != http.StatusNotFound {
			t.Errorf("%s = %d, want 404", path, code)
		}
	}
	lines, err := w.accounts.Log(t.Context(), 0, 100)
	ok(t, err)
	var done []string
	for _, l := range lines {
		if l.Act == account.ActProvision {
			done = append([]string{l.Who + ": " + l.Detail}, done...)
		}
	}
	const who = "Siti Petugas (siti): "
	if got, want := strings.Join(done, "; "), who+"claim new smkn-1-koba; "+who+"claim new smkn-1-koba; "+
		who+"site revoke smkn-1-koba; "+who+"claim new smkn-1-koba; "+who+"site revoke smkn-1-koba"; got != want {
		t.Errorf("the log says %s, want %s", got, want)
	}
	silent(t, w.log.String()+fmt.Sprint(lines), first, second, third, "dicuri")
}

// A hub without a door for agents says so, and does nothing.
func TestAdmissionsWithoutADoor(t *testing.T) {
	h := newHub(t)
	province(h)
	h.parts.Way = api.Way{}
	h.web = web.New(h.parts)
	h.pages = as(h.admin, h.web)
	const path = "/sites/samsat-koba/admission"
	for _, p := range []string{"/admissions", path, path + "/code", path + "/revoke", path + "/replace"} {
		text, html := h.page(p, "")
		says(t, text, "Hub ini berjalan tanpa pintu untuk agen")
		silent(t, html, `<form class="form"`, "Enam kata kunci")
	}
	for _, act := range []string{"/code", "/revoke", "/replace"} {
		if code := h.send(jar{}, path+act, url.Values{"reason": {"dicuri"}, "days": {"1"}}).StatusCode; code != http.StatusConflict {
			t.Errorf("POST %s = %d, want 409", act, code)
		}
	}
}

// TestBrowserLetsASiteIn is the way of a person who lets a machine in, compares its words
// and replaces it.
func TestBrowserLetsASiteIn(t *testing.T) {
	town := newDoored(t)
	w := openWindow(t, town.hub)
	shown := func() string {
		t.Helper()
		code, err := chromedp.Run(w.ctx, chromedp.Evaluate[string]("document.querySelector('.done code').innerText"))
		ok(t, err)
		return code
	}
	w.press(`a[href="/admissions"]`)
	w.press(`a[href="` + schoolPath + `"]`)
	w.sees("Terdaftar, belum ada agen", 3*time.Second)
	w.press(`a[href="` + schoolPath + `/code"]`)
	w.do(chromedp.SetValue("select[name=terminal]", string(schoolSerial)))
	w.picture("admission-code-desk")
	w.press(".actions .button")
	w.sees("Salin sekarang", 3*time.Second)
	w.picture("admission-made-desk")
	code := shown()
	w.press(`main a[href="` + schoolPath + `"]`)
	w.sees("Kode klaim menunggu dipakai", 3*time.Second)
	m := newMachine(t)
	ok(t, town.claims(m, code))
	w.sees("Agen diterima", 10*time.Second) // by itself
	w.sees(m.words(), time.Second)
	w.picture("admission-desk")
	w.press(`a[href="` + schoolPath + `/replace"]`)
	w.press(".actions .button")
	w.sees("Isi alasannya.", 3*time.Second)
	w.forgives("422")
	w.do(chromedp.SendKeys("input[name=reason]", "dicuri"))
	w.press(".actions .button")
	w.sees("Oleh Siti Petugas (siti): dicuri", 3*time.Second)
	other := newMachine(t)
	ok(t, town.claims(other, shown()))
	w.goTo(schoolPath)
	w.sees(other.words(), 3*time.Second)
	for _, screen := range []struct {
		name          string
		width, height int64
		options       []chromedp.EmulateViewportOption
	}{{"desk", 1280, 800, nil}, {"phone", 360, 740, []chromedp.EmulateViewportOption{chromedp.EmulateMobile}}} {
		w.screen(screen.width, screen.height, screen.options...)
		for name, path := range map[string]string{"admissions": "/admissions", "admission": schoolPath, "admission-code": schoolPath + "/code", "admission-revoke": schoolPath + "/revoke", "admission-replace": schoolPath + "/replace"} {
			w.goTo(path)
			w.fits(path + " on a " + screen.name)
			w.picture(name + "-" + screen.name)
		}
	}
	w.quiet()
}
