package sidik

import (
	"strings"
	"testing"
	"testing/fstest"
)

// Each rule of the house is broken once here. A rule that lets its row pass
// guards nothing.
func TestTreeAndWallsCanFail(t *testing.T) {
	const own = "github.com/bkpsdmd-babel/sidik/"
	importing := func(paths ...string) string {
		var b strings.Builder
		for _, p := range paths {
			b.WriteString("import _ \"" + p + "\"\n")
		}
		return b.String()
	}
	var complaints strings.Builder
	for _, row := range []struct {
		name string
		path string
		code string // after the package clause
		want string // a piece of the complaint
	}{
		{"a library in the contract", "protocol/x.go", importing("go.etcd.io/bbolt"), "without anybody else's code"},
		{"the carrier in the contract", "protocol/x.go", importing(own + "protocol/mqtt"), "without anybody else's code"},
		{"a library among the keys", "protocol/seal/x.go", importing("golang.org/x/crypto"), "nothing that could change under them"},
		{"a library in the rule", "protocol/roster/x.go", importing("pgregory.net/rapid"), "is a rule"},
		{"our messages in the codec", "protocol/zk/x.go", importing(own + "protocol"), "neither our messages nor a library"},
		{"our messages in the simulated terminal", "protocol/zk/zktest/x.go", importing(own + "protocol"), "is a terminal"},
		{"testing in the simulated terminal", "protocol/zk/zktest/x.go", importing("testing"), "is also a program"},
		{"a file opened by the codec of files", "protocol/usbfile/x.go", importing("os"), "files of terminals are bytes"},
		{"our codec behind the clients of others", "protocol/zk/clienttest/x.go", importing(own + "protocol/zk"), "would stay unseen"},
		{"another client in the carrier", "protocol/mqtt/x.go", importing("github.com/nats-io/nats.go"), "one code path"},
		{"the contract uses an agent", "protocol/mqtt/x.go", importing(own + "agent"), "knows none of its users"},
		{"an agent uses the hub", "agent/x.go", importing(own + "hub"), "meet only in the contract"},
		{"an agent uses the hub by a detour", "agent/x.go", importing(own + "internal/detour"), "agent imports internal/detour imports hub"},
		{"a hub uses an agent", "hub/x.go", importing(own + "agent/config"), "meet only in the contract"},
		{"a tool uses a program", "provision/internal/x/x.go", importing(own + "hub/cmd/sidik-hub"), "a program is not a library"},
		{"the network in the writer of kits", "provision/internal/kit/x.go", importing(own + "provision/internal/hubapi"), "writing one asks nobody"},
		{"the door in the hub's releases", "hub/internal/release/x.go", importing(own + "hub/internal/enrol"), "how it is told or given out"},
		{"the network before there is an agent", "agent/internal/launch/x.go", importing("net/http"), "with as little as can be wrong"},
		{"the uplink in releases", "agent/internal/release/x.go", importing(own + "agent/internal/uplink"), "whichever drivers and carriers"},
		{"the network beside the key of releases", "provision/internal/release/x.go", importing("net/http"), "folders are carried"},
		{"the hub in the reader of lists", "provision/internal/list/x.go", importing(own + "provision/internal/hubapi"), "a list of sites is text"},
		{"a command in the hub's client", "provision/internal/hubapi/x.go", importing("github.com/spf13/cobra"), "knows no command"},
		{"testing in a program", "hub/cmd/sidik-hub/x.go", importing("testing"), "test machinery"},
		{"a log in the codec", "protocol/zk/x.go", importing("log/slog"), "do not log"},
		{"a database in the contract", "protocol/x.go", importing("database/sql"), "stores nothing"},
		{"SQL in the agent", "agent/internal/x/x.go", importing("modernc.org/sqlite"), "30 MB"},
		{"a wire protocol in the rosters", "agent/internal/apply/x.go", importing(own + "protocol/zk"), "neither the way"},
		{"a terminal in the panel", "agent/internal/panel/x.go", importing(own + "agent/internal/collect"), "what a press asks for"},
		{"a driver in the finder", "agent/internal/finder/x.go", importing(own + "agent/internal/terminal/zkdriver"), "nothing but its serial number"},
		{"a terminal where its keys are kept", "agent/internal/commkey/x.go", importing(own + "protocol/zk"), "without the terminal"},
		{"the line in what is tried and taken back", "agent/internal/settings/x.go", importing(own + "agent/internal/uplink"), "how the hub is reached"},
		{"a way out where settings are kept", "hub/internal/settings/x.go", importing(own + "hub/internal/dispatch"), "whichever way it travels"},
		{"a pin outside of the panel", "agent/internal/health/x.go", importing("periph.io/x/conn/v3/gpio"), "depends on hardware"},
		{"a way out in the rosters", "hub/internal/rosters/x.go", importing(own + "hub/internal/dispatch"), "follows from the register"},
		{"MQTT in the store", "hub/internal/store/x.go", importing("github.com/eclipse/paho.mqtt.golang"), "the store keeps"},
		{"a database in the rule of placements", "hub/internal/placement/x.go", importing("database/sql"), "tried out before anything is saved"},
		{"a database in the rule of findings", "hub/internal/validate/x.go", importing("database/sql"), "what came by file"},
		{"a database in the documents", "hub/internal/report/x.go", importing("database/sql"), "its content and nothing else"},
		{"decisions in what is found", "hub/internal/survey/x.go", importing(own + "hub/internal/campaign"), "does not depend on what somebody decided"},
		{"rosters in decisions", "hub/internal/campaign/x.go", importing(own + "hub/internal/rosters"), "deciding carries nothing out"},
		{"a clock in the documents", "hub/internal/report/x.go", "func f() { time.Now() }\n", "that of the day that was asked for"},
		{"paper outside of the documents", "hub/internal/web/x.go", importing("github.com/signintech/gopdf"), "laid out in one place"},
		{"the store in the register", "hub/internal/directory/x.go", importing(own + "hub/internal/store"), "two doors of the store"},
		{"the vault where jobs are kept", "hub/internal/job/x.go", importing(own + "hub/internal/vault"), "kept without a template"},
		{"cookies among the accounts", "hub/internal/account/x.go", importing("net/http"), "belong to the door"},
		{"a page's content in the door", "hub/internal/web/door/x.go", importing(own + "hub/internal/web/people"), "not what is shown there"},
		{"cookies outside of the door", "hub/internal/web/accounts/x.go", importing("github.com/alexedwards/scs/v2"), "in one place"},
		{"more cryptography", "hub/internal/vault/x.go", importing("golang.org/x/crypto/nacl/box"), "only hashing passwords"},
		{"the vault where rosters are kept", "hub/internal/holding/x.go", importing(own + "hub/internal/vault"), "without asking why"},
		{"a page in the vault", "hub/internal/vault/x.go", importing("net/http"), "templates leave the vault"},
		{"the register in the shell of the pages", "hub/internal/web/shell/x.go", importing(own + "hub/internal/directory"), "knows no noun of the hub"},
		{"a way out in the meeting of punches", "hub/internal/meeting/x.go", importing(own + "hub/internal/dispatch"), "asks no site"},
		{"a database where files of terminals are taken", "hub/internal/stick/x.go", importing(own + "hub/internal/store"), "stay nowhere but in the vault"},
		{"a clock where files of terminals are taken", "hub/internal/stick/x.go", "func f() { time.Now() }\n", "what a person says of them"},
		{"a terminal in what is kept how long", "hub/internal/retention/x.go", importing(own + "hub/internal/holding"), "who has left and when"},
		{"a page in what is foretold", "hub/internal/effect/x.go", importing(own + "hub/internal/web/shell"), "it is asked before anything is saved"},
		{"a database in the settings of other brokers", "hub/internal/brokerconfig/x.go", importing(own + "hub/internal/store"), "texts made of the same rights"},
		{"a broker in the rights", "hub/internal/rights/x.go", importing(own + "hub/internal/broker"), "the same on every broker"},
		{"HTTP in the count of connections", "hub/internal/entrance/x.go", importing("net/http"), "said a word"},
		{"the keyring in its copy", "hub/internal/safe/x.go", importing(own + "hub/internal/keyring"), "files by their names"},
		{"a passphrase elsewhere", "hub/internal/keyring/x.go", importing("filippo.io/age"), "under a passphrase"},
		{"a page in the authority", "hub/internal/authority/x.go", importing("net/http"), "the authority only signs"},
		{"the store among the readers", "hub/internal/reader/x.go", importing(own + "hub/internal/store"), "written down without its key"},
		{"MQTT in the pages", "hub/internal/web/x.go", importing(own + "protocol/mqtt"), "do not talk to sites"},
		{"a library at the service manager", "systemd/x.go", importing("github.com/coreos/go-systemd/v22/daemon"), "needs nobody's library"},
		{"keys in whose they are", "systemd/owner/x.go", importing(own + "protocol/seal"), "says nothing of what is in it"},
		{"messages in a service", "systemd/service/x.go", importing(own + "protocol"), "no matter of messages"},
		{"the hub in a service's commands", "systemd/command/x.go", importing(own + "protocol"), "know neither"},
		{"the agent in its unit", "systemd/service/x.go", importing(own + "agent"), "a unit is text"},
		{"kardianos outside of its package", "agent/x.go", importing("github.com/kardianos/service"), "of which we have no text"},
		{"bbolt outside of the buffer", "agent/internal/collect/x.go", importing("go.etcd.io/bbolt"), "can lose punches"},
		{"SQL outside of the store", "hub/internal/verify/x.go", importing("database/sql"), "rooms that keep something"},
		{"an engine outside of the store", "hub/internal/verify/x.go", importing("modernc.org/sqlite"), "engines in one place"},
		{"paho outside of the carrier", "hub/internal/ingest/x.go", importing("github.com/eclipse/paho.mqtt.golang"), "handled once"},
		{"the broker outside of its package", "hub/internal/ingest/x.go", importing("github.com/nats-io/nats-server/v2/server"), "not a dependency"},
		{"metrics in the contract", "provision/x.go", importing("github.com/prometheus/client_golang/prometheus"), "only the hub is scraped"},
		{"a command line in the contract", "protocol/mqtt/x.go", importing("github.com/spf13/cobra"), "belong to programs"},
		{"testing in a part", "agent/internal/collect/x.go", importing("testing"), "packages named …test"},
		{"the old log", "agent/x.go", importing("log"), "log/slog"},
		{"unsafe", "agent/x.go", importing("unsafe"), "no memory tricks"},
		{"the old random numbers", "agent/x.go", importing("math/rand"), "crypto/rand"},

		{"a package of leftovers", "agent/internal/util/x.go", "", "one noun"},
		{"a program outside of cmd", "agent/tool/main.go", "", "outside of cmd/"},
		{"a long file", "hub/x.go", strings.Repeat("\n", maxFile), "one idea"},
		{"a long main", "hub/cmd/sidik-hub/main.go", strings.Repeat("\n", maxMain), "one call, exit code"},
		{"a path of somebody's machine", "hub/x.go", "// see /ho" + "me/me/notes\n", "outside of the project"},
		{"something left undone", "hub/x.go", "// TO" + "DO: later\n", "not a comment"},
		{"an init", "hub/x.go", "func init() {}\n", "nothing registers itself"},
		{"a variable", "hub/x.go", "var open = map[string]int{}\n", "can change"},
		{"a variable without a value", "hub/x.go", "var version string\n", "can change"},
		{"an error that is made by a function", "hub/x.go", "var err = make()\n", "can change"},
		{"the global logger", "hub/x.go", "func f() { slog.Info(\"x\") }\n", "by constructor"},
		{"a clock in the contract", "protocol/x.go", "func f() { time.Now() }\n", "whenever it is read"},
		{"a clock handed on in the buffer's format", "agent/internal/buffer/flush/x.go", "func f() { g(time.Now) }\n", "what is on disk"},
		{"a clock in the whereabouts", "hub/internal/whereabouts/x.go", "func f() { time.Now() }\n", "the one who asks"},
		{"a clock in the store", "hub/internal/store/x.go", "func f() { time.Since(x) }\n", "given by the one"},
		{"a clock in the rule", "protocol/roster/x.go", "func f() { time.Now() }\n", "part of the question"},
		{"a clock in the rule of placements", "hub/internal/placement/x.go", "func f() { time.Now() }\n", "asked in January"},
		{"a clock in the verdict", "hub/internal/verify/x.go", "func f() { time.Now() }\n", "a verdict"},
		{"a line in the buffer", "agent/internal/buffer/x.go", importing(own + "protocol/mqtt"), "the buffer keeps"},
		{"the buffer in a driver", "agent/internal/terminal/zkdriver/x.go", importing(own + "agent/internal/buffer"), "a driver offers"},
		{"the buffer among the errands", "agent/internal/errand/x.go", importing(own + "agent/internal/buffer"), "done once at any terminal"},
		{"a log that knows the agent", "agent/internal/journal/x.go", importing(own + "protocol"), "whatever they tell"},
		{"the hub's key among the errands", "hub/internal/errand/x.go", importing(own + "hub/internal/keyring"), "brings the key"},
		{"a terminal in the ledger", "agent/internal/ledger/x.go", importing(own + "agent/internal/terminal"), "not known there"},
		{"rosters among the jobs", "agent/internal/job/x.go", importing(own + "agent/internal/apply"), "asked for once"},
		{"a terminal in the outbox", "agent/internal/outbox/x.go", importing(own + "agent/internal/terminal"), "whoever told it"},
		{"a terminal in the uplink", "agent/internal/uplink/x.go", importing(own + "protocol/zk"), "the line carries"},
		{"the broker in ingest", "hub/internal/ingest/x.go", importing(own + "hub/internal/broker"), "any broker will do"},
		{"ingest in the verdict", "hub/internal/verify/x.go", importing(own + "hub/internal/ingest"), "shares nothing"},
		{"an exit in a part", "hub/internal/web/x.go", "func f() { os.Exit(1) }\n", "through cmd/"},
		{"a file system that is not embedded", "hub/x.go", "var pages embed.FS\n", "can change"},
		{"a slice", "hub/x.go", "var names = []string{\"a\"}\n", "can change"},
		{"a test that passes quietly after a random one", "hub/x_test.go", "func f() { g(func(t *rapid.T) { t.Skip() }); t.Skip() }\n", "fails and says"},
		{"a test that passes quietly", "hub/x_test.go", "func f() { t.Skip(\"no database\") }\n", "fails and says"},
		{"an exported func without a comment", "protocol/x.go", "func Open() {}\n", "Open has no comment"},
		{"an exported type without a comment", "protocol/zk/x.go", "type Packet struct{}\n", "Packet has no comment"},
		{"an exported const without a comment", "protocol/x.go", "const Max = 1\n", "Max has no comment"},
	} {
		t.Run(row.name, func(t *testing.T) {
			broken := breaches(t, row.path, "// Package x.\npackage "+packageName(row.path)+"\n\n"+row.code)
			complaints.WriteString(strings.Join(broken, "\n"))
			if !strings.Contains(strings.Join(broken, "\n"), row.want) {
				t.Errorf("complaints = %q, want one with %q", broken, row.want)
			}
		})
	}
	t.Run("every wall is broken above", func(t *testing.T) {
		h, reasons := ourHouse(), []string{}
		for _, w := range append(h.walls, h.timeless...) {
			reasons = append(reasons, w.why)
		}
		for _, r := range h.reserved {
			reasons = append(reasons, r.why)
		}
		for _, why := range reasons {
			if !strings.Contains(complaints.String(), why) {
				t.Errorf("no row breaks this wall: %s", why)
			}
		}
	})
	t.Run("a package without a comment", func(t *testing.T) {
		if broken := breaches(t, "hub/x.go", "package hub\n"); !strings.Contains(strings.Join(broken, "\n"), "has no comment") {
			t.Errorf("complaints = %q", broken)
		}
	})
	t.Run("a folder more at the root", func(t *testing.T) {
		if broken := ourHouse().checkTopLevel([]string{"agent", "scripts", ".run"}, []string{".run"}); len(broken) != 1 || !strings.Contains(broken[0], "scripts") {
			t.Errorf("complaints = %q, want one, about scripts", broken)
		}
	})
	t.Run("testdata from nowhere", func(t *testing.T) {
		folders, err := untold(fstest.MapFS{
			"testdata/README.md": {Data: []byte("| `known/` |")}, "testdata/known/a": {}, "testdata/found/a": {},
		})
		if err != nil || len(folders) != 1 || folders[0] != "found" {
			t.Errorf("untold = %v, %v, want found", folders, err)
		}
	})
	t.Run("good code passes", func(t *testing.T) {
		code := "// Package hub.\npackage hub\n\nimport (\n\"errors\"\n\"embed\"\n)\n" +
			"var ErrGone = errors.New(\"gone\")\n//go:embed pages\nvar pages embed.FS\nvar _ error = ErrGone\nvar bucket = []byte(\"x\")\n" +
			"func f() { g(func(t *rapid.T) { t.Skip() }); f.Fuzz(func(t *testing.T, b []byte) { t.Skip() }) }\n"
		if broken := breaches(t, "hub/x.go", code); len(broken) != 0 {
			t.Errorf("complaints = %q, want none", broken)
		}
	})
}

// breaches checks a tree of one file and a package by which one gets to the hub.
func breaches(t *testing.T, path, code string) []string {
	t.Helper()
	source := read(t, fstest.MapFS{
		path:                   {Data: []byte(code)},
		"internal/detour/d.go": {Data: []byte("// Package detour.\npackage detour\n\nimport _ \"github.com/bkpsdmd-babel/sidik/hub\"\n")},
		"testdata/not/code.go": {Data: []byte("this is not looked at")},
	})
	return append(ourHouse().check(source), checkCode(source)...)
}

func packageName(path string) string {
	parts := strings.Split(path, "/")
	if strings.HasSuffix(path, "main.go") {
		return "main"
	}
	return strings.ReplaceAll(parts[len(parts)-2], "-", "")
}
