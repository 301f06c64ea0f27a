package web_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// press clicks what leads to another page and waits for it.
func (w *window) press(selector string) {
	w.Helper()
	if _, err := chromedp.RunResponse(w.ctx, chromedp.Click(selector)); err != nil {
		w.Fatalf("press %s: %v", selector, err)
	}
}

// TestBrowserWay is the way of a placement as a person goes it: found in the list, typed,
// looked at, saved, seen in the roster.
func TestBrowserWay(t *testing.T) {
	town := newTown(newHub(t))
	town.equal(atForest)
	w := openWindow(t, town.hub)
	w.goTo("/employees")
	w.do(chromedp.SendKeys("input[name=q]", "ani"))
	w.press(".filter .button")
	w.press(".people a")
	w.sees("UPTD Samsat Koba sekarang", 3*time.Second)
	w.press(".more .button")
	w.do(chromedp.SetValue("select[name=unit]", fmt.Sprint(town.units["kphl-belantu"])),
		chromedp.SetValue("input[name=from]", "2026-01-07"))
	w.press(".actions .button")
	w.sees("Isi nomor SK.", 3*time.Second)
	w.forgives("422")
	w.do(chromedp.SendKeys("input[name=sk]", "821.2/12/2026"))
	w.press(".actions .button")
	w.sees("Masuk daftar mesin hari ini.", 3*time.Second)
	w.sees("Keluar dari daftar mesin pada 10 Januari 2026.", time.Second)
	w.picture("preview-desk")
	w.press(".actions .button")
	w.sees("Penempatan disimpan.", 3*time.Second)
	w.do(chromedp.Evaluate[chromedp.Void]("window.sameDocument = true"))
	town.reckon()
	w.sees("revisi 1.2", 20*time.Second)
	same, err := chromedp.Run(w.ctx, chromedp.Evaluate[bool]("window.sameDocument === true"))
	ok(t, err)
	if !same {
		t.Error("the page was loaded again")
	}
	w.goTo("/terminals/kphl-belantu/CKJ2205030")
	w.sees("revisi 1.2", 3*time.Second)
	w.sees("kurang di mesin", time.Second)
	town.equal(atForest)
	w.sees("Isi mesin sama dengan daftar mesin", 8*time.Second) // by itself
	w.quiet()
}

// TestBrowserShowsFormsWhole looks at every page of employees and terminals as desks and
// phones show it.
func TestBrowserShowsFormsWhole(t *testing.T) {
	town := newTown(newHub(t))
	town.braked()
	town.edit(func(d *directory.Draft) error {
		_, err := d.Place(directory.Placement{SK: "821.2/77/2026", SKDate: "2025-12-29", TMT: "2026-02-01", Placement: placement.Placement{Employee: town.people["Budi Demo"],
			Unit: town.units["kphl-belantu"], Kind: placement.Acting, Period: placement.Period{From: "2026-01-08", To: "2026-08-01"}}}, true)
		return err
	})
	town.reckon()
	town.holds(atForest, func(inv *roster.Inventory) { inv.Capabilities.Algorithm = 9; inv.Users = inv.Users[:1] })
	town.answers(atForest, protocol.StandingBlocked, func(r *protocol.Results) {
		r.Blocked = []protocol.Outcome{{Act: "add-finger", PIN: town.pin("Citra Demo"), Finger: 6, Reason: "algorithm"}}
		r.Outcomes = []protocol.Outcome{{Act: "add-user", PIN: town.pin("Citra Demo")}, {Act: "add-user", PIN: town.pin("Budi Demo"), Reason: "failed"}}
	})
	w := openWindow(t, town.hub)
	budi := fmt.Sprintf("/employees/%d", town.people["Budi Demo"])
	pages := map[string]string{"list": "/employees", "without": "/employees?without=fingers", "employee": budi, "place": budi + "/place", "status": budi + "/status",
		"terminals": "/terminals", "tasks": "/terminals/tasks", "terminal": kobaPath, "terminal-blocked": "/terminals/kphl-belantu/CKJ2205030", "approval": kobaPath + "/approval", "mode": kobaPath + "/mode"}
	for _, screen := range []struct {
		name          string
		width, height int64
		options       []chromedp.EmulateViewportOption
	}{{"desk", 1280, 800, nil}, {"small-desk", 1024, 768, nil}, {"phone", 360, 740, []chromedp.EmulateViewportOption{chromedp.EmulateMobile}}} {
		w.screen(screen.width, screen.height, screen.options...)
		for name, path := range pages {
			w.goTo(path)
			w.fits(path + " on a " + screen.name)
			w.picture(name + "-" + screen.name)
		}
		w.goTo(budi + "/place")
		w.do(chromedp.SetValue("select[name=unit]", fmt.Sprint(town.units["bkpsdmd"])), chromedp.SetValue("input[name=from]", "2026-02-01"),
			chromedp.SetValue("input[name=sk]", "821.2/12/2026"))
		w.press(".actions .button")
		w.fits("the preview on a " + screen.name)
		w.picture("preview-" + screen.name)
		if text := w.text(); !strings.Contains(text, "Akibatnya di mesin") {
			t.Errorf("no preview: %s", text)
		}
	}
	w.quiet()
}
