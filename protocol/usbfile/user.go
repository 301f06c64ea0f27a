package usbfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// UserLayout is the length of the records of user.dat. Nothing but the records tells
// which one a terminal writes.
type UserLayout int

const (
	// User28 is the record of black-and-white terminals.
	//
	//	 0 2 slot      16 5 card, the low four bytes first
	//	 2 1 privilege 21 1 group
	//	 3 5 password  22 2 time zones
	//	 8 8 name      24 4 PIN, a number
	User28 UserLayout = 28
	// User72 is the record of colour terminals and newer ones.
	//
	//	 0 2 slot       11 24 name  39 1 group      42 6 time zones, 3 × u16
	//	 2 1 privilege  35  4 card  40 2 own zones  48 24 PIN, a text
	//	 3 8 password
	User72 UserLayout = 72
)

// User is one record of user.dat.
//
// Slot is the terminal's own number of a user, which joins templates to them; PIN is what
// the person types. They are never the same thing.
//
// A user that was read is written over its record as read: bytes without a name stay.
type User struct {
	Slot      uint16
	Privilege uint8  // a set: 1 disabled, 2 enrols, 4 manages, 8 everything
	Password  Secret // as stored, to the first NUL
	Name      []byte // in the terminal's code page, to the first NUL
	Card      uint32
	Group     uint8
	OwnZones  uint16    // 1: Zones count, 0: the group's; 72-byte records
	Zones     [3]uint16 // 28-byte records have one word, in Zones[0]
	PIN       string    // without padding

	offset int
	record Secret
}

// Offset is where in its file a user was read, in bytes.
func (u User) Offset() int { return u.offset }

// privileges are the bytes that terminals write.
const privileges = 1<<0 | 1<<1 | 1<<2 | 1<<3 | 1<<6 | 1<<7 | 1<<10 | 1<<11 | 1<<14 | 1<<15

// parse reads a record of this layout; why is empty for one.
func (l UserLayout) parse(record []byte) (u User, why Fault) {
	u = User{Slot: binary.LittleEndian.Uint16(record), Privilege: record[2]}
	var password, name []byte
	if l == User28 {
		password, name = record[3:8], record[8:16]
		u.Card, u.Group = binary.LittleEndian.Uint32(record[16:]), record[21]
		u.Zones[0] = binary.LittleEndian.Uint16(record[22:])
		if pin := binary.LittleEndian.Uint32(record[24:]); pin > 0 {
			u.PIN = strconv.FormatUint(uint64(pin), 10)
		}
	} else {
		password, name = record[3:11], record[11:35]
		u.Card, u.Group = binary.LittleEndian.Uint32(record[35:]), record[39]
		u.OwnZones = binary.LittleEndian.Uint16(record[40:])
		for i := range u.Zones {
			u.Zones[i] = binary.LittleEndian.Uint16(record[42+2*i:])
		}
		u.PIN = string(bytes.Trim(text(record[48:72]), " "))
	}
	switch {
	case u.Slot == 0:
		why = FaultSlot
	case u.Privilege > 15 || privileges>>u.Privilege&1 == 0:
		why = FaultPrivilege
	case !isPIN(u.PIN):
		why = FaultPIN
	case !printable(text(password)) || !printable(text(name)):
		why = FaultText
	}
	u.Password, u.Name, u.record = NewSecret(text(password)), bytes.Clone(text(name)), NewSecret(record)
	return u, why
}

// Append writes a record. What does not fit its field is ErrTooLong, and nothing is
// written.
func (l UserLayout) Append(dst []byte, u User) ([]byte, error) {
	grown, record := grow(dst, int(l), u.record.Bytes())
	binary.LittleEndian.PutUint16(record, u.Slot)
	record[2] = u.Privilege
	put := u.put72
	if l == User28 {
		put = u.put28
	}
	err := put(record)
	if _, why := l.parse(record); err == nil && why != "" {
		err = fmt.Errorf("%s: %w", why, ErrTooLong)
	}
	if err != nil {
		return dst, fmt.Errorf("user in slot %d: %w", u.Slot, err)
	}
	return grown, nil
}

func (u User) put28(record []byte) error {
	pin, err := strconv.ParseUint(u.PIN, 10, 32)
	if err != nil || u.OwnZones != 0 || u.Zones[1] != 0 || u.Zones[2] != 0 {
		return fmt.Errorf("PIN or zones in a record of 28 bytes: %w", ErrTooLong)
	}
	binary.LittleEndian.PutUint32(record[16:], u.Card)
	record[21] = u.Group
	binary.LittleEndian.PutUint16(record[22:], u.Zones[0])
	binary.LittleEndian.PutUint32(record[24:], uint32(pin))
	return errors.Join(putText(record[3:8], u.Password.Bytes()), putText(record[8:16], u.Name))
}

func (u User) put72(record []byte) error {
	binary.LittleEndian.PutUint32(record[35:], u.Card)
	record[39] = u.Group
	binary.LittleEndian.PutUint16(record[40:], u.OwnZones)
	for i, zone := range u.Zones {
		binary.LittleEndian.PutUint16(record[42+2*i:], zone)
	}
	pin := record[48:72]
	if string(bytes.Trim(text(pin), " ")) != u.PIN { // else it stays padded as it was
		if err := putText(pin, []byte(u.PIN)); err != nil {
			return err
		}
	}
	return errors.Join(putText(record[3:11], u.Password.Bytes()), putText(record[11:35], u.Name))
}
