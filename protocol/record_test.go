package protocol_test

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// text makes texts of letters from every corner of UTF-8 that a record may hold.
func text(least, most int) *rapid.Generator[string] {
	letters := rapid.OneOf(rapid.RuneFrom([]rune("0123456789 \"\\<>&\x00\n\u2028\ufffdé字😀")), rapid.Rune())
	return rapid.StringOfN(letters, least, most, most)
}

// anyRecord makes records over their whole range.
func anyRecord() *rapid.Generator[protocol.Record] {
	return rapid.Custom(func(t *rapid.T) protocol.Record {
		return protocol.Record{
			Serial:   protocol.Serial(rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9-]{0,31}`).Draw(t, "serial")),
			PIN:      text(1, 64).Draw(t, "pin"),
			Time:     protocol.LocalTime(text(1, 64).Draw(t, "time")),
			Status:   rapid.Byte().Draw(t, "status"),
			Verify:   rapid.Byte().Draw(t, "verify"),
			WorkCode: rapid.Uint32().Draw(t, "work code"),
			Source:   protocol.Source(text(1, 16).Draw(t, "source")),
			Raw:      rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(t, "raw"),
			Read:     text(1, 64).Draw(t, "read"),
			Offset:   protocol.Offset(rapid.Int32().Draw(t, "offset")),
			Nth:      rapid.Uint32().Draw(t, "nth"),
		}
	})
}

func TestRecordKeepsEveryField(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRecord().Draw(t, "record")
		if err := r.Check(); err != nil {
			t.Fatalf("Check = %v", err)
		}
		canonical := r.AppendCanonical([]byte("before"))[len("before"):]
		got, err := protocol.ParseCanonical(canonical)
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Fatalf("ParseCanonical = %+v, %v\nwant %+v", got, err, r)
		}
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		got = protocol.Record{}
		if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, r) {
			t.Fatalf("through JSON = %+v, %v\nwant %+v", got, err, r)
		}
	})
}

// A field that the chain did not hash could be changed unseen. The fields are
// taken from the type itself, so a new one is not forgotten.
func TestEveryFieldIsInTheChain(t *testing.T) {
	r := records()[0]
	before := string(r.AppendCanonical(nil))
	fields := reflect.TypeFor[protocol.Record]()
	for i := range fields.NumField() {
		t.Run(fields.Field(i).Name, func(t *testing.T) {
			changed := r
			v := reflect.ValueOf(&changed).Elem().Field(i)
			switch v.Kind() {
			case reflect.String:
				v.SetString(v.String() + "1")
			case reflect.Int32:
				v.SetInt(v.Int() + 1)
			case reflect.Uint8, reflect.Uint32:
				v.SetUint(v.Uint() + 1)
			case reflect.Slice:
				v.SetBytes(append([]byte{1}, v.Bytes()...))
			default:
				t.Fatalf("this test does not know how to change a %s", v.Kind())
			}
			if string(changed.AppendCanonical(nil)) == before {
				t.Error("the canonical bytes are the same")
			}
			if changed.Serial != r.Serial || changed.PIN != r.PIN {
				return
			}
			moved := r
			moved.Serial, moved.PIN = r.Serial+protocol.Serial(r.PIN[:1]), r.PIN[1:]
			if string(moved.AppendCanonical(nil)) == before {
				t.Error("a letter moved from one field to the next and the canonical bytes are the same")
			}
		})
	}
}

func TestTwoRecordsHaveTwoCanonicalForms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyRecord().Draw(t, "a"), anyRecord().Draw(t, "b")
		same := string(a.AppendCanonical(nil)) == string(b.AppendCanonical(nil))
		if same != reflect.DeepEqual(a, b) {
			t.Fatalf("equal canonical bytes: %v, equal records: %v", same, !same)
		}
	})
}

func TestRecordCheck(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(r *protocol.Record)
		want   string // in the error; "" for a good record
	}{
		{"as read", func(r *protocol.Record) {}, ""},
		{"a PIN of 18 digits", func(r *protocol.Record) { r.PIN = "198001012005011001" }, ""},
		{"the largest row", func(r *protocol.Record) { r.Raw = make([]byte, 4096) }, ""},
		{"no row", func(r *protocol.Record) { r.Raw = nil }, ""},
		{"no serial", func(r *protocol.Record) { r.Serial = "" }, "serial"},
		{"a serial with a slash", func(r *protocol.Record) { r.Serial = "a/b" }, "serial"},
		{"no PIN", func(r *protocol.Record) { r.PIN = "" }, "pin"},
		{"a PIN that is too long", func(r *protocol.Record) { r.PIN = strings.Repeat("1", 65) }, "pin"},
		{"a PIN that is not UTF-8", func(r *protocol.Record) { r.PIN = "\xff" }, "UTF-8"},
		{"no time", func(r *protocol.Record) { r.Time = "" }, "time"},
		{"a time that is not UTF-8", func(r *protocol.Record) { r.Time = "zk:\xff" }, "UTF-8"},
		{"a source that is not UTF-8", func(r *protocol.Record) { r.Source = "\xff" }, "UTF-8"},
		{"a read that is not UTF-8", func(r *protocol.Record) { r.Read = "\xff" }, "UTF-8"},
		{"no source", func(r *protocol.Record) { r.Source = "" }, "source"},
		{"no read", func(r *protocol.Record) { r.Read = "" }, "read"},
		{"a row that is too long", func(r *protocol.Record) { r.Raw = make([]byte, 4097) }, "raw"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := records()[0]
			row.change(&r)
			err := r.Check()
			if row.want == "" {
				if err != nil {
					t.Errorf("Check = %v", err)
				}
				return
			}
			if !errors.Is(err, protocol.ErrRecord) || !strings.Contains(err.Error(), row.want) {
				t.Errorf("Check = %v, want ErrRecord about %s", err, row.want)
			}
			if _, err := protocol.ParseCanonical(r.AppendCanonical(nil)); !errors.Is(err, protocol.ErrRecord) {
				t.Errorf("ParseCanonical = %v, want ErrRecord", err)
			}
		})
	}
}

func TestParseCanonicalRefuses(t *testing.T) {
	good := records()[0].AppendCanonical(nil)
	if _, err := protocol.ParseCanonical(good); err != nil {
		t.Fatal(err)
	}
	t.Run("every shorter one", func(t *testing.T) {
		for n := range good {
			if _, err := protocol.ParseCanonical(good[:n]); !errors.Is(err, protocol.ErrRecord) {
				t.Errorf("the first %d bytes = %v, want ErrRecord", n, err)
			}
		}
	})
	t.Run("a byte more", func(t *testing.T) {
		if _, err := protocol.ParseCanonical(append(good[:len(good):len(good)], 0)); !errors.Is(err, protocol.ErrRecord) {
			t.Errorf("err = %v, want ErrRecord", err)
		}
	})
	t.Run("another version", func(t *testing.T) {
		other := append([]byte{2}, good[1:]...)
		if _, err := protocol.ParseCanonical(other); !errors.Is(err, protocol.ErrRecord) {
			t.Errorf("err = %v, want ErrRecord", err)
		}
	})
	t.Run("a status of two bytes", func(t *testing.T) {
		r := records()[0]
		head := len(r.Serial) + len(r.PIN) + len(r.Time) + 6 + 1
		other := append([]byte{}, good[:head]...)
		other = append(append(other, 0, 2, 0), good[head+2:]...)
		if _, err := protocol.ParseCanonical(other); !errors.Is(err, protocol.ErrRecord) {
			t.Errorf("err = %v, want ErrRecord", err)
		}
	})
}

func TestOffset(t *testing.T) {
	for _, row := range []struct {
		name   string
		offset protocol.Offset
		text   string
	}{
		{"none", 0, "0"},
		{"behind", -42, "-42"},
		{"far ahead", math.MaxInt32, "2147483647"},
		{"far behind", math.MinInt32 + 1, "-2147483647"},
		{"unknown", protocol.OffsetUnknown, "null"},
	} {
		t.Run(row.name, func(t *testing.T) {
			text, err := json.Marshal(row.offset)
			if err != nil || string(text) != row.text {
				t.Errorf("Marshal = %s, %v, want %s", text, err, row.text)
			}
			got := protocol.Offset(7)
			if err := json.Unmarshal([]byte(row.text), &got); err != nil || got != row.offset {
				t.Errorf("Unmarshal(%s) = %d, %v, want %d", row.text, got, err, row.offset)
			}
		})
	}
	for _, bad := range []string{"-2147483648", "2147483648", "1.5", "1e2", `"1"`, "true", "[]"} {
		got := protocol.Offset(7)
		if err := json.Unmarshal([]byte(bad), &got); err == nil || got != 7 {
			t.Errorf("Unmarshal(%s) = %d, %v, want an error and nothing changed", bad, got, err)
		}
	}
}

func TestLocalTime(t *testing.T) {
	for _, row := range []struct {
		name string
		text protocol.LocalTime
		wall string // "" for an impossible time
	}{
		{"a morning", "2026-01-02T07:31:05", "2026-01-02 07:31:05"},
		{"a leap day", "2024-02-29T23:59:59", "2024-02-29 23:59:59"},
		{"no leap day", "2026-02-29T00:00:00", ""},
		{"hour 24", "2026-01-02T24:00:00", ""},
		{"a leap second", "2026-12-31T23:59:60", ""},
		{"a zone", "2026-01-02T07:31:05Z", ""},
		{"a fraction", "2026-01-02T07:31:05.5", ""},
		{"a short hour", "2026-01-02T7:31:05", ""},
		{"a blank for the T", "2026-01-02 07:31:05", ""},
		{"raw", protocol.RawTime(protocol.SourceZK, "772130665"), ""},
		{"nothing", "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			wall, ok := row.text.Wall()
			if ok != (row.wall != "") || ok && wall.Format(time.DateTime) != row.wall {
				t.Errorf("Wall = %s, %v, want %q", wall, ok, row.wall)
			}
			if ok && protocol.NewLocalTime(wall) != row.text {
				t.Errorf("NewLocalTime(Wall) = %s, want %s", protocol.NewLocalTime(wall), row.text)
			}
		})
	}
	if got := protocol.RawTime("zk", "772130665"); got != "zk:772130665" {
		t.Errorf("RawTime = %s", got)
	}
	wit := time.Date(2026, 1, 2, 7, 31, 5, 999, time.FixedZone("WIT", 9*3600))
	if got := protocol.NewLocalTime(wit); got != "2026-01-02T07:31:05" {
		t.Errorf("NewLocalTime looked at the zone: %s", got)
	}
}

func TestSlotPIN(t *testing.T) {
	for _, slot := range []uint16{0, 7, math.MaxUint16} {
		if pin := protocol.SlotPIN(slot); !protocol.IsSlotPIN(pin) {
			t.Errorf("IsSlotPIN(%q) = false", pin)
		}
	}
	for _, pin := range []string{"", "7", "slot", "100001"} {
		if protocol.IsSlotPIN(pin) {
			t.Errorf("IsSlotPIN(%q) = true", pin)
		}
	}
}

func TestNormalPIN(t *testing.T) {
	for pin, want := range map[string]string{
		"100001": "100001", "000100001": "100001", "  7  ": "7", "0": "0", "000": "0", "": "", "A07": "A07", "0A": "A", "slot:7": "slot:7",
		"198001012005011001": "198001012005011001", "7\x00\x00": "7",
	} {
		if got := protocol.NormalPIN(pin); got != want {
			t.Errorf("NormalPIN(%q) = %q, want %q", pin, got, want)
		}
	}
}
