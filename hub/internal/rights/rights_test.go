package rights_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/rights"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// The rights of issue and contract, written out: whoever changes the kinds sees here
// what sites and operators may do from then on.
func TestRights(t *testing.T) {
	for _, row := range []struct {
		subject authority.Subject
		want    rights.Rights
	}{
		{authority.Subject{Kind: authority.Site, Name: "samsat"}, rights.Rights{
			Write: []string{"sidik/v1/samsat/diagnosis", "sidik/v1/samsat/inventory/#", "sidik/v1/samsat/progress", "sidik/v1/samsat/punches", "sidik/v1/samsat/results",
				"sidik/v1/samsat/state", "sidik/v1/samsat/templates/up"},
			Read: []string{"sidik/v1/_/hub", "sidik/v1/_/keys", "sidik/v1/samsat/config", "sidik/v1/samsat/jobs", "sidik/v1/samsat/receipt", "sidik/v1/samsat/release", "sidik/v1/samsat/roster/#",
				"sidik/v1/samsat/templates/down"},
		}},
		{authority.Subject{Kind: authority.Operator, Name: "ani"}, rights.Rights{Read: []string{"sidik/v1/#"}}},
		{authority.Subject{Kind: authority.Hub}, rights.Rights{Write: []string{"sidik/v1/#"}, Read: []string{"sidik/v1/#"}}},
		{authority.Subject{}, rights.Rights{}},
		{authority.Subject{Name: "samsat"}, rights.Rights{}},
	} {
		got := rights.Of(row.subject)
		slices.Sort(got.Write)
		slices.Sort(got.Read)
		if !reflect.DeepEqual(got, row.want) {
			t.Errorf("%v: %+v, want %+v", row.subject, got, row.want)
		}
	}
}

// No right of a site is a right on anything of its neighbour.
func TestSitesHaveNothingInCommonButWhatTheHubSays(t *testing.T) {
	one, other := rights.Of(authority.Subject{Kind: authority.Site, Name: "samsat"}), rights.Of(authority.Subject{Kind: authority.Site, Name: "samsat-2"})
	for _, right := range slices.Concat(one.Write, one.Read) {
		own := strings.HasPrefix(right, "sidik/v1/samsat/")
		hubs := strings.HasPrefix(right, "sidik/v1/"+string(protocol.HubSite)+"/")
		if own == hubs || slices.Contains(other.Write, right) || hubs && slices.Contains(one.Write, right) {
			t.Errorf("a site has a right on %s", right)
		}
	}
}
