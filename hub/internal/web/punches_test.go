package web_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

var row = regexp.MustCompile(`(?s)<tr><td.*?</tr>`)

// rows returns the punches on a page, as people read them.
func (h *hub) rows(path string) (rows []string) {
	h.t.Helper()
	_, html := h.page(path, "")
	for _, r := range row.FindAllString(html, -1) {
		rows = append(rows, strings.TrimSpace(readable(r)))
	}
	return rows
}

// pins returns the PINs in the rows of a page.
func (h *hub) pins(path string) string {
	h.t.Helper()
	_, html := h.page(path, "")
	var pins []string
	for _, m := range regexp.MustCompile(`data-label="PIN"><b>([^<]*)</b>`).FindAllStringSubmatch(html, -1) {
		pins = append(pins, readable(m[1]))
	}
	return strings.Join(pins, " ")
}

func TestPunchesAndTheirFlags(t *testing.T) {
	h := newHub(t)
	koba := province(h)
	koba.Begin() // an old folder of the agent put back: the same punch comes again, verified otherwise
	koba.punch(now(), punchAt("CKJ2205001", "100017", "2026-01-06T07:35:00", func(r *protocol.Record) { r.Verify = 15 }))
	got := h.rows("/punches")
	want := []string{
		"tanggal mustahil (zk:772130665) 100405 rsud-soekarno CKJ2205011 masuk, sidik jari hari ini 07.45.00 waktu mustahil",
		"1 Mei 2031 07.41.19 100403 rsud-soekarno CKJ2205011 masuk, sidik jari hari ini 07.45.00 waktu di masa depan",
		"6 Januari 2026 08.05.00 100118 samsat-koba CKJ2205001 masuk, sidik jari hari ini 08.05.03",
		"6 Januari 2026 07.59.00 100009 samsat-koba CKJ2205001 masuk, sidik jari hari ini 07.59.03",
		"6 Januari 2026 07.53.00 100151 samsat-koba CKJ2205001 masuk, sidik jari hari ini 07.53.03",
		"6 Januari 2026 07.47.00 100033 samsat-koba CKJ2205001 masuk, sidik jari hari ini 07.47.03",
		"6 Januari 2026 07.41.19 100402 rsud-soekarno CKJ2205010 masuk, sidik jari hari ini 07.45.00 jam mesin meleset",
		"6 Januari 2026 07.41.10 100401 rsud-soekarno CKJ2205010 masuk, sidik jari hari ini 07.45.00",
		"6 Januari 2026 07.41.00 100204 samsat-koba CKJ2205001 masuk, sidik jari hari ini 07.41.03",
		"6 Januari 2026 07.35.00 100017 samsat-koba CKJ2205001 masuk, sidik jari hari ini 07.35.03 berbeda antar sumber",
		"5 Januari 2026 07.30.00 =1+1 rsud-soekarno CKJ2205011 masuk, sidik jari hari ini 07.45.00",
		"5 Januari 2026 02.10.00 100501 smkn-1-selat-nasik CKJ2205020 masuk, sidik jari 5 Januari 2026 02.15",
	}
	if !slices.Equal(got, want) {
		t.Errorf("punches:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestPunchesMeetTheRegister names whom the register knows, and says what to doubt.
func TestPunchesMeetTheRegister(t *testing.T) {
	h := newHub(t)
	province(h)
	d := directory.New(h.store, placement.Usual())
	_, err := d.Edit(t.Context(), directory.By{Who: "Ujang Demo", At: now(), Act: "test"}, func(d *directory.Draft) error {
		since := placement.Period{From: "2020-01-01", To: roster.Forever}
		koba, err := d.AddUnit(since.From, "KOBA", "Samsat Koba", placement.UPTD)
		if err != nil {
			return err
		}
		at, _ := d.TerminalBy("samsat-koba", "CKJ2205001")
		failed := d.Serve(directory.Serving{Terminal: at.ID, Serving: placement.Serving{Unit: koba.ID, Period: since}})
		for name, pin := range map[string]string{"Ani Demo": "100017", "Budi Demo": "100204"} {
			e := d.AddEmployee()
			failed = errors.Join(failed, d.AddAlias(directory.Alias{Employee: e.ID, PIN: pin, Period: since}),
				d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeName, since.From, name),
				d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeKind, since.From, string(placement.NonASN)),
				d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeStatus, since.From, string(placement.Active)))
			if name == "Ani Demo" {
				_, err := d.Place(directory.Placement{Placement: placement.Placement{Employee: e.ID, Unit: koba.ID, Kind: placement.Definitive, Period: since}}, true)
				failed = errors.Join(failed, err)
			}
		}
		return failed
	})
	ok(t, err)
	for _, row := range []struct{ name, path, want string }{
		{"by an employee", "/punches?employee=" + h.owner("Ani Demo"), "100017"},
		{"by an employee whom nobody knows", "/punches?employee=1", ""},
		{"unknown at the site", "/sites/samsat-koba/punches?doubt=unknown-pin", "100118 100009 100151 100033"},
		{"not placed", "/punches?doubt=not-placed", "100204"},
		{"at a terminal of no unit", "/punches?doubt=no-unit&site=smkn-1-selat-nasik", "100501"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := h.pins(row.path); got != row.want {
				t.Errorf("PINs %q, want %q", got, row.want)
			}
		})
	}
	got := h.rows("/punches?employee=" + h.owner("Budi Demo"))
	if want := []string{"6 Januari 2026 07.41.00 100204 Budi Demo samsat-koba CKJ2205001 masuk, sidik jari hari ini 07.41.03 tidak ditempatkan di sini"}; !slices.Equal(got, want) {
		t.Errorf("punches %q, want %q", got, want)
	}
	_, table := h.csv("/punches.csv?doubt=not-placed")
	if len(table) != 2 || table[1][9] != h.owner("Budi Demo") || table[1][10] != "Budi Demo" || table[1][11] != "not-placed" {
		t.Errorf("table %q, want the one of Budi Demo", table)
	}
	if answer := h.get("/punches?doubt=nonsense", ""); answer.StatusCode != http.StatusBadRequest {
		t.Errorf("an unknown doubt is status %d, want 400", answer.StatusCode)
	}
}

// owner is the PIN that the hub issued to somebody.
func (h *hub) owner(name string) string {
	h.t.Helper()
	reg, err := directory.New(h.store, placement.Usual()).Register(h.t.Context())
	ok(h.t, err)
	for _, e := range reg.Employees {
		if e.At(directory.EmployeeName, "2026-01-06") == name {
			return e.PINText()
		}
	}
	h.t.Fatalf("nobody is called %s", name)
	return ""
}

// A question that few punches answer is looked for in portions: every page leads on
// until the end, and none is missed.
func TestRareDoubtsAreFoundPageByPage(t *testing.T) {
	h := newHub(t)
	o := h.office("samsat-koba", "T1")
	_, err := directory.New(h.store, placement.Usual()).Edit(t.Context(), directory.By{Who: "Ujang Demo", At: now(), Act: "test"}, func(d *directory.Draft) error {
		e := d.AddEmployee()
		for n := range 20 {
			if err := d.AddAlias(directory.Alias{Employee: e.ID, PIN: fmt.Sprint(100001 + n), Period: placement.Period{From: "2020-01-01", To: roster.Forever}}); err != nil && n > 0 {
				return err
			}
		}
		return errors.Join(d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeName, "2020-01-01", "Ani Demo"),
			d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeKind, "2020-01-01", string(placement.NonASN)))
	})
	ok(t, err)
	o.punch(now(), punchAt("T1", "7", "2026-01-01T07:00:00"))
	for k := 0; k < 5500; k += 500 {
		o.punch(now(), storetest.Punches("T1", k, 500)...)
	}
	var found []string
	pages := 0
	for path := "/punches?doubt=unknown-pin"; path != ""; pages++ {
		found = append(found, strings.Fields(h.pins(path))...)
		_, html := h.page(path, "")
		path = ""
		if next := regexp.MustCompile(`rel="next" href="([^"]+)"`).FindStringSubmatch(html); next != nil {
			path = strings.ReplaceAll(next[1], "&amp;", "&")
		}
	}
	if !slices.Equal(found, []string{"7"}) || pages != 2 {
		t.Errorf("found %v on %d pages, want the one on the second of two", found, pages)
	}
}

func TestFilter(t *testing.T) {
	h := newHub(t)
	province(h)
	for _, row := range []struct{ name, path, want string }{
		{"by site", "/punches?site=smkn-1-selat-nasik", "100501"},
		{"by the site of the path", "/sites/smkn-1-selat-nasik/punches", "100501"},
		{"the path wins", "/sites/smkn-1-selat-nasik/punches?site=samsat-koba", "100501"},
		{"by terminal", "/punches?terminal=CKJ2205010", "100402 100401"},
		{"by PIN", "/punches?pin=100402", "100402"},
		{"by a PIN with padding", "/punches?pin=+000100402+", "100402"},
		{"by a day, both ends in it", "/punches?from=2026-01-05&to=2026-01-05", "=1+1 100501"},
		{"from a day", "/punches?from=2026-01-07", "100403"},
		{"through a day", "/punches?to=2026-01-05", "=1+1 100501"},
		{"impossible dates alone", "/punches?impossible=1", "100405"},
		{"impossible dates are on no day", "/punches?impossible=1&from=2026-01-01&to=2026-01-31", "100405"},
		{"of no site", "/punches?site=nowhere", ""},
		{"nothing matches", "/punches?pin=1", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := h.pins(row.path); got != row.want {
				t.Errorf("PINs %q, want %q", got, row.want)
			}
		})
	}
	t.Run("the form keeps what was asked", func(t *testing.T) {
		_, html := h.page("/punches?site=samsat-koba&terminal=CKJ2205001&pin=100017&from=2026-01-05&to=2026-01-06", "")
		says(t, html, "<option selected>samsat-koba</option>", `name="terminal" value="CKJ2205001"`, `name="pin" value="100017"`, `name="from" value="2026-01-05"`, `name="to" value="2026-01-06"`,
			`href="/punches.csv?from=2026-01-05&amp;pin=100017&amp;site=samsat-koba&amp;terminal=CKJ2205001&amp;to=2026-01-06"`)
	})
	t.Run("days that are asked for often", func(t *testing.T) {
		_, html := h.page("/punches?pin=100017", "")
		says(t, html, `href="/punches?from=2026-01-06&amp;pin=100017&amp;to=2026-01-06">Hari ini`, `href="/punches?from=2026-01-05&amp;pin=100017&amp;to=2026-01-05">Kemarin`, `href="/punches?from=2025-12-31&amp;pin=100017&amp;to=2026-01-06">7 hari`)
	})
	for _, path := range []string{"/punches?from=yesterday", "/punches?to=2026-13-01", "/punches?after=nonsense", "/punches?site=a/b", "/punches?pin=" + strings.Repeat("1", 65), "/punches.csv?from=1"} {
		t.Run("refuses "+path, func(t *testing.T) {
			answer := h.get(path, "")
			body, err := io.ReadAll(answer.Body)
			ok(t, err)
			if answer.StatusCode != http.StatusBadRequest {
				t.Errorf("status %d, want 400", answer.StatusCode)
			}
			says(t, readable(string(body)), "Isian saringan tidak dapat dibaca")
		})
	}
}

// TestPagesFollowEachOther goes through all pages while new punches come: nothing
// is missed and nothing comes twice.
func TestPagesFollowEachOther(t *testing.T) {
	h := newHub(t)
	o := h.office("samsat-koba", "T1")
	const n = 170
	o.punch(now(), storetest.Punches("T1", 0, n)...)
	seen := map[string]bool{}
	pages := 0
	for path := "/sites/samsat-koba/punches"; path != ""; pages++ {
		_, html := h.page(path, "")
		for _, r := range row.FindAllString(html, -1) {
			if key := readable(r); seen[key] {
				t.Errorf("twice: %s", key)
			} else {
				seen[key] = true
			}
		}
		if living := poll.MatchString(html); living != (pages == 0) {
			t.Errorf("page %d asks for itself again: %t", pages, living)
		}
		path = ""
		if next := regexp.MustCompile(`rel="next" href="([^"]+)"`).FindStringSubmatch(html); next != nil {
			path = strings.ReplaceAll(next[1], "&amp;", "&")
		} else {
			says(t, html, "Tidak ada yang lebih lama.", `href="/sites/samsat-koba/punches">Terbaru`)
		}
		o.punch(now(), storetest.Punches("T1", n+pages, 1)...)
	}
	if pages != 4 || len(seen) != n {
		t.Errorf("%d punches on %d pages, want %d on 4", len(seen), pages, n)
	}
}

func (h *hub) csv(path string) (answer *http.Response, table [][]string) {
	h.t.Helper()
	answer = h.get(path, "en")
	if answer.StatusCode != http.StatusOK {
		h.t.Fatalf("GET %s = %d", path, answer.StatusCode)
	}
	table, err := csv.NewReader(answer.Body).ReadAll()
	ok(h.t, err)
	return answer, table
}

func TestDownload(t *testing.T) {
	h := newHub(t)
	province(h)
	answer, table := h.csv("/punches.csv?site=rsud-soekarno")
	want := [][]string{
		{"site", "terminal", "pin", "time", "raw_time", "status", "verify", "work_code", "received", "employee", "name", "flags"},
		{"rsud-soekarno", "CKJ2205010", "100401", "2026-01-06 07:41:10", "", "0", "1", "0", "2026-01-06T07:45:00+07:00", "", "", ""},
		{"rsud-soekarno", "CKJ2205010", "100402", "2026-01-06 07:41:19", "", "0", "1", "0", "2026-01-06T07:45:00+07:00", "", "", "clock-off"},
		{"rsud-soekarno", "CKJ2205011", "'=1+1", "2026-01-05 07:30:00", "", "0", "1", "0", "2026-01-06T07:45:00+07:00", "", "", ""},
		{"rsud-soekarno", "CKJ2205011", "100403", "2031-05-01 07:41:19", "", "0", "1", "0", "2026-01-06T07:45:00+07:00", "", "", "future-time"},
		{"rsud-soekarno", "CKJ2205011", "100405", "", "zk:772130665", "0", "1", "0", "2026-01-06T07:45:00+07:00", "", "", "impossible-time"},
	}
	if fmt.Sprint(table) != fmt.Sprint(want) {
		t.Errorf("table\n%q\nwant\n%q", table, want)
	}
	if got := answer.Header.Get("Content-Disposition"); got != `attachment; filename="sidik_rsud-soekarno.csv"` {
		t.Errorf("Content-Disposition %s", got)
	}
	if got := answer.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/csv; charset=utf-8") {
		t.Errorf("Content-Type %s", got)
	}
	answer, table = h.csv("/sites/rsud-soekarno/punches.csv?pin=100401&from=2026-01-06&to=2026-01-06")
	if len(table) != 2 || table[1][2] != "100401" {
		t.Errorf("filtered table %q", table)
	}
	if got := answer.Header.Get("Content-Disposition"); got != `attachment; filename="sidik_rsud-soekarno_2026-01-06_2026-01-06.csv"` {
		t.Errorf("a file's name travels and must not hold a PIN: %s", got)
	}
}

func TestDownloadIsTheSameCompressed(t *testing.T) {
	h := newHub(t)
	province(h)
	plain, err := io.ReadAll(h.get("/punches.csv", "").Body)
	ok(t, err)
	r := asking(http.MethodGet, "/punches.csv")
	r.Header.Set("Accept-Encoding", "gzip")
	w := httptest.NewRecorder()
	h.pages.ServeHTTP(w, r)
	z, err := gzip.NewReader(w.Body)
	ok(t, err)
	unpacked, err := io.ReadAll(z)
	ok(t, err)
	if !bytes.Equal(plain, unpacked) || len(plain) < 500 {
		t.Errorf("compressed it is\n%s\nplain\n%s", unpacked, plain)
	}
}

func TestDownloadOfManyIsWhole(t *testing.T) {
	h := newHub(t)
	const n = 4321 // three portions
	for site := range 3 {
		o := h.office(protocol.SiteID(fmt.Sprint("site-", site)), "T1")
		for k := 0; k < n/3+1; k += 400 {
			o.punch(now(), storetest.Punches("T1", k, min(400, n/3+1-k))...)
		}
	}
	_, table := h.csv("/punches.csv")
	seen := map[string]bool{}
	for _, r := range table[1:] {
		seen[strings.Join(r[:5], " ")] = true
	}
	if want := 3 * (n/3 + 1); len(seen) != want || len(table) != want+1 {
		t.Errorf("%d lines with %d different punches, want %d of both", len(table)-1, len(seen), want)
	}
}

// breaking is a store whose punches break off.
type breaking struct {
	*store.Store
	after int
}

func (b breaking) Punches(context.Context, store.Filter) iter.Seq2[store.Punch, error] {
	return func(yield func(store.Punch, error) bool) {
		for range b.after {
			if !yield(store.Punch{Record: punchAt("T1", "100001", "2026-01-06T07:00:00")}, nil) {
				return
			}
		}
		yield(store.Punch{}, fmt.Errorf("disk is gone"))
	}
}

// second breaks at the second question: after bytes have left.
type second struct {
	*store.Store
	asked *int
}

func (s second) Punches(ctx context.Context, f store.Filter) iter.Seq2[store.Punch, error] {
	if *s.asked++; *s.asked > 1 {
		return breaking{s.Store, 0}.Punches(ctx, f)
	}
	return func(yield func(store.Punch, error) bool) {
		for range f.Limit {
			if !yield(store.Punch{Record: punchAt("T1", "100001", "2026-01-06T07:00:00")}, nil) {
				return
			}
		}
	}
}

func TestDownloadThatBreaksDoesNotLookWhole(t *testing.T) {
	h := newHub(t)
	h.office("samsat-koba", "T1")
	serve := func(s web.Store) *httptest.Server {
		parts := h.parts
		parts.Store = s
		server := httptest.NewServer(as(h.admin, web.New(parts)))
		t.Cleanup(server.Close)
		return server
	}
	t.Run("before the first byte it is a page", func(t *testing.T) {
		answer, err := http.Get(serve(breaking{h.store, 3}).URL + "/punches.csv")
		ok(t, err)
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusInternalServerError || answer.Header.Get("Content-Disposition") != "" {
			t.Errorf("status %d, disposition %q", answer.StatusCode, answer.Header.Get("Content-Disposition"))
		}
	})
	t.Run("after it the connection breaks", func(t *testing.T) {
		for _, encoding := range []string{"identity", "gzip"} {
			server := serve(second{h.store, new(int)})
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/punches.csv", nil)
			ok(t, err)
			r.Header.Set("Accept-Encoding", encoding)
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				continue // not even the head came
			}
			if answer.StatusCode != http.StatusOK {
				t.Errorf("%s: status %d: this is not the break that is meant", encoding, answer.StatusCode)
			}
			if n, err := io.Copy(io.Discard, answer.Body); err == nil {
				t.Errorf("%s: %d bytes came and nothing says that more was meant to", encoding, n)
			}
			answer.Body.Close()
		}
	})
	http.DefaultClient.CloseIdleConnections()
}

// TestNoPINLeavesThePages: a PIN can be a NIP, which tells birth date and sex.
func TestNoPINLeavesThePages(t *testing.T) {
	const nip = "199001012015031001"
	h := newHub(t)
	o := h.office("samsat-koba", "T1")
	o.punch(now(), punchAt("T1", nip, "2026-01-06T07:00:00"))
	if got := h.pins("/punches?pin=" + nip); got != nip {
		t.Fatalf("the page shows %q", got)
	}
	h.csv("/punches.csv?pin=" + nip)
	for _, path := range []string{"/punches?pin=" + nip + "&from=bad", "/punches?after=" + nip, "/sites/" + nip} {
		h.get(path, "")
	}
	broken := httptest.NewRecorder()
	var log bytes.Buffer
	parts := h.parts
	parts.Store, parts.Logger = breaking{h.store, 1}, textLog(&log)
	as(h.admin, web.New(parts)).ServeHTTP(broken, asking("GET", "/punches?pin="+nip))
	if broken.Code != 500 || !strings.Contains(log.String(), "disk is gone") {
		t.Fatalf("status %d, log %q: want an error that is logged", broken.Code, &log)
	}
	scrape, err := io.ReadAll(h.get("/metrics", "").Body)
	ok(t, err)
	for where, text := range map[string]string{"log": h.log.String(), "log of the error": log.String(), "metrics": string(scrape)} {
		if strings.Contains(text, nip) {
			t.Errorf("a PIN is in the %s: %s", where, text)
		}
	}
}
