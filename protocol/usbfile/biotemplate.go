package usbfile

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
)

// BioName is the name of the file in which newer terminals write faces, palms and
// fingers as text.
const BioName = "biotemplate.dat"

// BioTemplate is one line of biotemplate.dat. Whether its PIN is what people type or the
// terminal's own number is not known for certain.
type BioTemplate struct {
	Line     int
	PIN      string
	Number   int // of the finger or face
	Index    int
	Valid    bool
	Duress   bool
	Type     int // 1 finger, 2 face in infrared, 7 vein of a finger, 8 palm, 9 visible face
	Major    int // version of the algorithm
	Minor    int
	Format   int
	Template Secret

	raw Secret // the line with its end, as read
}

// BioFile is what biotemplate.dat says.
type BioFile struct {
	Templates []BioTemplate
	Damaged   []Damage // without what stands there
}

// bioKeys are the columns as terminals write them.
const bioKeys = "Pin No Index Valid Duress Type MajorVer MinorVer Format Tmp"

// ParseBio reads biotemplate.dat. A line that is none costs only itself. The error is
// ErrNotTemplates (no line is one) or ErrLarge.
func ParseBio(content []byte) (BioFile, error) {
	if len(content) > MaxPacked {
		return BioFile{}, ErrLarge
	}
	var f BioFile
	n := 0
	for line := range bytes.Lines(content) {
		n++
		raw := bytes.TrimRight(line, "\r\n")
		if len(bytes.Trim(raw, " \t\x1a")) == 0 {
			continue
		}
		b, why := parseBio(raw)
		if why != "" {
			f.Damaged = append(f.Damaged, Damage{Line: n, Size: len(raw), Why: why})
			continue
		}
		b.Line, b.raw = n, NewSecret(line)
		f.Templates = append(f.Templates, b)
	}
	if len(f.Templates) == 0 && len(content) > 0 {
		return BioFile{}, fmt.Errorf("%d lines of %s: %w", n, BioName, ErrNotTemplates)
	}
	return f, nil
}

func parseBio(raw []byte) (b BioTemplate, why Fault) {
	columns, keys := bytes.Split(raw, []byte{'\t'}), bytes.Fields([]byte(bioKeys))
	if len(columns) != len(keys) {
		return b, FaultColumns
	}
	var numbers [10]int
	for i, column := range columns {
		key, value, _ := bytes.Cut(column, []byte{'='})
		if !bytes.EqualFold(key, keys[i]) {
			return b, FaultColumns
		}
		switch i {
		case 0:
			b.PIN = string(bytes.Trim(value, " "))
		case len(keys) - 1:
			template, err := base64.StdEncoding.Strict().AppendDecode(nil, value)
			if err != nil || len(template) == 0 {
				return b, FaultBytes
			}
			b.Template = Secret{func() []byte { return template }}
		default:
			number, err := strconv.ParseUint(string(value), 10, 16)
			if err != nil {
				return b, FaultNumber
			}
			numbers[i] = int(number)
		}
	}
	if !isPIN(b.PIN) {
		return b, FaultPIN
	}
	if numbers[3] > 1 || numbers[4] > 1 {
		return b, FaultFlag
	}
	b.Number, b.Index, b.Valid, b.Duress = numbers[1], numbers[2], numbers[3] == 1, numbers[4] == 1
	b.Type, b.Major, b.Minor, b.Format = numbers[5], numbers[6], numbers[7], numbers[8]
	return b, ""
}

// Append writes a line: one that was read and is the same as it was read.
func (b BioTemplate) Append(dst []byte) []byte {
	if read, why := parseBio(bytes.TrimRight(b.raw.Bytes(), "\r\n")); why == "" && read.same(b) {
		return append(dst, b.raw.Bytes()...)
	}
	bit := map[bool]int{true: 1}
	dst = fmt.Appendf(dst, "Pin=%s\tNo=%d\tIndex=%d\tValid=%d\tDuress=%d\tType=%d\tMajorVer=%d\tMinorVer=%d\tFormat=%d\tTmp=",
		b.PIN, b.Number, b.Index, bit[b.Valid], bit[b.Duress], b.Type, b.Major, b.Minor, b.Format)
	return append(base64.StdEncoding.AppendEncode(dst, b.Template.Bytes()), '\r', '\n')
}

func (b BioTemplate) same(o BioTemplate) bool {
	return b.PIN == o.PIN && b.Number == o.Number && b.Index == o.Index && b.Valid == o.Valid && b.Duress == o.Duress &&
		b.Type == o.Type && b.Major == o.Major && b.Minor == o.Minor && b.Format == o.Format &&
		bytes.Equal(b.Template.Bytes(), o.Template.Bytes())
}

// Append writes the file.
func (f BioFile) Append(dst []byte) []byte {
	for _, b := range f.Templates {
		dst = b.Append(dst)
	}
	return dst
}
