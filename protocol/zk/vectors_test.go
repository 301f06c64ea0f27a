package zk

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

// vectorGlob names the recorded and computed bytes; each file is one kind.
const vectorGlob = "../../testdata/zk/*.json"

// vector is one entry of a file in testdata/zk; its README explains the keys.
type vector struct {
	Name        string
	Source      string
	Publication string
	Altered     string
	Hex         string
	Fields      json.RawMessage
}

func (v vector) bytes(t testing.TB) []byte {
	t.Helper()
	return unhex(t, v.Hex)
}

// fields decodes what the entry says into f; a key that f has not is an error.
func (v vector) fields(t testing.TB, f any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(v.Fields))
	d.DisallowUnknownFields()
	if err := d.Decode(f); err != nil {
		t.Fatalf("fields of %q: %v", v.Name, err)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// vectors reads one file; that it is empty or lacks is a failure.
func vectors(t testing.TB, kind string) []vector {
	t.Helper()
	content, err := os.ReadFile(strings.Replace(vectorGlob, "*", kind, 1))
	if err != nil {
		t.Fatal(err)
	}
	var list []vector
	if err := json.Unmarshal(content, &list); err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
	if len(list) == 0 {
		t.Fatalf("%s: no entries", kind)
	}
	return list
}

// seeds gives a fuzz target the bytes of all entries of a kind.
func seeds(f *testing.F, kind string, use func(v vector, b []byte)) {
	f.Helper()
	for _, v := range vectors(f, kind) {
		use(v, v.bytes(f))
	}
}

// TestVectors runs every entry in both directions: bytes to fields, fields to bytes.
func TestVectors(t *testing.T) {
	tests := map[string]func(*testing.T, vector){
		"attendance":      testAttendanceVector,
		"auth":            testAuthVector,
		"checksum":        testChecksumVector,
		"dataset":         testDatasetVector,
		"event":           testEventVector,
		"operation":       testOperationVector,
		"packet":          testPacketVector,
		"sizes":           testSizesVector,
		"stream":          testStreamVector,
		"template":        testTemplateVector,
		"time":            testTimeVector,
		"time6":           testTime6Vector,
		"upload":          testUploadVector,
		"upload_template": testUploadTemplateVector,
		"user":            testUserVector,
	}
	files, err := filepath.Glob(vectorGlob)
	if err != nil || len(files) == 0 {
		t.Fatalf("glob %s: %d files, %v", vectorGlob, len(files), err)
	}
	total := 0
	for _, file := range files {
		kind := strings.TrimSuffix(filepath.Base(file), ".json")
		test := tests[kind]
		delete(tests, kind)
		if test == nil {
			t.Errorf("%s: no test of this kind", file)
			continue
		}
		names := map[string]bool{}
		for _, v := range vectors(t, kind) {
			total++
			if names[v.Name] || v.Name == "" || v.Publication == "" || v.Source != "captured" && v.Source != "computed" {
				t.Errorf("%s: entry %q is named twice or does not say where it came from", kind, v.Name)
			}
			names[v.Name] = true
			t.Run(kind+"/"+v.Name, func(t *testing.T) { test(t, v) })
		}
	}
	for kind := range tests {
		t.Errorf("%s: a test and no file", kind)
	}
	if total < 171 {
		t.Errorf("%d entries, want the 171 that were known when the files were made", total)
	}
}

// userFields are a user as the files say it.
type userFields struct {
	UID       uint16    `json:"uid"`
	Privilege Privilege `json:"privilege"`
	Password  string    `json:"password"`
	Name      string    `json:"name"`
	Card      uint32    `json:"card"`
	Group     uint8     `json:"group"`
	OwnZones  uint16    `json:"own_zones"`
	Zones     [3]uint16 `json:"zones"`
	PIN       string    `json:"pin"`
}

func (f userFields) user(rest []byte) User {
	return User{UID: f.UID, Privilege: f.Privilege, Password: []byte(f.Password), Name: []byte(f.Name), Card: f.Card,
		Group: f.Group, OwnZones: f.OwnZones, Zones: f.Zones, PIN: f.PIN, Raw: rest}
}

func fieldsOf(u User) userFields {
	return userFields{UID: u.UID, Privilege: u.Privilege, Password: string(u.Password), Name: string(u.Name), Card: u.Card,
		Group: u.Group, OwnZones: u.OwnZones, Zones: u.Zones, PIN: u.PIN}
}

func checkUsers(t *testing.T, rows []byte, layout int, want []userFields) {
	t.Helper()
	users, err := ParseUsers(rows, UserLayout(layout))
	if err != nil || len(users) != len(want) {
		t.Fatalf("ParseUsers: %d users, %v, want %d", len(users), err, len(want))
	}
	var back []byte
	for i, u := range users {
		if got := fieldsOf(u); got != want[i] {
			t.Errorf("user %d = %+v, want %+v", i, got, want[i])
		}
		if back, err = UserLayout(layout).Append(back, u); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(back, rows) {
		t.Errorf("users written back differ")
	}
	if l, err := GuessUserLayout(rows, len(want)); err != nil || int(l) != layout {
		t.Errorf("GuessUserLayout with the count = %d, %v, want %d", l, err, layout)
	}
	if l, err := GuessUserLayout(rows, -1); err != nil || int(l) != layout {
		t.Errorf("GuessUserLayout without a count = %d, %v, want %d", l, err, layout)
	}
}

func wallTime(t *testing.T, s string) Time {
	t.Helper()
	wall, err := time.Parse("2006-01-02T15:04:05", s)
	if err != nil {
		t.Fatal(err)
	}
	packed, ok := PackTime(wall)
	if !ok {
		t.Fatalf("PackTime(%s) = false", s)
	}
	return packed
}

func want[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

func testAttendanceVector(t *testing.T, v vector) {
	var f struct {
		Layout   string  `json:"layout"`
		Slot     *uint16 `json:"slot"`
		PIN      string  `json:"pin"`
		Verify   uint8   `json:"verify"`
		Status   uint8   `json:"status"`
		WorkCode uint32  `json:"work_code"`
		Time     string  `json:"time"`
		Rest     string  `json:"rest"`
	}
	v.fields(t, &f)
	row := v.bytes(t)
	layout := map[string]RowLayout{"8a": Row8A, "8b": Row8B, "16": Row16, "40": Row40, "49": Row49}[f.Layout]
	want(t, "String", layout.String(), f.Layout)
	want(t, "Size", layout.Size(), len(row))
	a := Attendance{PIN: f.PIN, Time: wallTime(t, f.Time), Verify: f.Verify, Status: f.Status, WorkCode: f.WorkCode}
	if f.Slot != nil {
		a.Slot, a.HasSlot = *f.Slot, true
	}
	var got Attendance
	if err := layout.Parse(row, &got); err != nil {
		t.Fatal(err)
	}
	expected := a
	expected.Raw = row
	want(t, "Parse", got, expected)
	want(t, "Time.String", got.Time.String(), f.Time)
	if f.Rest != "" {
		a.Raw = unhex(t, f.Rest)
	}
	back, err := layout.Append(nil, a)
	if err != nil || !bytes.Equal(back, row) {
		t.Errorf("Append = %x, %v, want %x", back, err, row)
	}
	now := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	if guessed, err := GuessRowLayout(row, 1, now); err != nil || guessed != layout {
		t.Errorf("GuessRowLayout with the count = %s, %v, want %s", guessed, err, layout)
	}
	if guessed, err := GuessRowLayout(row, -1, now); err != nil || guessed != layout {
		t.Errorf("GuessRowLayout without a count = %s, %v, want %s", guessed, err, layout)
	}
}

func testAuthVector(t *testing.T, v vector) {
	var f struct {
		Key     uint32 `json:"key"`
		Session uint16 `json:"session"`
		Tick    byte   `json:"tick"`
	}
	v.fields(t, &f)
	body := v.bytes(t)
	scrambled := Scramble(f.Key, f.Session, f.Tick)
	want(t, "Scramble", scrambled[:], body)
	want(t, "CheckScramble", CheckScramble(body, f.Key, f.Session), true)
	want(t, "CheckScramble with another key", CheckScramble(body, f.Key^2, f.Session), false)
	want(t, "CheckScramble cut", CheckScramble(body[:3], f.Key, f.Session), false)
}

func testChecksumVector(t *testing.T, v vector) {
	var f struct {
		Checksum uint16 `json:"checksum"`
	}
	v.fields(t, &f)
	cut := v.bytes(t) // the packet without its checksum
	packet := append(append(cut[:2:2], 0xEE, 0xEE), cut[2:]...)
	want(t, "Checksum", Checksum(packet), f.Checksum)
	binary.LittleEndian.PutUint16(packet[2:], f.Checksum)
	p, err := ParsePacket(packet)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "Append", p.Append(nil), packet)
}

func testDatasetVector(t *testing.T, v vector) {
	var f struct {
		Session uint16       `json:"session"`
		Reply   uint16       `json:"reply"`
		Layout  int          `json:"layout"`
		Users   []userFields `json:"users"`
	}
	v.fields(t, &f)
	p := frames(t, v.bytes(t))[0]
	want(t, "Session", p.Session, f.Session)
	want(t, "Reply", p.Reply, f.Reply)
	rows, err := cutTotal(p.Body)
	if err != nil {
		t.Fatal(err)
	}
	checkUsers(t, rows, f.Layout, f.Users)
}

// frames reads a stream of frames and checks that they are written back the same.
func frames(t *testing.T, stream []byte) []Packet {
	t.Helper()
	var packets []Packet
	var back []byte
	r := bytes.NewReader(stream)
	for {
		p, _, err := ReadFrame(r, MaxFrame, nil)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("ReadFrame of packet %d: %v", len(packets), err)
		}
		packets = append(packets, p)
		back = AppendFrame(back, p)
	}
	if len(packets) == 0 || !bytes.Equal(back, stream) {
		t.Fatalf("%d frames written back differ from the stream", len(packets))
	}
	return packets
}

func testEventVector(t *testing.T, v vector) {
	var f struct {
		Event    EventCode `json:"event"`
		Body     string    `json:"body"`
		Length   int       `json:"length"`
		PIN      string    `json:"pin"`
		Slot     uint16    `json:"slot"`
		Verify   uint8     `json:"verify"`
		Status   uint8     `json:"status"`
		Time     string    `json:"time"`
		Quality  *uint8    `json:"quality"`
		Slot32   *uint32   `json:"slot32"`
		Alarm    *uint32   `json:"alarm"`
		Enrolled *struct {
			Result uint16 `json:"result"`
			Size   uint16 `json:"size"`
			PIN    string `json:"pin"`
			Finger uint8  `json:"finger"`
		} `json:"enrolled"`
	}
	v.fields(t, &f)
	p := frames(t, v.bytes(t))[0]
	want(t, "Code", p.Code, RegEvent)
	want(t, "Reply", p.Reply, 0)
	e := ParseEvent(p)
	want(t, "event", e.Code, f.Event)
	want(t, "Raw", hex.EncodeToString(e.Raw), f.Body)
	want(t, "Punched", e.Punched, f.Length > 0)
	back, err := e.Append(nil)
	if err != nil || !bytes.Equal(back, p.Body) {
		t.Errorf("Append = %x, %v, want %x", back, err, p.Body)
	}
	if e.Punched {
		got := e
		got.Raw = nil
		want(t, "ParseEvent", got, Event{Code: f.Event, Punched: true, PIN: f.PIN, Slot: f.Slot, Verify: f.Verify, Status: f.Status, Time: wallTime(t, f.Time)})
		a := Attendance{PIN: f.PIN, Slot: f.Slot, Verify: f.Verify, Status: f.Status, Time: wallTime(t, f.Time)}
		body, err := AppendAttLogEvent(nil, a, f.Length)
		if err != nil || !bytes.Equal(body, p.Body) {
			t.Errorf("AppendAttLogEvent = %x, %v, want %x", body, err, p.Body)
		}
	}
	if score, ok := e.Quality(); ok != (f.Quality != nil) || ok && score != *f.Quality {
		t.Errorf("Quality = %d, %t", score, ok)
	}
	if slot, ok := e.Verified(); ok != (f.Slot32 != nil) || ok && slot != *f.Slot32 {
		t.Errorf("Verified = %d, %t", slot, ok)
	}
	if number, ok := e.Alarm(); ok != (f.Alarm != nil) || ok && number != *f.Alarm {
		t.Errorf("Alarm = %d, %t", number, ok)
	}
	enrolled, ok := e.Enrolled()
	if ok != (f.Enrolled != nil) || ok && enrolled != Enrolled(*f.Enrolled) {
		t.Errorf("Enrolled = %+v, %t", enrolled, ok)
	}
	if ok {
		body, err := enrolled.Append(nil)
		if err != nil || !bytes.Equal(body, p.Body) {
			t.Errorf("Enrolled.Append = %x, %v, want %x", body, err, p.Body)
		}
	}
}

func testOperationVector(t *testing.T, v vector) {
	var f struct {
		Admin   uint16    `json:"admin"`
		Number  uint8     `json:"number"`
		Unknown uint8     `json:"unknown"`
		Time    string    `json:"time"`
		Params  [4]uint16 `json:"params"`
	}
	v.fields(t, &f)
	row := v.bytes(t)
	o := Operation{Admin: f.Admin, Number: f.Number, Unknown: f.Unknown, Time: wallTime(t, f.Time), Params: f.Params}
	got, err := ParseOperation(row)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "ParseOperation", got, o)
	want(t, "Append", o.Append(nil), row)
}

func testPacketVector(t *testing.T, v vector) {
	var f struct {
		Code     Code   `json:"code"`
		Command  string `json:"command"`
		Checksum uint16 `json:"checksum"`
		Session  uint16 `json:"session"`
		Reply    uint16 `json:"reply"`
		Body     string `json:"body"`
	}
	v.fields(t, &f)
	b := v.bytes(t)
	p := Packet{Code: f.Code, Session: f.Session, Reply: f.Reply, Body: unhex(t, f.Body)}
	want(t, "AppendFrame", AppendFrame(nil, p), b)
	want(t, "String", f.Code.String(), f.Command)
	got := frames(t, b)
	if len(got) != 1 {
		t.Fatalf("%d frames", len(got))
	}
	want(t, "ReadFrame", got[0], p)
	datagram := b[PrefixSize:]
	want(t, "Checksum", Checksum(datagram), f.Checksum)
	got[0], _ = ParsePacket(datagram)
	want(t, "ParsePacket", got[0], p)
	datagram[3] ^= 1
	if _, err := ParsePacket(datagram); err != ErrChecksum {
		t.Errorf("ParsePacket with a wrong checksum: %v, want ErrChecksum", err)
	}
}

func testSizesVector(t *testing.T, v vector) {
	var f struct {
		Users         int `json:"users"`
		Templates     int `json:"templates"`
		Records       int `json:"records"`
		OpRecords     int `json:"op_records"`
		Admins        int `json:"admins"`
		Passwords     int `json:"passwords"`
		TemplateCap   int `json:"template_cap"`
		UserCap       int `json:"user_cap"`
		RecordCap     int `json:"record_cap"`
		TemplatesLeft int `json:"templates_left"`
		UsersLeft     int `json:"users_left"`
		RecordsLeft   int `json:"records_left"`
		Faces         int `json:"faces"`
		FaceCap       int `json:"face_cap"`
	}
	v.fields(t, &f)
	body := v.bytes(t)
	s := Sizes{Users: f.Users, Templates: f.Templates, Records: f.Records, OpRecords: f.OpRecords, Admins: f.Admins, Passwords: f.Passwords,
		TemplateCap: f.TemplateCap, UserCap: f.UserCap, RecordCap: f.RecordCap, TemplatesLeft: f.TemplatesLeft, UsersLeft: f.UsersLeft,
		RecordsLeft: f.RecordsLeft, Faces: f.Faces, FaceCap: f.FaceCap, Known: true}
	want(t, "Append", s.Append(nil, len(body)), body)
	got := ParseSizes(body)
	got.body = s.body
	want(t, "ParseSizes", got, s)
}

func testStreamVector(t *testing.T, v vector) {
	var f struct {
		Packets []struct {
			Code    Code   `json:"code"`
			Command string `json:"command"`
			Session uint16 `json:"session"`
			Reply   uint16 `json:"reply"`
			Length  int    `json:"length"`
		} `json:"packets"`
		Size           int          `json:"size"`
		TemplateLength int          `json:"template_length"`
		Layout         int          `json:"layout"`
		Users          []userFields `json:"users"`
	}
	v.fields(t, &f)
	packets := frames(t, v.bytes(t))
	if len(packets) != len(f.Packets) {
		t.Fatalf("%d packets, want %d", len(packets), len(f.Packets))
	}
	var data []byte
	for i, p := range packets {
		w := f.Packets[i]
		if p.Code != w.Code || p.Code.String() != w.Command || p.Session != w.Session || p.Reply != w.Reply || len(p.Body) != w.Length {
			t.Errorf("packet %d = %s session %d reply %d with %d bytes, want %+v", i, p.Code, p.Session, p.Reply, len(p.Body), w)
		}
		if p.Code == Data {
			data = append(data, p.Body...)
		}
	}
	want(t, "announced", int(binary.LittleEndian.Uint32(packets[0].Body)), f.Size)
	want(t, "size", len(data), f.Size)
	if f.TemplateLength > 0 {
		want(t, "TemplateLength", TemplateLength(data), f.TemplateLength)
		want(t, "Algorithm", Template{Data: data}.Algorithm(), 10)
		return
	}
	rows, err := cutTotal(data)
	if err != nil {
		t.Fatal(err)
	}
	checkUsers(t, rows, f.Layout, f.Users)
}

func testTemplateVector(t *testing.T, v vector) {
	var f struct {
		Size      int    `json:"size"`
		UID       uint16 `json:"uid"`
		Finger    uint8  `json:"finger"`
		Flag      uint8  `json:"flag"`
		Data      string `json:"data"`
		Algorithm int    `json:"algorithm"`
		Length    int    `json:"length"`
		HeadOnly  bool   `json:"head_only"`
	}
	v.fields(t, &f)
	row := v.bytes(t)
	if f.HeadOnly {
		// What follows the published bytes is not known; its length is.
		row = append(row, make([]byte, f.Size-len(row))...)
	}
	templates, err := ParseTemplates(row)
	if err != nil || len(templates) != 1 {
		t.Fatalf("ParseTemplates: %d, %v", len(templates), err)
	}
	w := Template{UID: f.UID, Finger: f.Finger, Flag: f.Flag, Data: append(unhex(t, f.Data), make([]byte, f.Size-templateHead-len(f.Data)/2)...)}
	want(t, "ParseTemplates", templates[0], w)
	want(t, "Algorithm", templates[0].Algorithm(), f.Algorithm)
	want(t, "TemplateLength", TemplateLength(templates[0].Data), min(f.Length, f.Size-templateHead))
	back, err := w.Append(nil)
	if err != nil || !bytes.Equal(back, row) {
		t.Errorf("Append = %x, %v, want %x", back, err, row)
	}
}

func testTimeVector(t *testing.T, v vector) {
	var f struct {
		Value      Time   `json:"value"`
		Wall       string `json:"wall"`
		Impossible string `json:"impossible"`
	}
	v.fields(t, &f)
	b := v.bytes(t)
	want(t, "bytes", binary.LittleEndian.AppendUint32(nil, uint32(f.Value)), b)
	wall, ok := f.Value.Wall()
	want(t, "Wall ok", ok, f.Wall != "")
	if !ok {
		want(t, "Wall", wall, time.Time{})
		want(t, "String", f.Value.String(), "zk:"+jsonNumber(t, v.Fields, "value"))
		var n [6]int
		for i, part := range strings.FieldsFunc(f.Impossible, func(r rune) bool { return r < '0' || r > '9' }) {
			n[i] = atoi(t, part)
		}
		want(t, "packed fields", packClock(n[0], n[1], n[2], n[3], n[4], n[5]), f.Value)
		return
	}
	want(t, "Wall", wall.Format("2006-01-02T15:04:05"), f.Wall)
	want(t, "String", f.Value.String(), f.Wall)
	packed, ok := PackTime(wall)
	want(t, "PackTime ok", ok, wall.Year() < 2100)
	if ok {
		want(t, "PackTime", packed, f.Value)
	}
}

func jsonNumber(t *testing.T, fields json.RawMessage, key string) string {
	t.Helper()
	m := map[string]json.RawMessage{}
	if err := json.Unmarshal(fields, &m); err != nil {
		t.Fatal(err)
	}
	return string(m[key])
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func testTime6Vector(t *testing.T, v vector) {
	var f struct {
		Wall string `json:"wall"`
	}
	v.fields(t, &f)
	b := v.bytes(t)
	got, ok := ParseTime6(b)
	want(t, "ParseTime6 ok", ok, true)
	want(t, "ParseTime6", got, wallTime(t, f.Wall))
	want(t, "AppendTime6", AppendTime6(nil, got), b)
}

// uploadFields are the two parts of an upload as the files say them.
type uploadFields struct {
	Layout    int          `json:"layout"`
	Users     []userFields `json:"users"`
	Templates []struct {
		UID    uint16 `json:"uid"`
		Finger uint8  `json:"finger"`
		Data   string `json:"data"`
	} `json:"templates"`
}

func testUploadVector(t *testing.T, v vector) {
	var f uploadFields
	v.fields(t, &f)
	b := v.bytes(t)
	u := Upload{Layout: UserLayout(f.Layout)}
	for _, user := range f.Users {
		u.Users = append(u.Users, user.user(nil))
	}
	for _, tmpl := range f.Templates {
		u.Templates = append(u.Templates, Template{UID: tmpl.UID, Finger: tmpl.Finger, Flag: 1, Data: unhex(t, tmpl.Data)})
	}
	written, err := u.Append(nil)
	if err != nil || !bytes.Equal(written, b) {
		t.Errorf("Append = %x, %v, want %x", written, err, b)
	}
	got, err := ParseUpload(b)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got.Users {
		want(t, "user", fieldsOf(got.Users[i]), f.Users[i])
		got.Users[i] = u.Users[i]
	}
	want(t, "ParseUpload", got, u)
}

func testUploadTemplateVector(t *testing.T, v vector) {
	var f struct {
		Data string `json:"data"`
	}
	v.fields(t, &f)
	b := v.bytes(t)
	u := Upload{Layout: User72, Templates: []Template{{UID: 1, Flag: 1, Data: unhex(t, f.Data)}}}
	written, err := u.Append(nil)
	if err != nil || !bytes.Equal(written[uploadHead+uploadEntry:], b) {
		t.Fatalf("Append = %x, %v, want it to end in %x", written, err, b)
	}
	got, err := ParseUpload(written)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "ParseUpload", got, u)
}

func testUserVector(t *testing.T, v vector) {
	var f struct {
		Layout int    `json:"layout"`
		Prefix string `json:"prefix"`
		Rest   string `json:"rest"`
		userFields
	}
	v.fields(t, &f)
	row, found := bytes.CutPrefix(v.bytes(t), unhex(t, f.Prefix))
	if !found {
		t.Fatalf("no prefix %s", f.Prefix)
	}
	layout := UserLayout(f.Layout)
	got, err := layout.Parse(row)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "Parse", fieldsOf(got), f.userFields)
	var rest []byte
	if f.Rest != "" {
		rest = unhex(t, f.Rest)
	}
	back, err := layout.Append(nil, f.user(rest))
	if err != nil || !bytes.Equal(back, row) {
		t.Errorf("Append = %x, %v, want %x", back, err, row)
	}
}
