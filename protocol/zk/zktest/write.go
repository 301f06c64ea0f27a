package zktest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// alters tells whether a command changes users or fingers.
func alters(command zk.Code) bool {
	switch command {
	case zk.CmdUserWrite, zk.CmdDeleteUser, zk.CmdDeleteUserTemp, zk.CmdDeleteTemp, zk.CmdTempWrite, zk.CmdSaveUserTemps:
		return true
	}
	return false
}

// alter carries out a command that changes users or fingers, with the faults of that.
// The caller holds t.mu.
func (t *Terminal) alter(l *link, p zk.Packet) (answer []zk.Packet, then func()) {
	if _, ok := t.fire(RefuseWrite, p.Code); ok || t.profile.Quirks.ReadOnly {
		return l.reply(p, zk.AckError, nil), nil
	}
	if _, ok := t.fire(Unstored, p.Code); ok {
		return l.reply(p, zk.AckOK, nil), nil
	}
	if !t.write(l, p) {
		return l.reply(p, zk.AckError, nil), nil
	}
	if f, ok := t.fire(FreezeAfter, p.Code); ok {
		t.freeze(f)
		return nil, nil
	}
	if f, ok := t.fire(RebootAfter, p.Code); ok {
		return nil, func() { t.Reboot(f.For) }
	}
	if _, ok := t.fire(HangUpAfter, p.Code); ok {
		return nil, l.drop
	}
	return l.reply(p, zk.AckOK, nil), nil
}

// freeze lets nothing be answered for a while, or until Lift.
func (t *Terminal) freeze(f Fault) {
	t.frozen = time.Now().Add(f.For)
	if f.For == 0 {
		t.frozen = time.Now().AddDate(100, 0, 0)
	}
}

// write does what a command says; false when it cannot be done.
func (t *Terminal) write(l *link, p zk.Packet) bool {
	switch p.Code {
	case zk.CmdUserWrite:
		u, err := t.profile.Users.Parse(bytes.Clone(p.Body))
		return err == nil && t.takeUser(u) == nil
	case zk.CmdDeleteUser:
		return len(p.Body) >= 2 && t.dropUser(binary.LittleEndian.Uint16(p.Body))
	case zk.CmdDeleteUserTemp:
		return t.dropTemplates(p.Body)
	case zk.CmdDeleteTemp:
		return t.dropTemplateOf(p.Body)
	case zk.CmdTempWrite:
		return t.takeUpload(l, p.Body)
	case zk.CmdSaveUserTemps:
		return len(l.upload) == l.expected && t.takeUsers(l.upload)
	}
	return false
}

// takeUser stores a user who came by the wire, where more is refused than in AddUser.
func (t *Terminal) takeUser(u zk.User) error {
	digits := func(r rune) bool { return r < '0' || r > '9' }
	switch width := t.profile.PINWidth; {
	case u.UID == 0:
		return fmt.Errorf("store user in slot 0: %w", zk.ErrLayout)
	case width > 0 && len(u.PIN) > width:
		return fmt.Errorf("store user in slot %d: a PIN of %d characters, %d are possible", u.UID, len(u.PIN), width)
	case !t.profile.Quirks.Letters && strings.ContainsFunc(u.PIN, digits):
		return fmt.Errorf("store user in slot %d: a PIN with letters", u.UID)
	}
	return t.putUser(u)
}

// takeTemplate stores a finger that came by the wire or was captured.
func (t *Terminal) takeTemplate(m zk.Template) error {
	if t.profile.Quirks.ReEncodes {
		m.Data = reEncode(m.Data)
	}
	if t.profile.Quirks.UniqueFinger && t.isSomebodyElses(m) {
		return fmt.Errorf("store finger %d of slot %d: it is somebody else's", m.Finger, m.UID)
	}
	return t.putTemplate(m)
}

func (t *Terminal) isSomebodyElses(m zk.Template) bool {
	return slices.ContainsFunc(t.templates, func(o zk.Template) bool { return o.UID != m.UID && bytes.Equal(o.Data, m.Data) })
}

// reEncode is the same finger in the terminal's own words: other bytes of the same
// length, which written again stay as they are.
func reEncode(data []byte) []byte {
	data = bytes.Clone(data)
	if n := len(data); n > 0 {
		data[n-1] = 0x5A
	}
	return data
}

// dropTemplates carries out u16 slot, u8 finger. Colour terminals take finger 0 for all
// fingers of the user.
func (t *Terminal) dropTemplates(body []byte) bool {
	if len(body) < 3 {
		return false
	}
	uid, finger := binary.LittleEndian.Uint16(body), body[2]
	if finger != 0 || t.profile.Users == zk.User28 {
		return t.dropTemplate(uid, finger)
	}
	dropped := false
	for f := range uint8(10) {
		dropped = t.dropTemplate(uid, f) || dropped
	}
	return dropped
}

// dropTemplateOf carries out char[24] PIN, u8 finger.
func (t *Terminal) dropTemplateOf(body []byte) bool {
	if len(body) < 25 {
		return false
	}
	u, found := t.userByPIN(text(body[:24]))
	return found && t.dropTemplate(u.UID, body[24])
}
