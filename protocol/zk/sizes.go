package zk

import "encoding/binary"

// sizesMax is the longest body of GET_FREE_SIZES seen; 80 is the shortest that says
// anything.
const (
	sizesMax   = 112
	sizesKnown = 80
)

// Sizes is what a terminal counts: what it holds, what it can hold, what is left. The
// body is i32 fields at these offsets, with zeros and unknowns between them:
//
//	16 users      40 op records   52 passwords      64 record cap      76 records left
//	24 templates  48 admins       56 template cap   68 templates left  80 faces
//	32 records                    60 user cap       72 users left      88 face cap
//
// Known is false when the body was too short to say, or its counts are negative; then
// all counts are to be taken as unknown, not as zero.
type Sizes struct {
	Users, Templates, Records, OpRecords, Admins, Passwords int
	TemplateCap, UserCap, RecordCap                         int
	TemplatesLeft, UsersLeft, RecordsLeft                   int
	Faces, FaceCap                                          int
	Known                                                   bool

	body [sizesMax]byte // as read, for the fields without a name
}

// fields says where each number is in the body, for both directions.
func (s *Sizes) fields() [14]struct {
	offset int
	value  *int
} {
	return [14]struct {
		offset int
		value  *int
	}{
		{16, &s.Users}, {24, &s.Templates}, {32, &s.Records}, {40, &s.OpRecords},
		{48, &s.Admins}, {52, &s.Passwords}, {56, &s.TemplateCap}, {60, &s.UserCap},
		{64, &s.RecordCap}, {68, &s.TemplatesLeft}, {72, &s.UsersLeft}, {76, &s.RecordsLeft},
		{80, &s.Faces}, {88, &s.FaceCap},
	}
}

// ParseSizes reads the body of an answer to GET_FREE_SIZES; it never fails.
func ParseSizes(b []byte) Sizes {
	var s Sizes
	n := copy(s.body[:], b)
	for _, f := range s.fields() {
		if f.offset+4 <= n {
			*f.value = int(int32(binary.LittleEndian.Uint32(b[f.offset:])))
		}
	}
	s.Known = len(b) >= sizesKnown && s.Users >= 0 && s.Templates >= 0 && s.Records >= 0
	return s
}

// Append writes the first length bytes of the body; at most 112 exist.
func (s Sizes) Append(dst []byte, length int) []byte {
	body := s.body
	for _, f := range s.fields() {
		binary.LittleEndian.PutUint32(body[f.offset:], uint32(int32(*f.value)))
	}
	if n := length &^ 3; n < length && n < sizesMax {
		copy(body[n:], s.body[n:]) // a field cut in two was not read
	}
	return append(dst, body[:min(length, sizesMax)]...)
}
