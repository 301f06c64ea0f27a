package main

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/bkpsdmd-babel/sidik/agent"
	"github.com/bkpsdmd-babel/sidik/agent/internal/launch"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/systemd"
)

// What the packaged program tells a release's program by the environment: its own
// version and place, and the digest by which it was chosen.
const (
	packagedName = "SIDIK_PACKAGED"
	launcherName = "SIDIK_LAUNCHER"
	launchedName = "SIDIK_LAUNCHED"
)

// launched is how this program was started. The packaged one first gives its process to
// the program of a release, where the plan names one: then this does not return. The
// process stays the same, and so does whoever watches it.
func (o *office) launched(data string, log *slog.Logger) (*agent.Launched, error) {
	if by := os.Getenv(launchedName); by != "" {
		var digest protocol.Hash
		if err := digest.UnmarshalText([]byte(by)); err != nil {
			return nil, fmt.Errorf("%s is no digest of a program: %w", launchedName, err)
		}
		return &agent.Launched{Packaged: os.Getenv(packagedName), Digest: digest}, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	agent.Launch(data, launch.Launcher{Packaged: o.version, Log: log, Exec: func(path string, p launch.Program) error {
		return syscall.Exec(path, os.Args, append(os.Environ(),
			packagedName+"="+o.version, launcherName+"="+self, launchedName+"="+p.SHA256.String()))
	}})
	return &agent.Launched{Packaged: o.version}, nil
}

// launchAgain gives the process back to the packaged program, which starts what the plan
// names now.
func launchAgain(manager systemd.Manager) error {
	program := os.Getenv(launcherName)
	if program == "" {
		return again(manager) // this is the packaged program
	}
	env := slices.DeleteFunc(append(os.Environ(), manager.Environ()...), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return name == packagedName || name == launcherName || name == launchedName
	})
	return fmt.Errorf("start the packaged program: %w", syscall.Exec(program, os.Args, env))
}
