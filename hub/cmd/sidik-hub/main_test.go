package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sidik-hub": main})
}

// TestScripts runs the command lines of testdata/script, each in a folder of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			env.Setenv("SIDIK_LANG", "en")
			env.Setenv("KEY", strings.Repeat("ab", 32))
			env.Setenv("OTHER", strings.Repeat("cd", 32))
			return nil
		},
	})
}
