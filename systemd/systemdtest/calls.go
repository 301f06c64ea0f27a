// Package systemdtest tells which system calls of a traced program its unit refuses.
//
// It knows the filter of a unit and the output of strace -f. Beware: it judges what a
// program did in one test; what only happens in an office is not in the trace.
package systemdtest

import (
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// Refused returns the names of the calls in a trace that the unit's filter does not let
// pass, sorted. A trace without a call, and a unit without a filter, are errors.
func Refused(unit, trace string) ([]string, error) {
	allowed := map[string]bool{}
	for line := range strings.Lines(unit) {
		list, found := strings.CutPrefix(strings.TrimSpace(line), "SystemCallFilter=")
		if !found {
			continue
		}
		list, taken := strings.CutPrefix(list, "~")
		for _, name := range strings.Fields(list) {
			if err := expand(name, func(call string) { allowed[call] = !taken }); err != nil {
				return nil, err
			}
		}
	}
	if len(allowed) == 0 {
		return nil, fmt.Errorf("the unit has no SystemCallFilter")
	}
	called := regexp.MustCompile(`(?m)^\d+ +([a-z][a-z0-9_]*)\(`).FindAllStringSubmatch(trace, -1)
	if len(called) == 0 {
		return nil, fmt.Errorf("the trace has no call")
	}
	refused := map[string]bool{}
	for _, call := range called {
		if !allowed[call[1]] {
			refused[call[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(refused)), nil
}

// expand calls f with each call of a group of systemd's, and of the groups in it.
func expand(name string, f func(call string)) error {
	if !strings.HasPrefix(name, "@") {
		f(name)
		return nil
	}
	out, err := exec.Command("systemd-analyze", "syscall-filter", "--no-pager", name).Output()
	if err != nil {
		return fmt.Errorf("ask systemd-analyze for %s: %w; without the command, run make deps", name, err)
	}
	for line := range strings.Lines(string(out)) {
		if member := strings.TrimSpace(line); member != "" && member != name && !strings.HasPrefix(member, "#") {
			if err := expand(member, f); err != nil {
				return err
			}
		}
	}
	return nil
}
