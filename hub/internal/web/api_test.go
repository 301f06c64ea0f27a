package web_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/api"
)

// A tool brings a site from nothing to a claim code and out again; each step is told in a
// person's name in the log of accounts, and no code stands in any log.
func TestToolsProvisionSites(t *testing.T) {
	h := newHub(t)
	who, err := h.accounts.Named(t.Context(), "siti")
	ok(t, err)
	secret, _, err := h.accounts.NewToken(t.Context(), who, "sidik-provision", "")
	ok(t, err)
	ask := func(method, path, text string) (code int, said string) {
		t.Helper()
		r := asking(method, "/api/v1"+path)
		r.Header.Set("Authorization", "Bearer "+secret)
		r.Body = io.NopCloser(strings.NewReader(text))
		answer := h.from(nil, r, nil)
		return answer.StatusCode, strings.TrimSpace(body(t, answer))
	}
	code := regexp.MustCompile(`"code":"([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4})"`)
	codes := []string{}
	for _, row := range []struct {
		method, path, text string
		code               int
		want               string // with C for a claim code
	}{
		{"GET", "/sites", "", 200, `{"sites":[]}`},
		{"POST", "/sites", `{"site":"samsat-koba","terminals":["X100C0001"]}`, 200, `{"site":"samsat-koba","standing":"registered","terminals":["X100C0001"]}`},
		{"POST", "/sites", `{"site":"samsat-koba","terminals":["X100C0001"]}`, 200, `{"site":"samsat-koba","standing":"registered","terminals":["X100C0001"]}`},
		{"POST", "/sites", `{"site":"samsat koba"}`, 422, `"code":"name"`},
		{"POST", "/sites", `{"site":"smkn-1","terminals":["X/1"]}`, 422, `"code":"name"`},
		{"POST", "/sites", `{"site":"smkn-1","secret":1}`, 400, `"code":"body"`},
		{"GET", "/sites/smkn-1", "", 404, `{"code":"no-site"`},
		{"POST", "/sites/smkn-1/claim", `{}`, 404, `{"code":"no-site"`},
		{"POST", "/sites/smkn-1/revoke", `{"reason":"dicuri"}`, 404, `{"code":"no-site"`},
		{"POST", "/sites/samsat-koba/claim", `{"hours":721}`, 422, `{"code":"life"`},
		{"POST", "/sites/samsat-koba/claim", `{"hours":-1}`, 422, `{"code":"life"`},
		{"POST", "/sites/samsat-koba/claim", `{"terminal":"X100C0002"}`, 422, `{"code":"terminal"`},
		{"POST", "/sites/samsat-koba/claim", `{"terminal":"X100C0001","hours":720}`, 200, `{"code":"C","until":"2026-02-05T01:15:00Z"}`},
		{"POST", "/sites/samsat-koba/claim", `{}`, 200, `{"code":"C","until":"2026-01-07T01:15:00Z"}`},
		{"GET", "/sites/samsat-koba", "", 200, `{"site":"samsat-koba","standing":"expected","terminals":["X100C0001"],"code":"2026-01-07T01:15:00Z"}`},
		{"POST", "/sites/samsat-koba/revoke", `{"reason":""}`, 422, `{"code":"reason"`},
		{"POST", "/sites/samsat-koba/revoke", `{"reason":"kit hilang"}`, 200, `"standing":"revoked"`},
		{"POST", "/sites/samsat-koba/revoke", `{"reason":"kit hilang"}`, 409, `{"code":"nobody"`},
		{"GET", "/kit", "", 200, `{"root":"` + strings.Repeat("ab", 32) + `","agents":"https://hub.example.go.id:8443","keys":{"kind":"keys"}}`},
	} {
		status, said := ask(row.method, row.path, row.text)
		if found := code.FindStringSubmatch(said); found != nil {
			codes = append(codes, found[1])
			said = strings.Replace(said, found[1], "C", 1)
		}
		if status != row.code || !strings.Contains(said, row.want) {
			t.Errorf("%s %s %s = %d %s, want %d %s", row.method, row.path, row.text, status, said, row.code, row.want)
		}
	}
	if len(codes) != 2 || codes[0] == codes[1] {
		t.Errorf("%d claim codes, want two that differ", len(codes))
	}
	lines, err := h.accounts.Log(t.Context(), who.ID, 100)
	ok(t, err)
	var done []string
	for _, l := range lines {
		if l.Act == account.ActProvision {
			done = append([]string{fmt.Sprint(l.Who, ": ", l.Detail)}, done...)
		}
	}
	if got, want := strings.Join(done, "; "), "Siti Petugas (siti): site add samsat-koba; Siti Petugas (siti): site add samsat-koba; "+
		"Siti Petugas (siti): claim new samsat-koba; Siti Petugas (siti): claim new samsat-koba; Siti Petugas (siti): site revoke samsat-koba"; got != want {
		t.Errorf("the log says %s, want %s", got, want)
	}
	silent(t, h.log.String()+fmt.Sprint(lines), codes...)
}

// A hub without a door for agents, or without a root, says so.
func TestToolsLearnWhatAHubLacks(t *testing.T) {
	h := newHub(t)
	way := h.parts.Way
	way.Root = ""
	for want, w := range map[string]api.Way{"no-agents": {}, "no-root": way} {
		h.parts.Way = w
		h.web = web.New(h.parts)
		answer := h.from(h.admin, asking(http.MethodGet, "/api/v1/kit"), nil)
		if said := body(t, answer); answer.StatusCode != http.StatusConflict || !strings.Contains(said, `"code":"`+want+`"`) {
			t.Errorf("%s: %d %s", want, answer.StatusCode, said)
		}
	}
}
