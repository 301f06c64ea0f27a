package zk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strconv"
	"testing"
	"time"
)

var now = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// checkFilled fails when a field of a struct is zero, so that a new field cannot be
// left out of a round trip.
func checkFilled(t *testing.T, v any, but ...string) {
	t.Helper()
	s := reflect.ValueOf(v)
	for i := range s.NumField() {
		name := s.Type().Field(i).Name
		exempt := false
		for _, b := range but {
			exempt = exempt || b == name
		}
		if s.Field(i).IsZero() != exempt {
			t.Fatalf("%T.%s is zero: %t, exempt: %t", v, name, s.Field(i).IsZero(), exempt)
		}
	}
}

func randomText(r *rand.Rand, longest int) string {
	b := make([]byte, 1+r.IntN(longest))
	for i := range b {
		b[i] = byte('!' + r.IntN(90))
	}
	return string(b)
}

// nonzero keeps a random number from being the zero that checkFilled refuses.
func nonzero[T uint8 | uint16 | uint32](r *rand.Rand) T {
	for {
		if v := T(r.Uint32()); v != 0 {
			return v
		}
	}
}

const roundTrips = 2000

func TestUserRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range roundTrips {
		for _, l := range []UserLayout{User28, User72} {
			u := User{UID: nonzero[uint16](r), Privilege: Privilege(nonzero[uint8](r)), Card: nonzero[uint32](r), Group: nonzero[uint8](r), Zones: [3]uint16{nonzero[uint16](r)}}
			exempt := []string{"Raw"}
			if l == User28 {
				u.Password, u.Name, u.PIN = []byte(randomText(r, 5)), []byte(randomText(r, 8)), strconv.FormatUint(uint64(nonzero[uint32](r)), 10)
				exempt = append(exempt, "OwnZones")
			} else {
				u.Password, u.Name, u.PIN = []byte(randomText(r, 8)), []byte(randomText(r, 24)), randomText(r, 24)
				u.OwnZones, u.Zones[1], u.Zones[2] = nonzero[uint16](r), nonzero[uint16](r), nonzero[uint16](r)
			}
			checkFilled(t, u, exempt...)
			row, err := l.Append(nil, u)
			if err != nil || len(row) != l.Size() {
				t.Fatalf("Append(%+v): %d bytes, %v", u, len(row), err)
			}
			got, err := l.Parse(row)
			u.Raw = row
			if err != nil || !reflect.DeepEqual(got, u) {
				t.Fatalf("Parse = %+v, %v, want %+v", got, err, u)
			}
			if l, err := GuessUserLayout(row, -1); err != nil || l != UserLayout(len(row)) {
				t.Fatalf("GuessUserLayout = %d, %v, want %d", l, err, len(row))
			}
		}
	}
}

// randomAttendance fills what the layout can hold.
func randomAttendance(r *rand.Rand, l RowLayout) (Attendance, []string) {
	stamp, _ := PackTime(time.Date(2001+r.IntN(25), time.Month(1+r.IntN(12)), 1+r.IntN(28), r.IntN(24), r.IntN(60), 1+r.IntN(59), 0, time.UTC))
	a := Attendance{Time: stamp, Status: nonzero[uint8](r), Verify: nonzero[uint8](r)}
	if l != Row16 {
		a.Slot, a.HasSlot = nonzero[uint16](r), true
	}
	switch l {
	case Row8B:
		a.Status, a.Verify = 1+a.Status%7, 1+a.Verify%3
		return a, []string{"Raw", "PIN", "WorkCode"}
	case Row8A:
		return a, []string{"Raw", "PIN", "WorkCode"}
	case Row16:
		a.PIN, a.WorkCode = strconv.FormatUint(uint64(nonzero[uint32](r)), 10), nonzero[uint32](r)
		return a, []string{"Raw", "Slot", "HasSlot"}
	}
	a.PIN, a.WorkCode = randomText(r, 24), nonzero[uint32](r)
	return a, []string{"Raw"}
}

var layouts = []RowLayout{Row8A, Row8B, Row16, Row40, Row49}

func TestAttendanceRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, l := range layouts {
		var data []byte
		var want []Attendance
		for range roundTrips {
			a, exempt := randomAttendance(r, l)
			checkFilled(t, a, exempt...)
			grown, err := l.Append(data, a)
			if err != nil {
				t.Fatalf("Append(%+v): %v", a, err)
			}
			data = grown
			want = append(want, a)
		}
		for i := range want {
			want[i].Raw = data[i*l.Size():][:l.Size()]
		}
		got, err := ParseAttendance(nil, data, l)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("layout %s: %d rows parsed, %v; they differ from what was written", l, len(got), err)
		}
		one := Attendance{Slot: 9, HasSlot: l == Row16, PIN: "old", Time: 9, Status: 9, Verify: 9, WorkCode: 9, Raw: []byte{9}}
		if err := l.Parse(data[:l.Size()], &one); err != nil || !reflect.DeepEqual(one, want[0]) {
			t.Fatalf("layout %s: Parse = %+v, %v, want %+v", l, one, err, want[0])
		}
		more, err := ParseAttendance(got[:1:1], data[l.Size():], l)
		if err != nil || !reflect.DeepEqual(more, want) {
			t.Fatalf("layout %s: appended to one row: %d rows, %v", l, len(more), err)
		}
		for _, count := range []int{roundTrips, roundTrips - 3, -1} {
			if guess, err := GuessRowLayout(data, count, now); err != nil || guess != l {
				t.Errorf("layout %s, %d counted: GuessRowLayout = %s, %v", l, count, guess, err)
			}
		}
	}
}

func TestGuessRowLayout(t *testing.T) {
	stamp, _ := PackTime(now)
	rows := func(l RowLayout, n int, change func(i int, a *Attendance)) []byte {
		var data []byte
		for i := range n {
			a := Attendance{Time: stamp, Verify: 1}
			if l == Row16 {
				a.PIN = strconv.Itoa(1001 + i)
			} else {
				a.Slot, a.HasSlot = uint16(i+1), true
			}
			if l == Row40 || l == Row49 {
				a.PIN = strconv.Itoa(1001 + i)
			}
			if change != nil {
				change(i, &a)
			}
			var err error
			if data, err = l.Append(data, a); err != nil {
				t.Fatal(err)
			}
		}
		return data
	}
	future, _ := PackTime(now.AddDate(20, 0, 0))
	tests := []struct {
		name  string
		data  []byte
		count int
		want  RowLayout
		err   error
	}{
		{"1960 bytes are 40 rows of 49 or 49 of 40: 40", rows(Row40, 49, nil), -1, Row40, nil},
		{"1960 bytes are 40 rows of 49 or 49 of 40: 49", rows(Row49, 40, nil), -1, Row49, nil},
		{"16 not 8", rows(Row16, 80, nil), -1, Row16, nil},
		{"8b not 16", rows(Row8B, 80, nil), -1, Row8B, nil},
		{"8a by its dates", rows(Row8A, 80, nil), 80, Row8A, nil},
		{"one punch more than counted", rows(Row40, 81, nil), 80, Row40, nil},
		{"far more than counted", rows(Row40, 300, nil), 80, Row40, nil},
		{"one row in three impossible", rows(Row40, 90, func(i int, a *Attendance) {
			if i%3 == 0 {
				a.Time = packClock(2025, 2, 30, 0, 0, 0)
			}
		}), -1, Row40, nil},
		{"a clock in the far future, counted", rows(Row40, 90, func(_ int, a *Attendance) { a.Time = future }), 90, Row40, nil},
		{"a clock in the far future, not counted", rows(Row40, 90, func(_ int, a *Attendance) { a.Time = future }), -1, 0, ErrLayout},
		{"zeros", make([]byte, 1960), -1, 0, ErrLayout},
		{"nothing", nil, -1, 0, ErrLayout},
		{"no multiple of any row", make([]byte, 37), 1, 0, ErrLayout},
		{"compressed", append(rows(Row8B, 3, nil), 1, 0, 0, 5), 4, 0, ErrCompressed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := GuessRowLayout(test.data, test.count, now)
			if got != test.want || !errors.Is(err, test.err) {
				t.Errorf("GuessRowLayout = %s, %v, want %s, %v", got, err, test.want, test.err)
			}
		})
	}
	short := rows(Row8B, 3, nil)
	short[8+2] &^= longRow
	if _, err := ParseAttendance(nil, short, Row8B); !errors.Is(err, ErrCompressed) {
		t.Errorf("short row among long ones: %v, want ErrCompressed", err)
	}
}

func TestRowThatDoesNotFit(t *testing.T) {
	tests := []struct {
		name  string
		write func() ([]byte, error)
	}{
		{"pin of 25 bytes", func() ([]byte, error) {
			return Row40.Append(nil, Attendance{HasSlot: true, PIN: "1234567890123456789012345"})
		}},
		{"pin with a NUL", func() ([]byte, error) { return Row40.Append(nil, Attendance{HasSlot: true, PIN: "1\x002"}) }},
		{"pin in a row of 8", func() ([]byte, error) { return Row8A.Append(nil, Attendance{HasSlot: true, PIN: "1"}) }},
		{"slot in a row of 16", func() ([]byte, error) { return Row16.Append(nil, Attendance{HasSlot: true, PIN: "1"}) }},
		{"letters in a row of 16", func() ([]byte, error) { return Row16.Append(nil, Attendance{PIN: "x"}) }},
		{"status 8 in three bits", func() ([]byte, error) { return Row8B.Append(nil, Attendance{HasSlot: true, Status: 8}) }},
		{"verify 4 in two bits", func() ([]byte, error) { return Row8B.Append(nil, Attendance{HasSlot: true, Verify: 4}) }},
		{"letters in a user of 28", func() ([]byte, error) { return User28.Append(nil, User{UID: 1, PIN: "1a"}) }},
		{"second zone in a user of 28", func() ([]byte, error) { return User28.Append(nil, User{UID: 1, PIN: "1", Zones: [3]uint16{0, 1}}) }},
		{"name of 9 in a user of 28", func() ([]byte, error) { return User28.Append(nil, User{UID: 1, PIN: "1", Name: []byte("123456789")}) }},
		{"template of 64 KB", func() ([]byte, error) { return Template{Data: make([]byte, 0xFFFF)}.Append(nil) }},
		{"event for a long pin", func() ([]byte, error) { return AppendAttLogEvent(nil, Attendance{PIN: "70000"}, 10) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if b, err := test.write(); !errors.Is(err, ErrTooLong) || len(b) != 0 {
				t.Errorf("%d bytes, %v, want none and ErrTooLong", len(b), err)
			}
		})
	}
}

func TestUserWrittenBackKeepsWhatNoFieldNames(t *testing.T) {
	row := bytes.Repeat([]byte{0xC3}, int(User72))
	copy(row[3:], "12\x00")
	u, err := User72.Parse(row)
	if err != nil {
		t.Fatal(err)
	}
	u.Name = []byte("Sari")
	got, err := User72.Append(nil, u)
	if err != nil {
		t.Fatal(err)
	}
	want := append([]byte(nil), row...)
	clear(want[11+copy(want[11:35], "Sari") : 35])
	if !bytes.Equal(got, want) {
		t.Errorf("Append = %x, want %x", got, want)
	}
}

func TestSizesRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range roundTrips {
		s := Sizes{Known: true}
		for _, f := range s.fields() {
			*f.value = 1 + r.IntN(1<<30)
		}
		checkFilled(t, s, "body")
		got := ParseSizes(s.Append(nil, 112))
		got.body = s.body
		if got != s {
			t.Fatalf("ParseSizes = %+v, want %+v", got, s)
		}
	}
	if s := ParseSizes(make([]byte, 4)); s.Known {
		t.Errorf("four bytes are taken for counts")
	}
	if s := ParseSizes(bytes.Repeat([]byte{0xFF}, 80)); s.Known {
		t.Errorf("negative counts are taken for counts")
	}
}

func TestTemplateAndOperationRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range roundTrips {
		m := Template{UID: nonzero[uint16](r), Finger: nonzero[uint8](r), Flag: nonzero[uint8](r), Data: []byte(randomText(r, 900))}
		checkFilled(t, m)
		row, err := m.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseTemplates(append(row, row...))
		if err != nil || !reflect.DeepEqual(got, []Template{m, m}) {
			t.Fatalf("ParseTemplates = %+v, %v, want twice %+v", got, err, m)
		}
		o := Operation{Admin: nonzero[uint16](r), Number: nonzero[uint8](r), Unknown: nonzero[uint8](r), Time: Time(nonzero[uint32](r)), Params: [4]uint16{1, 2, 3, nonzero[uint16](r)}}
		checkFilled(t, o)
		if back, err := ParseOperation(o.Append(nil)); err != nil || back != o {
			t.Fatalf("ParseOperation = %+v, %v, want %+v", back, err, o)
		}
	}
	cut := []byte{20, 0, 1, 0, 1, 1, 9}
	if got, err := ParseTemplates(cut); !errors.Is(err, ErrLayout) || len(got) != 0 {
		t.Errorf("row longer than the data: %d, %v, want ErrLayout", len(got), err)
	}
	if got, err := ParseTemplates([]byte{0, 0, 1, 0, 1, 1}); !errors.Is(err, ErrLayout) || len(got) != 0 {
		t.Errorf("row of size 0: %d, %v, want ErrLayout", len(got), err)
	}
}

func TestTemplateDigestLeavesOutWhatFollows(t *testing.T) {
	data := make([]byte, 40)
	copy(data[2:], templateMagic)
	binary.BigEndian.PutUint16(data[8:], 30)
	long, short := Template{Data: data}, Template{Data: data[:30]}
	if long.Digest() != short.Digest() || long.Algorithm() != 10 {
		t.Errorf("digests differ by what follows the template")
	}
	data[29]++
	if long.Digest() != short.Digest() || long.Digest() == (Template{Data: append(data[:29:29], 0)}).Digest() {
		t.Errorf("digest does not cover the last byte")
	}
}

func TestEventRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for _, length := range []int{10, 12, 14, 32, 36, 37, 40, 52} {
		for range roundTrips / 10 {
			a, _ := randomAttendance(r, Row40)
			a.WorkCode, a.HasSlot = 0, false
			switch length {
			case 10, 14:
				a.PIN = strconv.Itoa(int(a.Slot))
			case 12:
				a.PIN, a.Slot = strconv.FormatUint(uint64(nonzero[uint32](r)), 10), 0
			default:
				a.Slot = 0
			}
			body, err := AppendAttLogEvent(nil, a, length)
			if err != nil || len(body) != length {
				t.Fatalf("AppendAttLogEvent(%+v, %d): %d bytes, %v", a, length, len(body), err)
			}
			want := Event{Code: EventAttLog, Punched: true, PIN: a.PIN, Slot: a.Slot, Time: a.Time, Status: a.Status, Verify: a.Verify, Raw: body}
			if got := ParseEvent(Packet{Code: RegEvent, Session: 1, Body: body}); !reflect.DeepEqual(got, want) {
				t.Fatalf("ParseEvent = %+v, want %+v", got, want)
			}
		}
	}
	for _, length := range []int{0, 1, 9, 11, 13, 15, 31} {
		if e := ParseEvent(Packet{Session: 1, Body: make([]byte, length)}); e.Punched || len(e.Raw) != length {
			t.Errorf("body of %d zeros: %+v", length, e)
		}
		if _, err := AppendAttLogEvent(nil, Attendance{PIN: "1"}, length); !errors.Is(err, ErrLayout) {
			t.Errorf("AppendAttLogEvent of %d bytes: %v, want ErrLayout", length, err)
		}
	}
}

func TestTime(t *testing.T) {
	for day := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 2100; day = day.AddDate(0, 0, 1) {
		at := day.Add(time.Duration(day.Unix()*7919%86400) * time.Second)
		packed, ok := PackTime(at)
		wall, exists := packed.Wall()
		six, sixOK := ParseTime6(AppendTime6(nil, packed))
		if !ok || !exists || !wall.Equal(at) || !sixOK || six != packed {
			t.Fatalf("%s: packed %d, %t; Wall %s, %t; six bytes %s, %t", at, packed, ok, wall, exists, six, sixOK)
		}
	}
	jakarta := time.FixedZone("WIB", 7*3600)
	if packed, _ := PackTime(time.Date(2026, 1, 2, 7, 31, 5, 999, jakarta)); packed.String() != "2026-01-02T07:31:05" {
		t.Errorf("a zone changes the wall clock: %s", packed)
	}
	for _, year := range []int{1999, 2100} {
		if packed, ok := PackTime(time.Date(year, 12, 31, 0, 0, 0, 0, time.UTC)); ok || packed != 0 {
			t.Errorf("PackTime of %d = %d, %t", year, packed, ok)
		}
	}
	for _, b := range [][]byte{{26, 0, 1, 0, 0, 0}, {26, 13, 1, 0, 0, 0}, {26, 1, 0, 0, 0, 0}, {26, 1, 32, 0, 0, 0}, {26, 1, 1, 24, 0, 0}, {26, 1, 1, 0, 60, 0}, {26, 1, 1, 0, 0, 60}, {100, 1, 1, 0, 0, 0}, {26, 1, 1}} {
		if packed, ok := ParseTime6(b); ok || packed != 0 {
			t.Errorf("ParseTime6(%v) = %d, %t", b, packed, ok)
		}
	}
	if packed, ok := ParseTime6([]byte{26, 2, 30, 1, 2, 3}); ok || packed != packClock(2026, 2, 30, 1, 2, 3) {
		t.Errorf("ParseTime6 of 30 February = %s, %t, want it kept and not believed", packed, ok)
	}
}

func TestChecksumIsTheSumOfWords(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for n := range 300 {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32()) | byte(n%3*0x7F)
		}
		sum := uint64(0)
		for i := 0; i < n; i += 2 {
			if i == 2 {
				continue
			}
			sum += uint64(b[i])
			if i+1 < n {
				sum += uint64(b[i+1]) << 8
			}
		}
		for sum > 0xFFFF {
			sum = sum&0xFFFF + sum>>16
		}
		if got := Checksum(b); got != ^uint16(sum) {
			t.Fatalf("Checksum of %d bytes = %04x, want %04x", n, got, ^uint16(sum))
		}
	}
}

func TestReadFrame(t *testing.T) {
	good := AppendFrame(nil, Packet{Code: AckOK, Session: 1, Reply: 2, Body: []byte("abc")})
	wrong := append([]byte(nil), good...)
	wrong[PrefixSize+2]++
	tests := []struct {
		name   string
		stream []byte
		limit  int
		err    error
	}{
		{"whole", good, 100, nil},
		{"ends between frames", nil, 100, io.EOF},
		{"cut in the prefix", good[:5], 100, io.ErrUnexpectedEOF},
		{"cut in the header", good[:12], 100, io.ErrUnexpectedEOF},
		{"cut after the prefix", good[:PrefixSize], 100, io.ErrUnexpectedEOF},
		{"cut in the body", good[:len(good)-1], 100, io.ErrUnexpectedEOF},
		{"another protocol", []byte("HTTP/1.1 400 Bad Request"), 100, ErrMagic},
		{"access panel", []byte{0xAA, 1, 2, 3, 4, 5, 6, 7}, 100, ErrAccessPanel},
		{"longer than the limit", good, 10, ErrTooLong},
		{"4 GB", []byte{0x50, 0x50, 0x82, 0x7D, 0xFF, 0xFF, 0xFF, 0xFF}, MaxFrame, ErrTooLong},
		{"shorter than a header", []byte{0x50, 0x50, 0x82, 0x7D, 7, 0, 0, 0}, 100, ErrShort},
		{"wrong checksum", wrong, 100, ErrChecksum},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, buf, err := ReadFrame(bytes.NewReader(test.stream), test.limit, nil)
			if !errors.Is(err, test.err) {
				t.Fatalf("ReadFrame: %v, want %v", err, test.err)
			}
			if (err == nil || errors.Is(err, ErrChecksum)) && string(p.Body) != "abc" {
				t.Errorf("body %q", p.Body)
			}
			if cap(buf) > test.limit {
				t.Errorf("%d bytes allocated, the limit is %d", cap(buf), test.limit)
			}
		})
	}
}

func TestParseOption(t *testing.T) {
	for _, test := range []struct{ body, name, value string }{
		{"~Platform=ZEM760_TFT\x00", "~Platform", "ZEM760_TFT"},
		{"~SerialNumber==ABC123\x00junk", "~SerialNumber", "ABC123"},
		{"~SerialNumber= \x01ABC123 \x00", "~SerialNumber", "ABC123"},
		{"ABC123\x00", "", "ABC123"},
		{"ABC123", "", "ABC123"},
		{"A=b=c\x00", "A", "b=c"},
		{"Empty=\x00", "Empty", ""},
		{"\x00", "", ""},
		{"", "", ""},
	} {
		if name, value := ParseOption([]byte(test.body)); name != test.name || value != test.value {
			t.Errorf("ParseOption(%q) = %q, %q, want %q, %q", test.body, name, value, test.name, test.value)
		}
	}
	if got := string(AppendOption(nil, "LockOn", "5")); got != "LockOn=5\x00" {
		t.Errorf("AppendOption = %q", got)
	}
}

func TestDatasetRequest(t *testing.T) {
	for d, want := range map[Dataset]string{
		DatasetUsers:      "0109000500000000000000",
		DatasetTemplates:  "0107000200000000000000",
		DatasetAttendance: "010d000000000000000000",
		DatasetOperations: "0122000000000000000000",
	} {
		body := d.Request()
		if got := fmt.Sprintf("%x", body); got != want {
			t.Errorf("%s: Request = %s, want %s", d, got, want)
		}
		if back, ok := ParseDatasetRequest(body); !ok || back != d {
			t.Errorf("%s: ParseDatasetRequest = %s, %t", d, back, ok)
		}
		for i := range body {
			body[i]++
			if back, ok := ParseDatasetRequest(body); ok && back == d {
				t.Errorf("%s: byte %d changed and still taken for it", d, i)
			}
			body[i]--
		}
	}
}

func TestCodesPrintThemselves(t *testing.T) {
	seen := map[string]Code{}
	for i := range 1 << 16 {
		c := Code(i)
		if other, ok := seen[c.String()]; ok {
			t.Errorf("%d and %d are both %q", other, c, c)
		}
		seen[c.String()] = c
	}
	if got := Code(1234).String() + ", " + AckUnknown.String() + ", " + EventAttLog.String() + ", " + EventCode(3).String(); got != "code 1234, ACK_UNKNOWN, attlog, event 3" {
		t.Errorf("names: %s", got)
	}
}

func TestScrambleChecksBody(t *testing.T) {
	for _, body := range [][]byte{nil, {1}, {1, 2, 3}, make([]byte, 4)} {
		if CheckScramble(body, 1234, 77) {
			t.Errorf("CheckScramble(%x) = true", body)
		}
	}
}
