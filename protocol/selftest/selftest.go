// Package selftest starts the test program itself as a child, also where it is of another
// processor than this machine's: then through the emulator that runs the tests.
//
// Beware: what a child of an emulated program starts is not emulated by itself. Programs
// that trace others or make namespaces are not for an emulator.
package selftest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// emulator names the program, with its arguments, that runs programs of the tests'
// processor; empty where that is the machine's own. The Makefile sets it.
const emulator = "SIDIK_EMULATOR"

// Command is the program and the arguments by which this test program is started again
// with args.
func Command(t testing.TB, args ...string) (program string, all []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	by := append(strings.Fields(os.Getenv(emulator)), self)
	return by[0], append(by[1:], args...)
}

// Emulated reports whether this test program runs through an emulator.
func Emulated() bool { return os.Getenv(emulator) != "" }

// Path returns a folder to be put before a PATH, in which name is this test program under
// that name, through the emulator; empty where there is none.
func Path(t testing.TB, name string) (folder string) {
	t.Helper()
	by := os.Getenv(emulator)
	if by == "" {
		return ""
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	folder = t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\nexec %s -0 %s '%s' \"$@\"\n", by, name, self)
	if err := os.WriteFile(filepath.Join(folder, name), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}
