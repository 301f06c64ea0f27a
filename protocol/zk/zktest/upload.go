package zktest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// uploadLimit is the most that a client may announce.
const uploadLimit = 4 << 20

// take is the way of templates onto the terminal.
//
//	PREPARE_DATA u32 size, DATA … each acknowledged, then either
//	TMP_WRITE        u16 slot, u8 finger, u8 flag, u16 length   the bytes are one template
//	SAVE_USERTEMPS   u32 12, u16 0, u16 8                       the bytes are users and templates
//	and FREE_DATA
func (t *Terminal) take(l *link, p zk.Packet) []zk.Packet {
	done := true
	switch p.Code {
	case zk.PrepareData:
		if done = len(p.Body) >= 4 && binary.LittleEndian.Uint32(p.Body) <= uploadLimit; done {
			l.expected = int(binary.LittleEndian.Uint32(p.Body))
			l.upload = []byte{}
		}
	case zk.Data:
		if done = l.upload != nil && len(l.upload)+len(p.Body) <= l.expected; done {
			l.upload = append(l.upload, p.Body...)
		}
	case zk.FreeData:
		l.upload, l.prepared = nil, nil
	case zk.CmdChecksumBuffer:
		// The algorithm is not known and no client looks at the answer.
		return l.reply(p, zk.AckOK, binary.LittleEndian.AppendUint32(nil, uint32(zk.Checksum(l.upload))))
	}
	if !done {
		return l.reply(p, zk.AckError, nil)
	}
	return l.reply(p, zk.AckOK, nil)
}

// takeUpload takes what was uploaded as one finger.
func (t *Terminal) takeUpload(l *link, body []byte) bool {
	if len(body) < 6 {
		return false
	}
	n := int(binary.LittleEndian.Uint16(body[4:]))
	if n == 0 || n != len(l.upload) || body[2] > 9 {
		return false
	}
	m := zk.Template{UID: binary.LittleEndian.Uint16(body), Finger: body[2], Flag: body[3], Data: bytes.Clone(l.upload)}
	if _, there := t.finger(m.UID, m.Finger); there && t.profile.Quirks.KeepsFinger > 0 {
		return t.profile.Quirks.KeepsFinger != 2
	}
	return t.takeTemplate(m) == nil
}

// takeUsers takes users with their templates as a whole or not at all.
func (t *Terminal) takeUsers(upload []byte) bool {
	u, err := zk.ParseUpload(bytes.Clone(upload))
	if err != nil || len(u.Users) > 0 && u.Layout != t.profile.Users {
		return false
	}
	users, templates := t.users, t.templates
	t.users, t.templates = slices.Clone(users), slices.Clone(templates)
	for _, user := range u.Users {
		err = errors.Join(err, t.takeUser(user))
	}
	for _, m := range u.Templates {
		if _, there := t.finger(m.UID, m.Finger); there && t.profile.Quirks.KeepsFinger == 3 {
			continue
		}
		err = errors.Join(err, t.takeTemplate(m))
	}
	if err != nil {
		t.users, t.templates = users, templates
	}
	return err == nil
}
