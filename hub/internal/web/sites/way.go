package sites

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// step is one of the five on the way of a site's last punch: read at the terminal,
// buffered by the agent, sent, stored by the hub, receipted.
type step struct {
	Code    string // of the catalogue, after "step-"
	Light   string // ok, wait, bad or unknown
	At      *time.Time
	Detail  string
	Trouble string // the last error, in words; empty for none
	Advice  string // what to do
	Command bool   // Advice is typed by an operator as it stands
}

// overdue is how long a punch may wait on the line before somebody should look; an
// agent that was cut off comes back within two minutes of the line.
const overdue = 10 * time.Minute

// way is a rule over values: where the last punch is and what keeps it.
func (s speaker) way(v siteView, last store.Punch, found bool, receipt protocol.Receipt) []step {
	steps := []step{s.stepRead(v), s.stepBuffered(v), s.stepSent(v, last, found), s.stepStored(v, last, found, receipt), s.stepProven(v, receipt)}
	if v.Standing.Sees() {
		return steps
	}
	for i := range steps[:2] { // what happens at the office is not known now
		if v.Reported {
			steps[i].Advice = s.Text("step-as-last-told", "time", s.Moment(v.State.Told))
		}
		steps[i].Light = "unknown"
	}
	return steps
}

func (s speaker) stepRead(v siteView) step {
	out := step{Code: "read", Light: "ok"}
	told := 0
	for _, t := range v.Terminals {
		if !t.Reported {
			continue
		}
		told++
		if t.LastRead != nil && (out.At == nil || t.LastRead.After(*out.At)) {
			out.At = t.LastRead
		}
		if t.LastError != "" {
			out.Light, out.Trouble, out.Advice = "bad", s.readTrouble(v, t), s.Text("step-read-advice")
		}
	}
	switch {
	case told == 0:
		out.Light, out.Detail = "unknown", s.Text("step-read-none")
	case out.At == nil:
		out.Detail = s.Text("step-read-never")
		if out.Light == "ok" {
			out.Light = "wait"
		}
	default:
		out.Detail = s.Text("step-read-detail", "count", s.Number(told))
	}
	return out
}

// readTrouble prefers the agent's own sentence, which knows the details.
func (s speaker) readTrouble(v siteView, t terminalView) string {
	for _, c := range v.State.Conditions {
		if c.Subject == string(t.Serial) && c.Code == "terminal-"+t.LastError {
			return s.condition(v.Agent.Site, c.Code, c.Subject, c.Args, c.Severity, c.Since).Text
		}
	}
	return s.Text("step-read-trouble", "serial", t.Serial, "cause", t.LastError)
}

func (s speaker) stepBuffered(v siteView) step {
	out := step{Code: "buffered", Light: "unknown", Detail: s.Text("step-unknown")}
	if !v.Reported {
		return out
	}
	out.Light, out.At = "ok", &v.State.Told
	out.Detail = s.Text("step-buffered-detail", "count", s.Number(v.State.Last))
	if days := v.State.Capacity.DaysLeft; v.State.Capacity.MaxBytes > 0 && days >= 0 && days < 7 {
		out.Light, out.Trouble = "wait", s.Text("step-buffered-room", "days", days)
	}
	for _, c := range v.State.Conditions {
		if c.Severity != protocol.SeverityInfo && strings.HasPrefix(c.Code, "buffer-") {
			out.Light, out.Trouble, out.Advice = "bad", s.condition(v.Agent.Site, c.Code, c.Subject, c.Args, c.Severity, c.Since).Text, s.Text("step-buffered-advice")
		}
	}
	return out
}

func (s speaker) stepSent(v siteView, last store.Punch, found bool) step {
	out := step{Code: "sent", Light: "ok"}
	if found {
		out.At = &last.Received
	}
	waiting := v.State.Backlog
	if !v.Standing.Holds() {
		waiting = protocol.Backlog{}
	}
	late := waiting.Oldest != nil && s.Now.Sub(*waiting.Oldest) > overdue
	switch {
	case !v.Reported:
		out.Light, out.Detail = "unknown", s.Text("step-unknown")
	case !v.Standing.Holds():
		out.Light, out.Detail = "unknown", s.Text("step-sent-unknown")
	case waiting.Punches == 0:
		out.Detail = s.Text("step-sent-all")
	default:
		out.Light, out.Detail = "wait", s.Text("step-sent-waiting", "count", s.Number(waiting.Punches), "age", s.Age(waiting.Oldest))
	}
	if v.Standing == Missing || v.Standing == Interrupted || v.Standing == Unheard {
		out.Light, out.Trouble, out.Advice = "bad", s.Text("notice-"+string(v.Standing), "since", s.Moment(v.Heard)), s.Text("step-sent-advice-line")
	} else if late {
		out.Light, out.Advice = "bad", s.Text("step-sent-advice-late")
	}
	return out
}

func (s speaker) stepStored(v siteView, last store.Punch, found bool, receipt protocol.Receipt) step {
	out := step{Code: "stored", Light: "wait", Detail: s.Text("step-stored-none")}
	if found {
		out.Light, out.At = "ok", &last.Received
		out.Detail = s.Text("step-stored-detail", "count", s.Number(v.Sightings), "serial", last.Serial, "time", s.Wall(last.Time))
	}
	for _, t := range v.Terminals {
		if !t.Registered && t.Sightings > 0 {
			out.Light, out.Trouble = "wait", s.Text("step-stored-stranger", "serial", t.Serial, "count", s.Number(t.Sightings))
			out.Advice, out.Command = s.RegisterCommand(v.Agent.Site, t.Serial), true
		}
	}
	if at, ok := receipt.Of(v.State.Epoch); ok && at.Fork > 0 {
		out.Light, out.Trouble, out.Advice = "bad", s.Text("step-fork", "sequence", s.Number(at.Fork)), s.Text("step-fork-advice")
	}
	return out
}

func (s speaker) stepProven(v siteView, receipt protocol.Receipt) step {
	out := step{Code: "proven", Light: "unknown", Detail: s.Text("step-unknown")}
	held, ok := receipt.Of(v.State.Epoch)
	if !v.Reported {
		return out
	}
	shown, at := v.State.shown()
	out.At = at
	switch {
	case v.State.Last == 0:
		out.Light, out.Detail = "wait", s.Text("step-stored-none")
	case !ok || held.Through == 0:
		out.Light, out.Detail = "wait", s.Text("step-proven-none")
	case shown.Through < held.Through:
		out.Light, out.Detail = "wait", s.Text("step-proven-waiting", "through", s.Number(held.Through), "shown", s.Number(shown.Through))
	case held.Through < v.State.Last:
		out.Light, out.Detail = "wait", s.Text("step-proven-part", "through", s.Number(held.Through), "last", s.Number(v.State.Last))
	default:
		out.Light, out.Detail = "ok", s.Text("step-proven-all", "through", s.Number(held.Through))
	}
	return out
}

// shown returns what the newest receipt that the agent has says of its epoch, and
// when the hub signed it.
func (r reported) shown() (held protocol.EpochStore, at *time.Time) {
	var e protocol.Envelope
	var receipt protocol.Receipt
	if json.Unmarshal(r.Receipt, &e) != nil || json.Unmarshal(e.Body, &receipt) != nil {
		return protocol.EpochStore{}, nil // none yet
	}
	held, _ = receipt.Of(r.Epoch)
	return held, e.At
}

// RegisterCommand is what an operator types so that a terminal's punches count.
func (speaker) RegisterCommand(site protocol.SiteID, serial protocol.Serial) string {
	return "sidik-hub terminal add --site " + string(site) + " --serial " + string(serial)
}
