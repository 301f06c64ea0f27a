package store_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

func TestWaitingRecordsBecomePunchesWhenTheirTerminalIsRegistered(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		a := office(t, s, "samsat-belitung", "T-1")
		v := accept(t, s, stored(), next(t, a, append(storetest.Punches("T-1", 0, 2), storetest.Punches("T-9", 2, 5)...)...))
		if want := []protocol.Serial{"T-9"}; !reflect.DeepEqual(v[0].Unregistered, want) {
			t.Errorf("Unregistered = %v, want %v", v[0].Unregistered, want)
		}
		count := func(want, waiting int) {
			t.Helper()
			left := 0
			for _, err := range s.Waiting(ctx, store.Filter{Site: a.Site}) {
				ok(t, err)
				left++
			}
			if n := len(punches(t, s, store.Filter{})); n != want || left != waiting {
				t.Errorf("%d punches and %d waiting, want %d and %d", n, left, want, waiting)
			}
		}
		count(2, 5)
		if _, found, err := s.LastPunch(ctx, a.Site); err != nil || !found {
			t.Errorf("LastPunch = %v, %v", found, err)
		}
		for range 2 {
			ok(t, s.AddTerminal(ctx, a.Site, "T-9", noon))
			count(7, 0)
		}
		terminals, err := s.Terminals(ctx, a.Site)
		ok(t, err)
		want := []store.Terminal{
			{Site: a.Site, Serial: "T-1", Registered: noon, Sightings: 2, Last: "2026-01-05T07:00:01"},
			{Site: a.Site, Serial: "T-9", Registered: noon, Sightings: 5, Last: "2026-01-05T07:00:06"},
		}
		if !reflect.DeepEqual(terminals, want) {
			t.Errorf("Terminals = %+v, want %+v", terminals, want)
		}
	})
}

func TestFlagsTellWhatToDoubt(t *testing.T) {
	base := storetest.Punches("T-1", 0, 1)[0]
	for _, row := range []struct {
		name   string
		change func(*protocol.Record)
		want   []string
	}{
		{"nothing", func(*protocol.Record) {}, []string{}},
		{"no such date", func(r *protocol.Record) { r.Time = "zk:4294967295" }, []string{"impossible-time"}},
		{"a year ahead", func(r *protocol.Record) { r.Time = "2027-01-05T07:00:00" }, []string{"future-time"}},
		// It came at noon UTC, which is 19.00 at the terminal.
		{"nine minutes ahead", func(r *protocol.Record) { r.Time = "2026-01-05T19:09:00" }, []string{}},
		{"eleven minutes ahead", func(r *protocol.Record) { r.Time = "2026-01-05T19:11:00" }, []string{"future-time"}},
		{"clock six minutes slow", func(r *protocol.Record) { r.Offset = -360 }, []string{"clock-off"}},
		{"clock not known", func(r *protocol.Record) { r.Offset = protocol.OffsetUnknown }, []string{}},
		{"a PIN that the register judges", func(r *protocol.Record) { r.PIN = "777" }, []string{}},
	} {
		t.Run(row.name, func(t *testing.T) {
			each(t, func(t *testing.T, s *store.Store) {
				a := office(t, s, "samsat-belitung", "T-1")
				r := base
				row.change(&r)
				in := next(t, a, r)
				in.Received = time.Date(2026, 1, 5, 12, 0, 0, 999, time.UTC)
				accept(t, s, stored(), in)
				got := punches(t, s, store.Filter{})
				if len(got) != 1 || !slices.Equal(got[0].Flags.Names(), row.want) {
					t.Errorf("punches %+v, want one with flags %v", got, row.want)
				}
			})
		})
	}
}

func TestFilterAndPagesFindTheSame(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		var all []store.Punch
		for i, site := range []protocol.SiteID{"a-1", "b-2"} {
			a := office(t, s, site, "T-1", "T-2")
			records := storetest.Punches("T-1", i*7, 300)
			records = append(records, storetest.Punches("T-2", i*7, 300)...)
			records[17].Time = "zk:1" // names no date
			for chunk := range slices.Chunk(records, 200) {
				accept(t, s, stored(), next(t, a, chunk...))
			}
		}
		all = punches(t, s, store.Filter{})
		if len(all) != 1200 {
			t.Fatalf("%d punches, want 1200", len(all))
		}
		for _, row := range []struct {
			name string
			f    store.Filter
			fits func(store.Punch) bool
		}{
			{"everything", store.Filter{}, func(store.Punch) bool { return true }},
			{"a site", store.Filter{Site: "b-2"}, func(p store.Punch) bool { return p.Site == "b-2" }},
			{"a serial at every site", store.Filter{Serial: "T-2"}, func(p store.Punch) bool { return p.Serial == "T-2" }},
			{"a PIN with zeros before it", store.Filter{PIN: "00100003"}, func(p store.Punch) bool { return p.PIN == "100003" }},
			{"any of some PINs", store.Filter{PINs: []string{"00100003", "100004", "5"}}, func(p store.Punch) bool { return p.PIN == "100003" || p.PIN == "100004" }},
			{"from", store.Filter{From: "2026-01-05T07:04"}, func(p store.Punch) bool { return p.Time >= "2026-01-05T07:04" && p.Time < "A" }},
			{"to", store.Filter{To: "2026-01-05T07:01:00"}, func(p store.Punch) bool { return p.Time < "2026-01-05T07:01:00" }},
			{"a day", store.Filter{Site: "a-1", From: "2026-01-05", To: "2026-01-06"}, func(p store.Punch) bool { return p.Site == "a-1" && p.Time < "A" }},
			{"times that name no date", store.Filter{Impossible: true}, func(p store.Punch) bool { return p.Time == "zk:1" }},
			{"nothing", store.Filter{Site: "c-3"}, func(store.Punch) bool { return false }},
		} {
			t.Run(row.name, func(t *testing.T) {
				want := 0
				for _, p := range all {
					if row.fits(p) {
						want++
					}
				}
				got := punches(t, s, row.f)
				if len(got) != want {
					t.Fatalf("%d punches, want %d", len(got), want)
				}
				for _, p := range got {
					if !row.fits(p) {
						t.Errorf("%s %s %s %s does not fit", p.Site, p.Serial, p.Time, p.PIN)
					}
				}
				for _, newest := range []bool{false, true} {
					f := row.f
					f.Limit, f.Newest = 70, newest
					var paged []store.Punch
					for {
						page := punches(t, s, f)
						paged = append(paged, page...)
						if len(page) < f.Limit {
							break
						}
						cursor, err := store.ParseCursor(page[len(page)-1].Cursor().String())
						ok(t, err)
						f.After = &cursor
					}
					if len(paged) != want {
						t.Errorf("newest %v: %d punches in pages, want %d", newest, len(paged), want)
					}
					ordered := slices.IsSortedFunc(paged, func(a, b store.Punch) int {
						if newest {
							a, b = b, a
						}
						return compareTimes(a, b)
					})
					if !ordered {
						t.Errorf("newest %v: the pages are not in the order of time", newest)
					}
				}
			})
		}
	})
}

func compareTimes(a, b store.Punch) int {
	switch {
	case a.Time < b.Time:
		return -1
	case a.Time > b.Time:
		return 1
	}
	return 0
}

func TestCursorRefusesNonsense(t *testing.T) {
	for _, text := range []string{"", "%", "bm9uZQ", fmt.Sprint(store.Cursor{})[:3]} {
		if c, err := store.ParseCursor(text); err == nil {
			t.Errorf("ParseCursor(%q) = %+v, want an error", text, c)
		}
	}
}
