package agent

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/bkpsdmd-babel/sidik/agent/internal/launch"
	"github.com/bkpsdmd-babel/sidik/agent/internal/release"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Replaced reports whether Run returned because another version is to be started in place
// of this one: the launcher knows which.
func Replaced(err error) bool { return errors.Is(err, release.ErrReplace) }

// Launched says how this program was started.
type Launched struct {
	Packaged string        // version of the packaged program, which asked the plan
	Digest   protocol.Hash // of this one, where it is a release's; zero: it is the packaged one
}

// Launch gives the process to the program that the plan in a data folder names, by exec. It
// returns when that is the packaged program, which is the one that runs.
func Launch(data string, l launch.Launcher) {
	l.Folder = launch.In(data)
	l.Run()
}

// newRelease makes the part that brings the agent to another version; nil where it is
// replaced by hand.
func (a *Agent) newRelease() (*release.Release, error) {
	if a.o.Launched == nil {
		return nil, nil
	}
	r, err := release.Open(release.Options{
		Data: a.o.Config.Data, Hub: a.o.Config.Hub.Address, Version: a.o.Version, Arch: protocol.ArchOf(runtime.GOARCH),
		Packaged: a.o.Launched.Packaged, Launched: a.o.Launched.Digest, Keyring: a.keys,
		Read:    func() bool { return len(a.answered()) > 0 },
		Heard:   a.hubHeard,
		Changed: func() { a.health.Signal() }, Log: a.o.Logger, Alive: a.o.Pulse.Loop("release"),
		RetryMin: a.o.RetryMin, RetryMax: a.o.BackoffMax,
	})
	if err != nil {
		return nil, fmt.Errorf("open releases: %w", err)
	}
	return r, nil
}

// runRelease carries orders out. Another version is another start of the agent.
func (a *Agent) runRelease(ctx context.Context) error {
	err := a.release.Run(ctx)
	if Replaced(err) {
		return fmt.Errorf("%w: %w", ErrRestart, err)
	}
	return err
}
