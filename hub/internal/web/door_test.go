package web_test

import (
	"context"
	"database/sql"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web"
)

func TestMetricsAreForThisMachineOrAToken(t *testing.T) {
	h := newHub(t)
	who, err := h.accounts.Named(t.Context(), "siti")
	ok(t, err)
	secret, _, err := h.accounts.NewToken(t.Context(), who, "pemantauan", "192.0.2.7")
	ok(t, err)
	for name, row := range map[string]struct {
		change func(*http.Request)
		want   int
	}{
		"from this machine":                    {func(r *http.Request) { r.RemoteAddr = "127.0.0.1:4711" }, 200},
		"from this machine, over IPv6":         {func(r *http.Request) { r.RemoteAddr = "[::1]:4711" }, 200},
		"from elsewhere":                       {func(r *http.Request) { r.RemoteAddr = "192.0.2.7:4711" }, 303},
		"from elsewhere, through this machine": {func(r *http.Request) { r.RemoteAddr = "127.0.0.1:4711"; r.Header.Set("X-Forwarded-For", "192.0.2.7") }, 303},
		"from elsewhere, with a token": {func(r *http.Request) {
			r.RemoteAddr = "192.0.2.7:4711"
			r.Header.Set("Authorization", "Bearer "+secret)
		}, 200},
		"from elsewhere, with a token of nobody":  {func(r *http.Request) { r.RemoteAddr = "192.0.2.7:4711"; r.Header.Set("Authorization", "Bearer x") }, 401},
		"from this machine, with one of nobody's": {func(r *http.Request) { r.RemoteAddr = "127.0.0.1:4711"; r.Header.Set("Authorization", "Bearer x") }, 401},
	} {
		r := asking(http.MethodGet, "/metrics")
		row.change(r)
		if got := h.from(nil, r, nil).StatusCode; got != row.want {
			t.Errorf("%s: %d, want %d", name, got, row.want)
		}
	}
}

func TestAPageThatAsksForItselfIsNobodyAtWork(t *testing.T) {
	h := newHub(t)
	at := now()
	h.parts.Accounts = account.New(h.store, func() time.Time { return at })
	h.web = web.New(h.parts)
	page := func(path string) int { return h.from(h.admin, asking(http.MethodGet, path), nil).StatusCode }
	for range 3 {
		at = at.Add(100 * time.Minute)
		if got := page("/"); got != 200 {
			t.Fatalf("a session that is used ends: %d", got)
		}
	}
	for range 3 {
		at = at.Add(time.Hour)
		page("/?part=sites&live=x")
	}
	if got := page("/"); got != http.StatusSeeOther {
		t.Errorf("an open page keeps somebody logged in for ever: %d", got)
	}
	r := asking(http.MethodGet, "/punches?part=punches&live=x&pin=100017")
	r.Header.Set("HX-Request", "true")
	r.Header.Set("HX-Current-URL", "http://127.0.0.1:8080/punches?pin=100017")
	answer := h.from(h.admin, r, nil)
	if answer.StatusCode != http.StatusUnauthorized || answer.Header.Get("HX-Redirect") != "/login?back=%2Fpunches%3Fpin%3D100017" {
		t.Errorf("a page whose session is over gets %d and is sent to %q", answer.StatusCode, answer.Header.Get("HX-Redirect"))
	}
}

// TestPagesAskForDeedsThatThereAre: a button behind a misspelt one would be nobody's.
func TestPagesAskForDeedsThatThereAre(t *testing.T) {
	pages, err := filepath.Glob("*/page/*.html")
	ok(t, err)
	asked := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		ok(t, err)
		for _, m := range regexp.MustCompile(`\.May "([^"]*)"`).FindAllStringSubmatch(string(text), -1) {
			asked++
			if !slices.Contains(account.Deeds(), account.Deed(m[1])) {
				t.Errorf("%s asks whether one may %q", page, m[1])
			}
		}
	}
	if asked < 20 {
		t.Errorf("%d questions found: this test looks at the wrong files", asked)
	}
}

// full is a database that can be read alone.
type full struct{ account.Database }

func (full) Update(context.Context, func(*sql.Tx) error) error { return store.ErrFull }

func TestAFullDiskCanBeLookedAt(t *testing.T) {
	h := newHub(t)
	h.parts.Accounts = account.New(full{h.store}, func() time.Time { return now().Add(time.Hour) })
	h.web = web.New(h.parts)
	if got := h.from(h.admin, asking(http.MethodGet, "/"), nil).StatusCode; got != http.StatusOK {
		t.Errorf("a page on a full disk = %d", got)
	}
	says(t, h.log.String(), "no room left")
}
