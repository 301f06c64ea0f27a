package protocol

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Record is one punch as an agent first saw it: what the chain hashes, the
// segment carries and the hub keeps for ever. The terminal's own words are kept
// as they are; meaning is given later, in layers above.
type Record struct {
	Serial   Serial    `json:"serial"`    // the terminal
	PIN      string    `json:"pin"`       // without padding; "slot:7" where the terminal gave a slot that no user has
	Time     LocalTime `json:"time"`      // the terminal's wall clock
	Status   uint8     `json:"status"`    // in, out, break …: raw
	Verify   uint8     `json:"verify"`    // finger, password, card, face …: raw
	WorkCode uint32    `json:"work_code"` // 0 where unused
	Source   Source    `json:"source"`    // the way out of the terminal
	Raw      []byte    `json:"raw"`       // the row as the terminal gave it
	Read     string    `json:"read"`      // the read in which it was first seen
	Offset   Offset    `json:"offset"`    // terminal's clock minus the agent's, at that read
	Nth      uint32    `json:"nth"`       // running number, from 0, among rows of one complete read equal in NormalPIN, time and status
}

// Source is the way by which a punch left its terminal.
type Source string

// The ways that there are. One punch may come by several; each is a sighting.
const (
	SourceZK   Source = "zk"   // the wire protocol of port 4370
	SourceADMS Source = "adms" // the terminal calls and pushes
	SourceSOAP Source = "soap" // the web service of some terminals
	SourceUSB  Source = "usb"  // a file that the terminal wrote on a stick
)

// Zone is the zone of all terminals' clocks: WIB, seven hours east. Terminals tell
// wall time without a zone; a machine that reads them may be set to any.
const Zone = 7 * time.Hour

// Wall is what a terminal's clock should show at t, in UTC for want of a zone.
func Wall(t time.Time) time.Time { return t.UTC().Add(Zone) }

// Offset is a terminal's clock minus the agent's, in seconds.
type Offset int32

// OffsetUnknown is the offset of a read in which the terminal did not tell its time.
const OffsetUnknown Offset = math.MinInt32

// MarshalJSON writes seconds, or null.
func (o Offset) MarshalJSON() ([]byte, error) {
	if o == OffsetUnknown {
		return []byte("null"), nil
	}
	return strconv.AppendInt(nil, int64(o), 10), nil
}

// UnmarshalJSON reads seconds or null.
func (o *Offset) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		*o = OffsetUnknown
		return nil
	}
	n, err := strconv.ParseInt(string(text), 10, 32)
	if err != nil || Offset(n) == OffsetUnknown {
		return fmt.Errorf("clock offset %q: want whole seconds or null", text)
	}
	*o = Offset(n)
	return nil
}

// LocalTime is a terminal's wall clock time without a zone, as text:
// "2026-01-02T07:31:05" where that date exists, else the source's own raw form
// with its name before it, such as "zk:772130665". It is never empty: an
// impossible time is evidence too.
type LocalTime string

// localLayout is the form of a time that exists.
const localLayout = "2006-01-02T15:04:05"

// NewLocalTime returns the text of a wall clock time; t's zone is not looked at.
func NewLocalTime(t time.Time) LocalTime { return LocalTime(t.Format(localLayout)) }

// RawTime returns the text of a time that names no date that exists.
func RawTime(source Source, raw string) LocalTime { return LocalTime(string(source) + ":" + raw) }

// Wall returns the wall clock time, in UTC for want of a zone; ok is false for
// an impossible one.
func (t LocalTime) Wall() (wall time.Time, ok bool) {
	wall, err := time.Parse(localLayout, string(t))
	return wall, err == nil && len(t) == len(localLayout)
}

// NormalPIN is the form in which PINs are compared, and by which equal rows are
// numbered: terminals pad them with blanks or zeros, differently on every carrier.
// "000" is "0".
func NormalPIN(pin string) string {
	pin = strings.Trim(pin, " \t\x00")
	trimmed := strings.TrimLeft(pin, "0")
	if trimmed == "" && pin != "" {
		return "0"
	}
	return trimmed
}

// SlotPIN is the PIN of a row that names only a slot without a known user.
func SlotPIN(slot uint16) string { return slotPrefix + strconv.Itoa(int(slot)) }

// IsSlotPIN reports whether a PIN stands for a slot without a known user.
func IsSlotPIN(pin string) bool { return strings.HasPrefix(pin, slotPrefix) }

const slotPrefix = "slot:"

// Limits of a record's variable fields, in bytes. They are far above what any
// terminal gives, and keep a single record within a segment.
const (
	maxPIN  = 64
	maxTime = 64
	maxRaw  = 4096
	maxRead = 64
)

// ErrRecord says that a record cannot be one of ours.
var ErrRecord = errors.New("not a punch record")

// Check reports what makes a record unfit to be hashed.
func (r Record) Check() error {
	if _, err := ParseSerial(string(r.Serial)); err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	for _, field := range []struct {
		name       string
		size       int
		least, max int
	}{
		{"pin", len(r.PIN), 1, maxPIN},
		{"time", len(r.Time), 1, maxTime},
		{"source", len(r.Source), 1, 16},
		{"raw", len(r.Raw), 0, maxRaw},
		{"read", len(r.Read), 1, maxRead},
	} {
		if field.size < field.least || field.size > field.max {
			return fmt.Errorf("%w: %s has %d bytes, want %d to %d", ErrRecord, field.name, field.size, field.least, field.max)
		}
	}
	// What is not UTF-8 would come out of JSON as other bytes, and the chain would
	// break at the hub for a reason that no retry mends. Drivers clean; Raw keeps.
	if !utf8.ValidString(r.PIN) || !utf8.ValidString(string(r.Time)) || !utf8.ValidString(string(r.Source)) || !utf8.ValidString(r.Read) {
		return fmt.Errorf("%w: a text is not UTF-8", ErrRecord)
	}
	return nil
}

// recordVersion is the first byte of every canonical record.
const recordVersion = 1

// AppendCanonical appends the bytes that the chain hashes. Layout: one version
// byte, then eleven fields in the order of Record, each a big-endian uint16
// length and that many bytes; numbers are big-endian in 1 (status, verify) or 4
// bytes (work code, offset, nth). JSON is not used here because two writers may
// differ in it.
func (r Record) AppendCanonical(dst []byte) []byte {
	dst = append(dst, recordVersion)
	dst = appendText(dst, string(r.Serial))
	dst = appendText(dst, r.PIN)
	dst = appendText(dst, string(r.Time))
	dst = append(dst, 0, 1, r.Status)
	dst = append(dst, 0, 1, r.Verify)
	dst = appendUint32(dst, r.WorkCode)
	dst = appendText(dst, string(r.Source))
	dst = appendText(dst, string(r.Raw))
	dst = appendText(dst, r.Read)
	dst = appendUint32(dst, uint32(r.Offset))
	return appendUint32(dst, r.Nth)
}

func appendText(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(s))), s...)
}

func appendUint32(dst []byte, n uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, 0, 4), n)
}

// ParseCanonical reads what AppendCanonical wrote, and only that.
func ParseCanonical(b []byte) (Record, error) {
	p := fields{rest: b}
	if len(b) == 0 || b[0] != recordVersion {
		return Record{}, fmt.Errorf("%w: unknown version", ErrRecord)
	}
	p.rest = b[1:]
	r := Record{
		Serial:   Serial(p.text()),
		PIN:      string(p.text()),
		Time:     LocalTime(p.text()),
		Status:   p.byte(),
		Verify:   p.byte(),
		WorkCode: p.uint32(),
		Source:   Source(p.text()),
		Raw:      append([]byte{}, p.text()...),
		Read:     string(p.text()),
		Offset:   Offset(p.uint32()),
		Nth:      p.uint32(),
	}
	if p.bad || len(p.rest) != 0 {
		return Record{}, fmt.Errorf("%w: fields do not fill its %d bytes", ErrRecord, len(b))
	}
	return r, r.Check()
}

// fields reads length-prefixed fields and remembers whether one was missing.
type fields struct {
	rest []byte
	bad  bool
}

func (p *fields) text() []byte {
	if len(p.rest) < 2 {
		p.bad = true
		return nil
	}
	n := int(binary.BigEndian.Uint16(p.rest))
	if len(p.rest) < 2+n {
		p.bad = true
		return nil
	}
	field := p.rest[2 : 2+n]
	p.rest = p.rest[2+n:]
	return field
}

func (p *fields) byte() uint8 {
	if b := p.text(); len(b) == 1 {
		return b[0]
	}
	p.bad = true
	return 0
}

func (p *fields) uint32() uint32 {
	if b := p.text(); len(b) == 4 {
		return binary.BigEndian.Uint32(b)
	}
	p.bad = true
	return 0
}

// Next returns the chain's hash after one more record, given its canonical
// bytes: h(n) = SHA-256(h(n−1) ‖ record n). h(0) is the epoch's id.
func (h Hash) Next(canonical []byte) Hash {
	b := make([]byte, 0, 512) // nearly every record fits, so nothing is allocated
	return sha256.Sum256(append(append(b, h[:]...), canonical...))
}
