package wording

import (
	"github.com/bkpsdmd-babel/sidik/hub/internal/job"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

func (w Words) sayCapture(code string, args phrase.Args) string {
	said, _ := w("capture."+code, args)
	return said
}

// Capture is how far the capture of a finger is, and in the end what became of it.
func (w Words) Capture(j job.Job) string {
	switch {
	case j.State == job.Begun && j.Step != "":
		return w.sayCapture("step-"+string(j.Step), phrase.Args{"good": j.Good, "bad": j.Bad})
	case j.State == job.Failed:
		reason := w.Reason(j.Reason)
		if j.Ended == protocol.EndedUnreachable {
			reason = w.or("capture.trouble-"+j.Reason, j.Reason, nil)
		}
		return w.sayCapture("state-failed", nil) + ": " + w.sayCapture("ended-"+string(j.Ended), phrase.Args{"reason": reason})
	}
	return w.sayCapture("state-"+string(j.State), nil)
}

// CaptureRefused is why a capture is not ordered, or not cancelled.
func (w Words) CaptureRefused(r job.Refusal) string {
	return w.sayCapture("refused-"+string(r), nil)
}
