package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// measure asks for a page again and again and reports its weight, plain and as it
// crosses the line.
func measure(b *testing.B, h *hub, path string) {
	b.Helper()
	ask := func(encoding string) int {
		r := asking(http.MethodGet, path)
		r.Header.Set("Accept-Encoding", encoding)
		w := httptest.NewRecorder()
		h.pages.ServeHTTP(w, r)
		if w.Code >= 400 {
			b.Fatalf("GET %s = %d", path, w.Code)
		}
		return w.Body.Len()
	}
	plain, sent := ask(""), 0
	for b.Loop() {
		sent = ask("gzip")
	}
	b.ReportMetric(float64(plain)/1000, "kB")
	b.ReportMetric(float64(sent)/1000, "kB-sent")
}

// polled returns the address under which htmx asks for a part that did not change.
func polled(b *testing.B, h *hub, path, part string) string {
	b.Helper()
	_, html := h.page(path, "")
	for _, m := range poll.FindAllStringSubmatch(html, -1) {
		if m[1] == part {
			return strings.ReplaceAll(m[2], "&amp;", "&")
		}
	}
	b.Fatalf("%s has no part %s", path, part)
	return ""
}

func BenchmarkOverviewOf300Sites(b *testing.B) {
	h := newHub(b)
	for i := range 300 {
		site, serial := protocol.SiteID(fmt.Sprintf("kantor-%03d", i)), protocol.Serial(fmt.Sprintf("CKJ22%05d", i))
		o := h.office(site, serial)
		o.terminal(serial)
		o.punch(now(), storetest.Punches(serial, i, 20)...)
		o.receipted(now())
		o.say(now())
	}
	b.Run("page", func(b *testing.B) { measure(b, h, "/") })
	b.Run("unchanged", func(b *testing.B) { measure(b, h, polled(b, h, "/", "sites")) })
	b.Run("metrics", func(b *testing.B) { measure(b, h, "/metrics") })
}

func BenchmarkPunchesOfAMillion(b *testing.B) {
	n := 1_000_000
	if testing.Short() {
		n = 50_000
	}
	h := newHub(b)
	const sites = 20
	begin := time.Now()
	for i := range sites {
		site, serial := protocol.SiteID(fmt.Sprintf("kantor-%02d", i)), protocol.Serial(fmt.Sprintf("CKJ22%05d", i))
		o := h.office(site, serial)
		o.say(now())
		for k := 0; k < n/sites; k += 400 {
			o.punch(now(), storetest.Punches(serial, k, min(400, n/sites-k))...)
		}
	}
	h.office("kantor-baru", "CKJ2299999").say(now()) // registered, and nobody came yet
	b.Logf("%d punches stored in %s", n, time.Since(begin).Round(time.Second))
	deep := "/punches?after=" // a page in the middle: a cursor, so as quick as the first
	for p, err := range h.store.Punches(b.Context(), middle(n/sites)) {
		ok(b, err)
		deep += p.Cursor().String()
	}
	for name, path := range map[string]string{"newest": "/punches", "deep": deep, "by-PIN": "/punches?pin=100007", "by-site-and-day": "/sites/kantor-07/punches?from=2026-01-05&to=2026-01-05",
		"unchanged": polled(b, h, "/punches", "punches"), "overview": "/", "latest-unchanged": polled(b, h, "/", "latest"), "site": "/sites/kantor-07", "new-site": "/sites/kantor-baru", "new-site-punches": "/sites/kantor-baru/punches"} {
		b.Run(name, func(b *testing.B) { measure(b, h, path) })
	}
	b.Run("csv-of-a-site", func(b *testing.B) { measure(b, h, "/sites/kantor-07/punches.csv") })
}

// middle selects one punch in the middle of those that storetest makes.
func middle(perSite int) store.Filter {
	at := storetest.Morning().Add(time.Duration(perSite/2) * time.Second)
	return store.Filter{Limit: 1, From: protocol.NewLocalTime(at)}
}
