package validate_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// A finding or an act without a sentence is shown to people as a code.
func TestEveryFindingAndActHasItsSentence(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "finding.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, is := n.(*ast.ValueSpec)
		if !is {
			return true
		}
		prefix := map[string]string{"Code": "finding-", "Act": "act-"}[spec.Type.(*ast.Ident).Name]
		if prefix == "" {
			return true // a class is a letter
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, "validate."+prefix+value)
		return true
	})
	for _, s := range []placement.Status{placement.Retired, placement.Died, placement.Moved, placement.Leave, placement.Study} {
		codes = append(codes, "validate.status-"+string(s))
	}
	catalogue := phrase.New()
	for _, code := range codes {
		if !catalogue.Has(code) {
			t.Errorf("the catalogue has no %s", code)
		}
	}
	for _, code := range catalogue.Codes() {
		for _, prefix := range []string{"finding-", "act-", "status-"} {
			if strings.HasPrefix(code, "validate."+prefix) && !slices.Contains(codes, code) {
				t.Errorf("nothing finds or does %s", code)
			}
		}
	}
	if len(codes) < 30 {
		t.Errorf("found %d codes: this test looks at too little", len(codes))
	}
}
