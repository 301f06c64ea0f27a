package zk

import (
	"bytes"
	"context"
	"errors"
)

// ErrNoTemplate says that the user has no such finger.
var ErrNoTemplate = errors.New("no template")

// ReadTemplate reads one finger: ErrNoTemplate when the terminal has none.
func (c *Conn) ReadTemplate(ctx context.Context, uid uint16, finger uint8) (Template, error) {
	t := Template{UID: uid, Finger: finger, Flag: 1}
	err := c.do(ctx, func(ctx context.Context) error {
		data, err := c.oneTemplate(ctx, CmdTempRead, uid, finger)
		if refusal := (*Refusal)(nil); errors.As(err, &refusal) && refusal.Code == AckUnknown {
			// The older command says no flag.
			t.Data, err = c.oneTemplate(ctx, CmdUserTempRead, uid, finger)
			t.Data = t.Data[:TemplateLength(t.Data)]
			return err
		}
		if err == nil {
			t.Data, t.Flag, err = cutFlag(data)
		}
		return err
	})
	return t, wrap(err, "read finger %d of slot %d", finger, uid)
}

func (c *Conn) oneTemplate(ctx context.Context, command Code, uid uint16, finger uint8) ([]byte, error) {
	for try := 1; ; try++ {
		first, err := c.ask(ctx, command, fingerOf(uid, finger))
		if err != nil {
			return nil, err
		}
		data, err := c.gather(ctx, command, first, nil, -1)
		if refusal := (*Refusal)(nil); errors.As(err, &refusal) {
			switch refusal.Code {
			case AckError, AckReadFailed, AckNoRecord:
				return nil, errors.Join(ErrNoTemplate, err)
			}
			return nil, err
		}
		again := errors.Is(err, ErrGarbled) || errors.Is(err, ErrChecksum) || errors.Is(err, ErrSilent) && c.line.lossy()
		if !again || try == askTries {
			return data, err
		}
	}
}

// cutFlag reads the answer of GET_USERTEMP: the template, sometimes six zeros, and a
// byte that is its flag. A template of algorithm 10 says itself where it ends.
func cutFlag(data []byte) (template []byte, flag uint8, err error) {
	if len(data) < 2 {
		return nil, 0, ErrNoTemplate
	}
	last := len(data) - 1
	if hasTemplateMagic(data) {
		n := TemplateLength(data)
		if n > last {
			return data, 1, nil // nothing follows it
		}
		return data[:n:n], data[last], nil
	}
	template = bytes.TrimSuffix(data[:last], make([]byte, 6))
	return template[:len(template):len(template)], data[last], nil
}
