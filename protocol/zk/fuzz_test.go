package zk

import (
	"bytes"
	"errors"
	"testing"
)

func FuzzPacket(f *testing.F) {
	seeds(f, "packet", func(_ vector, b []byte) { f.Add(b[PrefixSize:]) })
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePacket(b)
		if errors.Is(err, ErrShort) {
			return
		}
		back := p.Append(nil)
		if err != nil { // a wrong checksum is not written back
			copy(b[2:4], back[2:4])
		}
		if !bytes.Equal(back, b) {
			t.Errorf("%x written back as %x", b, back)
		}
	})
}

func FuzzFrame(f *testing.F) {
	seeds(f, "packet", func(_ vector, b []byte) { f.Add(b) })
	seeds(f, "stream", func(_ vector, b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, b []byte) {
		var back []byte
		r := bytes.NewReader(b)
		for {
			p, buf, err := ReadFrame(r, 1<<16, nil)
			if cap(buf) > 1<<17 {
				t.Fatalf("%d bytes allocated", cap(buf))
			}
			if err != nil {
				break
			}
			back = AppendFrame(back, p)
		}
		if !bytes.HasPrefix(b, back) {
			t.Errorf("%x written back as %x", b, back)
		}
	})
}

func FuzzAttendance(f *testing.F) {
	seeds(f, "attendance", func(_ vector, b []byte) {
		for l := Row8A; l <= Row49; l++ {
			f.Add(int(l), -1, bytes.Repeat(b, 3))
		}
	})
	f.Fuzz(func(t *testing.T, layout, count int, data []byte) {
		l := RowLayout(layout)
		guess, err := GuessRowLayout(data, count, now)
		if err == nil && (guess.Size() == 0 || len(data)%guess.Size() != 0) {
			t.Errorf("GuessRowLayout of %d bytes = %s", len(data), guess)
		}
		rows, err := ParseAttendance(nil, data, l)
		if err != nil {
			if len(rows) != 0 {
				t.Errorf("%d rows and %v", len(rows), err)
			}
			return
		}
		var back, plain []byte
		for _, a := range rows {
			if back, err = l.Append(back, a); err != nil {
				t.Fatalf("Append(%+v): %v", a, err)
			}
			// Without Raw only what the fields say is written; that must say the same.
			a.Raw = nil
			if plain, err = l.Append(plain, a); err != nil {
				t.Fatalf("Append(%+v): %v", a, err)
			}
		}
		if !bytes.Equal(back, data) {
			t.Errorf("%x written back as %x", data, back)
		}
		again, err := ParseAttendance(nil, plain, l)
		if err != nil || len(again) != len(rows) {
			t.Fatalf("rows without Raw: %d, %v", len(again), err)
		}
		for i := range again {
			a, b := again[i], rows[i]
			if a.Slot != b.Slot || a.HasSlot != b.HasSlot || a.PIN != b.PIN || a.Time != b.Time || a.Status != b.Status || a.Verify != b.Verify || a.WorkCode != b.WorkCode {
				t.Errorf("row %d without Raw = %+v, want %+v", i, a, b)
			}
			_ = a.Time.String()
		}
	})
}

func FuzzUsers(f *testing.F) {
	seeds(f, "user", func(_ vector, b []byte) { f.Add(-1, b) })
	seeds(f, "dataset", func(_ vector, b []byte) { f.Add(2, b[PrefixSize+HeaderSize+totalSize:]) })
	f.Fuzz(func(t *testing.T, count int, data []byte) {
		guess, err := GuessUserLayout(data, count)
		if err == nil && len(data)%guess.Size() != 0 {
			t.Errorf("GuessUserLayout of %d bytes = %d", len(data), guess)
		}
		for _, l := range []UserLayout{User28, User72} {
			users, err := ParseUsers(data, l)
			if err != nil {
				continue
			}
			var back []byte
			for _, u := range users {
				if back, err = l.Append(back, u); err != nil {
					t.Fatalf("Append(%+v): %v", u, err)
				}
				u.Raw = nil
				plain, err := l.Append(nil, u)
				if err != nil {
					t.Fatalf("Append(%+v): %v", u, err)
				}
				again, err := l.Parse(plain)
				if err != nil || fieldsOf(again) != fieldsOf(u) {
					t.Errorf("without Raw = %+v, %v, want %+v", again, err, u)
				}
			}
			if !bytes.Equal(back, data) {
				t.Errorf("%x written back as %x", data, back)
			}
		}
	})
}

func FuzzTemplates(f *testing.F) {
	seeds(f, "template", func(_ vector, b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, data []byte) {
		templates, err := ParseTemplates(data)
		var back []byte
		for _, m := range templates {
			m.Digest()
			if n := TemplateLength(m.Data); n > len(m.Data) {
				t.Errorf("TemplateLength of %d bytes = %d", len(m.Data), n)
			}
			var err error
			if back, err = m.Append(back); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.HasPrefix(data, back) || err == nil && len(back) != len(data) {
			t.Errorf("%x written back as %x", data, back)
		}
	})
}

func FuzzUpload(f *testing.F) {
	seeds(f, "upload", func(_ vector, b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, b []byte) {
		u, err := ParseUpload(b)
		if err != nil {
			return
		}
		if back, err := u.Append(nil); err != nil || !bytes.Equal(back, b) {
			t.Errorf("%x written back as %x, %v", b, back, err)
		}
	})
}

func FuzzEvent(f *testing.F) {
	seeds(f, "event", func(_ vector, b []byte) { f.Add(uint16(b[PrefixSize+4]), b[PrefixSize+HeaderSize:]) })
	f.Fuzz(func(t *testing.T, code uint16, body []byte) {
		e := ParseEvent(Packet{Code: RegEvent, Session: code, Body: body})
		e.Enrolled()
		e.Verified()
		e.Quality()
		e.Alarm()
		if back, err := e.Append(nil); err != nil || !bytes.Equal(back, body) {
			t.Errorf("%x written back as %x, %v", body, back, err)
		}
	})
}

func FuzzOption(f *testing.F) {
	seeds(f, "packet", func(v vector, b []byte) { f.Add(b[PrefixSize+HeaderSize:]) })
	f.Fuzz(func(t *testing.T, body []byte) {
		name, value := ParseOption(body)
		again := AppendOption(nil, name, value)
		n, v := ParseOption(again)
		if name == "" && bytes.ContainsRune([]byte(value), '=') {
			return // a value alone cannot hold the sign that ends a name
		}
		if n != name || v != value {
			t.Errorf("%q is %q, %q; written back %q is %q, %q", body, name, value, again, n, v)
		}
	})
}

func FuzzSizes(f *testing.F) {
	seeds(f, "sizes", func(_ vector, b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), sizesMax)]
		if back := ParseSizes(b).Append(nil, len(b)); !bytes.Equal(back, b) {
			t.Errorf("%x written back as %x", b, back)
		}
	})
}
