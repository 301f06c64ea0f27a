package usbfile

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
)

// staff are users of a terminal as it writes them; nobody of this name exists.
func staff(n int) []User {
	all := make([]User, n)
	for i := range all {
		all[i] = User{Slot: uint16(i + 1), Name: fmt.Appendf(nil, "Demo %d", i+1), Group: 1, PIN: fmt.Sprint(100001 + i)}
	}
	return all
}

// fingers are templates of random bytes, two for each slot.
func fingers(slots int, a Algorithm) []Template {
	random := rand.New(rand.NewPCG(1, uint64(a)))
	var all []Template
	for slot := range slots {
		for _, finger := range []uint8{0, 6} {
			size := 500
			if a == Algorithm10 {
				size = 900 + random.IntN(800)
			}
			data := make([]byte, size)
			for i := range data {
				data[i] = byte(1 + random.IntN(255)) // no NUL: the end of each template can be seen
			}
			all = append(all, NewTemplate(uint16(slot+1), finger, 1, data))
		}
	}
	return all
}

func written(t testing.TB, file interface {
	Append(dst []byte) ([]byte, error)
}) []byte {
	t.Helper()
	content, err := file.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// told is all that a user file says, secrets too.
func told(f UserFile) string {
	var b strings.Builder
	for _, u := range f.Users {
		fmt.Fprintf(&b, "%d: slot %d may %d password %q name %q card %d group %d own %d zones %d PIN %q\n", u.Offset(), u.Slot, u.Privilege,
			u.Password.Bytes(), u.Name, u.Card, u.Group, u.OwnZones, u.Zones, u.PIN)
	}
	for _, l := range f.Lost {
		fmt.Fprintf(&b, "lost %d bytes at %d: %s\n", l.Size, l.Offset, l.Why)
	}
	return fmt.Sprintf("layout %d\n", f.Layout) + b.String()
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	// Slot 2, super administrator, 1234, "Demo Dua", card 123456789, group 1, time zone 2, PIN 12.
	one28 = "0200 0e 3132333400 44656d6f20447561 15cd5b0700 01 0200 0c000000"
	// Slot 513, disabled user without password, a name and a card that fill their fields, PIN 4294967295.
	two28 = "0102 01 0000000000 44656d6f44656d6f ffffffff00 00 0000 ffffffff"
	// The same in the longer form, with a zone of its own.
	one72 = "0200 0e 3132333400000000 44656d6f204475612042656c617300000000000000000000 15cd5b07 " +
		"01 0100 020000000000 313200000000000000000000000000000000000000000000"
	// A name in UTF-8 that fills its field and is cut within a letter, and a NIP with a letter, padded.
	two72 = "0102 01 0000000000000000 44656d6f2053c3bc64e4bda0e5a5bd2044656d6f204465c3 ffffffff " +
		"00 0000 000000000000 202031393930303130313230313530333130303141000000"
)

func TestParseUsers(t *testing.T) {
	for name, row := range map[string]struct {
		records []string
		want    string
	}{
		"short": {[]string{one28, two28}, `layout 28
0: slot 2 may 14 password "1234" name "Demo Dua" card 123456789 group 1 own 0 zones [2 0 0] PIN "12"
28: slot 513 may 1 password "" name "DemoDemo" card 4294967295 group 0 own 0 zones [0 0 0] PIN "4294967295"
`},
		"long": {[]string{one72, two72}, `layout 72
0: slot 2 may 14 password "1234" name "Demo Dua Belas" card 123456789 group 1 own 1 zones [2 0 0] PIN "12"
72: slot 513 may 1 password "" name "Demo Süd你好 Demo De\xc3" card 4294967295 group 0 own 0 zones [0 0 0] PIN "199001012015031001A"
`},
	} {
		t.Run(name, func(t *testing.T) {
			content := unhex(t, strings.Join(row.records, ""))
			f, err := ParseUsers(content)
			if err != nil || told(f) != row.want {
				t.Fatalf("read\n%swant\n%s%v", told(f), row.want, err)
			}
			if again := written(t, f); !bytes.Equal(again, content) {
				t.Fatalf("written\n%x\nread\n%x", again, content)
			}
		})
	}
}

// Lengths that both layouts divide are told apart by what the records say.
func TestUsersOfBothLengthsAreToldApart(t *testing.T) {
	for _, n := range []int{504, 5040, 504 * 36} {
		for _, l := range []UserLayout{User28, User72} {
			content := written(t, UserFile{Layout: l, Users: staff(n / int(l))})
			if f, err := ParseUsers(content); err != nil || f.Layout != l || len(content) != n || len(f.Lost) > 0 {
				t.Errorf("%d bytes in records of %d: read as %d with %d lost: %v", n, l, f.Layout, len(f.Lost), err)
			}
		}
	}
}

func TestDamagedUserCostsItself(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, l := range []UserLayout{User28, User72} {
		whole := UserFile{Layout: l, Users: staff(18)}
		for name, damage := range map[string]struct {
			do  func(content []byte) []byte
			at  int // the record
			why Fault
		}{
			"overwritten with NUL": {func(c []byte) []byte { copy(c[5*l:6*l], make([]byte, l)); return c }, 5, FaultSlot},
			"overwritten with something": {func(c []byte) []byte {
				for i := range c[5*l : 6*l] {
					c[5*int(l)+i] = byte(random.IntN(256))
				}
				c[5*l+2] = 99
				return c
			}, 5, FaultPrivilege},
			"PIN overwritten":        {func(c []byte) []byte { copy(c[10*l-24:10*l], make([]byte, 24)); return c }, 9, FaultPIN},
			"a bell in the name":     {func(c []byte) []byte { c[2*l+11] = 7; return c }, 2, FaultText},
			"cut at the end":         {func(c []byte) []byte { return c[:len(c)-10] }, 17, FaultShort},
			"the very first is lost": {func(c []byte) []byte { c[0], c[1] = 0, 0; return c }, 0, FaultSlot},
		} {
			t.Run(fmt.Sprintf("%d bytes/%s", l, name), func(t *testing.T) {
				content := damage.do(written(t, whole))
				f, err := ParseUsers(content)
				if err != nil || f.Layout != l || len(f.Users) != 17 || len(f.Lost) != 1 || f.Lost[0].Offset != damage.at*int(l) {
					t.Fatalf("%d users, lost %v: %v", len(f.Users), f.Lost, err)
				}
				if why := f.Lost[0].Why; why != damage.why {
					t.Errorf("lost for its %s", why)
				}
			})
		}
	}
}

func TestWhatIsNoUserFile(t *testing.T) {
	ten := written(t, TemplateFile{Algorithm: Algorithm10, Templates: fingers(5, Algorithm10)})
	for name, content := range map[string][]byte{
		"empty": nil, "a log": []byte(office), "templates": ten, "NUL": make([]byte, 504),
	} {
		if f, err := ParseUsers(content); !errors.Is(err, ErrNotUsers) {
			t.Errorf("%s: %d users of %d bytes each: %v", name, len(f.Users), f.Layout, err)
		}
	}
	if _, err := ParseUsers(make([]byte, MaxPacked+1)); !errors.Is(err, ErrLarge) {
		t.Error(err)
	}
}

func TestUserThatDoesNotFit(t *testing.T) {
	long := strings.Repeat("9", 25)
	for name, row := range map[string]struct {
		layout UserLayout
		change func(*User)
	}{
		"a name of nine bytes":      {User28, func(u *User) { u.Name = []byte("DemoDemo!") }},
		"a password of six":         {User28, func(u *User) { u.Password = NewSecret([]byte("123456")) }},
		"a PIN above 32 bit":        {User28, func(u *User) { u.PIN = "4294967296" }},
		"a PIN with letters":        {User28, func(u *User) { u.PIN = "A1" }},
		"no PIN":                    {User28, func(u *User) { u.PIN = "0" }},
		"zones of its own":          {User28, func(u *User) { u.OwnZones = 1 }},
		"a name of 25 bytes":        {User72, func(u *User) { u.Name = []byte(long) }},
		"a PIN of 25":               {User72, func(u *User) { u.PIN = long }},
		"a PIN of two words":        {User72, func(u *User) { u.PIN = "1 2" }},
		"a NUL in the name":         {User72, func(u *User) { u.Name = []byte("a\x00b") }},
		"no slot":                   {User72, func(u *User) { u.Slot = 0 }},
		"rights that no reader has": {User72, func(u *User) { u.Privilege = 5 }},
	} {
		u := staff(1)[0]
		if _, err := row.layout.Append(nil, u); err != nil {
			t.Fatal(err)
		}
		row.change(&u)
		before := []byte{1, 2}
		if after, err := row.layout.Append(before, u); !errors.Is(err, ErrTooLong) || !bytes.Equal(after, before) {
			t.Errorf("%s: %x, %v", name, after, err)
		}
	}
}

// Who gets another name keeps all that a record has beside it, also what has no name here.
func TestChangedUserKeepsTheRestOfTheRecord(t *testing.T) {
	record := unhex(t, one72)
	copy(record[60:], "rest") // behind the NUL of the PIN, and of the password
	copy(record[8:], "pq")
	f, err := ParseUsers(bytes.Repeat(record, 1))
	if err != nil {
		t.Fatal(err)
	}
	f.Users[0].Name, f.Users[0].Card = []byte("Demo"), 7
	want := bytes.Clone(record)
	copy(want[11:35], append([]byte("Demo"), make([]byte, 20)...))
	copy(want[35:39], []byte{7, 0, 0, 0})
	if got := written(t, f); !bytes.Equal(got, want) {
		t.Errorf("written\n%x\nwant\n%x", got, want)
	}
}

func TestCodePage(t *testing.T) {
	for name, row := range map[string]struct {
		names []string
		want  CodePage
	}{
		"ASCII": {[]string{"Demo", "Demo Satu"}, PageASCII}, "UTF-8": {[]string{"Demo", "Sü"}, PageUTF8},
		"cut by the field": {[]string{"Demo D\xc3"}, PageUTF8}, "GB2312": {[]string{"\xc4\xe3\xba\xc3"}, PageUnknown},
		"two of them": {[]string{"Sü", "\xc4\xe3"}, PageUnknown},
	} {
		var f UserFile
		for _, n := range row.names {
			f.Users = append(f.Users, User{Name: []byte(n)})
		}
		if got := f.CodePage(); got != row.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Neither passwords nor templates are printed, whoever prints whichever of the types.
func TestSecretsAreNotPrinted(t *testing.T) {
	const word = "kunci777"
	u := staff(1)[0]
	u.Password = NewSecret([]byte(word))
	users, err := ParseUsers(written(t, UserFile{Layout: User72, Users: []User{u}}))
	if err != nil {
		t.Fatal(err)
	}
	m := NewTemplate(1, 2, 1, []byte(strings.Repeat(word, 20)))
	templates, err := ParseTemplates(written(t, TemplateFile{Algorithm: Algorithm10, Templates: []Template{m}}), Algorithm10)
	if err != nil {
		t.Fatal(err)
	}
	pair := Pair{"DEMO1", users, templates}
	first, second, err := pair.Files()
	if err != nil {
		t.Fatal(err)
	}
	bio, err := ParseBio([]byte("Pin=1\tNo=0\tIndex=0\tValid=1\tDuress=0\tType=9\tMajorVer=35\tMinorVer=4\tFormat=0\tTmp=a3VuY2k3Nzc=\r\n"))
	if err != nil || string(bio.Templates[0].Template.Bytes()) != word {
		t.Fatal(err)
	}
	inHex, inNumbers := hex.EncodeToString([]byte(word)), strings.Trim(fmt.Sprint([]byte(word)), "[]")
	var out bytes.Buffer
	for _, v := range []any{users, templates, pair, &pair, first, second, bio, m, u, &u, pair.Users.Users[0]} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		if text, err := json.Marshal(v); err == nil {
			t.Errorf("%T is written as JSON: %d bytes", v, len(text))
		}
	}
	for _, shown := range []string{word, inHex, strings.ToUpper(inHex), inNumbers, "a3VuY2k3Nzc"} {
		if strings.Contains(out.String(), shown) {
			t.Errorf("%q is printed", shown)
		}
	}
	if !strings.Contains(out.String(), "secret") {
		t.Error("nothing was printed at all")
	}
	pair.Forget()
	if pair.Users.Users[0].Password.IsZero() || strings.Contains(string(pair.Users.Users[0].Password.Bytes()), word[:2]) ||
		strings.Contains(string(pair.Templates.Templates[0].Data.Bytes()), word[:2]) {
		t.Error("what was to be forgotten is still there")
	}
}

func FuzzParseUsers(f *testing.F) {
	f.Add(unhex(f, one28+two28))
	f.Add(unhex(f, one72+two72))
	f.Add(written(f, UserFile{Layout: User28, Users: staff(18)}))
	f.Add(written(f, UserFile{Layout: User72, Users: staff(7)})[:490])
	f.Fuzz(func(t *testing.T, content []byte) {
		file, err := ParseUsers(content)
		if err != nil {
			return
		}
		whole(t, content, file.Lost, func(at int) (int, []byte) {
			for _, u := range file.Users {
				if u.Offset() == at {
					record, err := file.Layout.Append(nil, u)
					if err != nil {
						t.Fatal(err)
					}
					return int(file.Layout), record
				}
			}
			return 0, nil
		})
	})
}

// whole proves that records and losses together are the file, byte for byte.
func whole(t *testing.T, content []byte, lost []Loss, record func(at int) (int, []byte)) {
	t.Helper()
	for at := 0; at < len(content); {
		if len(lost) > 0 && lost[0].Offset == at {
			if lost[0].Size <= 0 || lost[0].Why == "" {
				t.Fatalf("lost %v", lost[0])
			}
			at, lost = at+lost[0].Size, lost[1:]
			continue
		}
		size, same := record(at)
		if size == 0 || at+size > len(content) || !bytes.Equal(same, content[at:at+size]) {
			t.Fatalf("at %d of %d stands %x", at, len(content), same)
		}
		at += size
	}
	if len(lost) > 0 {
		t.Fatalf("lost beyond the end: %v", lost)
	}
}
