package sites

import (
	"cmp"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// notice is one thing that somebody should know: a sentence, how much it matters,
// and where it belongs.
type notice struct {
	Site     protocol.SiteID // empty: the hub
	Severity protocol.Severity
	Text     string
	Command  string // what an operator types once it is resolved; may be empty
	Since    *time.Time
	code     string
}

// unregistered is the condition that pages do not repeat: they read from the store
// which terminals are not registered, and say it with the command.
const unregistered = "terminal-unregistered"

// conditions returns what a site's agent and the hub say of the site, in words.
func (s speaker) conditions(site protocol.SiteID, st reported, hub []store.Condition) []notice {
	var all []notice
	for _, c := range st.Conditions {
		all = append(all, s.condition(site, c.Code, c.Subject, c.Args, c.Severity, c.Since))
	}
	for _, c := range hub {
		if c.Code == unregistered {
			continue
		}
		n := s.condition(site, c.Code, c.Subject, c.Args, protocol.SeverityWarning, &c.Since)
		n.Command = closeCommand(c)
		all = append(all, n)
	}
	return all
}

// condition finds the sentence of a code. An agent may be newer than this hub: its
// code is shown then, because something to look for is better than nothing.
func (s speaker) condition(site protocol.SiteID, code, subject string, args map[string]string, severity protocol.Severity, since *time.Time) notice {
	fill := phrase.Args{"subject": subject}
	for name, value := range args {
		fill[name] = value
	}
	text, known := s.Tell("condition."+code, fill)
	if !known {
		text = s.Text("condition-unknown", "code", code, "subject", subject)
	}
	return notice{Site: site, Severity: severity, Text: text, Since: since, code: code}
}

// closeCommand is what an operator types to close a condition that the hub raised.
func closeCommand(c store.Condition) string {
	command := "sidik-hub condition clear " + c.Code
	if c.Site != "" {
		command += " --site " + string(c.Site)
	}
	if c.Subject != "" {
		command += " --subject " + c.Subject
	}
	return command
}

// rank orders notices: what needs somebody now comes first.
func rank(all []notice) {
	weight := map[protocol.Severity]int{protocol.SeverityError: 0, protocol.SeverityWarning: 1, protocol.SeverityInfo: 2}
	slices.SortStableFunc(all, func(a, b notice) int {
		return cmp.Or(cmp.Compare(weight[a.Severity], weight[b.Severity]), cmp.Compare(a.Site, b.Site), cmp.Compare(a.code, b.code))
	})
}
