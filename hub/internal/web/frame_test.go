package web_test

import (
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/web"
)

func textLog(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func TestEveryAnswerIsProtected(t *testing.T) {
	h := newHub(t)
	province(h)
	for _, path := range []string{"/", "/sites/samsat-koba", "/punches", "/punches.csv", "/nowhere", "/healthz", "/metrics", "/language/en"} {
		header := h.get(path, "").Header
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
			"X-Content-Type-Options":  "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
		} {
			if got := header.Get(name); got != want {
				t.Errorf("%s: %s = %q, want %q", path, name, got, want)
			}
		}
	}
}

// TestPagesHoldNoScript: the policy would stop it, and the page would break silently.
func TestPagesHoldNoScript(t *testing.T) {
	h := newHub(t)
	province(h)
	inline := regexp.MustCompile(`<script[^>]*>[^<]+</script>|<style|\sstyle=|\son[a-z]+=|javascript:|https?://`)
	for _, path := range []string{"/", "/sites/rsud-soekarno", "/punches"} {
		_, html := h.page(path, "")
		if found := inline.FindString(html); found != "" {
			t.Errorf("%s holds %q", path, found)
		}
	}
}

func TestOnlyReading(t *testing.T) {
	h := newHub(t)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions} {
		for _, path := range []string{"/", "/healthz", "/language/en"} {
			w := httptest.NewRecorder()
			h.pages.ServeHTTP(w, asking(method, path))
			if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s = %d, Allow %q; want 405", method, path, w.Code, w.Header().Get("Allow"))
			}
		}
	}
	w := httptest.NewRecorder()
	r := asking(http.MethodPost, "/")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	h.pages.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("a POST of another site = %d, want 403", w.Code)
	}
	w = httptest.NewRecorder()
	h.pages.ServeHTTP(w, asking(http.MethodHead, "/"))
	if w.Code != http.StatusOK || w.Body.Len() != 0 {
		t.Errorf("HEAD / = %d with %d bytes, want 200 with none", w.Code, w.Body.Len())
	}
}

func TestLanguageIsRemembered(t *testing.T) {
	h := newHub(t)
	province(h)
	_, html := h.page("/punches?pin=100017&from=2026-01-01", "")
	link := regexp.MustCompile(`href="(/language/en[^"]+)"`).FindStringSubmatch(html)
	if link == nil {
		t.Fatalf("no switch to English in %s", html)
	}
	answer := h.get(strings.ReplaceAll(link[1], "&amp;", "&"), "")
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/punches?from=2026-01-01&pin=100017" {
		t.Errorf("the switch = %d to %s", answer.StatusCode, answer.Header.Get("Location"))
	}
	cookie := answer.Cookies()[0]
	if cookie.Name != "sidik_language" || cookie.Value != "en" || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.MaxAge < 300*24*3600 {
		t.Errorf("cookie %+v", cookie)
	}
	text, _ := h.page("/punches", cookie.Value)
	says(t, text, "Time at the terminal", "Bahasa Indonesia")
	text, _ = h.page("/punches", "xx") // a cookie that somebody wrote
	says(t, text, "Waktu di mesin", "English")
	if answer := h.get("/language/xx", ""); answer.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown language = %d, want 404", answer.StatusCode)
	}
	if answer := h.get("/language/en?back=https://example.org/", ""); answer.Header.Get("Location") != "/" {
		t.Errorf("the switch leads to %s", answer.Header.Get("Location"))
	}
}

func TestProblemsAreTold(t *testing.T) {
	h := newHub(t)
	for _, row := range []struct {
		name, path, language string
		code                 int
		sentence             string
	}{
		{"no page", "/nowhere", "", 404, "404 Halaman ini tidak ada"},
		{"no page in English", "/nowhere", "en", 404, "404 There is no such page"},
		{"no site", "/sites/nowhere", "", 404, "404 Lokasi ini tidak dikenal"},
		{"no part", "/?part=nothing", "", 404, "404 Halaman ini tidak ada"},
		{"an old asset", "/assets/0123/sidik.css", "", 404, "404 Halaman ini tidak ada"},
	} {
		t.Run(row.name, func(t *testing.T) {
			answer := h.get(row.path, row.language)
			body, err := io.ReadAll(answer.Body)
			ok(t, err)
			if answer.StatusCode != row.code {
				t.Errorf("status %d, want %d", answer.StatusCode, row.code)
			}
			says(t, readable(string(body)), row.sentence)
		})
	}
	if h.log.String() != "" {
		t.Errorf("somebody's typing error is in the log: %s", h.log)
	}
	t.Run("ours is in the log and not on the page", func(t *testing.T) {
		ok(t, h.store.Close())
		answer := h.get("/", "")
		body, err := io.ReadAll(answer.Body)
		ok(t, err)
		if answer.StatusCode != 500 || !strings.Contains(h.log.String(), "closed") || strings.Contains(string(body), "closed") {
			t.Errorf("status %d\nlog %s\npage %s", answer.StatusCode, h.log, body)
		}
		says(t, readable(string(body)), "Terjadi kesalahan di hub")
	})
}

func TestHealth(t *testing.T) {
	h := newHub(t)
	ask := func() string {
		answer := h.get("/healthz", "")
		return fmt.Sprint(answer.StatusCode, " ", body(t, answer))
	}
	if got := ask(); got != `200 {"status":"ok"}`+"\n" {
		t.Errorf("health = %s", got)
	}
	h.live = web.Live{Trouble: errors.New("dial tcp 127.0.0.1:1883: connection refused")}
	if got := ask(); got != `503 {"status":"trouble"}`+"\n" {
		t.Errorf("health without a broker = %s", got)
	}
	silent(t, h.log.String(), "part=store")
	ok(t, h.store.Close())
	if got := ask(); got != `503 {"status":"trouble"}`+"\n" {
		t.Errorf("health without a store = %s", got)
	}
	says(t, h.log.String(), "connection refused", "part=store")
}

func TestMetricsOfTheSites(t *testing.T) {
	h := newHub(t)
	province(h)
	h.meter.Broker(true)
	body, err := io.ReadAll(h.get("/metrics", "").Body)
	ok(t, err)
	says(t, string(body), `sidik_sites{state="ready"} 3`, `sidik_sites{state="missing"} 1`, `sidik_sites{state="sleeping"} 1`, `sidik_sites{state="unheard"} 1`, `sidik_sites{state="stopped"} 0`,
		`sidik_site_backlog_punches{site="rsud-soekarno"} 1234`, `sidik_terminals 5`, `sidik_terminals_unregistered 1`,
		`sidik_store_sightings 13`, `sidik_attempts 3`, `sidik_store_bytes 4096`, `sidik_broker_connected 1`)
	silent(t, string(body), "samsat-mentok", "CKJ2205001", "100017") // strangers' claims, serials and PINs are no labels
}

func TestAssetsStayInTheBrowser(t *testing.T) {
	h := newHub(t)
	_, html := h.page("/", "")
	links := regexp.MustCompile(`"(/assets/[0-9a-f]{12}/([a-z.]+))"`).FindAllStringSubmatch(html, -1)
	kinds := map[string]string{}
	for _, link := range links {
		answer := h.get(link[1], "")
		if answer.StatusCode != 200 || answer.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
			t.Errorf("%s = %d, %s", link[1], answer.StatusCode, answer.Header.Get("Cache-Control"))
		}
		kinds[link[2]] = answer.Header.Get("Content-Type")
	}
	for name, kind := range map[string]string{"sidik.css": "text/css; charset=utf-8", "htmx.min.js": "text/javascript; charset=utf-8", "live.js": "text/javascript; charset=utf-8", "sidik.svg": "image/svg+xml"} {
		if kinds[name] != kind {
			t.Errorf("%s is %q, want %q", name, kinds[name], kind)
		}
	}
}

// TestFirstVisitIsLight: everything that the first page needs, as it crosses the line.
func TestFirstVisitIsLight(t *testing.T) {
	h := newHub(t)
	province(h)
	fetch := func(path string) (sent int, text string) {
		r := asking("GET", path)
		r.Header.Set("Accept-Encoding", "gzip, deflate, br")
		w := httptest.NewRecorder()
		h.pages.ServeHTTP(w, r)
		sent = w.Body.Len()
		if w.Header().Get("Content-Encoding") != "gzip" {
			return sent, w.Body.String()
		}
		z, err := gzip.NewReader(w.Body)
		ok(t, err)
		plain, err := io.ReadAll(z)
		ok(t, err)
		return sent, string(plain)
	}
	total, html := fetch("/")
	for _, link := range regexp.MustCompile(`"(/assets/[^"]+)"`).FindAllStringSubmatch(html, -1) {
		n, text := fetch(link[1])
		if plain, err := io.ReadAll(h.get(link[1], "").Body); err != nil || string(plain) != text {
			t.Errorf("%s is not the same compressed (%v)", link[1], err)
		}
		total += n
	}
	t.Logf("first visit: %d bytes", total)
	if total > 40_000 {
		t.Errorf("the first visit takes %d bytes, want less than 40 000", total)
	}
}

// TestHtmxIsTheOneThatIsNamed holds NOTICE to the file.
func TestHtmxIsTheOneThatIsNamed(t *testing.T) {
	notice, err := os.ReadFile("shell/assets/NOTICE")
	ok(t, err)
	sum := sha256Of(t, "shell/assets/htmx.min.js")
	says(t, string(notice), sum, "2.0.11", "Zero-Clause BSD")
}

func sha256Of(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	ok(t, err)
	return fmt.Sprintf("%x", sha256.Sum256(content))
}
