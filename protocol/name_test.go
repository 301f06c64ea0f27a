package protocol_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

func TestNames(t *testing.T) {
	for _, row := range []struct {
		name, text   string
		site, serial bool
	}{
		{"a slug", "samsat-belitung", true, true},
		{"a serial", "X100C0001", true, true},
		{"one letter", "a", true, true},
		{"32 letters", strings.Repeat("a", 32), true, true},
		{"33 letters", strings.Repeat("a", 33), true, false},
		{"48 letters", strings.Repeat("a", 48), true, false},
		{"49 letters", strings.Repeat("a", 49), false, false},
		{"nothing", "", false, false},
		{"the hub's own", "_", false, false},
		{"a hyphen before", "-a", false, false},
		{"a blank", "a b", false, false},
		{"a level of a topic", "a/b", false, false},
		{"a dot", "a.b", false, false},
		{"a wildcard", "+", false, false},
		{"all below", "#", false, false},
		{"a letter with an accent", "é", false, false},
		{"a zero byte", "a\x00", false, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			site, err := protocol.ParseSiteID(row.text)
			if row.site != (err == nil) || row.site && string(site) != row.text || !row.site && !errors.Is(err, protocol.ErrSiteID) {
				t.Errorf("ParseSiteID(%q) = %q, %v, want good %v", row.text, site, err, row.site)
			}
			serial, err := protocol.ParseSerial(row.text)
			if row.serial != (err == nil) || row.serial && string(serial) != row.text || !row.serial && !errors.Is(err, protocol.ErrSerial) {
				t.Errorf("ParseSerial(%q) = %q, %v, want good %v", row.text, serial, err, row.serial)
			}
		})
	}
}

func TestHashText(t *testing.T) {
	h := fixedHash("any")
	var back protocol.Hash
	if err := back.UnmarshalText([]byte(h.String())); err != nil || back != h {
		t.Errorf("UnmarshalText(String) = %s, %v", back, err)
	}
	for name, bad := range map[string]string{
		"nothing": "", "one letter less": h.String()[1:], "one letter more": h.String() + "0",
		"capitals": strings.ToUpper(h.String()), "no hexadecimal": strings.Repeat("g", 64),
	} {
		t.Run(name, func(t *testing.T) {
			got := h
			if err := got.UnmarshalText([]byte(bad)); !errors.Is(err, protocol.ErrHash) || got != h {
				t.Errorf("UnmarshalText(%q) = %s, %v, want ErrHash and nothing changed", bad, got, err)
			}
		})
	}
	one, other := protocol.NewEpoch(), protocol.NewEpoch()
	if one == other || one.IsZero() || !(protocol.Hash{}).IsZero() {
		t.Error("NewEpoch is not random, or IsZero is wrong")
	}
	if !strings.HasPrefix(h.String(), h.Short()) {
		t.Errorf("Short = %s is not the beginning of %s", h.Short(), h)
	}
}

func TestTopics(t *testing.T) {
	for _, row := range []struct {
		text string
		want protocol.Topic // zero: refused
	}{
		{"sidik/v1/samsat-belitung/state", protocol.Topic{Site: site, Kind: protocol.KindState}},
		{"sidik/v1/samsat-belitung/punches", protocol.Topic{Site: site, Kind: protocol.KindPunches}},
		{"sidik/v1/samsat-belitung/receipt", protocol.Topic{Site: site, Kind: protocol.KindReceipt}},
		{"sidik/v1/_/hub", protocol.Topic{Site: protocol.HubSite, Kind: protocol.KindHub}},
		{"sidik/v1/_/keys", protocol.Topic{Site: protocol.HubSite, Kind: protocol.KindKeys}},
		{"sidik/v1/samsat-belitung/roster/X100C0001", protocol.Topic{Site: site, Kind: protocol.KindRoster, Serial: "X100C0001"}},
		{"sidik/v1/samsat-belitung/roster/X100C0001/64", protocol.Topic{Site: site, Kind: protocol.KindRoster, Serial: "X100C0001", Part: 64}},
		{"sidik/v1/samsat-belitung/inventory/X100C0001/1", protocol.Topic{Site: site, Kind: protocol.KindInventory, Serial: "X100C0001", Part: 1}},
		{"sidik/v1/samsat-belitung/templates/up", protocol.Topic{Site: site, Kind: protocol.KindTemplatesUp}},
		{"sidik/v1/samsat-belitung/templates/down", protocol.Topic{Site: site, Kind: protocol.KindTemplatesDown}},
		{"sidik/v1/samsat-belitung/results", protocol.Topic{Site: site, Kind: protocol.KindResults}},
		{"sidik/v1/samsat-belitung/jobs", protocol.Topic{Site: site, Kind: protocol.KindJobs}},
		{"sidik/v1/samsat-belitung/progress", protocol.Topic{Site: site, Kind: protocol.KindProgress}},
		{"sidik/v1/samsat-belitung/diagnosis", protocol.Topic{Site: site, Kind: protocol.KindDiagnosis}},
		{text: "sidik/v1/samsat-belitung/diagnosis/1"},
		{"sidik/v1/samsat-belitung/release", protocol.Topic{Site: site, Kind: protocol.KindRelease}},
		{text: "sidik/v1/samsat-belitung/release/v1.2.3"},
		{text: "sidik/v1/samsat-belitung/roster"},
		{text: "sidik/v1/samsat-belitung/roster/"},
		{text: "sidik/v1/samsat-belitung/roster/X100C0001/"},
		{text: "sidik/v1/samsat-belitung/roster/X100C0001/0"},
		{text: "sidik/v1/samsat-belitung/roster/X100C0001/01"},
		{text: "sidik/v1/samsat-belitung/roster/X100C0001/65"},
		{text: "sidik/v1/samsat-belitung/roster/X100C0001/1/1"},
		{text: "sidik/v1/samsat-belitung/roster/+"},
		{text: "sidik/v1/samsat-belitung/results/X100C0001"},
		{text: "sidik/v1/samsat-belitung/templates"},
		{text: "sidik/v1/samsat-belitung/templates/up/1"},
		{text: "sidik/v1/_/roster/X100C0001"},
		{text: ""},
		{text: "sidik/v1"},
		{text: "sidik/v1/"},
		{text: "sidik/v1/samsat-belitung"},
		{text: "sidik/v1/samsat-belitung/"},
		{text: "sidik/v1//state"},
		{text: "sidik/v1/samsat-belitung/state/"},
		{text: "sidik/v1/samsat-belitung/roof"},
		{text: "sidik/v1/samsat-belitung/hub"},
		{text: "sidik/v1/_/state"},
		{text: "sidik/v1/+/state"},
		{text: "sidik/v1/#"},
		{text: "/sidik/v1/samsat-belitung/state"},
		{text: "sidik/v2/samsat-belitung/state"},
	} {
		t.Run(row.text, func(t *testing.T) {
			got, err := protocol.ParseTopic(row.text)
			if got != row.want || (err == nil) != (row.want != protocol.Topic{}) {
				t.Errorf("ParseTopic = %+v, %v, want %+v", got, err, row.want)
			}
			if err == nil && got.String() != row.text {
				t.Errorf("String = %s", got)
			}
			if err != nil && !errors.Is(err, protocol.ErrTopic) {
				t.Errorf("err = %v, want ErrTopic", err)
			}
		})
	}
	if got := protocol.TopicUp(protocol.KindState); got != "sidik/v1/+/state" {
		t.Errorf("TopicUp = %s", got)
	}
	for kind, want := range map[protocol.Kind]string{
		protocol.KindReceipt: "sidik/v1/samsat/receipt",
		protocol.KindRoster:  "sidik/v1/samsat/roster/#",
		protocol.KindKeys:    "sidik/v1/_/keys",
	} {
		if got := protocol.TopicOf("samsat", kind); got != want {
			t.Errorf("TopicOf = %s, want %s", got, want)
		}
	}
}

func TestKinds(t *testing.T) {
	for kind, want := range map[protocol.Kind]struct {
		direction protocol.Direction
		retained  bool
	}{
		protocol.KindState:   {protocol.Up, true},
		protocol.KindPunches: {protocol.Up, false},
		protocol.KindReceipt: {protocol.Down, true},
		protocol.KindHub:     {protocol.Down, true},
		protocol.KindKeys:    {protocol.Down, true},
		"roof":               {protocol.Up, false},
	} {
		if kind.Direction() != want.direction || kind.Retained() != want.retained {
			t.Errorf("%s: direction %d retained %v, want %+v", kind, kind.Direction(), kind.Retained(), want)
		}
	}
}

// A kind that a const names and the table lacks would be refused by every broker.
func TestEveryKindIsInTheTable(t *testing.T) {
	parsed, err := parser.ParseFile(token.NewFileSet(), "topic.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
			if of, ok := spec.Type.(*ast.Ident); ok && of.Name == "Kind" {
				named = append(named, strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`))
			}
		}
		return true
	})
	var listed []string
	for _, k := range protocol.Kinds() {
		listed = append(listed, string(k))
	}
	slices.Sort(named)
	slices.Sort(listed)
	if len(named) == 0 || !slices.Equal(named, listed) {
		t.Errorf("the constants are %v, the table has %v", named, listed)
	}
}
