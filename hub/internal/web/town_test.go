package web_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// town is a hub with a register: the agency and two offices with a terminal each, whose
// rosters are issued and whose inventories have come.
type town struct {
	*hub
	units     map[string]placement.UnitID // by code
	people    map[string]placement.EmployeeID
	offices   map[protocol.SiteID]*office
	sealing   seal.SealingPublic
	said      uint64
	templates uint64
}

const (
	atAgency protocol.SiteID = "bkpsdmd"
	atKoba   protocol.SiteID = "samsat-koba"
	atForest protocol.SiteID = "kphl-belantu"
)

func serialOf(site protocol.SiteID) protocol.Serial {
	return map[protocol.SiteID]protocol.Serial{atAgency: "CKJ2200001", atKoba: "CKJ2205001", atForest: "CKJ2205030"}[site]
}

// since is a day of long ago, from which all in a town holds.
const since roster.Date = "2025-01-01"

func newTown(h *hub) *town {
	h.t.Helper()
	key, err := seal.GenerateSealingKey()
	ok(h.t, err)
	w := &town{hub: h, units: map[string]placement.UnitID{}, people: map[string]placement.EmployeeID{}, offices: map[protocol.SiteID]*office{}, sealing: key.Public()}
	for _, site := range []protocol.SiteID{atAgency, atKoba, atForest} {
		w.offices[site] = h.office(site, serialOf(site))
	}
	w.edit(func(d *directory.Draft) error {
		for _, u := range []struct {
			code, name string
			kind       placement.UnitKind
			above      string
			terminal   protocol.SiteID
		}{
			{"bkpsdmd", "BKPSDMD Provinsi Kepulauan Bangka Belitung", placement.OPD, "", atAgency},
			{"bakuda", "Badan Keuangan Daerah", placement.OPD, "", ""},
			{"samsat-koba", "UPTD Samsat Koba", placement.UPTD, "bakuda", atKoba},
			{"kphl-belantu", "UPTD KPHL Belantu Mendanau", placement.UPTD, "", atForest},
			{"museum", "UPTD Museum", placement.UPTD, "", ""},
		} {
			unit, err := d.AddUnit(since, u.code, u.name, u.kind)
			if err != nil {
				return err
			}
			w.units[u.code] = unit.ID
			if u.above != "" {
				if err := d.Set(directory.AboutUnit, int64(unit.ID), directory.UnitParent, since, fmt.Sprint(w.units[u.above])); err != nil {
					return err
				}
			}
			if t, found := d.TerminalBy(u.terminal, serialOf(u.terminal)); found {
				err := errors.Join(
					d.Serve(directory.Serving{Terminal: t.ID, Serving: placement.Serving{Unit: unit.ID, Responsible: true, Period: placement.Period{From: since}}}),
					d.Set(directory.AboutTerminal, int64(t.ID), directory.TerminalMode, since, string(roster.Enforce)))
				if err != nil {
					return err
				}
			}
		}
		for _, e := range []struct {
			name, nip, unit string
			kind            placement.EmployeeKind
		}{
			{"Ani Demo", "199001012015012901", "samsat-koba", placement.PNS},
			{"Budi Demo", "198502022010011902", "samsat-koba", placement.PNS},
			{"Citra Demo", "199503032022212903", "kphl-belantu", placement.PPPK},
			{"Dewi Demo", "", "bkpsdmd", placement.NonASN},
			{"Eko Demo", "197004041995031904", "", placement.PNS},
		} {
			w.hire(d, e.name, e.nip, e.unit, e.kind)
		}
		d.Grant(placement.Grant{Employee: w.people["Dewi Demo"], Privilege: roster.Administrator, Period: placement.Period{From: since}})
		return d.AddAlias(directory.Alias{Employee: w.people["Budi Demo"], PIN: "198502022010011902", Period: placement.Period{From: since}})
	})
	for n, name := range []string{"Ani Demo", "Ani Demo", "Budi Demo", "Citra Demo"} {
		w.record(name, uint8(5+n%2))
	}
	w.reckon()
	w.equal(atKoba)
	return w
}

// hire adds an employee, placed where a unit is named.
func (w *town) hire(d *directory.Draft, name, nip, unit string, kind placement.EmployeeKind) {
	w.t.Helper()
	e := d.AddEmployee()
	w.people[name] = e.ID
	for a, value := range map[directory.Attribute]string{directory.EmployeeName: name, directory.EmployeeNIP: nip,
		directory.EmployeeKind: string(kind), directory.EmployeeStatus: string(placement.Active)} {
		if value != "" {
			ok(w.t, d.Set(directory.AboutEmployee, int64(e.ID), a, since, value))
		}
	}
	if unit != "" {
		_, err := d.Place(directory.Placement{SK: "800/1/2025", TMT: since, Placement: placement.Placement{Employee: e.ID, Unit: w.units[unit],
			Kind: placement.Definitive, Period: placement.Period{From: since}}}, true)
		ok(w.t, err)
	}
}

func (w *town) edit(change func(*directory.Draft) error) {
	w.t.Helper()
	_, err := w.directory.Edit(w.t.Context(), directory.By{Who: "Ujang Demo", At: w.clock(), Act: "test"}, change)
	ok(w.t, err)
}

// record puts a finger of somebody into the vault.
func (w *town) record(name string, finger uint8) {
	w.t.Helper()
	w.templates++
	plain := fmt.Appendf(nil, "invented template %d", w.templates)
	ok(w.t, w.vault.Put(w.t.Context(), vault.By{Who: "Ujang Demo", Why: "test"}, vault.Template{
		Held: vault.Held{Ref: vault.Ref{Employee: int64(w.people[name]), Finger: finger, Algorithm: 10, Digest: sha256.Sum256(plain)},
			Origin: "captured at bkpsdmd/CKJ2200001, job 7", Captured: now().Add(-48 * time.Hour), Best: true},
		Plain: vault.NewPlain(plain),
	}))
}

// reckon issues what rosters follow from the register.
func (w *town) reckon() {
	w.t.Helper()
	ok(w.t, w.rosters.Reckon(w.t.Context(), w.clock()))
}

func (w *town) pin(name string) string {
	w.t.Helper()
	reg, err := w.directory.Register(w.t.Context())
	ok(w.t, err)
	return reg.Employees[w.people[name]].PINText()
}

// roster is the current one of a terminal.
func (w *town) roster(site protocol.SiteID) (holding.Revision, roster.Roster) {
	w.t.Helper()
	v, r, err := w.holding.Roster(w.t.Context(), site, serialOf(site))
	ok(w.t, err)
	return v, r
}

// holds has an inventory of a terminal come: what its roster names, and what change does
// with that.
func (w *town) holds(site protocol.SiteID, change ...func(*roster.Inventory)) roster.Inventory {
	w.t.Helper()
	return w.holdsAt(site, serialOf(site), change...)
}

func (w *town) holdsAt(site protocol.SiteID, serial protocol.Serial, change ...func(*roster.Inventory)) roster.Inventory {
	w.t.Helper()
	_, want, err := w.holding.Roster(w.t.Context(), site, serial)
	ok(w.t, err)
	inv := roster.Inventory{Serial: want.Serial,
		Capabilities: roster.Capabilities{Users: 3000, Fingers: 3000, Algorithm: 10, PINWidth: 9, NameBytes: 24}}
	for i, e := range want.Entries {
		u := roster.Held{Slot: uint16(i + 1), PIN: e.PIN, Name: inv.Capabilities.Name(e.Name), Privilege: e.Privilege}
		for _, f := range e.Fingers {
			u.Fingers = append(u.Fingers, roster.HeldFinger{Number: f.Number, Algorithm: f.Algorithm, Digest: f.Digest})
		}
		inv.Users = append(inv.Users, u)
	}
	for _, c := range change {
		c(&inv)
	}
	text, err := json.Marshal(inv)
	ok(w.t, err)
	ok(w.t, w.holding.TakeInventory(w.t.Context(), w.tells(site, serial), w.sealing, text, inv))
	return inv
}

// tells is the head of the next message of a site's agent.
func (w *town) tells(site protocol.SiteID, serial protocol.Serial) holding.Said {
	w.said++
	return holding.Said{Site: site, Serial: serial, Agent: w.offices[site].Key.Public().KeyID(),
		Seq: protocol.Seq{Life: 1, Counter: w.said}, At: w.clock()}
}

// answers has the agent's results come.
func (w *town) answers(site protocol.SiteID, state protocol.Standing, change ...func(*protocol.Results)) {
	w.t.Helper()
	v, _ := w.roster(site)
	results := protocol.Results{Serial: v.Serial, Roster: v.Order, State: state}
	for _, c := range change {
		c(&results)
	}
	ok(w.t, w.holding.TakeResults(w.t.Context(), w.tells(site, v.Serial), results))
}

// equal has a terminal hold what its roster says.
func (w *town) equal(site protocol.SiteID) {
	w.t.Helper()
	w.holds(site)
	w.answers(site, protocol.StandingEqual)
}

// jar is what a browser keeps between requests.
type jar map[string]string

// send posts a form as the browser of our own page would, and follows nothing.
func (h *hub) send(cookies jar, path string, form url.Values, change ...func(*http.Request)) *http.Response {
	h.t.Helper()
	r := asking(http.MethodPost, path)
	r.Body = io.NopCloser(strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return h.do(cookies, r, change...)
}

// follow gets a page as the same browser.
func (h *hub) follow(cookies jar, path string) string {
	h.t.Helper()
	answer := h.do(cookies, asking(http.MethodGet, path))
	if answer.StatusCode != http.StatusOK {
		h.t.Fatalf("GET %s = %d: %s\n%s", path, answer.StatusCode, body(h.t, answer), h.log)
	}
	return readable(body(h.t, answer))
}

func (h *hub) do(cookies jar, r *http.Request, change ...func(*http.Request)) *http.Response {
	h.t.Helper()
	for name, value := range cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	h.pages.ServeHTTP(w, r)
	answer := w.Result()
	for _, c := range answer.Cookies() {
		if c.MaxAge < 0 {
			delete(cookies, c.Name)
		} else if cookies != nil {
			cookies[c.Name] = c.Value
		}
	}
	return answer
}

func body(t testing.TB, answer *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(answer.Body)
	ok(t, err)
	return string(text)
}
