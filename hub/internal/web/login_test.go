package web_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
)

// logIn sends the form of the login page.
func (h *hub) logIn(name, password, back string, change ...func(*http.Request)) *http.Response {
	h.t.Helper()
	r := asking(http.MethodPost, "/login")
	for _, c := range change {
		c(r)
	}
	return h.from(nil, r, url.Values{"name": {name}, "password": {password}, "back": {back}})
}

// sessionOf is the cookie that an answer sets; nil for none.
func sessionOf(answer *http.Response) *http.Cookie {
	for _, c := range answer.Cookies() {
		if strings.Contains(c.Name, "session") {
			return c
		}
	}
	return nil
}

func TestLogin(t *testing.T) {
	h := newHub(t)
	t.Run("a wrong password and a name of nobody look the same", func(t *testing.T) {
		said := map[string]bool{}
		for _, name := range []string{"siti", "nobo"} {
			answer := h.logIn(name, "salah salah salah", "/")
			html := body(t, answer)
			if answer.StatusCode != http.StatusUnprocessableEntity || sessionOf(answer) != nil || strings.Contains(html, "salah salah") {
				t.Errorf("%s: %d, cookie %v: %s", name, answer.StatusCode, sessionOf(answer), html)
			}
			said[strings.ReplaceAll(html, name, "NAME")] = true
			says(t, readable(html), "Nama atau kata sandi salah.")
		}
		if len(said) != 1 {
			t.Errorf("the pages differ: %v", said)
		}
	})
	t.Run("it leads back to where somebody was, and nowhere else", func(t *testing.T) {
		for back, want := range map[string]string{"/punches?pin=1": "/punches?pin=1", "": "/", "https://example.org/": "/", "//example.org": "/", "/\\example.org": "/"} {
			if answer := h.logIn("siti", password, back); answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != want {
				t.Errorf("back to %q: %d to %q, want %q", back, answer.StatusCode, answer.Header.Get("Location"), want)
			}
		}
	})
	t.Run("each login has a session of its own", func(t *testing.T) {
		planted := &http.Cookie{Name: sessionCookie, Value: "planted"}
		first := sessionOf(h.logIn("siti", password, "/", func(r *http.Request) { r.AddCookie(planted) }))
		second := sessionOf(h.logIn("siti", password, "/", func(r *http.Request) { r.AddCookie(first) }))
		if first.Value == "planted" || first.Value == second.Value {
			t.Error("a session goes on under a token that somebody may have from before")
		}
		for session, want := range map[*http.Cookie]int{planted: 303, first: 303, second: 200} {
			if got := h.from(session, asking(http.MethodGet, "/"), nil).StatusCode; got != want {
				t.Errorf("session %q: %d, want %d", session.Value, got, want)
			}
		}
	})
	t.Run("the cookie is for this host, and over TLS for TLS only", func(t *testing.T) {
		plain := sessionOf(h.logIn("siti", password, "/"))
		if plain.Name != sessionCookie || plain.Secure || !plain.HttpOnly || plain.SameSite != http.SameSiteLaxMode || plain.MaxAge != 0 || plain.Path != "/" || plain.Domain != "" {
			t.Errorf("without TLS: %+v", plain)
		}
		secure := sessionOf(h.logIn("siti", password, "/", func(r *http.Request) { r.TLS = &tls.ConnectionState{} }))
		if secure.Name != "__Host-"+sessionCookie || !secure.Secure || !secure.HttpOnly || secure.SameSite != http.SameSiteLaxMode || secure.Path != "/" || secure.Domain != "" {
			t.Errorf("over TLS: %+v", secure)
		}
	})
	t.Run("logging out ends the session and not the cookie alone", func(t *testing.T) {
		session := sessionOf(h.logIn("siti", password, "/"))
		answer := h.from(session, asking(http.MethodPost, "/logout"), url.Values{})
		if answer.StatusCode != http.StatusSeeOther || sessionOf(answer) == nil || sessionOf(answer).MaxAge >= 0 {
			t.Errorf("logout = %d, cookie %+v", answer.StatusCode, sessionOf(answer))
		}
		if got := h.from(session, asking(http.MethodGet, "/"), nil).StatusCode; got != http.StatusSeeOther {
			t.Errorf("the session goes on: %d", got)
		}
	})
	t.Run("too many tries wait, also with the right password", func(t *testing.T) {
		for range 5 {
			h.logIn("siti", "salah salah salah", "/")
		}
		answer := h.logIn("siti", password, "/")
		says(t, readable(body(t, answer)), "Terlalu banyak percobaan.")
		if answer.StatusCode != http.StatusTooManyRequests {
			t.Errorf("status %d, want 429", answer.StatusCode)
		}
	})
	silent(t, h.log.String(), password, "salah salah", "siti")
}

func TestAccountsAreMadeOnPages(t *testing.T) {
	w := newTown(newHub(t))
	cookies := jar{}
	koba := fmt.Sprint(w.units["samsat-koba"])
	for name, row := range map[string]struct {
		form url.Values
		want string
	}{
		"an operator of no unit":   {url.Values{"name": {"budi"}, "full-name": {"Budi Contoh"}, "role": {"operator-uptd"}}, "Pilih unit kerja"},
		"an auditor of a unit":     {url.Values{"name": {"budi"}, "full-name": {"Budi Contoh"}, "role": {"auditor"}, "unit": {koba}}, "Pilih unit kerja"},
		"no role":                  {url.Values{"name": {"budi"}, "full-name": {"Budi Contoh"}}, "Pilih peran."},
		"a name that is taken":     {url.Values{"name": {"siti"}, "full-name": {"Budi Contoh"}, "role": {"auditor"}}, "sudah dipakai"},
		"a name with a blank":      {url.Values{"name": {"budi contoh"}, "full-name": {"Budi Contoh"}, "role": {"auditor"}}, "huruf kecil"},
		"a unit that is not there": {url.Values{"name": {"budi"}, "full-name": {"Budi Contoh"}, "role": {"operator-uptd"}, "unit": {"99"}}, "Pilih unit kerja"},
	} {
		t.Run(name, func(t *testing.T) { w.again("/accounts/new", row.form, row.want) })
	}
	answer := w.send(cookies, "/accounts/new", url.Values{"name": {"budi"}, "full-name": {"Budi Contoh"}, "role": {"operator-uptd"}, "unit": {koba}})
	text := body(t, answer)
	link := regexp.MustCompile(`<code>http://127.0.0.1:8080(/link/([a-z2-7]{32}))</code>`).FindStringSubmatch(text)
	if answer.StatusCode != http.StatusOK || link == nil {
		t.Fatalf("a new account = %d: %s", answer.StatusCode, text)
	}
	says(t, text, `href="/language/en?back=%2faccounts%2f2"`) // and not to a form that was sent
	says(t, readable(text), "Tautan untuk Budi Contoh.", "Menunggu kata sandi", "UPTD Samsat Koba")
	again, _ := w.page("/accounts/2", "")
	silent(t, again, link[2]) // shown once
	for name, row := range map[string]struct {
		form url.Values
		want string
	}{
		"two passwords":        {url.Values{"password": {password}, "again": {password + "x"}}, "Kedua kata sandi tidak sama."},
		"a short password":     {url.Values{"password": {"pendek"}, "again": {"pendek"}}, "paling sedikit 12 huruf"},
		"the name in password": {url.Values{"password": {"kuda budi besi 7"}, "again": {"kuda budi besi 7"}}, "mudah ditebak"},
	} {
		answer := w.from(nil, asking(http.MethodPost, link[1]), row.form)
		html := body(t, answer)
		says(t, readable(html), row.want)
		if answer.StatusCode != http.StatusUnprocessableEntity || strings.Contains(html, row.form.Get("password")) {
			t.Errorf("%s: status %d", name, answer.StatusCode)
		}
	}
	budi := w.choose(link[2], url.Values{"name": {"raja"}, "full-name": {"Raja"}})
	text = readable(body(t, w.from(budi, asking(http.MethodGet, "/account"), nil)))
	says(t, text, "Budi Contoh budi", "Operator UPTD", "UPTD Samsat Koba")
	silent(t, text, "Raja", "Akun Budi") // no menu of accounts
	if answer := w.from(nil, asking(http.MethodGet, link[1]), nil); answer.StatusCode != http.StatusGone {
		t.Errorf("the used link = %d, want 410", answer.StatusCode)
	}
	text, _ = w.page("/accounts", "")
	says(t, text, "Budi Contoh budi Operator UPTD UPTD Samsat Koba hari ini 08.15.00 Aktif", "Siti Petugas siti Admin BKPSDMD Semua unit")

	says(t, w.done(cookies, "/accounts/2/disable", url.Values{}), "Akun dinonaktifkan.", "Nonaktif", "dinonaktifkan")
	if got := w.from(budi, asking(http.MethodGet, "/account"), nil).StatusCode; got != http.StatusSeeOther {
		t.Errorf("a disabled account's session goes on: %d", got)
	}
	says(t, w.done(cookies, "/accounts/2/enable", url.Values{}), "Akun aktif lagi.")
	w.again("/accounts/1/disable", url.Values{}, "satu-satunya Admin BKPSDMD")
	text, _ = w.page("/accounts/log", "")
	says(t, text, "Siti Petugas (siti) akun dibuat operator-uptd budi", "Siti Petugas (siti) dinonaktifkan budi", "Budi Contoh (budi) kata sandi dipilih budi")
	for _, path := range []string{"/accounts/9", "/accounts/x"} {
		if code := w.get(path, "").StatusCode; code != http.StatusNotFound {
			t.Errorf("%s = %d, want 404", path, code)
		}
	}
	silent(t, w.log.String(), link[2], "budi")
}

func TestAnotherRoleIsGivenOnPages(t *testing.T) {
	w := newTown(newHub(t))
	koba, forest := fmt.Sprint(w.units["samsat-koba"]), fmt.Sprint(w.units["kphl-belantu"])
	budi := w.person(account.Account{Name: "budi", FullName: "Budi Contoh", Role: account.OperatorUnit, Units: []placement.UnitID{w.units["samsat-koba"]}})
	_, html := w.page("/accounts/2/role", "")
	says(t, html, `value="operator-uptd" checked`, `name="unit" value="`+koba+`" checked`)
	silent(t, html, `value="`+forest+`" checked`, `value="auditor" checked`)
	for form, want := range map[*url.Values]string{
		{}:                                    "Pilih peran.",
		{"role": {"raja"}}:                    "Pilih peran.",
		{"role": {"admin-opd"}}:               "Pilih unit kerja",
		{"role": {"auditor"}, "unit": {koba}}: "Pilih unit kerja",
		{"role": {"operator-uptd"}, "unit": {"99"}}: "Pilih unit kerja",
	} {
		w.again("/accounts/2/role", *form, want)
	}
	w.again("/accounts/1/role", url.Values{"role": {"auditor"}}, "satu-satunya Admin BKPSDMD")
	if got := w.from(budi, asking(http.MethodGet, "/sites/kphl-belantu"), nil).StatusCode; got != http.StatusNotFound {
		t.Errorf("an operator of Koba gets the forest's page: %d", got)
	}
	says(t, w.done(jar{}, "/accounts/2/role", url.Values{"role": {"operator-uptd"}, "unit": {forest}}),
		"Peran dan unit kerja disimpan.", "KPHL", "peran diubah operator-uptd "+koba+" → operator-uptd "+forest)
	if got := w.from(budi, asking(http.MethodGet, "/account"), nil).StatusCode; got != http.StatusSeeOther {
		t.Errorf("a session of the former units goes on: %d", got)
	}
	budi = sessionOf(w.logIn("budi", password, "/"))
	for path, want := range map[string]int{"/sites/kphl-belantu": 200, "/sites/samsat-koba": 404, "/accounts": 403} {
		if got := w.from(budi, asking(http.MethodGet, path), nil).StatusCode; got != want {
			t.Errorf("an operator of the forest gets %s = %d, want %d", path, got, want)
		}
	}
	if answer := w.from(budi, asking(http.MethodPost, "/accounts/2/role"), url.Values{"role": {"admin-bkpsdmd"}}); answer.StatusCode != http.StatusForbidden {
		t.Errorf("an operator makes themselves administrator: %d", answer.StatusCode)
	}
	w.done(jar{}, "/accounts/2/role", url.Values{"role": {"admin-bkpsdmd"}})
	answer := w.from(w.admin, asking(http.MethodPost, "/accounts/1/role"), url.Values{"role": {"auditor"}}) // one's own
	if answer.StatusCode != http.StatusSeeOther || w.from(w.admin, asking(http.MethodGet, "/accounts"), nil).StatusCode != http.StatusSeeOther {
		t.Error("an administrator who gave the role away is still logged in")
	}
}

func TestOnesOwnAccount(t *testing.T) {
	h := newHub(t)
	h.person(account.Account{Name: "audit", FullName: "Auni Audit", Role: account.Auditor})
	here, elsewhere := sessionOf(h.logIn("audit", password, "/")), sessionOf(h.logIn("audit", password, "/"))
	change := func(old, chosen string) *http.Response {
		t.Helper()
		return h.from(here, asking(http.MethodPost, "/account/password"), url.Values{"old": {old}, "password": {chosen}, "again": {chosen}})
	}
	says(t, readable(body(t, change("salah salah salah", "lima perahu kayu 27"))), "Kata sandi sekarang tidak benar.")
	says(t, readable(body(t, change(password, "pendek"))), "paling sedikit 12 huruf")
	answer := change(password, "lima perahu kayu 27")
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/account" || sessionOf(answer) == nil {
		t.Fatalf("a new password = %d: %s", answer.StatusCode, body(t, answer))
	}
	for session, want := range map[*http.Cookie]int{sessionOf(answer): 200, elsewhere: 303, here: 303} {
		if got := h.from(session, asking(http.MethodGet, "/account"), nil).StatusCode; got != want {
			t.Errorf("after a new password a session gets %d, want %d", got, want)
		}
	}
	here = sessionOf(answer)

	html := body(t, h.from(here, asking(http.MethodPost, "/account/tokens"), url.Values{"purpose": {"laptop <kantor>"}}))
	secret := regexp.MustCompile(`<code>(sidik_[a-z2-7]{32})</code>`).FindStringSubmatch(html)
	if secret == nil {
		t.Fatalf("no token: %s", html)
	}
	again := body(t, h.from(here, asking(http.MethodGet, "/account"), nil))
	says(t, again, "laptop &lt;kantor&gt;")
	silent(t, again, secret[1])
	tool := func(method, path, token string) *http.Response {
		r := asking(method, path)
		r.Header.Set("Authorization", "Bearer "+token)
		return h.from(nil, r, nil)
	}
	if got := tool(http.MethodGet, "/", secret[1]).StatusCode; got != 200 {
		t.Errorf("a page with a token = %d", got)
	}
	for _, path := range []string{"/account", "/accounts/new"} {
		answer := tool(http.MethodGet, path, secret[1])
		if said := body(t, answer); answer.StatusCode != http.StatusForbidden || !strings.Contains(said, `"code":"token-cannot"`) {
			t.Errorf("%s with a token = %d %s", path, answer.StatusCode, said)
		}
	}
	if got := h.from(here, asking(http.MethodPost, "/account/tokens/1/revoke"), url.Values{}).StatusCode; got != http.StatusSeeOther {
		t.Errorf("revoke = %d", got)
	}
	if got := tool(http.MethodGet, "/", secret[1]).StatusCode; got != http.StatusUnauthorized {
		t.Errorf("a page with a revoked token = %d", got)
	}
	silent(t, h.log.String(), secret[1], "lima perahu")
}

func TestToolsAskForTokens(t *testing.T) {
	w := newTown(newHub(t))
	w.person(account.Account{Name: "budi", FullName: "Budi Contoh", Role: account.OperatorUnit, Units: []placement.UnitID{w.units["samsat-koba"]}})
	post := func(text string) (int, map[string]any) {
		t.Helper()
		r := asking(http.MethodPost, "/api/v1/tokens")
		r.Body = io.NopCloser(strings.NewReader(text))
		answer := w.from(nil, r, nil)
		said := map[string]any{}
		if kind := answer.Header.Get("Content-Type"); kind != "application/json" {
			t.Errorf("%s is answered by %s", text, kind)
		}
		ok(t, json.NewDecoder(answer.Body).Decode(&said))
		return answer.StatusCode, said
	}
	for text, want := range map[string]string{
		`{"name":"budi","password":"salah salah salah","purpose":"uji"}`: "401 wrong",
		`{"name":"none","password":"salah salah salah","purpose":"uji"}`: "401 wrong",
		`{"name":"budi","password":"` + password + `","purpose":" "}`:    "422 purpose",
		`{"name":"budi","password":"` + password + `","role":"auditor"}`: "400 body",
		`name=budi`: "400 body",
		`{"name":"` + strings.Repeat("b", 5000) + `"}`: "400 body",
	} {
		if code, said := post(text); fmt.Sprint(code, " ", said["code"]) != want || said["message"] == "" {
			t.Errorf("%.60s = %d %v, want %s", text, code, said, want)
		}
	}
	code, said := post(`{"name":"budi","password":"` + password + `","purpose":"sidik-provision"}`)
	secret, _ := said["token"].(string)
	if code != 200 || !strings.HasPrefix(secret, "sidik_") || said["expires"] != "2026-04-06T01:15:00Z" {
		t.Fatalf("a token = %d %v", code, said)
	}
	ask := func(path, token string) (int, string) {
		r := asking(http.MethodGet, path)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		answer := w.from(nil, r, nil)
		return answer.StatusCode, strings.TrimSpace(body(t, answer))
	}
	for _, row := range []struct {
		path, token string
		code        int
		want        string
	}{
		{"/api/v1/me", secret, 200, fmt.Sprintf(`{"name":"budi","full_name":"Budi Contoh","role":"operator-uptd","units":[%d]}`, w.units["samsat-koba"])},
		{"/api/v1/me", "", 401, `{"code":"login","message":"log in, or send a token"}`},
		{"/api/v1/me", "sidik_x", 401, `{"code":"token","message":"the token is not valid: it was revoked, is too old, or its account is disabled"}`},
		{"/api/v1/none", secret, 404, `{"code":"no-page","message":"there is nothing at this address"}`},
		{"/sites/kphl-belantu", secret, 404, `{"code":"no-page","message":"there is nothing of yours at this address"}`},
		{"/accounts", secret, 403, `{"code":"right","message":"your account may not do this: inspect"}`},
	} {
		if code, said := ask(row.path, row.token); code != row.code || said != row.want {
			t.Errorf("GET %s = %d %s, want %d %s", row.path, code, said, row.code, row.want)
		}
	}
	if code, csv := ask("/punches.csv", secret); code != 200 || !strings.HasPrefix(csv, "site,terminal,pin") {
		t.Errorf("a download with a token = %d %.40s", code, csv)
	}
	silent(t, w.log.String(), secret, password)
}

// TestBrowserComesIn goes the way of the first administrator and of whom they invite.
func TestBrowserComesIn(t *testing.T) {
	town := newTown(newHub(t))
	w := openWindow(t, town.hub)
	for _, screen := range []struct {
		name          string
		width, height int64
		options       []chromedp.EmulateViewportOption
	}{{"desk", 1280, 800, nil}, {"phone", 360, 740, []chromedp.EmulateViewportOption{chromedp.EmulateMobile}}} {
		w.screen(screen.width, screen.height, screen.options...)
		for name, path := range map[string]string{"accounts": "/accounts", "account": "/accounts/1", "account-new": "/accounts/new", "account-role": "/accounts/1/role", "account-log": "/accounts/log", "account-own": "/account"} {
			w.goTo(path)
			w.fits(path)
			w.picture(name + "-" + screen.name)
		}
	}
	w.screen(1280, 800)
	w.goTo("/accounts/new")
	w.do(chromedp.SetValue("input[name=name]", "budi"), chromedp.SetValue("input[name=full-name]", "Budi Contoh"),
		chromedp.Click(`input[name=unit][value="`+fmt.Sprint(town.units["samsat-koba"])+`"]`))
	w.press(".actions .button")
	w.picture("account-link-desk")
	link, err := chromedp.Run(w.ctx, chromedp.Evaluate[string]("new URL(document.querySelector('.done code').innerText).pathname"))
	ok(t, err)
	w.press(".reader button")
	w.sees("Anda sudah keluar.", 3*time.Second)
	w.picture("login-desk")
	w.goTo(link)
	w.screen(360, 740, chromedp.EmulateMobile)
	w.fits(link)
	w.picture("link-phone")
	w.do(chromedp.SetValue("input[name=password]", password), chromedp.SetValue("input[name=again]", password))
	w.press(".actions .button")
	w.sees("Kata sandi baru sudah berlaku.", 5*time.Second)
	w.sees("samsat-koba", 3*time.Second)
	if text := w.text(); strings.Contains(text, "kphl-belantu") {
		t.Errorf("an operator sees others' offices: %s", text)
	}
	w.screen(1280, 800)
	w.picture("operator-desk")
	w.goTo("/punches?pin=7")
	w.press(".reader button")
	w.goTo("/punches?pin=7")
	w.do(chromedp.SetValue("input[name=name]", "budi"), chromedp.SetValue("input[name=password]", password))
	w.press(".actions .button")
	if at, err := chromedp.Run(w.ctx, chromedp.Evaluate[string]("location.pathname + location.search")); err != nil || at != "/punches?pin=7" {
		t.Errorf("after the login one is at %s (%v)", at, err)
	}
	w.quiet()
}
