package config_test

import (
	"path/filepath"
	"testing"

	"github.com/bkpsdmd-babel/sidik/agent/config"
)

// The package brings this file for people to copy; its data folder is where the service may write.
func TestExampleOfThePackageIsAGoodConfiguration(t *testing.T) {
	c, err := config.Load(filepath.Join("..", "..", "systemd", "agent.example.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Data != "/var/lib/sidik-agent" || len(c.Terminals) != 1 {
		t.Errorf("the example says %+v", c)
	}
}
