package zk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// ErrLayout says that no known row layout fits the bytes, or that a row is not of the
// layout asked for.
var ErrLayout = errors.New("no row layout fits")

// Privilege is the rights byte of a user: bit 0 set is a disabled user, bits 1 to 3
// are the level.
type Privilege uint8

const (
	PrivilegeUser     Privilege = 0x00
	PrivilegeEnroller Privilege = 0x02
	PrivilegeManager  Privilege = 0x06
	PrivilegeAdmin    Privilege = 0x0E
)

// Disabled tells whether the user may not identify at the terminal.
func (p Privilege) Disabled() bool { return p&1 != 0 }

// User is one row of a terminal's user list.
//
// UID is the terminal's own slot number, the key of templates; PIN is what the person
// types. They are never the same thing.
//
// Raw is the row as read. A User with Raw is written over it, so that bytes whose
// meaning is unknown stay as they are.
type User struct {
	UID       uint16
	Privilege Privilege
	Password  []byte // as stored, to the first NUL
	Name      []byte // in the terminal's code page, to the first NUL
	Card      uint32
	Group     uint8
	OwnZones  uint16    // 1: Zones count, 0: the group's; 72-byte rows
	Zones     [3]uint16 // 28-byte rows have one word, in Zones[0]
	PIN       string
	Raw       []byte
}

// UserLayout is the length of a terminal's user rows. Firmware versions do not tell
// which one it is; the rows do.
type UserLayout int

const (
	// User28 is the row of black-and-white terminals.
	//
	//	 0 2 slot      16 4 card        22 2 time zones
	//	 2 1 privilege 20 1 0           24 4 PIN, a number
	//	 3 5 password  21 1 group
	//	 8 8 name
	User28 UserLayout = 28
	// User72 is the row of colour terminals and all newer ones.
	//
	//	 0 2 slot       11 24 name   39 1 group      42 6 time zones, 3 × u16
	//	 2 1 privilege  35  4 card   40 2 own zones  48 24 PIN, a text
	//	 3 8 password
	User72 UserLayout = 72
)

// Size is the length of a row.
func (l UserLayout) Size() int { return int(l) }

// Parse reads one row; Password, Name and Raw alias it.
func (l UserLayout) Parse(row []byte) (User, error) {
	if len(row) != int(l) {
		return User{}, fmt.Errorf("user row of %d bytes, want %d: %w", len(row), int(l), ErrLayout)
	}
	u := User{UID: binary.LittleEndian.Uint16(row), Privilege: Privilege(row[2]), Raw: row}
	switch l {
	case User28:
		u.Password = cutText(row[3:8])
		u.Name = cutText(row[8:16])
		u.Card = binary.LittleEndian.Uint32(row[16:])
		u.Group = row[21]
		u.Zones[0] = binary.LittleEndian.Uint16(row[22:])
		u.PIN = strconv.FormatUint(uint64(binary.LittleEndian.Uint32(row[24:])), 10)
	case User72:
		u.Password = cutText(row[3:11])
		u.Name = cutText(row[11:35])
		u.Card = binary.LittleEndian.Uint32(row[35:])
		u.Group = row[39]
		u.OwnZones = binary.LittleEndian.Uint16(row[40:])
		for i := range u.Zones {
			u.Zones[i] = binary.LittleEndian.Uint16(row[42+2*i:])
		}
		u.PIN = string(cutText(row[48:72]))
	default:
		return User{}, fmt.Errorf("user layout %d: %w", int(l), ErrLayout)
	}
	return u, nil
}

// Append writes one row, over u.Raw when that is a row of this layout. A text or
// number that does not fit its field is ErrTooLong and nothing is written.
func (l UserLayout) Append(dst []byte, u User) ([]byte, error) {
	if l != User28 && l != User72 {
		return dst, fmt.Errorf("user layout %d: %w", int(l), ErrLayout)
	}
	grown, row := growRow(dst, int(l), u.Raw)
	binary.LittleEndian.PutUint16(row, u.UID)
	row[2] = byte(u.Privilege)
	var err error
	if l == User28 {
		err = u.put28(row)
	} else {
		err = u.put72(row)
	}
	if err != nil {
		return dst, fmt.Errorf("user in slot %d: %w", u.UID, err)
	}
	return grown, nil
}

func (u User) put28(row []byte) error {
	pin, err := strconv.ParseUint(u.PIN, 10, 32)
	if err != nil || u.OwnZones != 0 || u.Zones[1] != 0 || u.Zones[2] != 0 {
		return fmt.Errorf("pin or zones of a 28-byte row: %w", ErrTooLong)
	}
	binary.LittleEndian.PutUint32(row[16:], u.Card)
	row[21] = u.Group
	binary.LittleEndian.PutUint16(row[22:], u.Zones[0])
	binary.LittleEndian.PutUint32(row[24:], uint32(pin))
	return errors.Join(putText(row[3:8], u.Password), putText(row[8:16], u.Name))
}

func (u User) put72(row []byte) error {
	binary.LittleEndian.PutUint32(row[35:], u.Card)
	row[39] = u.Group
	binary.LittleEndian.PutUint16(row[40:], u.OwnZones)
	for i, zone := range u.Zones {
		binary.LittleEndian.PutUint16(row[42+2*i:], zone)
	}
	return errors.Join(putText(row[3:11], u.Password), putText(row[11:35], u.Name), putText(row[48:72], u.PIN))
}

// ParseUsers reads rows without the u32 total that precedes them on the wire. What
// aliases data does so row by row.
func ParseUsers(data []byte, l UserLayout) ([]User, error) {
	if l != User28 && l != User72 || len(data)%int(l) != 0 {
		return nil, fmt.Errorf("%d bytes of users in rows of %d: %w", len(data), int(l), ErrLayout)
	}
	users := make([]User, 0, len(data)/int(l))
	for ; len(data) > 0; data = data[l:] {
		u, err := l.Parse(data[:l:l])
		if err != nil {
			return nil, err
		}
		users = append(users, u)
	}
	return users, nil
}

// GuessUserLayout finds the row length from the data, and from the number of users
// the terminal counted (negative: unknown). The data decide where the count does not.
func GuessUserLayout(data []byte, count int) (UserLayout, error) {
	layouts := [...]UserLayout{User72, User28}
	if count > 0 {
		for _, l := range layouts {
			if len(data) == count*int(l) {
				return l, nil
			}
		}
	}
	best, bestScore := UserLayout(0), 0.0
	for _, l := range layouts {
		if len(data) == 0 || len(data)%int(l) != 0 {
			continue
		}
		if score := sample(data, int(l), l.plausible); score > bestScore {
			best, bestScore = l, score
		}
	}
	if bestScore < leastScore {
		return 0, fmt.Errorf("%d bytes of users, %d counted: %w", len(data), count, ErrLayout)
	}
	return best, nil
}

func (l UserLayout) plausible(row []byte) bool {
	if binary.LittleEndian.Uint16(row) == 0 {
		return false
	}
	if l == User28 {
		return binary.LittleEndian.Uint32(row[24:]) != 0 && row[20] == 0
	}
	return plausibleID(row[48:72])
}
