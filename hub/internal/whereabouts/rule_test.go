package whereabouts_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/whereabouts"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

const (
	ani  placement.EmployeeID = 1 // PIN 100001, and 77 of old; the vault has her fingers 0 and 6
	budi placement.EmployeeID = 2 // PIN 100002; the vault has his finger 1
)

var now = time.Date(2026, 2, 20, 5, 0, 0, 0, time.UTC)

func digest(text string) protocol.Hash { return sha256.Sum256([]byte(text)) }

func means(_ placement.TerminalID, pin string, _ roster.Date) placement.EmployeeID {
	return map[string]placement.EmployeeID{"100001": ani, "77": ani, "100002": budi}[protocol.NormalPIN(pin)]
}

func people() whereabouts.People {
	works := func(e placement.EmployeeID) bool { return e == ani }
	return whereabouts.People{Means: means, Works: works, Owner: map[protocol.Hash]placement.EmployeeID{
		digest("ani 0"): ani, digest("ani 6"): ani, digest("budi 1"): budi,
	}}
}

// user is one as the terminal has it: "PIN finger:template …".
func user(slot uint16, text string) roster.Held {
	fields := strings.Split(text, ", ")
	h := roster.Held{Slot: slot, PIN: fields[0], Privilege: roster.User}
	for _, f := range fields[1:] {
		h.Fingers = append(h.Fingers, roster.HeldFinger{Number: f[0] - '0', Algorithm: 10, Digest: digest(f[2:])})
	}
	return h
}

// wanting is an entry of the roster, written as user is.
func wanting(text string) roster.Entry {
	h := user(1, text)
	e := roster.Entry{PIN: h.PIN, Privilege: roster.User}
	for _, f := range h.Fingers {
		e.Fingers = append(e.Fingers, roster.Finger{Number: f.Number, Algorithm: f.Algorithm, Digest: f.Digest})
	}
	return e
}

// terminal is enforced, read an hour ago and answered ten minutes later, equal to its
// roster as far as its agent knew.
func terminal(should, is []string) whereabouts.Terminal {
	order := protocol.Seq{Life: 1, Counter: 7}
	t := whereabouts.Terminal{ID: 9, Issued: now.Add(-2 * time.Hour), Reached: now.Add(-time.Minute),
		Roster: roster.Roster{Serial: "DEMO1", AsOf: "2026-02-20", Mode: roster.Enforce},
		Inventory: holding.Inventory{At: now.Add(-time.Hour), Digest: digest("inventory"),
			Inventory: roster.Inventory{Serial: "DEMO1", Capabilities: roster.Capabilities{Algorithm: 10}}}}
	t.Site, t.Serial, t.Order, t.Mode, t.Sealed = "demo", "DEMO1", order, roster.Enforce, true
	t.Reported = now.Add(-50 * time.Minute)
	t.Results = protocol.Results{Serial: "DEMO1", Roster: order, State: protocol.StandingEqual}
	for _, entry := range should {
		t.Roster.Entries = append(t.Roster.Entries, wanting(entry))
	}
	for i, held := range is {
		t.Inventory.Users = append(t.Inventory.Users, user(uint16(i+1), held))
	}
	return t
}

// says writes places: who should be there, is, is proven gone, and what is open.
func says(places []whereabouts.Place) string {
	var all []string
	for _, p := range places {
		said := []string{fmt.Sprint(p.Employee)}
		if p.Should {
			said = append(said, fmt.Sprint("should", p.Want))
		}
		if p.Is {
			said = append(said, fmt.Sprintf("is%v%v", p.PINs, p.Held))
		}
		if p.Gone != nil {
			said = append(said, "gone")
		}
		if p.Open != nil {
			said = append(said, fmt.Sprint(p.Open.Act, " ", p.Open.Why))
			if p.Open.Reason != "" {
				said = append(said, string(p.Open.Reason))
			}
		}
		all = append(all, strings.Join(said, " "))
	}
	return strings.Join(all, "; ")
}

func dropped(pin string, at time.Time) holding.Outcome {
	return holding.Outcome{Site: "demo", Serial: "DEMO1", At: at, Order: protocol.Seq{Life: 1, Counter: 5}, Outcome: protocol.Outcome{Act: "drop-user", PIN: pin}}
}

func TestWhereSomebodyIs(t *testing.T) {
	both := "100001, 0:ani 0, 6:ani 6"
	for _, row := range []struct {
		name       string
		should, is []string
		change     func(t *whereabouts.Terminal)
		want       string
	}{
		{"nobody", nil, nil, nil, ""},
		{"here with both fingers", []string{both}, []string{both}, nil, "1 should[0 6] is[100001][0 6]"},
		{"must come", []string{both}, nil, nil, "1 should[0 6] must-come working"},
		{"a finger must come", []string{both}, []string{"100001, 0:ani 0"}, nil, "1 should[0 6] is[100001][0] must-come working"},
		{"must go", nil, []string{both}, nil, "1 is[100001][0 6] must-go working"},
		{"must go under an old PIN", nil, []string{"0077, 3:unknown"}, nil, "1 is[0077][3] must-go working"},
		{"a finger under a stranger's PIN", nil, []string{"5, 3:ani 6"}, nil, "1 is[5][3] must-go working"},
		{"a finger under a colleague's PIN", []string{"100002, 1:budi 1"}, []string{"100002, 1:budi 1, 3:ani 6"}, nil,
			"1 is[100002][3] must-go working; 2 should[1] is[100002][1]"},
		{"a stranger is nobody's task", nil, []string{"5, 3:unknown"}, nil, ""},
		{"at a terminal of enrolment who works may stay, who does not must go", nil, []string{both, "100002, 1:budi 1"}, func(t *whereabouts.Terminal) {
			t.Enrolment, t.Roster.Mode, t.Mode = true, roster.Observe, roster.Observe
		}, "1 is[100001][0 6]; 2 is[100002][1] must-go mode mode"},
		{"gone, read afterwards", nil, nil, func(t *whereabouts.Terminal) {
			t.Outcomes = []holding.Outcome{dropped("100001", t.Inventory.At.Add(-time.Second))}
		}, "1 gone"},
		{"gone, read before, still the same at the results", nil, nil, func(t *whereabouts.Terminal) {
			t.Outcomes = []holding.Outcome{dropped("77", t.Reported)}
			t.Results.Inventory = t.Inventory.Digest
		}, "1 gone"},
		{"deleted, but not read since: no proof", nil, nil, func(t *whereabouts.Terminal) {
			t.Outcomes = []holding.Outcome{dropped("100001", t.Inventory.At.Add(time.Second))}
		}, ""},
		{"deleted once, there again: no proof", []string{both}, []string{both}, func(t *whereabouts.Terminal) {
			t.Outcomes = []holding.Outcome{dropped("100001", t.Inventory.At.Add(-time.Hour))}
		}, "1 should[0 6] is[100001][0 6]"},
		{"tried, but not done: no proof", nil, nil, func(t *whereabouts.Terminal) {
			o := dropped("100001", t.Inventory.At.Add(-time.Hour))
			o.Reason = "failed"
			t.Outcomes = []holding.Outcome{o}
		}, ""},
		{"never read", []string{both}, nil, func(t *whereabouts.Terminal) { t.Inventory = holding.Inventory{} }, "1 should[0 6] must-come unread"},
		{"never heard", []string{both}, nil, func(t *whereabouts.Terminal) { t.Inventory, t.Sealed = holding.Inventory{}, false }, "1 should[0 6] must-come unheard"},
		{"no roster yet", nil, []string{both}, func(t *whereabouts.Terminal) { t.Order = protocol.Seq{} }, "1 is[100001][0 6]"},
		{"observed", nil, []string{both}, func(t *whereabouts.Terminal) { t.Roster.Mode = roster.Observe }, "1 is[100001][0 6] must-go mode mode"},
		{"only added", nil, []string{both}, func(t *whereabouts.Terminal) { t.Roster.Mode = roster.Add }, "1 is[100001][0 6] must-go mode mode"},
		{"adding is let through", []string{both}, nil, func(t *whereabouts.Terminal) { t.Roster.Mode = roster.Add }, "1 should[0 6] must-come working"},
		{"PIN too long", []string{both}, nil, func(t *whereabouts.Terminal) { t.Inventory.Capabilities.PINWidth = 5 }, "1 should[0 6] must-come blocked pin-width"},
		{"other algorithm", []string{both}, []string{"100001"}, func(t *whereabouts.Terminal) { t.Inventory.Capabilities.Algorithm = 9 },
			"1 should[] is[100001][] must-come blocked algorithm"},
		{"the last administrator", nil, []string{both}, func(t *whereabouts.Terminal) { t.Inventory.Users[0].Privilege = roster.Administrator },
			"1 is[100001][0 6] must-go blocked last-administrator"},
		{"kept by a person's decision", nil, []string{both}, func(t *whereabouts.Terminal) {
			t.Roster = t.Roster.Keeping(roster.Keep{PIN: "100001", User: true})
		}, "1 is[100001][0 6]"},
		{"the roster is on its way", nil, []string{both}, func(t *whereabouts.Terminal) { t.Order.Counter, t.Issued = 8, now.Add(-time.Minute) },
			"1 is[100001][0 6] must-go sent"},
		{"reached since, not answered yet", nil, []string{both}, func(t *whereabouts.Terminal) { t.Order.Counter = 8 }, "1 is[100001][0 6] must-go sent"},
		{"not reached since the roster", nil, []string{both}, func(t *whereabouts.Terminal) { t.Order.Counter, t.Reached = 8, now.Add(-3*time.Hour) },
			"1 is[100001][0 6] must-go unreached"},
		{"silent for two days", nil, []string{both}, func(t *whereabouts.Terminal) { t.Reached = now.Add(-48 * time.Hour) }, "1 is[100001][0 6] must-go unreached"},
		{"down", nil, []string{both}, func(t *whereabouts.Terminal) { t.Down = true }, "1 is[100001][0 6] must-go unreached"},
		{"braked", nil, []string{both}, func(t *whereabouts.Terminal) {
			t.Results.State, t.Results.Plan = protocol.StandingBraked, digest("plan")
		}, "1 is[100001][0 6] must-go braked"},
		{"braked and approved", nil, []string{both}, func(t *whereabouts.Terminal) {
			t.Results.State, t.Results.Plan, t.Approved = protocol.StandingBraked, digest("plan"), digest("plan")
		}, "1 is[100001][0 6] must-go sent"},
		{"the template has not come", []string{both}, []string{"100001, 0:ani 0"}, func(t *whereabouts.Terminal) {
			t.Results.State, t.Results.Wants = protocol.StandingWaiting, []protocol.Hash{digest("ani 6")}
		}, "1 should[0 6] is[100001][0] must-come template"},
		{"the terminal does not take it", nil, []string{both}, func(t *whereabouts.Terminal) {
			o := dropped("100001", t.Reported)
			o.Order, o.Reason = t.Order, "not-read-back"
			t.Outcomes, t.Results.State = []holding.Outcome{o}, protocol.StandingFailed
		}, "1 is[100001][0 6] must-go failed not-read-back"},
		{"the terminal did not take it for the roster before", nil, []string{both}, func(t *whereabouts.Terminal) {
			o := dropped("100001", t.Reported)
			o.Reason = "not-read-back"
			t.Outcomes = []holding.Outcome{o}
		}, "1 is[100001][0 6] must-go working"},
		{"its agent was replaced and has not spoken", nil, []string{both}, func(t *whereabouts.Terminal) { t.Sealed = false }, "1 is[100001][0 6] must-go unheard"},
		{"the hub was put back", nil, []string{both}, func(t *whereabouts.Terminal) { t.Results.Roster.Counter = 20 }, "1 is[100001][0 6] must-go ahead"},
	} {
		t.Run(row.name, func(t *testing.T) {
			at := terminal(row.should, row.is)
			if row.change != nil {
				row.change(&at)
			}
			if got := says(at.Places(people(), 0, now)); got != row.want {
				t.Errorf("places %q, want %q", got, row.want)
			}
			var one []string
			for _, e := range []placement.EmployeeID{ani, budi} {
				if said := says(at.Places(people(), e, now)); said != "" {
					one = append(one, said)
				}
			}
			if got := strings.Join(one, "; "); got != row.want {
				t.Errorf("asked for one by one: %q, want %q", got, row.want)
			}
		})
	}
}
