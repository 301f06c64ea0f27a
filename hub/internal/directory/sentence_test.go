package directory_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// A refusal without a sentence is shown to people as a code.
func TestEveryProblemHasItsSentence(t *testing.T) {
	paths, err := filepath.Glob("*.go")
	ok(t, err)
	catalogue, found := phrase.New(), 0
	look := func(e ast.Expr) {
		if lit, is := e.(*ast.BasicLit); is {
			code, err := strconv.Unquote(lit.Value)
			ok(t, err)
			found++
			if !catalogue.Has("register." + code) {
				t.Errorf("the catalogue has no register.%s", code)
			}
		}
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		ok(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				if key, is := n.Key.(*ast.Ident); is && key.Name == "Code" {
					look(n.Value)
				}
			case *ast.CallExpr:
				if f, is := n.Fun.(*ast.Ident); is && f.Name == "warn" {
					look(n.Args[0])
				}
			}
			return true
		})
	}
	if found < 30 {
		t.Errorf("found %d codes: this test looks at too little", found)
	}
}
