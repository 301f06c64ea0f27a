package brokerconfig_test

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/brokerconfig"
	"github.com/bkpsdmd-babel/sidik/hub/internal/rights"
)

var update = flag.Bool("update", false, "write the golden files anew")

func example() brokerconfig.Settings {
	return brokerconfig.Settings{
		Subjects: []authority.Subject{{Kind: authority.Site, Name: "samsat"}, {Kind: authority.Operator, Name: "ani"},
			{Kind: authority.Site, Name: "dinas-pu"}, {Kind: authority.Site, Name: "samsat"}},
		Folder: "/etc/broker/sidik", Listen: netip.MustParseAddrPort("0.0.0.0:8883"), ListenHub: netip.MustParseAddrPort("127.0.0.1:8884"),
	}
}

// What is written is looked at by a person when it changes: EMQX cannot be run in tests.
func TestSettingsAreAsTheyWere(t *testing.T) {
	for kind, make := range map[string]func(brokerconfig.Settings) []brokerconfig.File{"mosquitto": brokerconfig.Mosquitto, "emqx": brokerconfig.EMQX} {
		for _, f := range make(example()) {
			golden := filepath.Join("testdata", kind, f.Name)
			if *update {
				if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, []byte(f.Text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if f.Text != string(want) {
				t.Errorf("%s differs from %s:\n%s", f.Name, golden, f.Text)
			}
		}
	}
}

// Every right stands in a list once, and nothing else is allowed there.
func TestListsHaveEachRightOnce(t *testing.T) {
	rightsOf := 0
	for _, s := range []authority.Subject{{Kind: authority.Hub}, {Kind: authority.Operator, Name: "ani"}, {Kind: authority.Site, Name: "samsat"}, {Kind: authority.Site, Name: "dinas-pu"}} {
		r := rights.Of(s)
		rightsOf += len(r.Write) + len(r.Read)
	}
	for kind, list := range map[string]string{"\ntopic ": brokerconfig.Mosquitto(example())[1].Text, "\n{allow, ": brokerconfig.EMQX(example())[1].Text} {
		if got := strings.Count(list, kind); got != rightsOf {
			t.Errorf("%q stands %d times, want %d:\n%s", kind, got, rightsOf, list)
		}
	}
	if list := brokerconfig.Mosquitto(brokerconfig.Settings{})[1].Text; strings.Contains(list, "user samsat") || !strings.Contains(list, "user _\n") {
		t.Errorf("without sites:\n%s", list)
	}
}
