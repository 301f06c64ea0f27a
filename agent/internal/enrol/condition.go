package enrol

import (
	"errors"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
)

// Codes of the conditions; their sentences are in the catalogue. A refusal of the hub
// has the code that it told, behind "enrol-".
const (
	conditionNoCode  = "enrol-no-code"
	conditionCode    = "enrol-code-unreadable"
	conditionRoot    = "enrol-other-root"
	conditionServer  = "enrol-other-hub"
	conditionNoHub   = "enrol-no-hub"
	conditionRefused = "enrol-"
)

// Conditions are what a person should know: why there is no certificate, or why the
// present one is not renewed.
func (n *Enrolment) Conditions() []protocol.Condition {
	n.mu.Lock()
	err := n.trouble
	n.mu.Unlock()
	if err == nil {
		return nil
	}
	c := protocol.Condition{Severity: protocol.SeverityError}
	if g, granted := n.o.Keyring.Granted(); granted {
		if now, _ := n.o.Now(); now.Before(g.Until) {
			c.Severity = protocol.SeverityWarning
		}
	}
	var denied *Denied
	switch {
	case errors.As(err, &denied):
		c.Code = conditionRefused + string(denied.Code)
	case errors.Is(err, ErrNoCode):
		c.Code = conditionNoCode
	case errors.Is(err, ErrCode):
		c.Code = conditionCode
	case errors.Is(err, trust.ErrRoot):
		c.Code = conditionRoot
	case errors.Is(err, trust.ErrServer):
		c.Code = conditionServer
	default:
		c.Code, c.Args = conditionNoHub, map[string]string{"cause": err.Error()}
	}
	return []protocol.Condition{c}
}
