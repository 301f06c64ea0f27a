package hub

import (
	"crypto/sha256"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/ingest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/job"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

const (
	agency    protocol.SiteID = "bkpsdmd"
	enrolment protocol.Serial = "ENROL1"
)

// enrolling is a vault and one job for finger 1 of one employee.
type enrolling struct {
	templates
	t   *testing.T
	at  time.Time
	job job.Job
}

func newEnrolling(t *testing.T) *enrolling {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir, at := t.TempDir(), time.Date(2026, 1, 20, 5, 0, 0, 0, time.UTC)
	s, err := store.Open(t.Context(), filepath.Join(dir, "hub.db"))
	check(err)
	t.Cleanup(func() { check(s.Close()) })
	check(s.AddSite(t.Context(), agency, storetest.NewAgent(t, agency).Key.Public().Fingerprint(), at))
	check(s.AddTerminal(t.Context(), agency, enrolment, at))
	reg := directory.New(s, placement.Usual())
	order := job.Order{Serial: enrolment, Fingers: []uint8{1}, Notice: true, Who: "operator"}
	_, err = reg.Edit(t.Context(), directory.By{Who: "test", At: at, Act: "test"}, func(d *directory.Draft) error {
		terminal, _ := d.TerminalBy(agency, enrolment)
		e := d.AddEmployee()
		order.Employee = e.ID
		return errors.Join(d.Set(directory.AboutTerminal, int64(terminal.ID), directory.TerminalEnrolment, "2026-01-01", "yes"),
			d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeName, "2026-01-01", "Ani Demo"),
			d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeNIP, "2026-01-01", "199001012015012901"),
			d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeKind, "2026-01-01", string(placement.PNS)),
			d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeStatus, "2026-01-01", string(placement.Active)))
	})
	check(err)
	v, err := vault.Open(t.Context(), s, dir, func() time.Time { return at })
	check(err)
	e := &enrolling{templates: templates{vault: v, jobs: job.New(s, reg), register: reg}, t: t, at: at}
	jobs, err := e.jobs.Start(t.Context(), order, at)
	check(err)
	e.job = jobs[0]
	return e
}

// comes brings a template as ingest does.
func (e *enrolling) comes(plain string, change func(t *ingest.Template)) {
	e.t.Helper()
	t := ingest.Template{PIN: e.job.PIN, Finger: 1, Algorithm: 10, Digest: sha256.Sum256([]byte(plain)), Job: e.job.Number, Data: []byte(plain)}
	if change != nil {
		change(&t)
	}
	if err := e.Found(e.t.Context(), agency, enrolment, e.at, []ingest.Template{t}); err != nil {
		e.t.Fatal(err)
	}
}

// holds is what the vault has of the employee, and how many templates are nobody's.
func (e *enrolling) holds() (own []vault.Held, found int) {
	e.t.Helper()
	own, err := e.vault.Have(e.t.Context(), int64(e.job.Employee))
	if err != nil {
		e.t.Fatal(err)
	}
	list, err := e.vault.FoundAt(e.t.Context(), "", "")
	if err != nil {
		e.t.Fatal(err)
	}
	return own, len(list)
}

func TestCapturedTemplateIsTheEmployeesBestCopy(t *testing.T) {
	e := newEnrolling(t)
	for range 2 { // the agent says it until it is confirmed
		e.comes("one", nil)
	}
	own, found := e.holds()
	if len(own) != 1 || found != 0 || !own[0].Best || !strings.Contains(own[0].Origin, "captured at bkpsdmd/ENROL1, job 1") {
		t.Fatalf("the vault has %+v, and %d found", own, found)
	}
	var lines []vault.Line
	if err := e.vault.Audit(t.Context(), 0, int64(e.job.Employee), func(l vault.Line) error { lines = append(lines, l); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(lines) == 0 || lines[0].Act != vault.ActPut || lines[0].By.Who != "site bkpsdmd" || !strings.Contains(lines[0].By.Why, "ordered by operator") {
		t.Errorf("the audit says %+v", lines)
	}
	if j, err := e.jobs.Get(t.Context(), e.job.ID); err != nil || j.State != job.Done || j.Digest != own[0].Digest {
		t.Errorf("the job: %+v, %v", j, err)
	}
	// A second one under the same job is nobody's.
	e.comes("two", nil)
	if own, found := e.holds(); len(own) != 1 || found != 1 {
		t.Errorf("after a second template of one job the vault has %d, and %d found", len(own), found)
	}
}

func TestTemplateThatDisagreesWithItsJobIsFoundOnly(t *testing.T) {
	for name, change := range map[string]func(t *ingest.Template){
		"of another person": func(t *ingest.Template) { t.PIN = "100099" },
		"of another finger": func(t *ingest.Template) { t.Finger = 2 },
		"of no such job":    func(t *ingest.Template) { t.Job.Counter = 7 },
		"of no job":         func(t *ingest.Template) { t.Job = protocol.Seq{} },
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnrolling(t)
			e.comes("one", change)
			if own, found := e.holds(); len(own) != 0 || found != 1 {
				t.Errorf("the employee has %d, %d are found", len(own), found)
			}
			if j, err := e.jobs.Get(t.Context(), e.job.ID); err != nil || j.State != job.Waiting {
				t.Errorf("the job: %+v, %v", j, err)
			}
		})
	}
	t.Run("of a job that was cancelled", func(t *testing.T) {
		e := newEnrolling(t)
		if err := e.jobs.Cancel(t.Context(), e.job.ID, "operator", e.at); err != nil {
			t.Fatal(err)
		}
		e.comes("one", nil)
		if own, found := e.holds(); len(own) != 0 || found != 1 {
			t.Errorf("the employee has %d, %d are found", len(own), found)
		}
	})
}
