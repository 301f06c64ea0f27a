package job_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/job"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// postgres runs while the tests of this package do.
var postgres *storetest.Postgres

func TestMain(m *testing.M) { os.Exit(storetest.Run(m, &postgres)) }

const (
	agency protocol.SiteID = "bkpsdmd"
	enrols protocol.Serial = "ENROL1"
	other  protocol.Serial = "DOOR1"
)

// office is an agency with a terminal of enrolment, another one, and two employees, of
// whom one has retired.
type office struct {
	*job.Jobs
	t       *testing.T
	store   *store.Store
	ani     placement.EmployeeID
	retired placement.EmployeeID
	pin     string // Ani's
}

func noon() time.Time { return time.Date(2026, 1, 20, 5, 0, 0, 0, time.UTC) }

func each(t *testing.T, body func(t *testing.T, o *office)) {
	t.Helper()
	storetest.Each(t, postgres, func(t *testing.T, dsn string) {
		s, err := store.Open(t.Context(), dsn)
		ok(t, err)
		t.Cleanup(func() { ok(t, s.Close()) })
		ok(t, s.AddSite(t.Context(), agency, storetest.NewAgent(t, agency).Key.Public().Fingerprint(), noon()))
		for _, serial := range []protocol.Serial{enrols, other} {
			ok(t, s.AddTerminal(t.Context(), agency, serial, noon()))
		}
		reg := directory.New(s, placement.Usual())
		o := &office{Jobs: job.New(s, reg), t: t, store: s}
		_, err = reg.Edit(t.Context(), directory.By{Who: "test", At: noon(), Act: "test"}, func(d *directory.Draft) error {
			terminal, _ := d.TerminalBy(agency, enrols)
			err := d.Set(directory.AboutTerminal, int64(terminal.ID), directory.TerminalEnrolment, "2026-01-01", "yes")
			for n, status := range []placement.Status{placement.Active, placement.Retired} {
				e := d.AddEmployee()
				err = errors.Join(err, d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeName, "2026-01-01", "Demo"),
					d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeKind, "2026-01-01", string(placement.PNS)),
					d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeNIP, "2026-01-01", fmt.Sprintf("19900101201501290%d", n+1)),
					d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeStatus, "2026-01-01", string(status)))
				if status == placement.Active {
					o.ani, o.pin = e.ID, e.PINText()
				} else {
					o.retired = e.ID
				}
			}
			return err
		})
		ok(t, err)
		body(t, o)
	})
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// order is one that nothing speaks against.
func (o *office) order(fingers ...uint8) job.Order {
	return job.Order{Site: agency, Serial: enrols, Employee: o.ani, Fingers: fingers, Notice: true, Who: "operator"}
}

func (o *office) start(fingers ...uint8) []job.Job {
	o.t.Helper()
	jobs, err := o.Start(o.t.Context(), o.order(fingers...), noon())
	ok(o.t, err)
	return jobs
}

func (o *office) get(id int64) job.Job {
	o.t.Helper()
	j, err := o.Get(o.t.Context(), id)
	ok(o.t, err)
	return j
}

func (o *office) open(at time.Time) []job.Job {
	o.t.Helper()
	jobs, err := o.Open(o.t.Context(), at)
	ok(o.t, err)
	return jobs
}

// tell is what the agent says of a job.
func (o *office) tell(j job.Job, change func(p *protocol.Progress)) {
	o.t.Helper()
	p := protocol.Progress{Job: j.Number, Serial: j.Serial, Step: protocol.StepBegun}
	change(&p)
	ok(o.t, p.Check())
	ok(o.t, o.Tell(o.t.Context(), agency, p, noon().Add(time.Minute)))
}

func digest() protocol.Hash { return sha256.Sum256([]byte("a template")) }

func TestCaptureIsOrderedOrRefused(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		for _, row := range []struct {
			name   string
			change func(order *job.Order)
			want   job.Refusal
		}{
			{"without the notice", func(order *job.Order) { order.Notice = false }, job.ErrNotice},
			{"by nobody", func(order *job.Order) { order.Who = "" }, job.ErrWho},
			{"at a terminal that is none of enrolment", func(order *job.Order) { order.Serial = other }, job.ErrEnrolment},
			{"at a terminal that nobody registered", func(order *job.Order) { order.Serial = "NONE" }, job.ErrTerminal},
			{"at another site", func(order *job.Order) { order.Site = "samsat" }, job.ErrTerminal},
			{"of somebody unknown", func(order *job.Order) { order.Employee = 99 }, job.ErrEmployee},
			{"of somebody who has left", func(order *job.Order) { order.Employee = o.retired }, job.ErrInactive},
			{"of no finger", func(order *job.Order) { order.Fingers = nil }, job.ErrFinger},
			{"of an eleventh finger", func(order *job.Order) { order.Fingers = []uint8{10} }, job.ErrFinger},
			{"of one finger twice", func(order *job.Order) { order.Fingers = []uint8{1, 6, 1} }, job.ErrFinger},
			{"over before it begins", func(order *job.Order) { order.NotBefore = noon().Add(2 * time.Hour) }, job.ErrTime},
		} {
			order := o.order(1)
			row.change(&order)
			if _, err := o.Start(t.Context(), order, noon()); !errors.Is(err, row.want) {
				t.Errorf("a capture %s: %v, want %v", row.name, err, row.want)
			}
		}
		if all, err := o.List(t.Context(), job.Filter{}); err != nil || len(all) != 0 {
			t.Fatalf("after refusals: %+v, %v", all, err)
		}
		jobs := o.start(6, 1)
		if len(jobs) != 2 || jobs[0].Finger != 6 || jobs[1].Finger != 1 || jobs[0].Number != (protocol.Seq{Life: 1, Counter: 1}) || jobs[1].Number.Counter != 2 {
			t.Fatalf("two fingers: %+v", jobs)
		}
		got := o.get(jobs[1].ID)
		if got != jobs[1] || got.PIN != o.pin || got.Notice != (job.Notice{Wording: job.Wording, By: "operator", At: noon()}) || !got.State.Open() {
			t.Errorf("kept %+v\nordered %+v", got, jobs[1])
		}
		if m := got.Message(); m.Check() != nil || m.Kind != protocol.JobCapture || m.PIN != o.pin || m.Finger != 1 {
			t.Errorf("the agent is told %+v (%v)", m, m.Check())
		}
		if _, err := o.Start(t.Context(), o.order(3, 1), noon()); !errors.Is(err, job.ErrBusy) {
			t.Errorf("a finger that is asked for already: %v", err)
		}
		if list, err := o.List(t.Context(), job.Filter{Employee: o.ani, Site: agency, Serial: enrols, Open: true, Limit: 1}); err != nil || len(list) != 1 || list[0].Finger != 1 {
			t.Errorf("the newest open one of the employee: %+v, %v", list, err)
		}
		if _, err := o.Get(t.Context(), 99); !errors.Is(err, job.ErrNone) {
			t.Errorf("a job that is none: %v", err)
		}
	})
}

func TestJobIsFollowedToItsEnd(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		j := o.start(1)[0]
		o.tell(j, func(p *protocol.Progress) { p.Step, p.Good, p.Bad = protocol.StepBad, 1, 2 })
		if got := o.get(j.ID); got.State != job.Begun || got.Step != protocol.StepBad || got.Good != 1 || got.Bad != 2 || got.SaidAt.IsZero() {
			t.Errorf("in the middle: %+v", got)
		}
		o.tell(j, func(p *protocol.Progress) {
			p.Step, p.Good, p.Ended, p.Digest = protocol.StepStored, 3, protocol.EndedDone, digest()
		})
		if got := o.get(j.ID); got.State != job.Begun || len(o.open(noon())) != 1 {
			t.Errorf("done before the vault has it: %+v", got)
		}
		whose, ours, err := o.Whose(t.Context(), job.Capture{Site: agency, Serial: enrols, Number: j.Number, PIN: "0" + o.pin, Finger: 1, Digest: digest()}, noon())
		ok(t, err)
		if !ours || whose.Employee != o.ani {
			t.Fatalf("Whose = %+v, %t", whose, ours)
		}
		for range 2 { // a message comes twice
			ok(t, o.Landed(t.Context(), whose.ID, digest(), noon().Add(time.Hour)))
		}
		o.tell(j, func(p *protocol.Progress) { p.Ended = protocol.EndedNobody }) // a replay that slipped through
		if got := o.get(j.ID); got.State != job.Done || got.Digest != digest() || got.Ended != protocol.EndedDone {
			t.Errorf("in the end: %+v", got)
		}
		if open := o.open(noon()); len(open) != 0 {
			t.Errorf("open in the end: %+v", open)
		}
	})
}

func TestTemplateBelongsToItsJobOnly(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		jobs := o.start(1, 6)
		right := job.Capture{Site: agency, Serial: enrols, Number: jobs[0].Number, PIN: o.pin, Finger: 1, Digest: digest()}
		for _, row := range []struct {
			name   string
			change func(c *job.Capture)
		}{
			{"another site", func(c *job.Capture) { c.Site = "samsat" }},
			{"another terminal", func(c *job.Capture) { c.Serial = other }},
			{"another person", func(c *job.Capture) { c.PIN = "100099" }},
			{"another finger", func(c *job.Capture) { c.Finger = 6 }},
			{"a job that is none", func(c *job.Capture) { c.Number.Counter = 9 }},
			{"a job of another life of the hub", func(c *job.Capture) { c.Number.Life = 2 }},
			{"another job of this person", func(c *job.Capture) { c.Number = jobs[1].Number }},
		} {
			c := right
			row.change(&c)
			if _, ours, err := o.Whose(t.Context(), c, noon()); err != nil || ours {
				t.Errorf("%s: ours %t, %v", row.name, ours, err)
			}
		}
		ok(t, o.Landed(t.Context(), jobs[0].ID, digest(), noon()))
		second := right
		second.Digest = sha256.Sum256([]byte("another template"))
		if _, ours, err := o.Whose(t.Context(), second, noon()); err != nil || ours {
			t.Errorf("a second template of one job: ours %t, %v", ours, err)
		}
		ok(t, o.Cancel(t.Context(), jobs[1].ID, "operator", noon()))
		cancelled := job.Capture{Site: agency, Serial: enrols, Number: jobs[1].Number, PIN: o.pin, Finger: 6, Digest: second.Digest}
		if _, ours, err := o.Whose(t.Context(), cancelled, noon()); err != nil || ours {
			t.Errorf("a template of a cancelled job: ours %t, %v", ours, err)
		}
	})
}

func TestCancelIsToldUntilTheAgentKnows(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		j := o.start(1)[0]
		ok(t, o.Cancel(t.Context(), j.ID, "supervisor", noon()))
		if got := o.get(j.ID); got.State != job.Cancelled || got.CancelledBy != "supervisor" {
			t.Errorf("cancelled: %+v", got)
		}
		open := o.open(noon())
		if len(open) != 1 || open[0].Message().Kind != protocol.JobCancel {
			t.Fatalf("the agent is told %+v", open)
		}
		o.tell(j, func(p *protocol.Progress) { p.Step = protocol.StepAsked }) // said before it heard
		if len(o.open(noon())) != 1 {
			t.Error("a step of before ended the telling")
		}
		o.tell(j, func(p *protocol.Progress) { p.Ended = protocol.EndedCancelled })
		if got := o.get(j.ID); len(o.open(noon())) != 0 || got.State != job.Cancelled || got.CancelledBy != "supervisor" {
			t.Errorf("after the agent said so: %+v", got)
		}
		if err := o.Cancel(t.Context(), j.ID, "supervisor", noon()); !errors.Is(err, job.ErrOver) {
			t.Errorf("a second time: %v", err)
		}
		if err := o.Cancel(t.Context(), 99, "supervisor", noon()); !errors.Is(err, job.ErrNone) {
			t.Errorf("of nothing: %v", err)
		}
	})
}

func TestTimeEndsJobs(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		jobs := o.start(1, 2, 3, 4)
		o.tell(jobs[1], func(*protocol.Progress) {})
		ok(t, o.Cancel(t.Context(), jobs[2].ID, "operator", noon()))
		o.tell(jobs[3], func(p *protocol.Progress) { p.Step, p.Ended = "", protocol.EndedExpired }) // the agent was first
		after := noon().Add(job.Lasts)
		if open := o.open(after.Add(-time.Millisecond)); len(open) != 3 {
			t.Errorf("%d are open a moment before, want 3", len(open))
		}
		if open := o.open(after); len(open) != 1 || open[0].ID != jobs[1].ID {
			t.Errorf("open after it: %+v, want the one that was begun", open)
		}
		for n, want := range []job.State{job.Expired, job.Begun, job.Cancelled, job.Expired} {
			if got := o.get(jobs[n].ID); got.State != want {
				t.Errorf("finger %d is %s, want %s", got.Finger, got.State, want)
			}
		}
		// It began in time, and the agent was away when it said so.
		o.tell(jobs[0], func(p *protocol.Progress) { p.Ended, p.Reason = protocol.EndedUnreachable, "key" })
		if got := o.get(jobs[0].ID); got.State != job.Failed || got.Reason != "key" {
			t.Errorf("the agent knows better: %+v", got)
		}
		if open := o.open(after.Add(24 * time.Hour)); len(open) != 0 || o.get(jobs[1].ID).Ended != job.Unanswered {
			t.Errorf("a day later: %+v, %+v", open, o.get(jobs[1].ID))
		}
		o.tell(jobs[1], func(p *protocol.Progress) { p.Ended = protocol.EndedInterrupted })
		if got := o.get(jobs[1].ID); got.State != job.Failed || got.Ended != protocol.EndedInterrupted {
			t.Errorf("after a late answer: %+v", got)
		}
		if again := o.start(1); again[0].Number.Counter != 5 {
			t.Errorf("number %s was given again", again[0].Number)
		}
	})
}

func TestProgressOfNoJobIsRefused(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		j := o.start(1)[0]
		for name, p := range map[string]protocol.Progress{
			"another number":   {Job: protocol.Seq{Life: 1, Counter: 7}, Serial: enrols},
			"another terminal": {Job: j.Number, Serial: other},
			"another life":     {Job: protocol.Seq{Life: 1<<64 - 1, Counter: j.Number.Counter}, Serial: enrols},
		} {
			p.Step, p.Ended = protocol.StepBegun, protocol.EndedFailed
			if err := o.Tell(t.Context(), agency, p, noon()); !errors.Is(err, job.ErrNone) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := o.get(j.ID); got != j {
			t.Errorf("it changed to %+v", got)
		}
	})
}

// The text of the notice and its version go together: what somebody was told must be
// known years later.
func TestNoticeKeepsItsVersion(t *testing.T) {
	const version, sum = "2026-1", "00de37f1ba48ec50beea4caaf40a9f23ca5d2f297d7d8aaf92f0c46466250b3d"
	c := phrase.New()
	text := c.Say(phrase.Indonesian, "capture.notice", nil) + "\n" + c.Say(phrase.English, "capture.notice", nil)
	if got := fmt.Sprintf("%x", sha256.Sum256([]byte(text))); job.Wording != version || got != sum {
		t.Errorf("version %s of the notice has the sum %s; when the text changes, raise job.Wording and write both here", job.Wording, got)
	}
}
