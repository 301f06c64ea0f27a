package main

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/brokerconfig"
	role "github.com/bkpsdmd-babel/sidik/protocol/trust"
)

// Agents take a broker by its role, operators by its name; nobody takes it for the hub's
// own listeners.
func TestCertificateOfAnotherBroker(t *testing.T) {
	ca, _, err := authority.LoadOrCreate(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	plan, now := brokerPlan{to: filepath.Join(t.TempDir(), "new"), hosts: []string{"mqtt.example", "192.0.2.7"}}, time.Now()
	write := func(now time.Time) tls.Certificate {
		t.Helper()
		until, err := plan.write(ca, nil, nil, now)
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.LoadX509KeyPair(filepath.Join(plan.to, brokerconfig.CertificateFile), filepath.Join(plan.to, brokerconfig.KeyFile))
		if err != nil {
			t.Fatal(err)
		}
		if pair.Leaf.NotAfter.Sub(until).Abs() > time.Second {
			t.Errorf("it lasts until %v, said is %v", pair.Leaf.NotAfter, until)
		}
		return pair
	}
	first := write(now)
	for name, want := range map[string]bool{
		string(role.RoleBroker): true, "mqtt.example": true, "192.0.2.7": true,
		string(role.RoleAgents): false, string(role.RolePages): false, "hub.example": false,
	} {
		if err := first.Leaf.VerifyHostname(name); (err == nil) != want {
			t.Errorf("as %s: %v, want %v", name, err, want)
		}
	}
	if info, err := os.Stat(filepath.Join(plan.to, brokerconfig.KeyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", info.Mode(), err)
	}
	if again := write(now.Add(brokerLife / 2)); !again.Leaf.Equal(first.Leaf) {
		t.Error("a certificate that lasts was replaced")
	}
	if again := write(now.Add(brokerLife * 3 / 4)); again.Leaf.Equal(first.Leaf) {
		t.Error("a certificate in its last third was kept")
	}
}
