package web_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/campaign"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/job"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// route is what a test knows of an address of the hub: who may come there, and for whom
// it is about something of others.
type route struct {
	anyone  bool
	deed    account.Deed // empty: for everybody with an account
	own     string       // an address about something of Koba's, or about no unit
	foreign []string     // addresses about something of the forest's
	code    int          // what who may come gets; 0: 200, or for a POST of an empty form 422
}

// routes are all addresses, by pattern. A new one is missed here, and its rule with it.
func (w *visited) routes() map[string]route {
	ani, citra := fmt.Sprint(w.people["Ani Demo"]), fmt.Sprint(w.people["Citra Demo"])
	const koba, forest = "/samsat-koba/CKJ2205001", "/kphl-belantu/CKJ2205030"
	all := map[string]route{
		"GET /{$}":                      {deed: account.See, own: "/"},
		"GET /sites/{site}":             {deed: account.See, own: "/sites/samsat-koba", foreign: []string{"/sites/kphl-belantu", "/sites/nowhere"}},
		"GET /sites/{site}/punches":     {deed: account.See, own: "/sites/samsat-koba/punches", foreign: []string{"/sites/kphl-belantu/punches"}},
		"GET /sites/{site}/punches.csv": {deed: account.See, own: "/sites/samsat-koba/punches.csv", foreign: []string{"/sites/kphl-belantu/punches.csv"}},
		"GET /punches":                  {deed: account.See, own: "/punches", foreign: []string{"/punches?site=kphl-belantu"}},
		"GET /punches.csv":              {deed: account.See, own: "/punches.csv", foreign: []string{"/punches.csv?site=kphl-belantu"}},
		"GET /employees":                {deed: account.See, own: "/employees", foreign: []string{fmt.Sprint("/employees?unit=", w.units["kphl-belantu"])}},
		"GET /employees/{employee}":     {deed: account.See, own: "/employees/" + ani, foreign: []string{"/employees/" + citra, "/employees/99"}},
		"GET /captures":                 {deed: account.See, own: "/captures", foreign: []string{"/captures?employee=" + citra}},
		"GET /terminals":                {deed: account.See, own: "/terminals"},
		"GET /terminals/tasks":          {deed: account.See, own: "/terminals/tasks"},
		"GET /terminals/{site}/{serial}": {deed: account.See, own: "/terminals" + koba, foreign: []string{"/terminals" + forest,
			"/terminals/samsat-koba/CKJ2205030", "/terminals/kphl-belantu/CKJ2205001"}},
		"GET /findings":                            {deed: account.See, own: "/findings"},
		"GET /findings/{site}/{serial}":            {deed: account.See, own: "/findings" + koba, foreign: []string{"/findings" + forest}},
		"POST /findings/{site}/{serial}":           {deed: account.Decide, own: "/findings" + koba, foreign: []string{"/findings" + forest}, code: 303},
		"GET /findings/{site}/{serial}/{finding}":  {deed: account.See, own: w.found, foreign: []string{"/findings" + forest + "/0123abcd"}},
		"POST /findings/{site}/{serial}/{finding}": {deed: account.Decide, own: w.found, foreign: []string{"/findings" + forest + "/0123abcd"}},
		"GET /campaigns":                           {deed: account.See, own: "/campaigns"},
		"GET /campaigns/new":                       {deed: account.Lead, own: "/campaigns/new"},
		"POST /campaigns/new":                      {deed: account.Lead, own: "/campaigns/new"},
		"GET /campaigns/{campaign}":                {deed: account.See, own: "/campaigns/1", foreign: []string{"/campaigns/2", "/campaigns/9", "/campaigns/x"}},
		"GET /campaigns/{campaign}/summary.pdf":    {deed: account.See, own: "/campaigns/1/summary.pdf", foreign: []string{"/campaigns/2/summary.pdf"}},
		"GET /campaigns/{campaign}/summary.xlsx":   {deed: account.See, own: "/campaigns/1/summary.xlsx", foreign: []string{"/campaigns/2/summary.xlsx"}},
		"GET /campaigns/{campaign}/minutes/{site}/{serial}/document.pdf": {deed: account.See, own: "/campaigns/1/minutes" + koba + "/document.pdf",
			foreign: []string{"/campaigns/1/minutes" + forest + "/document.pdf", "/campaigns/2/minutes" + forest + "/document.pdf"}, code: 404}, // nobody signed any

		"GET /login":                {anyone: true, own: "/login"},
		"POST /login":               {anyone: true, own: "/login"},
		"POST /logout":              {anyone: true, own: "/logout", code: 303},
		"GET /link/{code}":          {anyone: true, own: "/link/none", code: 410},
		"POST /link/{code}":         {anyone: true, own: "/link/none", code: 410},
		"GET /language/{language}":  {anyone: true, own: "/language/en", code: 303},
		"GET /assets/{hash}/{name}": {anyone: true, own: "/assets/0/none", code: 404},
		"GET /v1/keys":              {anyone: true, own: "/v1/keys"},
		"GET /healthz":              {anyone: true, own: "/healthz"},
		"POST /api/v1/tokens":       {anyone: true, own: "/api/v1/tokens", code: 400},
		"GET /metrics":              {anyone: true, own: "/metrics"}, // from this machine; see TestMetricsAreForThisMachineOrAToken

		"/":                                 {own: "/nowhere", code: 404},
		"/api/":                             {own: "/api/v1/none", code: 404},
		"GET /api/v1/me":                    {own: "/api/v1/me"},
		"GET /api/v1/sites":                 {deed: account.Provision, own: "/api/v1/sites"},
		"POST /api/v1/sites":                {deed: account.Provision, own: "/api/v1/sites", code: 400},
		"GET /api/v1/sites/{site}":          {deed: account.Provision, own: "/api/v1/sites/samsat-koba", foreign: []string{"/api/v1/sites/kphl-belantu"}},
		"POST /api/v1/sites/{site}/claim":   {deed: account.Provision, own: "/api/v1/sites/samsat-koba/claim", foreign: []string{"/api/v1/sites/kphl-belantu/claim"}, code: 400},
		"POST /api/v1/sites/{site}/revoke":  {deed: account.Provision, own: "/api/v1/sites/samsat-koba/revoke", foreign: []string{"/api/v1/sites/kphl-belantu/revoke"}, code: 400},
		"POST /api/v1/sites/{site}/errands": {deed: account.Provision, own: "/api/v1/sites/samsat-koba/errands", foreign: []string{"/api/v1/sites/kphl-belantu/errands"}, code: 400},
		"GET /api/v1/sites/{site}/errands/{errand}":           {deed: account.Provision, own: "/api/v1/sites/samsat-koba/errands/1", foreign: []string{"/api/v1/sites/kphl-belantu/errands/1"}, code: 404},
		"GET /api/v1/sites/{site}/errands/{errand}/diagnosis": {deed: account.Provision, own: "/api/v1/sites/samsat-koba/errands/1/diagnosis", foreign: []string{"/api/v1/sites/kphl-belantu/errands/1/diagnosis"}, code: 404},
		"GET /admissions":                     {deed: account.Provision, own: "/admissions"},
		"GET /sites/{site}/admission":         {deed: account.Provision, own: "/sites/samsat-koba/admission", foreign: []string{"/sites/kphl-belantu/admission"}},
		"GET /api/v1/kit":                     {deed: account.Provision, own: "/api/v1/kit"},
		"GET /account":                        {own: "/account"},
		"POST /account/password":              {own: "/account/password"},
		"POST /account/tokens":                {own: "/account/tokens"},
		"POST /account/tokens/{token}/revoke": {own: "/account/tokens/99/revoke", code: 404},
		"GET /accounts":                       {deed: account.Inspect, own: "/accounts"},
		"GET /accounts/log":                   {deed: account.Inspect, own: "/accounts/log"},
		"GET /accounts/new":                   {deed: account.Manage, own: "/accounts/new"},
		"POST /accounts/new":                  {deed: account.Manage, own: "/accounts/new"},
		"GET /accounts/{account}":             {deed: account.Inspect, own: "/accounts/1"},
		"GET /accounts/{account}/role":        {deed: account.Manage, own: w.spare + "/role"},
		"POST /accounts/{account}/role":       {deed: account.Manage, own: w.spare + "/role"},
		"POST /accounts/{account}/link":       {deed: account.Manage, own: w.spare + "/link", code: 200},
		"POST /accounts/{account}/disable":    {deed: account.Manage, own: w.spare + "/disable", code: 303},
		"POST /accounts/{account}/enable":     {deed: account.Manage, own: w.spare + "/enable", code: 303},
	}
	both := func(pattern string, r route, codes ...int) {
		all["GET "+pattern] = r
		if len(codes) > 0 {
			r.code = codes[0]
		}
		all["POST "+pattern] = r
	}
	both("/employees/{employee}/place", route{deed: account.Register, own: "/employees/" + ani + "/place", foreign: []string{"/employees/" + citra + "/place"}})
	both("/employees/{employee}/status", route{deed: account.Register, own: "/employees/" + ani + "/status", foreign: []string{"/employees/" + citra + "/status"}})
	both("/employees/{employee}/placements/{placement}/end", route{deed: account.Register, own: "/employees/" + ani + "/placements/1/end",
		foreign: []string{"/employees/" + citra + "/placements/3/end"}})
	for _, act := range []string{"code", "revoke", "replace"} {
		both("/sites/{site}/admission/"+act, route{deed: account.Provision, own: "/sites/samsat-koba/admission/" + act, foreign: []string{"/sites/kphl-belantu/admission/" + act}})
	}
	both("/captures/new", route{deed: account.Capture, own: "/captures/new?employee=" + ani, foreign: []string{"/captures/new?employee=" + citra}})
	both("/captures/{capture}/cancel", route{deed: account.Capture, own: "/captures/1/cancel", foreign: []string{"/captures/2/cancel", "/captures/9/cancel"}}, 303)
	both("/terminals/{site}/{serial}/approval", route{deed: account.Command, own: "/terminals" + koba + "/approval", foreign: []string{"/terminals" + forest + "/approval"}}, 400)
	both("/terminals/{site}/{serial}/mode", route{deed: account.Command, own: "/terminals" + koba + "/mode", foreign: []string{"/terminals" + forest + "/mode"}})
	both("/campaigns/{campaign}/visit/{site}/{serial}", route{deed: account.Lead, own: "/campaigns/1/visit" + koba, foreign: []string{"/campaigns/1/visit" + forest}})
	both("/campaigns/{campaign}/minutes/{site}/{serial}", route{deed: account.Lead, own: "/campaigns/1/minutes" + koba, foreign: []string{"/campaigns/1/minutes" + forest}})
	return all
}

// visited is a town that people of all roles come to, over real HTTP.
type visited struct {
	*town
	url    string
	client *http.Client
	found  string // a finding of Koba's
	spare  string // an account with which anything may be done
}

func newVisited(t *testing.T) *visited {
	t.Helper()
	w := &visited{town: faulty(newHub(t))}
	w.enrols()
	w.holds(atForest)
	w.found = w.finding("PIN 77")
	for site, name := range map[protocol.SiteID]string{atKoba: "Ani Demo", atForest: "Citra Demo"} {
		o := w.offices[site]
		o.terminal(serialOf(site))
		o.say(now())
		o.punch(now(), punchAt(serialOf(site), w.pin(name), "2026-01-06T07:00:00"))
	}
	by := directory.By{Who: "Ujang Demo", At: now(), Act: "test"}
	for _, units := range [][]string{{"bakuda", "kphl-belantu"}, {"kphl-belantu"}} { // the first is about both, the second about the forest alone
		n := campaign.Campaign{Name: "Validasi", From: "2026-01-01", To: "2026-02-01", Lead: "Ujang Demo"}
		for _, unit := range units {
			n.Units = append(n.Units, w.units[unit])
		}
		_, err := w.campaigns.Add(t.Context(), by, n)
		ok(t, err)
	}
	for _, name := range []string{"Ani Demo", "Citra Demo"} {
		_, err := w.jobs.Start(t.Context(), job.Order{Employee: w.people[name], Site: atAgency, Serial: serialOf(atAgency), Fingers: []uint8{2}, Notice: true, Who: "Ujang Demo"}, now())
		ok(t, err)
	}
	spare, _, err := w.accounts.Add(t.Context(), account.By{Who: "test"}, account.Account{Name: "cadangan", FullName: "Cadangan Demo", Role: account.Auditor})
	ok(t, err)
	w.spare = fmt.Sprint("/accounts/", spare.ID)
	server := httptest.NewServer(w.web)
	t.Cleanup(server.Close)
	w.url, w.client = server.URL, server.Client()
	w.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return w
}

// ask sends a request as somebody, nil for nobody, and returns what came.
func (w *visited) ask(session *http.Cookie, method, path string) (code int, header http.Header, text string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(""))
	ok(w.t, err)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if session != nil {
		r.AddCookie(&http.Cookie{Name: session.Name, Value: session.Value})
	}
	answer, err := w.client.Do(r)
	ok(w.t, err)
	defer answer.Body.Close()
	whole, err := io.ReadAll(answer.Body)
	ok(w.t, err)
	return answer.StatusCode, answer.Header, content(w.t, answer.Header.Get("Content-Type"), whole)
}

// ways are links back to the very address that was asked for.
var ways = regexp.MustCompile(`href="/(language/..|login)\?back=[^"]*"`)

// content is what people read of an answer, also of a sheet.
func content(t testing.TB, kind string, body []byte) string {
	t.Helper()
	if !strings.Contains(kind, "spreadsheet") {
		return ways.ReplaceAllString(string(body), "")
	}
	sheet, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	ok(t, err)
	var all strings.Builder
	for _, f := range sheet.File {
		part, err := f.Open()
		ok(t, err)
		_, err = io.Copy(&all, part)
		ok(t, err)
		ok(t, part.Close())
	}
	return all.String()
}

// TestEveryAddressAsksWhoComes walks all addresses as everybody, to their own and to what
// is others'.
func TestEveryAddressAsksWhoComes(t *testing.T) {
	w := newVisited(t)
	people := []struct {
		name    string
		account account.Account
		sees    bool // Koba
	}{
		{"an administrator of the agency", account.Account{Role: account.AdminAgency}, true},
		{"an administrator of the office above", account.Account{Role: account.AdminOffice, Units: []placement.UnitID{w.units["bakuda"]}}, true},
		{"an operator of the unit", account.Account{Role: account.OperatorUnit, Units: []placement.UnitID{w.units["samsat-koba"]}}, true},
		{"an operator of the office above", account.Account{Role: account.OperatorUnit, Units: []placement.UnitID{w.units["bakuda"]}}, false},
		{"an auditor", account.Account{Role: account.Auditor}, true},
	}
	all := w.routes()
	for _, pattern := range w.web.Patterns() {
		if _, known := all[pattern]; !known {
			t.Errorf("%s: nobody has said here who may come", pattern)
		}
	}
	if len(all) != len(w.web.Patterns()) {
		t.Errorf("the hub has %d addresses, this test knows %d", len(w.web.Patterns()), len(all))
	}
	sorted := slices.Sorted(maps.Keys(all))
	method := func(pattern string) string {
		if strings.HasPrefix(pattern, "POST ") {
			return http.MethodPost
		}
		return http.MethodGet
	}
	t.Run("nobody", func(t *testing.T) {
		for _, pattern := range sorted {
			r := all[pattern]
			for _, path := range append(r.foreign, r.own) {
				code, header, text := w.ask(nil, method(pattern), path)
				want := http.StatusUnauthorized
				switch {
				case r.anyone:
					want = r.wanted(method(pattern))
				case method(pattern) == http.MethodGet && !strings.HasPrefix(path, "/api/"):
					want = http.StatusSeeOther
					if to := header.Get("Location"); !strings.HasPrefix(to, "/login") {
						t.Errorf("%s leads to %s", path, to)
					}
				}
				if code != want {
					t.Errorf("%s %s = %d, want %d", method(pattern), path, code, want)
				}
				if path != "/metrics" {
					silently(t, path, text, "samsat-koba", "CKJ", "Demo", "v0.1.0")
				}
			}
		}
	})
	for i, p := range people {
		p.account.Name, p.account.FullName = fmt.Sprint("orang-", i), fmt.Sprint("Orang Contoh ", i)
		session := w.person(p.account)
		who, err := w.accounts.Named(t.Context(), p.account.Name)
		ok(t, err)
		t.Run(p.name, func(t *testing.T) {
			refused := map[string]bool{}
			for _, pattern := range sorted {
				r := all[pattern]
				if r.anyone {
					continue
				}
				want := r.wanted(method(pattern))
				if r.deed != "" && !account.Can(p.account.Role, r.deed) {
					want = http.StatusForbidden
				}
				if !p.sees && len(r.foreign) > 0 && !hasList(pattern) {
					want = http.StatusNotFound
				}
				code, _, text := w.ask(session, method(pattern), r.own)
				if code != want {
					t.Errorf("%s %s = %d, want %d", method(pattern), r.own, code, want)
				}
				if code == http.StatusForbidden || code == http.StatusNotFound && !p.sees && len(r.foreign) > 0 {
					refused[method(pattern)+" "+pathOf(r.own)] = true
				}
				if !p.account.Role.Whole() {
					silently(t, pattern, text, "KPHL", "kphl-belantu", "CKJ2205030", "Citra Demo", w.pin("Citra Demo"))
				}
				if !p.sees {
					silently(t, pattern, text, "samsat-koba", "CKJ2205001", "Ani Demo", w.pin("Ani Demo"))
				}
				if p.account.Role == account.Auditor && method(pattern) == http.MethodPost && code != http.StatusForbidden && !strings.HasPrefix(r.own, "/account/") {
					t.Errorf("an auditor's POST %s = %d", r.own, code)
				}
				for _, path := range r.foreign {
					code, _, text := w.ask(session, method(pattern), path)
					if p.account.Role.Whole() {
						if (code == http.StatusForbidden) != !account.Can(p.account.Role, r.deed) {
							t.Errorf("%s %s = %d", method(pattern), path, code)
						}
						if code == http.StatusForbidden {
							refused[method(pattern)+" "+pathOf(path)] = true
						}
						continue
					}
					refused[method(pattern)+" "+pathOf(path)] = true
					if code != http.StatusNotFound {
						t.Errorf("%s %s = %d, want 404", method(pattern), path, code)
					}
					silently(t, path, text, "KPHL", "CKJ2205030", "Citra Demo")
				}
			}
			lines, err := w.accounts.Log(t.Context(), who.ID, 1000)
			ok(t, err)
			written := map[string]bool{}
			for _, l := range lines {
				if l.Act == account.ActRefused {
					written[l.Detail] = true
				}
			}
			for what := range refused {
				if !written[what] {
					t.Errorf("the refusal of %s is written nowhere", what)
				}
			}
			for what := range written {
				if !refused[what] {
					t.Errorf("a refusal of %s is written down, and there was none", what)
				}
			}
		})
	}
	silent(t, w.log.String(), "level=ERROR")
}

// silently fails when an answer says what it must not.
func silently(t *testing.T, address, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if strings.Contains(text, word) {
			t.Errorf("%s says %q", address, word)
		}
	}
}

// wanted is the status for who may come.
func (r route) wanted(method string) int {
	switch {
	case r.code != 0 && (method == http.MethodPost || r.code >= 300 && r.deed == "" || r.code == 404):
		return r.code
	case method == http.MethodPost:
		return http.StatusUnprocessableEntity
	}
	return http.StatusOK
}

// hasList tells that an address is about many; what is others' is left out of it.
func hasList(pattern string) bool {
	return slices.Contains([]string{"GET /punches", "GET /punches.csv", "GET /employees", "GET /captures"}, pattern)
}

func pathOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Path
}
