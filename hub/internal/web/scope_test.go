package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// TestAnOfficeDecidesWithoutTheRegister: it may look after its terminals, and not move
// people or give numbers a meaning.
func TestAnOfficeDecidesWithoutTheRegister(t *testing.T) {
	w := newVisited(t)
	office := w.person(account.Account{Name: "opd", FullName: "Orang Contoh", Role: account.AdminOffice, Units: []placement.UnitID{w.units["bakuda"]}})
	html := body(t, w.from(office, asking(http.MethodGet, w.found), nil))
	says(t, html, `value="delete"`, `value="accept"`)
	silent(t, html, `value="map-pin"`, `name="employee"`)
	before := w.changes()
	answer := w.from(office, asking(http.MethodPost, w.found), url.Values{"act": {"map-pin"}, "employee": {w.pin("Ani Demo")}})
	says(t, readable(body(t, answer)), "hanya dapat diambil oleh Admin BKPSDMD")
	if answer.StatusCode != http.StatusUnprocessableEntity || w.changes() != before {
		t.Errorf("map-pin by an office = %d, %d changes", answer.StatusCode, w.changes()-before)
	}
	answer = w.from(office, asking(http.MethodPost, w.found), url.Values{"act": {"accept"}, "reason": {"teknisi"}})
	if answer.StatusCode != http.StatusSeeOther {
		t.Errorf("accept by an office = %d: %s", answer.StatusCode, body(t, answer))
	}
	says(t, w.follow(jar{}, kobaFindings), "terima dengan alasan teknisi oleh Orang Contoh (opd)")
}

// TestOnesOwnPeopleAreSeenWhereverTheyPunch, and nobody else there.
func TestOnesOwnPeopleAreSeenWhereverTheyPunch(t *testing.T) {
	w := newVisited(t)
	forest := w.offices[atForest]
	forest.punch(now(), punchAt(serialOf(atForest), w.pin("Ani Demo"), "2026-01-06T07:40:00"), punchAt(serialOf(atForest), w.pin("Eko Demo"), "2026-01-06T07:41:00"))
	operator := w.person(account.Account{Name: "koba", FullName: "Orang Contoh", Role: account.OperatorUnit, Units: []placement.UnitID{w.units["samsat-koba"]}})
	for _, kind := range []string{"", ".csv"} {
		page := func(query string) string {
			t.Helper()
			return body(t, w.from(operator, asking(http.MethodGet, "/punches"+kind+query), nil))
		}
		all := page("")
		says(t, all, w.pin("Ani Demo"))
		silent(t, all, "CKJ2205030", w.pin("Citra Demo"))
		own := page("?employee=" + w.pin("Ani Demo"))
		says(t, own, "CKJ2205001", "CKJ2205030")
		silent(t, own, w.pin("Eko Demo"), w.pin("Citra Demo"))
		for _, others := range []string{"Citra Demo", "Eko Demo"} {
			silent(t, page("?employee="+w.pin(others)), "CKJ2205030")
		}
		silent(t, page("?pin="+w.pin("Citra Demo")), "CKJ2205030")
		silent(t, page("?terminal=CKJ2205030"), "kphl-belantu")
	}
}

// TestPagesOfPartOfTheTerminals holds that nothing is lost or twice between pages that are
// put together from some terminals.
func TestPagesOfPartOfTheTerminals(t *testing.T) {
	w := newTown(newHub(t))
	want := []string{}
	for i, site := range []protocol.SiteID{atAgency, atKoba, atForest} {
		for n := range 60 {
			wall := fmt.Sprintf("2026-01-05T07:%02d:%02d", n/3, i) // some at the same moment
			pin := fmt.Sprint(300000 + 1000*i + n)
			w.offices[site].punch(now(), punchAt(serialOf(site), pin, wall))
			if site != atAgency {
				want = append(want, pin)
			}
		}
	}
	session := w.person(account.Account{Name: "dua", FullName: "Orang Contoh", Role: account.OperatorUnit,
		Units: []placement.UnitID{w.units["samsat-koba"], w.units["kphl-belantu"]}})
	shown := regexp.MustCompile(`<td class="when"[^>]*>([^<]+)</td><td class="pin"[^>]*><b>(\d+)</b>`)
	next := regexp.MustCompile(`rel="next" href="([^"]+)"`)
	var got, times []string
	for path := "/punches"; path != ""; {
		html := body(t, w.from(session, asking(http.MethodGet, path), nil))
		rows := shown.FindAllStringSubmatch(html, -1)
		if len(rows) > 50 || len(rows) == 0 || len(got) > len(want) {
			t.Fatalf("%s shows %d punches after %d", path, len(rows), len(got))
		}
		for _, row := range rows {
			times, got = append(times, row[1]), append(got, row[2])
		}
		path = ""
		if link := next.FindStringSubmatch(html); link != nil {
			path = strings.ReplaceAll(link[1], "&amp;", "&")
		}
	}
	if !slices.IsSortedFunc(times, func(a, b string) int { return strings.Compare(b, a) }) {
		t.Errorf("not the newest first: %v", times)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d punches on the pages, want %d: %v", len(got), len(want), got)
	}
}

func TestSignedMinutesAreTheirOffices(t *testing.T) {
	w, cookies := faulty(newHub(t)), jar{}
	w.done(cookies, "/campaigns/new", url.Values{"name": {"Validasi"}, "lead": {"Citra Demo"}, "from": {"2026-01-06"}, "to": {"2026-01-09"},
		"unit": {fmt.Sprint(w.units["bakuda"]), fmt.Sprint(w.units["kphl-belantu"])}})
	for _, said := range []string{"PIN 77", "Nama", "tidak ada di mesin", "belum mempunyai sidik jari"} {
		w.done(cookies, w.finding(said), url.Values{"act": {"accept"}, "reason": {"demo"}})
	}
	const minutes = "/campaigns/1/minutes/samsat-koba/CKJ2205001"
	w.done(cookies, minutes, url.Values{"number": {"800/7"}, "place": {"Koba"}, "day": {"2026-01-07"}, "agency-name": {"Eka Demo"}, "agency-position": {"Kepala Bidang"},
		"office-name": {"Gani Demo"}, "office-position": {"Kepala UPTD"}})
	for name, row := range map[string]struct {
		account account.Account
		want    int
	}{
		"koba":   {account.Account{Role: account.OperatorUnit, Units: []placement.UnitID{w.units["samsat-koba"]}}, 200},
		"opd":    {account.Account{Role: account.AdminOffice, Units: []placement.UnitID{w.units["bakuda"]}}, 200},
		"audit":  {account.Account{Role: account.Auditor}, 200},
		"forest": {account.Account{Role: account.AdminOffice, Units: []placement.UnitID{w.units["kphl-belantu"]}}, 404},
	} {
		row.account.Name, row.account.FullName = name, "Orang "+name
		session := w.person(row.account)
		answer := w.from(session, asking(http.MethodGet, minutes+"/document.pdf"), nil)
		text := body(t, answer)
		if answer.StatusCode != row.want || strings.HasPrefix(text, "%PDF-") != (row.want == 200) {
			t.Errorf("%s gets the minutes as %d %.20q, want %d", name, answer.StatusCode, text, row.want)
		}
		text = readable(body(t, w.from(session, asking(http.MethodGet, "/campaigns/1"), nil)))
		if strings.Contains(text, "800/7") != (row.want == 200) {
			t.Errorf("%s sees of the campaign: %s", name, text)
		}
	}
}
