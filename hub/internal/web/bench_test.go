package web_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
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

// BenchmarkPagesOfAProvince asks a hub of 12 000 employees and 350 terminals, each of
// which holds what its roster says.
func BenchmarkPagesOfAProvince(b *testing.B) {
	people, terminals := 12_000, 350
	if testing.Short() {
		people, terminals = 600, 20
	}
	h := newHub(b)
	key, err := seal.GenerateSealingKey()
	ok(b, err)
	w := &town{hub: h, units: map[string]placement.UnitID{}, people: map[string]placement.EmployeeID{}, offices: map[protocol.SiteID]*office{}, sealing: key.Public()}
	serial := func(i int) protocol.Serial { return protocol.Serial(fmt.Sprintf("CKJ22%05d", i)) }
	site := func(i int) protocol.SiteID { return protocol.SiteID(fmt.Sprintf("kantor-%03d", i)) }
	for i := range terminals {
		w.offices[site(i)] = h.office(site(i), serial(i))
	}
	var moved placement.EmployeeID
	w.edit(func(d *directory.Draft) error {
		for i := range terminals {
			code := fmt.Sprintf("unit-%03d", i)
			unit, err := d.AddUnit(since, code, fmt.Sprintf("UPTD Demo %03d", i), placement.UPTD)
			if err != nil {
				return err
			}
			w.units[code] = unit.ID
			t, _ := d.TerminalBy(site(i), serial(i))
			if err := errors.Join(d.Serve(directory.Serving{Terminal: t.ID, Serving: placement.Serving{Unit: unit.ID, Responsible: true, Period: placement.Period{From: since}}}),
				d.Set(directory.AboutTerminal, int64(t.ID), directory.TerminalMode, since, string(roster.Enforce))); err != nil {
				return err
			}
		}
		for i := range people {
			name := fmt.Sprintf("Pegawai %05d Demo", i)
			w.hire(d, name, "", fmt.Sprintf("unit-%03d", i%terminals), placement.NonASN)
			moved = w.people[name]
		}
		return nil
	})
	var templates []vault.Template
	for i, name := range slices.Sorted(maps.Keys(w.people)) {
		for _, finger := range []uint8{3, 6} {
			plain := fmt.Appendf(nil, "invented template %d %d", i, finger)
			templates = append(templates, vault.Template{Held: vault.Held{Ref: vault.Ref{Employee: int64(w.people[name]), Finger: finger, Algorithm: 10,
				Digest: sha256.Sum256(plain)}, Origin: "capture", Captured: now(), Best: true}, Plain: vault.NewPlain(plain)})
		}
	}
	ok(b, w.vault.Put(b.Context(), vault.By{Who: "Ujang Demo", Why: "test"}, templates...))
	w.reckon()
	for i := range terminals {
		w.holdsAt(site(i), serial(i))
	}
	one := fmt.Sprintf("/employees/%d", moved)
	for _, page := range []struct{ name, path string }{
		{"employees", "/employees"}, {"employees-by-name", "/employees?q=1199"}, {"employees-without-fingers", "/employees?without=fingers"}, {"employee", one}, {"placement-form", one + "/place"},
		{"terminals", "/terminals"}, {"terminal", "/terminals/kantor-007/CKJ2200007"}, {"captures", "/captures"},
	} {
		b.Run(page.name, func(b *testing.B) { measure(b, h, page.path) })
	}
	office := h.person(account.Account{Name: "opd", FullName: "Orang Contoh", Role: account.AdminOffice, Units: []placement.UnitID{w.units["unit-007"], w.units["unit-008"]}})
	for _, path := range []string{"/", "/employees", "/terminals", "/punches"} {
		b.Run("office"+path, func(b *testing.B) {
			for b.Loop() {
				if answer := h.from(office, asking(http.MethodGet, path), nil); answer.StatusCode != http.StatusOK {
					b.Fatalf("%s = %d", path, answer.StatusCode)
				}
			}
		})
	}
	b.Run("preview", func(b *testing.B) {
		form := url.Values{"unit": {fmt.Sprint(w.units["unit-003"])}, "kind": {"definitif"}, "from": {"2026-02-01"}, "sk": {"1"}, "ends": {"yes"}, "step": {"preview"}}
		for b.Loop() {
			if answer := h.send(jar{}, one+"/place", form); answer.StatusCode != http.StatusOK {
				b.Fatalf("preview = %d", answer.StatusCode)
			}
		}
	})
}
