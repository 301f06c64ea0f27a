package sidik

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// wall says what a package may import. Patterns are folders from the root;
// "x/..." is x and everything below, "*" one step, "std" the standard library.
type wall struct {
	packages []string
	except   []string
	only     []string // these and nothing else, looked at directly
	never    []string // none of these, not even by way of other packages of ours
	why      string
}

// reserve says that an import belongs to a few packages.
type reserve struct {
	imports  []string
	packages []string
	why      string
}

// house is the table of all walls. A new wall is one row here and one broken
// example in arch_proof_test.go.
type house struct {
	module   string
	walls    []wall
	reserved []reserve
	timeless []wall // these do not look at a clock; moments come in as values
	topLevel []string
}

func ourHouse() house {
	return house{
		module: "github.com/bkpsdmd-babel/sidik",
		walls: []wall{
			{packages: []string{"protocol"}, only: []string{"std", "protocol/seal"},
				why: "the contract must be readable and reusable without anybody else's code"},
			{packages: []string{"protocol/seal", "protocol/phrase"}, only: []string{"std"},
				why: "keys and sentences depend on nothing that could change under them"},
			{packages: []string{"protocol/roster"}, only: []string{"std", "protocol"},
				why: "what a terminal should hold is a rule: agent, hub and the file carried by hand reckon it the same"},
			{packages: []string{"protocol/zk"}, only: []string{"std"},
				why: "a codec of somebody's machine knows neither our messages nor a library"},
			{packages: []string{"protocol/zk/zktest"}, only: []string{"std", "protocol/zk"},
				why: "the simulated terminal is a terminal: it knows nothing of agents, hubs and their messages"},
			{packages: []string{"protocol/zk/zktest"}, never: []string{"testing", "testing/..."},
				why: "the simulated terminal is also a program, sidik-provision simulate terminal"},
			{packages: []string{"protocol/zk/clienttest"}, only: []string{"std"},
				why: "what other people's clients read is not judged by our own codec: a mistake of writer and reader together would stay unseen"},
			{packages: []string{"protocol/usbfile"}, only: []string{"std"}, never: []string{"database/sql", "net/http", "os", "log/slog"},
				why: "files of terminals are bytes: whoever has them reads them from anywhere"},
			{packages: []string{"protocol/mqtt"}, only: []string{"std", "protocol/...", "github.com/eclipse/paho.mqtt.golang/...", "golang.org/x/sys/unix"},
				why: "the carrier is paho, the contract and one socket option, so that every broker is reached by one code path"},
			{packages: []string{"protocol/..."}, never: []string{"agent/...", "hub/...", "provision/..."},
				why: "the contract knows none of its users"},
			{packages: []string{"agent/..."}, never: []string{"hub/...", "provision/..."},
				why: "an agent and a hub of different versions meet only in the contract"},
			{packages: []string{"hub/..."}, never: []string{"agent/...", "provision/..."},
				why: "a hub and an agent of different versions meet only in the contract"},
			{packages: []string{"provision/..."}, never: []string{"provision/cmd/...", "agent/cmd/...", "hub/cmd/..."}, except: []string{"provision/cmd/..."},
				why: "a program is not a library"},
			{packages: []string{"provision/internal/kit"}, only: []string{"std", "protocol", "protocol/durable", "protocol/seal", "golang.org/x/sys/unix", "rsc.io/qr"}, never: []string{"net/http"},
				why: "a kit is files made of values: writing one asks nobody"},
			{packages: []string{"provision/internal/release", "provision/internal/keyfile"}, never: []string{"net", "net/http", "provision/internal/hubapi"},
				why: "a key that is kept offline is used without a network: folders are carried"},
			{packages: []string{"provision/internal/list"}, only: []string{"std", "protocol"}, never: []string{"net/http"},
				why: "a list of sites is text; what becomes of them is another's"},
			{packages: []string{"provision/internal/hubapi"}, only: []string{"std", "protocol", "protocol/durable", "protocol/seal", "protocol/trust"},
				why: "the tool meets the hub through its API and the contract, and knows no command"},
			{packages: []string{"agent/cmd/...", "hub/cmd/...", "provision/cmd/..."}, never: []string{"testing", "testing/..."},
				why: "a program does not carry the test machinery (flags, timeouts) into offices"},
			{packages: []string{"protocol", "protocol/phrase", "protocol/seal", "protocol/zk"}, never: []string{"database/sql", "net/http", "os/exec"},
				why: "the contract is values and bytes; it stores nothing and starts nothing"},
			{packages: []string{"protocol/phrase", "protocol/zk"}, never: []string{"log/slog"},
				why: "codecs and catalogue do not log; whoever calls them does"},
			{packages: []string{"agent/..."}, never: []string{"database/sql", "modernc.org/...", "github.com/nats-io/...", "github.com/jackc/...", "github.com/prometheus/..."},
				why: "the agent runs in 30 MB on a Raspberry Pi: the hub's engines have no place in it"},
			{packages: []string{"agent/internal/buffer/..."}, never: []string{"protocol/mqtt", "protocol/zk/...", "agent/internal/terminal/...", "agent/internal/uplink", "net"}, except: []string{"agent/internal/buffer/crashtest"},
				why: "the buffer keeps; where punches come from and where they go is not its business"},
			{packages: []string{"agent/internal/terminal/..."}, never: []string{"protocol/mqtt", "agent/internal/buffer/...", "agent/internal/uplink"},
				why: "a driver offers punches to a sink; it counts on nothing behind it"},
			{packages: []string{"agent/internal/apply"}, never: []string{"protocol/mqtt", "protocol/zk/...", "agent/internal/buffer", "agent/internal/uplink", "agent/internal/terminal/zkdriver"},
				why: "keeping a terminal at its roster knows neither the way to the terminal nor the way to the hub"},
			{packages: []string{"agent/internal/job"}, never: []string{"protocol/mqtt", "protocol/zk/...", "agent/internal/buffer", "agent/internal/uplink", "agent/internal/apply", "agent/internal/terminal/zkdriver"},
				why: "what is asked for once is done at any terminal, and shares with the rosters only what it is given"},
			{packages: []string{"agent/internal/errand"}, never: []string{"protocol/mqtt", "protocol/zk/...", "agent/internal/buffer", "agent/internal/collect", "agent/internal/uplink", "agent/internal/apply", "agent/internal/terminal/zkdriver"},
				why: "service is done once at any terminal, by functions that the agent gives: it knows none of the parts that they are of"},
			{packages: []string{"agent/internal/ledger"}, only: []string{"std", "protocol", "protocol/durable"},
				why: "which orders were begun is the same for all orders: how one is carried out is not known there"},
			{packages: []string{"agent/internal/journal"}, only: []string{"std"},
				why: "the newest lines of a log are kept whatever they tell"},
			{packages: []string{"agent/internal/outbox", "protocol/durable"}, never: []string{"protocol/mqtt", "protocol/zk/...", "agent/internal/terminal/...", "agent/internal/buffer", "agent/internal/uplink"},
				why: "what waits for the hub is kept whoever told it, and whichever line takes it"},
			{packages: []string{"agent/internal/panel"}, only: []string{"std", "protocol", "protocol/phrase", "periph.io/x/conn/v3/gpio"},
				why: "lights and button know how the site is and what a press asks for, and no part of the agent"},
			{packages: []string{"agent/internal/finder"}, only: []string{"std", "protocol", "protocol/zk", "protocol/durable", "agent/internal/terminal"},
				why: "where terminals are is asked without a driver: of a terminal of others nothing but its serial number can be read"},
			{packages: []string{"agent/internal/commkey"}, only: []string{"std", "protocol", "protocol/durable"},
				why: "which keys a terminal may have is known without the terminal: after a power cut nobody can ask it"},
			{packages: []string{"agent/internal/settings"}, only: []string{"std", "protocol", "protocol/durable"},
				why: "what is tried and taken back is decided without knowing what it means or how the hub is reached"},
			{packages: []string{"hub/internal/settings"}, never: []string{"protocol/mqtt", "hub/internal/store", "hub/internal/dispatch", "net/http"},
				why: "what was set, by whom and when is kept whichever way it travels; the agent judges what it means"},
			{packages: []string{"agent/internal/launch"}, only: []string{"std", "protocol", "protocol/durable"}, never: []string{"net", "net/http"},
				why: "which program starts is decided before there is an agent: by files, with as little as can be wrong"},
			{packages: []string{"agent/internal/release"}, never: []string{"protocol/mqtt", "protocol/zk/...", "agent/internal/terminal/...", "agent/internal/buffer", "agent/internal/uplink"},
				why: "a version proves itself by what it is told of terminals and hub, whichever drivers and carriers there are"},
			{packages: []string{"agent/internal/uplink"}, never: []string{"protocol/zk/...", "agent/internal/terminal/..."},
				why: "the line carries what the buffer holds, from whichever terminal"},
			{packages: []string{"hub/internal/ingest", "hub/internal/dispatch"}, never: []string{"hub/internal/broker", "hub/internal/web", "net/http"},
				why: "any broker will do, and nothing that is stored depends on who looks at it"},
			{packages: []string{"hub/internal/release"}, never: []string{"protocol/mqtt", "hub/internal/dispatch", "hub/internal/enrol", "net/http"},
				why: "which site is to run what is kept without asking how it is told or given out"},
			{packages: []string{"hub/internal/placement"}, only: []string{"std", "protocol", "protocol/roster"}, never: []string{"database/sql", "net/http"},
				why: "who belongs on which terminal is a rule over values: it can be tried out before anything is saved"},
			{packages: []string{"hub/internal/validate"}, only: []string{"std", "protocol", "protocol/roster", "hub/internal/placement"}, never: []string{"database/sql", "net/http"},
				why: "where a terminal and the register disagree is a rule over values: it holds for what came by MQTT and for what came by file"},
			{packages: []string{"hub/internal/report"}, only: []string{"std", "protocol", "protocol/phrase", "protocol/roster", "hub/internal/validate",
				"github.com/signintech/gopdf", "github.com/xuri/excelize/v2"}, never: []string{"database/sql"},
				why: "a document is its content and nothing else: what was signed can be printed again, byte for byte"},
			{packages: []string{"hub/internal/survey"}, never: []string{"protocol/mqtt", "hub/internal/decision", "hub/internal/campaign", "hub/internal/web/...", "net/http"},
				why: "what is found does not depend on what somebody decided about it, or on who looks"},
			{packages: []string{"hub/internal/decision", "hub/internal/campaign"}, never: []string{"protocol/mqtt", "hub/internal/dispatch", "hub/internal/rosters", "hub/internal/web/..."},
				why: "deciding carries nothing out at a terminal: rosters follow from decisions, and agents from rosters"},
			{packages: []string{"hub/internal/effect"}, only: []string{"std", "protocol", "protocol/roster", "hub/internal/placement"}, never: []string{"database/sql", "net/http"},
				why: "what a change will do is a rule over values: it is asked before anything is saved, by page and command alike"},
			{packages: []string{"hub/internal/directory"}, never: []string{"protocol/mqtt", "hub/internal/store", "net/http"},
				why: "the register is read and written through the two doors of the store, by whichever command or page"},
			{packages: []string{"hub/internal/account"}, never: []string{"protocol/mqtt", "hub/internal/store", "hub/internal/web/...", "net/http"},
				why: "who may do what is the same for pages, tools and commands; cookies and addresses belong to the door"},
			{packages: []string{"hub/internal/holding"}, never: []string{"protocol/mqtt", "hub/internal/store", "hub/internal/directory", "hub/internal/vault", "net/http"},
				why: "what terminals should and do hold is kept without asking why: nobody's reason for a roster and no template is needed to send it"},
			{packages: []string{"hub/internal/job"}, never: []string{"protocol/mqtt", "hub/internal/store", "hub/internal/vault", "net/http"},
				why: "what is ordered and what became of it is kept without a template: whose one is, the vault asks here"},
			{packages: []string{"hub/internal/errand"}, never: []string{"protocol/mqtt", "hub/internal/store", "hub/internal/keyring", "hub/internal/directory", "net/http"},
				why: "what sites are asked for is kept sealed: whoever opens a diagnosis brings the key, and writes it down"},
			{packages: []string{"hub/internal/meeting", "hub/internal/whereabouts"}, never: []string{"protocol/mqtt", "hub/internal/dispatch", "hub/internal/ingest", "hub/internal/web", "net/http"},
				why: "whose a punch is and where somebody's fingers are is read from what is kept; saying it changes nothing and asks no site"},
			{packages: []string{"hub/internal/stick"}, only: []string{"std", "protocol", "protocol/roster", "protocol/usbfile", "protocol/zk", "hub/internal/holding", "hub/internal/vault"}, never: []string{"protocol/mqtt", "net/http"},
				why: "files of a terminal are taken from whoever has them, and their bytes stay nowhere but in the vault"},
			{packages: []string{"hub/internal/retention"}, never: []string{"protocol/mqtt", "hub/internal/holding", "hub/internal/rosters", "hub/internal/web", "net/http"},
				why: "how long templates are kept follows from who has left and when, not from where a copy still is"},
			{packages: []string{"hub/internal/verify"}, never: []string{"protocol/mqtt", "hub/internal/ingest", "hub/internal/broker"},
				why: "the check of what was stored shares nothing with the way by which it came, except the contract"},
			{packages: []string{"hub/internal/rosters", "hub/internal/pull"}, never: []string{"protocol/mqtt", "hub/internal/dispatch", "hub/internal/ingest", "hub/internal/web", "net/http"},
				why: "what terminals should hold follows from the register and the vault, not from who asks or how it is sent"},
			{packages: []string{"hub/internal/store"}, never: []string{"github.com/eclipse/...", "github.com/nats-io/...", "net/http"},
				why: "the store keeps; how a message came and who looks at it is not its business"},
			{packages: []string{"hub/internal/vault"}, never: []string{"protocol/mqtt", "protocol/zk/...", "github.com/eclipse/...", "net/http"},
				why: "templates leave the vault through whoever asked it, and it writes down who; it knows no line, page or terminal"},
			{packages: []string{"hub/internal/brokerconfig"}, only: []string{"std", "hub/internal/authority", "hub/internal/rights"}, never: []string{"database/sql", "net/http"},
				why: "settings of other brokers are texts made of the same rights; no broker, file or database is touched"},
			{packages: []string{"hub/internal/rights"}, only: []string{"std", "protocol", "hub/internal/authority"}, never: []string{"database/sql", "net/http"},
				why: "who may write and read what is the same on every broker, so no broker is known where it is said"},
			{packages: []string{"hub/internal/authority"}, only: []string{"std", "protocol"}, never: []string{"database/sql", "net/http"},
				why: "who may have a certificate is decided by whoever asks for one; the authority only signs"},
			{packages: []string{"hub/internal/reader"}, only: []string{"std", "hub/internal/authority"}, never: []string{"hub/internal/store", "net/http"},
				why: "whose certificate for reading counts is written down without its key, and asked in the same way by each broker"},
			{packages: []string{"hub/internal/entrance"}, only: []string{"std"}, never: []string{"net/http"},
				why: "how many come at once is counted before anybody has said a word"},
			{packages: []string{"hub/internal/safe"}, only: []string{"std", "protocol/durable", "protocol/seal", "filippo.io/age/..."}, never: []string{"database/sql", "net/http"},
				why: "a copy of keys is files by their names: what is in them is nobody's business there"},
			{packages: []string{"hub/internal/web/shell"}, only: []string{"std", "protocol", "protocol/phrase"},
				why: "what is around every page knows no noun of the hub: a new group of pages changes nothing in it"},
			{packages: []string{"hub/internal/web/door"}, never: []string{"hub/internal/web/accounts", "hub/internal/web/api", "hub/internal/web/people"},
				why: "the door knows who may come to an address, and not what is shown there"},
			{packages: []string{"hub/internal/web/..."}, never: []string{"github.com/eclipse/...", "protocol/mqtt"},
				why: "pages show what is stored and known; they do not talk to sites"},
			{packages: []string{"systemd/owner"}, only: []string{"std"},
				why: "whose a folder is says nothing of what is in it"},
			{packages: []string{"systemd", "systemd/pulse"}, only: []string{"std", "systemd/pulse"},
				why: "how a service manager is told, and of what, is the same for agent and hub and needs nobody's library"},
			{packages: []string{"systemd/..."}, never: []string{"agent/...", "hub/...", "provision/..."},
				why: "a unit is text: what the service inside of it does is not its business"},
			{packages: []string{"systemd/service", "systemd/systemdtest"}, never: []string{"protocol/..."},
				why: "a service is no matter of messages; how people are told of it is that of its commands"},
			{packages: []string{"systemd/command"}, only: []string{"std", "protocol/phrase", "systemd/service", "github.com/spf13/cobra"},
				why: "the commands of a service are the same for both programs, and know neither"},
		},
		reserved: []reserve{
			{[]string{"go.etcd.io/bbolt"}, []string{"agent/internal/buffer"},
				"whoever can open the buffer's file can lose punches; one package knows its rules"},
			{[]string{"database/sql/driver", "modernc.org/...", "github.com/jackc/...", "github.com/pressly/..."}, []string{"hub/internal/store", "hub/internal/storetest"},
				"engines in one place: two dialects, the migrations and the append-only rules are kept together"},
			{[]string{"database/sql"}, []string{"hub/internal/account", "hub/internal/admission", "hub/internal/campaign", "hub/internal/decision", "hub/internal/directory", "hub/internal/errand", "hub/internal/holding", "hub/internal/job", "hub/internal/reader", "hub/internal/release", "hub/internal/settings", "hub/internal/store", "hub/internal/storetest", "hub/internal/vault"},
				"SQL belongs to the rooms that keep something; they reach the database through the store only"},
			{[]string{"periph.io/..."}, []string{"agent/cmd/sidik-agent", "agent/internal/panel"},
				"the program looks for pins once, the panel uses them; nothing else of an agent depends on hardware"},
			{[]string{"github.com/eclipse/paho.mqtt.golang/..."}, []string{"protocol/mqtt"},
				"paho has a score of pitfalls; they are handled once"},
			{[]string{"github.com/kardianos/service"}, []string{"systemd/service"},
				"it also writes for service managers of which we have no text; one package keeps it to systemd"},
			{[]string{"github.com/alexedwards/..."}, []string{"hub/internal/web/door"},
				"cookies are made and taken in one place"},
			{[]string{"golang.org/x/crypto/..."}, []string{"hub/internal/account"},
				"the standard library has the cryptography of the contract; only hashing passwords is not in it"},
			{[]string{"filippo.io/..."}, []string{"hub/internal/safe", "provision/internal/keyfile"},
				"what is under a passphrase is the agency's root key, the key of releases and the copy of the hub's keys, and nothing else"},
			{[]string{"github.com/signintech/..."}, []string{"hub/internal/report"},
				"pages of paper are laid out in one place"},
			{[]string{"github.com/nats-io/..."}, []string{"hub/internal/broker", "protocol/mqtt/mqtttest"},
				"the embedded broker is a default, not a dependency of the hub's logic"},
			{[]string{"github.com/prometheus/..."}, []string{"hub", "hub/internal/..."},
				"only the hub is scraped"},
			{[]string{"github.com/spf13/cobra"}, []string{"agent/...", "hub/...", "provision/...", "systemd/command"},
				"command lines belong to programs"},
			{[]string{"testing", "testing/..."}, []string{"*/*test", "*/*/*test", "*/*/*/*test"},
				"test machinery lives in test files and in packages named …test"},
			{[]string{"log"}, nil,
				"logs are structured and come in by constructor (log/slog)"},
			{[]string{"unsafe", "C", "plugin"}, nil,
				"pure Go, cross-compiled to the Pi; no memory tricks"},
			{[]string{"math/rand"}, nil,
				"math/rand/v2 for jitter, crypto/rand for everything that matters"},
		},
		timeless: []wall{
			{packages: []string{"protocol", "protocol/seal", "protocol/phrase"},
				why: "a message means the same whenever it is read"},
			{packages: []string{"protocol/roster"},
				why: "the day is part of the question"},
			{packages: []string{"agent/internal/buffer/flush", "agent/config"},
				why: "what is on disk means the same whenever it is read"},
			{packages: []string{"hub/internal/directory", "hub/internal/effect", "hub/internal/placement", "hub/internal/validate"},
				why: "the day is part of the question: what will be on a terminal in March is asked in January"},
			{packages: []string{"hub/internal/errand", "hub/internal/holding", "hub/internal/job", "hub/internal/store"},
				why: "every moment in the database was given by the one who knows what it stands for"},
			{packages: []string{"hub/internal/stick"},
				why: "when files were copied is what a person says of them"},
			{packages: []string{"hub/internal/report", "hub/internal/survey"},
				why: "what is found and printed is that of the day that was asked for"},
			{packages: []string{"hub/internal/meeting", "hub/internal/whereabouts"},
				why: "what is said of a day is said for any day: the moment comes from the one who asks"},
			{packages: []string{"hub/internal/verify"},
				why: "a verdict does not depend on the day on which it is asked for"},
		},
		topLevel: []string{".ci", ".git", "agent", "hub", "protocol", "provision", "systemd", "testdata",
			".gitignore", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "SECURITY.md",
			"doc.go", "go.mod", "go.sum", "tools.mod", "tools.sum"},
	}
}

func TestWalls(t *testing.T) {
	source := read(t, os.DirFS("."))
	for _, broken := range ourHouse().check(source) {
		t.Error(broken)
	}
}

func TestTreeIsKept(t *testing.T) {
	source := read(t, os.DirFS("."))
	for _, broken := range checkCode(source) {
		t.Error(broken)
	}
	ignored := ignoredNames(t)
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	for _, broken := range ourHouse().checkTopLevel(names, ignored) {
		t.Error(broken)
	}
}

func TestTreeTellsWhereItsTestdataCameFrom(t *testing.T) {
	folders, err := untold(os.DirFS("."))
	if err != nil || len(folders) > 0 {
		t.Errorf("testdata/README.md does not say where these came from: %v (%v)", folders, err)
	}
}

// Every wall must stand in front of something: a renamed package would leave a
// row that guards nothing.
func TestWallsGuardSomething(t *testing.T) {
	source := read(t, os.DirFS("."))
	h := ourHouse()
	var folders []string
	for _, f := range source {
		folders = append(folders, f.folder())
	}
	exists := func(pattern string) bool {
		return slices.ContainsFunc(folders, func(folder string) bool { return match(pattern, folder) })
	}
	for _, w := range append(h.walls, h.timeless...) {
		for _, pattern := range w.packages {
			if !exists(pattern) {
				t.Errorf("the wall before %s (%s) guards no package", pattern, w.why)
			}
		}
	}
	for _, r := range h.reserved {
		for _, pattern := range r.packages {
			if !strings.Contains(pattern, "*") && !exists(pattern) {
				t.Errorf("%v is reserved for %s, which does not exist", r.imports, pattern)
			}
		}
	}
}

// check returns one line for each broken wall.
func (h house) check(source []file) (broken []string) {
	graph := h.graph(source)
	for _, f := range source {
		if f.test() || f.folder() == "." {
			continue // tests may reach for whatever proves the point
		}
		for _, imported := range f.imports() {
			short := h.short(imported)
			for _, w := range h.walls {
				if w.only != nil && w.guards(f.folder()) && !matchAny(w.only, short) {
					broken = append(broken, fmt.Sprintf("%s imports %s: %s", f.path, short, w.why))
				}
			}
			for _, r := range h.reserved {
				if matchAny(r.imports, short) && !matchAny(r.packages, f.folder()) {
					broken = append(broken, fmt.Sprintf("%s imports %s: %s", f.path, short, r.why))
				}
			}
		}
	}
	for _, f := range source {
		for _, w := range h.timeless {
			if !f.test() && w.guards(f.folder()) {
				for _, place := range f.clocks() {
					broken = append(broken, place+": "+w.why)
				}
			}
		}
	}
	for _, w := range h.walls {
		for folder := range graph {
			if !w.guards(folder) {
				continue
			}
			if way := graph.way(folder, w.never); way != nil {
				broken = append(broken, fmt.Sprintf("%s: %s", strings.Join(way, " imports "), w.why))
			}
		}
	}
	slices.Sort(broken)
	return slices.Compact(broken)
}

func (w wall) guards(folder string) bool {
	return matchAny(w.packages, folder) && !matchAny(w.except, folder)
}

// checkTopLevel finds files and folders that have no place at the root.
func (h house) checkTopLevel(names, ignored []string) (broken []string) {
	for _, name := range names {
		if slices.Contains(h.topLevel, name) || matchAny(ignored, name) || strings.HasSuffix(name, "_test.go") {
			continue
		}
		broken = append(broken, name+" has no place at the root: a folder more is a word more that everybody has to know")
	}
	return broken
}

// imports maps a package's folder to what its program files import, with our own
// packages by folder.
type imports map[string][]string

func (h house) graph(source []file) imports {
	g := imports{}
	for _, f := range source {
		if f.test() {
			continue
		}
		for _, imported := range f.imports() {
			g[f.folder()] = append(g[f.folder()], h.short(imported))
		}
	}
	return g
}

// way returns the shortest chain of imports from a package to one of the
// patterns, nil when there is none.
func (g imports) way(from string, patterns []string) []string {
	came := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		for _, next := range g[queue[0]] {
			if _, seen := came[next]; seen {
				continue
			}
			came[next] = queue[0]
			if !matchAny(patterns, next) {
				queue = append(queue, next)
				continue
			}
			way := []string{next}
			for at := queue[0]; at != ""; at = came[at] {
				way = append(way, at)
			}
			slices.Reverse(way)
			return way
		}
	}
	return nil
}

// short names our own packages by their folder.
func (h house) short(imported string) string {
	if imported == h.module {
		return "."
	}
	return strings.TrimPrefix(imported, h.module+"/")
}

func matchAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, name) })
}

// match compares an import or a folder with a pattern of the table.
func match(pattern, name string) bool {
	if pattern == "std" {
		first, _, _ := strings.Cut(name, "/")
		return !strings.Contains(first, ".") && !slices.Contains([]string{"agent", "hub", "protocol", "provision"}, first)
	}
	if below, found := strings.CutSuffix(pattern, "/..."); found {
		return name == below || strings.HasPrefix(name, below+"/")
	}
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}
