package wording

import (
	"github.com/bkpsdmd-babel/sidik/hub/internal/errand"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

func (w Words) sayErrand(code string, args phrase.Args) string {
	said, _ := w("errand."+code, args)
	return said
}

// Errand is how far an errand is, and in the end what became of it.
func (w Words) Errand(e errand.Errand) string {
	said := w.sayErrand("state-"+string(e.State), nil)
	if e.State == errand.Failed {
		said += ": " + w.sayErrand("ended-"+string(e.Ended), phrase.Args{"reason": w.or("errand.reason-"+e.Reason, e.Reason, nil)})
	}
	if r := e.Result; r != nil {
		said += "; " + w.sayErrand("result-read", phrase.Args{"rows": r.Rows, "new": r.New})
		if e.Kind == protocol.JobClock && r.Before != protocol.OffsetUnknown && r.After != protocol.OffsetUnknown {
			said += "; " + w.sayErrand("result-clock", phrase.Args{"before": r.Before, "after": r.After})
		}
	}
	return said
}

// ErrandKind is what an errand does.
func (w Words) ErrandKind(kind protocol.JobKind) string {
	return w.sayErrand("kind-"+string(kind), nil)
}

// ErrandRefused is why an errand is not ordered, or not shown.
func (w Words) ErrandRefused(r errand.Refusal) string { return w.sayErrand("refused-"+string(r), nil) }
