package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/agent/config"
)

const ownFile = `
site = "samsat-belitung"
data = "/var/lib/sidik-agent"
language = "en"
[hub]
address = "https://hub.example.go.id:8443"
root = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
[apply]
rush = ["06:00-07:00", "12:00-13:00"]
[[terminal]]
serial = "DEMO1"
address = "192.0.2.1"
comm_key = 77
live = false
[[terminal]]
serial = "DEMO2"
address = "192.0.2.2"
`

func own(t testing.TB) config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.toml")
	if err := os.WriteFile(path, []byte(ownFile), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWhatTheAgencySetsWins(t *testing.T) {
	c := own(t)
	for _, row := range []struct {
		name, settings string
		change         func(c *config.Config)
	}{
		{"nothing", "", func(*config.Config) {}},
		{"one value", "[apply]\nmax_deleted_users = 9", func(c *config.Config) { c.Apply.MaxDeletedUsers = 9 }},
		{"a list whole", "[apply]\nrush = [\"07:00-08:00\"]", func(c *config.Config) { c.Apply.Rush = []config.Span{{From: 420, Until: 480}} }},
		{"an empty list", "[apply]\nrush = []", func(c *config.Config) { c.Apply.Rush = []config.Span{} }},
		{"another hub", "[hub]\naddress = \"https://new.example.go.id:8443\"", func(c *config.Config) { c.Hub.Address = "https://new.example.go.id:8443" }},
		// The first of the new list is not mixed with the first of the old one, and keeps no
		// communication key that is not its own.
		{"terminals", "[[terminal]]\nserial = \"DEMO2\"\n[[terminal]]\nserial = \"DEMO1\"\naddress = \"192.0.2.9\"", func(c *config.Config) {
			live := true
			one := config.Terminal{Serial: "DEMO1", Address: "192.0.2.9:4370", Network: "tcp", CommKey: 77, Every: config.Duration(config.DefaultEvery), Live: &live}
			two := one
			two.Serial, two.Address, two.CommKey = "DEMO2", "", 0
			c.Terminals = []config.Terminal{two, one}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := c.With(row.settings)
			if err != nil {
				t.Fatal(err)
			}
			want := own(t)
			row.change(&want)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%+v\nwant %+v", got, want)
			}
			if !reflect.DeepEqual(c, own(t)) {
				t.Errorf("the agent's own configuration became %+v", c)
			}
		})
	}
}

func TestWhatCannotBeSetChangesNothing(t *testing.T) {
	for settings, says := range map[string]string{
		"language = ":                "of the agency",
		"site = \"other\"":           "site: is the agent's own",
		"[hub]\nroot = \"x\"":        "hub.root: is the agent's own",
		"[hub]\nbroker = \"tcp://\"": "hub.broker: is the agent's own",
		"rush = []":                  "unknown key \"rush\"",
		"Site = \"other\"":           "unknown key \"Site\"",
		"\"\u017fite\" = \"other\"":  "unknown key", // the long s is an s to who folds
		"DATA = \"/tmp\"":            "unknown key \"DATA\"",
		"[hub]\nRoot = \"x\"":        "unknown key \"hub.Root\"",
		"hub = {rooT = \"x\"}":       "unknown key \"hub.rooT\"",
		"[Hub]\nbroker = \"tcp://\"": "unknown key \"Hub\"",
		"[[Terminal]]\nserial = \"DEMO2\"\naddress = \"192.0.2.9\"":          "unknown key \"Terminal\"", // it would get the key of the first
		"terminal = [{serial = \"DEMO1\"}, {Serial = \"DEMO2\"}]":            "unknown key \"terminal.Serial\"",
		"[[terminal]]\nserial = \"DEMO1\"\ncomm_key = 1":                     "is secret",
		"[finder]\nscan = false\n[[terminal]]\nserial = \"DEMO1\"":           "finder.scan is off",
		"[apply]\nrush = [\"9 o'clock\"]":                                    "is no part of a day",
		"[hub]\naddress = \"http://hub.example.go.id\"":                      "is no address of a hub",
		"[[terminal]]\nserial = \"DEMO1\"\n[[terminal]]\nserial = \"DEMO1\"": "is named twice",
	} {
		c, err := own(t).With(settings)
		if !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), says) || !reflect.DeepEqual(c, config.Config{}) {
			t.Errorf("%q: %v, want an error with %q", settings, err, says)
		}
	}
}

// A text that is taken makes a configuration that stands on its own.
func FuzzWith(f *testing.F) {
	for _, text := range []string{"", "[apply]\nrush = []", "[[terminal]]\nserial = \"DEMO1\"", "[finder]\nsubnets = [\"192.168.1.0/24\"]", "[hub]\naddress = \"https://a:1\"", "[panel]\nready = \"GPIO17\"", "[hub]\nRoot = \"x\"", "[[Terminal]]\nserial = \"DEMO2\""} {
		f.Add(text)
	}
	c, untouched := own(f), own(f)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := c.With(text)
		if !reflect.DeepEqual(c, untouched) {
			t.Fatalf("%q makes the agent's own file %+v", text, c)
		}
		if err != nil {
			return
		}
		if got.Site != c.Site || got.Data != c.Data || got.Hub.Root != c.Hub.Root || got.Hub.Broker != c.Hub.Broker || len(got.Terminals) == 0 {
			t.Errorf("%q makes %+v", text, got)
		}
		if again, err := got.With(text); err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%q twice makes %+v (%v), once %+v", text, again, err, got)
		}
	})
}
