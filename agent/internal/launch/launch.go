package launch

import (
	"log/slog"
	"reflect"
)

// Launcher is the packaged program before it is an agent.
type Launcher struct {
	Folder   Folder
	Packaged string // version of the packaged program
	// Exec gives this process to a program; it returns only when that was not possible.
	Exec func(path string, p Program) error
	Log  *slog.Logger
}

// attempts are the trial, the program before, and what the plan says after each failed.
const attempts = 4

// Run gives the process to the program that the plan names. It returns when the packaged
// program is to go on, for which there is always a way.
func (l Launcher) Run() {
	for range attempts {
		plan, err := l.Folder.Plan()
		if err != nil {
			l.Log.Error("the packaged program runs: the plan of programs cannot be read", "error", err)
			if err := l.Folder.setAside(); err != nil {
				l.Log.Error("the plan of programs cannot be set aside", "error", err)
			}
			return
		}
		next, run := plan.Launch(l.Packaged, l.Folder.Fit)
		if r, found := last(next); found {
			if before, found := last(plan); !found || before != r {
				l.Log.Error("a release is not run any more", "version", r.Version.String(), "reason", string(r.Reason))
			}
		}
		if !reflect.DeepEqual(next, plan) {
			if err := l.Folder.Keep(next); err != nil {
				l.Log.Error("the plan of programs cannot be kept", "error", err)
				run = l.proven(next)
			}
		}
		if run == nil {
			return
		}
		l.Log.Info("the program of a release starts", "version", run.Version.String(), "proven", run == next.Current)
		err = l.Exec(l.Folder.Program(run.SHA256), *run)
		l.Log.Error("the program of a release does not start", "version", run.Version.String(), "error", err)
		if err := l.Folder.Keep(next.Failed(*run)); err != nil {
			l.Log.Error("the plan of programs cannot be kept", "error", err)
			return
		}
	}
}

// proven is the program that needs no count of its starts: where none can be kept, nothing
// is tried.
func (l Launcher) proven(p Plan) *Program {
	if p.Current == nil || l.Folder.Fit(*p.Current) != nil {
		return nil
	}
	return p.Current
}

func last(p Plan) (r Refused, found bool) {
	if len(p.Refused) == 0 {
		return r, false
	}
	return p.Refused[len(p.Refused)-1], true
}
