package web_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/admission"
	"github.com/bkpsdmd-babel/sidik/hub/internal/campaign"
	"github.com/bkpsdmd-babel/sidik/hub/internal/decision"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/errand"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/job"
	"github.com/bkpsdmd-babel/sidik/hub/internal/metrics"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/rosters"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/survey"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/api"
	"github.com/bkpsdmd-babel/sidik/hub/internal/whereabouts"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// now is the moment of every page of these tests: a Tuesday, 08.15 WIB.
func now() time.Time { return time.Date(2026, 1, 6, 1, 15, 0, 0, time.UTC) }

// hub is a store with its pages.
type hub struct {
	t     testing.TB
	store *store.Store
	pages http.Handler // as its administrator sees them, and whoever a test logs in
	web   *web.Web     // as everybody does
	admin *http.Cookie // of the administrator's session
	parts web.Options  // of which the pages are made
	meter *metrics.Metrics
	log   *logged

	accounts  *account.Accounts
	directory *directory.Directory
	vault     *vault.Vault
	holding   *holding.Holding
	decisions *decision.Decisions
	campaigns *campaign.Campaigns
	jobs      *job.Jobs
	rosters   *rosters.Rosters

	mu   sync.Mutex // guards what a test changes while pages are served
	live web.Live
	now  time.Time
}

// logged keeps a log for tests that look for what must not be in it.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newHub(t testing.TB) *hub {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "hub.db"))
	ok(t, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	h := &hub{t: t, store: s, meter: metrics.New("v0.1.0"), log: &logged{}, now: now()}
	h.live = web.Live{Broker: true, Since: now().Add(-time.Hour)}
	h.directory, h.holding = directory.New(s, placement.Usual()), holding.New(s)
	h.vault, err = vault.Open(t.Context(), s, t.TempDir(), h.clock)
	ok(t, err)
	logger := slog.New(slog.NewTextHandler(h.log, nil))
	look := survey.New(h.directory, h.vault, h.holding, placement.Usual())
	h.decisions = decision.New(decision.Options{Database: s, Directory: h.directory, Holding: h.holding, Survey: look, Now: h.clock, Logger: logger})
	h.campaigns = campaign.New(campaign.Options{Database: s, Directory: h.directory, Survey: look, Decisions: h.decisions})
	h.rosters = rosters.New(rosters.Options{Directory: h.directory, Vault: h.vault, Holding: h.holding, Decisions: h.decisions, Settings: placement.Usual(),
		Generation: s.Generation, Changed: func(protocol.SiteID) {}, Now: h.clock, Logger: logger})
	h.jobs = job.New(s, h.directory)
	h.accounts = account.New(s, now) // nobody is logged out because a test looks at another day
	h.parts = web.Options{
		Accounts: h.accounts, Store: s, Directory: h.directory, Vault: h.vault, Holding: h.holding, Survey: look, Decisions: h.decisions, Campaigns: h.campaigns, Jobs: h.jobs, Settings: placement.Usual(),
		Whereabouts: whereabouts.New(whereabouts.Options{Register: h.directory.Register, Vault: h.vault, State: s.State, Holding: h.holding, Settings: placement.Usual()}),
		Way: api.Way{Admissions: admission.New(admission.Options{Database: s, Now: now}), Agents: "https://hub.example.go.id:8443",
			Root: seal.Fingerprint(strings.Repeat("ab", 32)), Document: []byte(`{"kind":"keys"}`)},
		Service: api.Service{Errands: errand.New(s)},
		Metrics: h.meter, Version: "v0.1.0", Logger: logger,
		StoreSize: func() (int64, error) { return 4096, nil },
		Now:       h.clock,
		Live:      func() web.Live { h.mu.Lock(); defer h.mu.Unlock(); return h.live },
	}
	h.web = web.New(h.parts)
	h.admin = h.administrator()
	h.pages = as(h.admin, h.web)
	return h
}

// clock is the moment of all that this hub does.
func (h *hub) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// office is one site with its agent.
type office struct {
	*storetest.Agent
	h       *hub
	state   protocol.State
	counter uint64
}

// office admits a site and registers terminals there.
func (h *hub) office(site protocol.SiteID, serials ...protocol.Serial) *office {
	h.t.Helper()
	o := &office{Agent: storetest.NewAgent(h.t, site), h: h}
	ok(h.t, h.store.AddSite(h.t.Context(), site, o.Key.Public().Fingerprint(), now().Add(-72*time.Hour)))
	ok(h.t, h.store.LearnKey(h.t.Context(), site, o.Key.Public(), now().Add(-72*time.Hour)))
	for _, serial := range serials {
		ok(h.t, h.store.AddTerminal(h.t.Context(), site, serial, now().Add(-71*time.Hour)))
	}
	o.state = protocol.State{
		Status: protocol.StatusReady, Boot: "b1", Key: o.Key.Public(), Version: "v0.1.0", Clock: protocol.ClockSynchronised,
		Capacity: protocol.Capacity{UsedBytes: 12 << 20, MaxBytes: 256 << 20, DaysLeft: 412},
	}
	return o
}

// terminal adds a healthy terminal to what the agent says.
func (o *office) terminal(serial protocol.Serial, change ...func(*protocol.Terminal)) {
	read := now().Add(-2 * time.Minute)
	t := protocol.Terminal{
		Serial: serial, Address: "192.168.1.201:4370", Model: "X100-C", Firmware: "Ver 6.60 Sep 27 2019", Algorithm: "10",
		Users: protocol.Fill{Used: 184, Capacity: 3000}, Fingers: protocol.Fill{Used: 361, Capacity: 3000},
		Logs: protocol.Fill{Used: 41_820, Capacity: 100_000}, Offset: 2,
		Watermark: protocol.NewLocalTime(now().Add(7*time.Hour - 3*time.Minute)), LastRead: &read, Proof: "count",
	}
	for _, c := range change {
		c(&t)
	}
	o.state.Terminals = append(o.state.Terminals, t)
}

// say sends the agent's state.
func (o *office) say(at time.Time, change ...func(*protocol.State)) {
	o.h.t.Helper()
	for _, c := range change {
		c(&o.state)
	}
	o.counter++
	o.state.Epoch, o.state.Last = o.Epoch, o.Last
	told := at.Add(-time.Second)
	message, err := protocol.Seal(protocol.Envelope{Kind: protocol.KindState, Site: o.Site,
		Seq: protocol.Seq{Life: 1, Counter: protocol.ConnectionCounter(1, uint32(o.counter))}, At: &told}, o.state, o.Key)
	ok(o.h.t, err)
	newer, err := o.h.store.SaveState(o.h.t.Context(), store.State{Site: o.Site, Seq: protocol.Seq{Life: 1, Counter: protocol.ConnectionCounter(1, uint32(o.counter))}, Message: message, Received: at})
	ok(o.h.t, err)
	if !newer {
		o.h.t.Fatal("the state is not newer than the one before")
	}
}

// punch sends one segment and has it stored.
func (o *office) punch(at time.Time, records ...protocol.Record) {
	o.h.t.Helper()
	segment, message := o.Segment(o.h.t, records...)
	links, err := segment.Links()
	ok(o.h.t, err)
	verdicts, err := o.h.store.Accept(o.h.t.Context(), []store.Incoming{{Site: o.Site, From: o.Key.Public().KeyID(),
		Message: message, Segment: segment, Links: links, Received: at}})
	ok(o.h.t, err)
	if verdicts[0].Outcome != store.OutcomeStored {
		o.h.t.Fatalf("segment %s, want stored", verdicts[0].Outcome)
	}
}

// receipted puts the hub's receipt, as the hub's key signs it, into the agent's state.
func (o *office) receipted(at time.Time) {
	o.h.t.Helper()
	receipt, revision, err := o.h.store.Receipt(o.h.t.Context(), o.Site)
	ok(o.h.t, err)
	key, err := seal.GenerateSigningKey()
	ok(o.h.t, err)
	o.state.Receipt, err = protocol.Seal(protocol.Envelope{Kind: protocol.KindReceipt, Site: o.Site,
		Seq: protocol.Seq{Life: receipt.Generation.Number, Counter: revision}, At: &at}, receipt, key)
	ok(o.h.t, err)
}

// punchAt is one record. wall is the time on the terminal.
func punchAt(serial protocol.Serial, pin, wall string, change ...func(*protocol.Record)) protocol.Record {
	r := protocol.Record{Serial: serial, PIN: pin, Time: protocol.LocalTime(wall), Verify: 1,
		Source: protocol.SourceZK, Raw: fmt.Appendf(nil, "%s %s", pin, wall), Read: "read-1", Offset: 2}
	for _, c := range change {
		c(&r)
	}
	return r
}

// get asks for a page as a browser would; language is "" or a choice made before.
func (h *hub) get(path, language string) *http.Response {
	h.t.Helper()
	r := asking(http.MethodGet, path)
	if language != "" {
		r.AddCookie(&http.Cookie{Name: "sidik_language", Value: language})
	}
	w := httptest.NewRecorder()
	h.pages.ServeHTTP(w, r)
	return w.Result()
}

// page gets a page that must be there and returns it as people read it.
func (h *hub) page(path, language string) (text, html string) {
	h.t.Helper()
	answer := h.get(path, language)
	body, err := io.ReadAll(answer.Body)
	ok(h.t, err)
	if answer.StatusCode != http.StatusOK {
		h.t.Fatalf("GET %s = %d\n%s\n%s", path, answer.StatusCode, body, h.log)
	}
	return readable(string(body)), string(body)
}

var (
	tags   = regexp.MustCompile(`<[^>]*>`)
	blanks = regexp.MustCompile(`\s+`)
)

// readable is a page without its tags.
func readable(html string) string {
	text := blanks.ReplaceAllString(tags.ReplaceAllString(html, " "), " ")
	return strings.NewReplacer("&#43;", "+", "&#39;", "'", "&gt;", ">", "&lt;", "<", "&#34;", `"`, "&amp;", "&").Replace(text)
}

func says(t testing.TB, text string, sentences ...string) {
	t.Helper()
	for _, s := range sentences {
		if !strings.Contains(text, s) {
			t.Errorf("the page does not say %q:\n%s", s, text)
		}
	}
}

func silent(t testing.TB, text string, sentences ...string) {
	t.Helper()
	for _, s := range sentences {
		if strings.Contains(text, s) {
			t.Errorf("the page says %q:\n%s", s, text)
		}
	}
}

// province fills a hub with an example of everything that pages show.
func province(h *hub) *office {
	t := now()
	koba := h.office("samsat-koba", "CKJ2205001")
	koba.terminal("CKJ2205001")
	for i, pin := range []string{"100017", "100204", "100033", "100151", "100009", "100118"} {
		wall := t.Add(7*time.Hour - time.Duration(40-6*i)*time.Minute)
		koba.punch(t.Add(-time.Duration(40-6*i)*time.Minute+3*time.Second), punchAt("CKJ2205001", pin, string(protocol.NewLocalTime(wall))))
	}
	koba.receipted(t.Add(-4 * time.Minute))
	koba.say(t.Add(-20 * time.Second))

	hospital := h.office("rsud-soekarno", "CKJ2205010", "CKJ2205011")
	hospital.terminal("CKJ2205010", func(m *protocol.Terminal) { m.Logs.Used = 88_400; m.Offset = -200 })
	hospital.terminal("CKJ2205011", func(m *protocol.Terminal) {
		m.LastError = "unreachable"
		m.Offset = 3
		read := t.Add(-26 * time.Hour)
		m.LastRead = &read
	})
	hospital.punch(t.Add(-30*time.Minute),
		punchAt("CKJ2205010", "100401", "2026-01-06T07:41:10"),
		punchAt("CKJ2205010", "100402", "2026-01-06T07:41:19", func(r *protocol.Record) { r.Offset = -400 }),
		punchAt("CKJ2205011", "100403", "2031-05-01T07:41:19"),
		punchAt("CKJ2205011", "=1+1", "2026-01-05T07:30:00"),
		punchAt("CKJ2205011", "100405", "zk:772130665"))
	since, oldest := t.Add(-26*time.Hour), t.Add(-3*time.Hour)
	hospital.say(t.Add(-10*time.Second), func(s *protocol.State) {
		s.Backlog = protocol.Backlog{Punches: 1234, Oldest: &oldest}
		s.Conditions = []protocol.Condition{{Code: "terminal-unreachable", Severity: protocol.SeverityError, Subject: "CKJ2205011", Since: &since, Args: map[string]string{"cause": "i/o timeout"}}}
	})

	lost := h.office("smkn-1-selat-nasik", "CKJ2205020")
	lost.terminal("CKJ2205020")
	lost.punch(t.Add(-30*time.Hour), punchAt("CKJ2205020", "100501", "2026-01-05T02:10:00"))
	lost.say(t.Add(-28*time.Hour), func(s *protocol.State) { s.Status = protocol.StatusLost; s.Backlog.Punches = 7 })

	asleep := h.office("kphl-belantu", "CKJ2205030")
	asleep.terminal("CKJ2205030")
	asleep.say(t.Add(-9*time.Hour), func(s *protocol.State) { s.Status = protocol.StatusSleeping })

	h.office("cabdin-wilayah-4")

	guest := h.office("samsat-toboali")
	guest.terminal("CKJ2299999")
	guest.punch(t.Add(-time.Hour), punchAt("CKJ2299999", "100601", "2026-01-06T07:15:00"))
	guest.say(t.Add(-15 * time.Second))

	for range 3 {
		ok(h.t, h.store.CountAttempt(h.t.Context(), "samsat-mentok", "0123456789abcdef", t.Add(-5*time.Minute)))
	}
	return koba
}

// asking is a request to the hub by a name of its own.
func asking(method, path string) *http.Request {
	r := httptest.NewRequest(method, path, nil)
	r.Host = "127.0.0.1:8080"
	return r
}
