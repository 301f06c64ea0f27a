package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/config"
)

const whole = `
site = "samsat-belitung"
data = "data"
[hub]
broker = "tcp://127.0.0.1:1883"
root = "KEY"
[[terminal]]
serial = "X100C0001"
address = "192.168.1.201"
`

var key = strings.Repeat("ab", 32)

func load(t *testing.T, text string) (config.Config, string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.toml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "KEY", key)), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	return c, filepath.Dir(path), err
}

func TestDefaults(t *testing.T) {
	c, folder, err := load(t, whole)
	if err != nil {
		t.Fatal(err)
	}
	terminal := c.Terminals[0]
	if c.Data != filepath.Join(folder, "data") || terminal.Address != "192.168.1.201:4370" || terminal.Network != "tcp" ||
		time.Duration(terminal.Every) != 5*time.Minute || !*terminal.Live ||
		c.Buffer.MaxMB != 256 || c.Buffer.RetentionDays != 90 || c.Buffer.RetainPunches != 50_000 || c.Lang() != "id" {
		t.Errorf("defaults: %+v", c)
	}
}

func TestTerminalNeedsNoAddress(t *testing.T) {
	c, _, err := load(t, strings.Replace(whole, `address = "192.168.1.201"`, "", 1))
	if err != nil || c.Terminals[0].Address != "" || !*c.Finder.Scan || c.Finder.Port != 4370 {
		t.Errorf("Load = %+v, %v", c, err)
	}
}

func TestAnAddressStandsInPlaceOfABroker(t *testing.T) {
	c, _, err := load(t, strings.Replace(whole, `broker = "tcp://127.0.0.1:1883"`, `address = "https://hub.example.go.id:8443"`, 1))
	if err != nil || c.Hub.Address != "https://hub.example.go.id:8443" || c.Hub.Broker != "" {
		t.Errorf("Load = %+v, %v", c.Hub, err)
	}
}

func TestWhatIsWrongIsToldAtOnce(t *testing.T) {
	for _, row := range []struct{ name, old, new, want string }{
		{"unknown key", "[hub]", "evry = \"5m\"\n[hub]", `unknown key "evry"`},
		{"unknown key in a terminal", "serial =", "ky = 5\nserial =", `unknown key "terminal.ky"`},
		{"site with a blank", "samsat-belitung", "samsat belitung", "site id"},
		{"no data folder", `data = "data"`, "", "data:"},
		{"broker without a scheme", "tcp://127.0.0.1:1883", "127.0.0.1:1883", "hub.broker"},
		{"broker and address", `broker =`, "address = \"https://hub.example.go.id:8443\"\nbroker =", "either address or broker"},
		{"address without a scheme", `broker = "tcp://127.0.0.1:1883"`, `address = "hub.example.go.id"`, "hub.address"},
		{"address that is not encrypted", `broker = "tcp://127.0.0.1:1883"`, `address = "http://hub.example.go.id"`, "hub.address"},
		{"address with a path", `broker = "tcp://127.0.0.1:1883"`, `address = "https://hub.example.go.id/agents"`, "hub.address"},
		{"short root", "KEY", "abcd", "hub.root"},
		{"serial with a slash", "X100C0001", "X100/1", "serial number"},
		{"no address and nobody to find it", "[[terminal]]\nserial = \"X100C0001\"\naddress = \"192.168.1.201\"",
			"[finder]\nscan = false\n[[terminal]]\nserial = \"X100C0001\"", "terminal 1: address:"},
		{"a subnet that is none", "[hub]", "[finder]\nsubnets = [\"office\"]\n[hub]", "finder.subnets"},
		{"a subnet of millions", "[hub]", "[finder]\nsubnets = [\"10.0.0.0/8\"]\n[hub]", "too large"},
		{"a port that is none", "[hub]", "[finder]\nport = 70000\n[hub]", "finder.port"},
		{"unknown network", `address = `, "network = \"serial\"\naddress = ", "neither tcp nor udp"},
		{"too often", `address = `, "every = \"10ms\"\naddress = ", "too short"},
		{"no unit in a duration", `address = `, "every = \"10\"\naddress = ", "missing unit"},
		{"the same machine twice", `[[terminal]]`, "[[terminal]]\nserial = \"X100C0001\"\naddress = \"a\"\n[[terminal]]", "named twice"},
		{"no terminal", "[[terminal]]\nserial = \"X100C0001\"\naddress = \"192.168.1.201\"", "", "at least one"},
		{"a pin with a blank", "[hub]", "[panel]\nready = \"GPIO 17\"\n[hub]", "panel.ready"},
		{"one pin for two", "[hub]", "[panel]\nready = \"GPIO17\"\nbutton = \"GPIO17\"\n[hub]", "already panel.ready"},
		{"broken TOML", "[hub]", "[hub", "expected"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, _, err := load(t, strings.Replace(whole, row.old, row.new, 1))
			if err == nil || !strings.Contains(err.Error(), row.want) || !errors.Is(err, config.ErrConfig) {
				t.Errorf("Load = %v, want ErrConfig with %q", err, row.want)
			}
		})
	}
	_, _, err := load(t, "site = \"a b\"")
	for _, part := range []string{"site:", "data:", "hub.address", "hub.root", "terminal:"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("an empty file: %v, want %s in it", err, part)
		}
	}
	if _, err := config.Load(filepath.Join(t.TempDir(), "none.toml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v, want ErrNotExist", err)
	}
}
