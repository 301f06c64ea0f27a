package zk

import (
	"encoding/binary"
	"fmt"
)

// Upload is users with their templates in one piece, taken by SAVE_USERTEMPS.
//
//	u32 length of users, u32 length of table, u32 length of templates
//	users:     02 and a user row, each
//	table:     02, u16 slot, u8 0x10+finger, u32 offset in templates, each
//	templates: u16 length, template, each
//
// All templates are valid ones in this form. Source: what pyzk sends.
type Upload struct {
	Layout    UserLayout
	Users     []User
	Templates []Template
}

const (
	uploadHead  = 12
	uploadMark  = 2
	uploadEntry = 8
)

// Append writes the upload.
func (u Upload) Append(dst []byte) ([]byte, error) {
	var users, table, templates []byte
	for _, user := range u.Users {
		var err error
		if users, err = u.Layout.Append(append(users, uploadMark), user); err != nil {
			return dst, err
		}
	}
	for _, t := range u.Templates {
		if len(t.Data) > 0xFFFF || t.Finger > 0x0F {
			return dst, fmt.Errorf("template of %d bytes, finger %d: %w", len(t.Data), t.Finger, ErrTooLong)
		}
		table = append(table, uploadMark)
		table = binary.LittleEndian.AppendUint16(table, t.UID)
		table = append(table, 0x10+t.Finger)
		table = binary.LittleEndian.AppendUint32(table, uint32(len(templates)))
		templates = binary.LittleEndian.AppendUint16(templates, uint16(len(t.Data)))
		templates = append(templates, t.Data...)
	}
	for _, part := range [...][]byte{users, table, templates} {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(part)))
	}
	return append(append(append(dst, users...), table...), templates...), nil
}

// ParseUpload reads an upload as a terminal does. Templates must stand in the order of
// the table, as every client writes them.
func ParseUpload(b []byte) (Upload, error) {
	if len(b) < uploadHead {
		return Upload{}, fmt.Errorf("upload of %d bytes: %w", len(b), ErrShort)
	}
	lengths := [3]uint64{}
	for i := range lengths {
		lengths[i] = uint64(binary.LittleEndian.Uint32(b[4*i:]))
	}
	b = b[uploadHead:]
	if lengths[0]+lengths[1]+lengths[2] != uint64(len(b)) {
		return Upload{}, fmt.Errorf("upload of %d bytes announces %d: %w", len(b), lengths[0]+lengths[1]+lengths[2], ErrShort)
	}
	users, table, templates := b[:lengths[0]], b[lengths[0]:][:lengths[1]], b[lengths[0]+lengths[1]:]
	u := Upload{Layout: User72}
	if len(users) > 0 && len(users)%(1+int(User72)) != 0 {
		u.Layout = User28
	}
	step := 1 + int(u.Layout)
	for ; len(users) >= step && users[0] == uploadMark; users = users[step:] {
		user, err := u.Layout.Parse(users[1:step])
		if err != nil {
			return Upload{}, err
		}
		u.Users = append(u.Users, user)
	}
	at := 0
	for ; len(table) >= uploadEntry && table[0] == uploadMark; table = table[uploadEntry:] {
		t := Template{UID: binary.LittleEndian.Uint16(table[1:]), Finger: table[3] - 0x10, Flag: 1}
		if table[3]&0xF0 != 0x10 || uint64(binary.LittleEndian.Uint32(table[4:])) != uint64(at) || len(templates)-at < 2 {
			return Upload{}, fmt.Errorf("upload entry %d: %w", len(u.Templates), ErrLayout)
		}
		end := at + 2 + int(binary.LittleEndian.Uint16(templates[at:]))
		if end > len(templates) {
			return Upload{}, fmt.Errorf("upload template %d: %w", len(u.Templates), ErrShort)
		}
		t.Data = templates[at+2 : end : end]
		at = end
		u.Templates = append(u.Templates, t)
	}
	if len(users) > 0 || len(table) > 0 || at != len(templates) {
		return Upload{}, fmt.Errorf("upload with bytes left over: %w", ErrLayout)
	}
	return u, nil
}
