package flush_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer/flush"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// anyFlush draws a flush whose records are as alike as real ones, or not at all.
func anyFlush(t *rapid.T) flush.Flush {
	f := flush.Flush{
		First:  rapid.Uint64Range(1, 1<<60).Draw(t, "first"),
		Epoch:  rapid.Uint32().Draw(t, "epoch"),
		Prev:   protocol.Hash(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "prev")),
		Serial: protocol.Serial(rapid.StringMatching(`[A-Z0-9]{1,32}`).Draw(t, "serial")),
	}
	base := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "base")
	for range rapid.IntRange(1, 60).Draw(t, "records") {
		record := bytes.Clone(base)
		if len(record) > 0 {
			for range rapid.IntRange(0, 5).Draw(t, "changes") {
				record[rapid.IntRange(0, len(record)-1).Draw(t, "at")]++
			}
		}
		if rapid.IntRange(0, 9).Draw(t, "other length") == 0 {
			record = bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, rapid.IntRange(0, 5000).Draw(t, "length"))
		}
		f.Entries = append(f.Entries, flush.Entry{
			Mark:   rapid.Uint64().Draw(t, "mark"),
			At:     time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "at"), 0),
			Record: append([]byte{}, record...),
		})
	}
	f.Head = f.Prev
	for _, e := range f.Entries {
		f.Head = f.Head.Next(e.Record)
	}
	return f
}

func TestParseGivesBackWhatWasEncoded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyFlush(t)
		b, all, err := flush.Encode(want, 1<<30)
		if err != nil || !reflect.DeepEqual(all, want) {
			t.Fatalf("Encode = %+v, %v, want %+v", all, err, want)
		}
		got, err := flush.Parse(b)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("Parse = %+v, %v, want %+v", got, err, want)
		}
	})
}

func TestValuesWithinTheLimitGiveAllRecordsAndOneChain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyFlush(t)
		limit := rapid.IntRange(0, 3000).Draw(t, "limit")
		rest, got := want, []flush.Entry(nil)
		for len(rest.Entries) > 0 {
			b, written, err := flush.Encode(rest, limit)
			if err != nil {
				t.Fatalf("Encode: %v", err)
			}
			if len(b) > limit && len(written.Entries) > 1 {
				t.Fatalf("%d records in %d bytes, the limit is %d", len(written.Entries), len(b), limit)
			}
			got = append(got, written.Entries...)
			rest.Entries = rest.Entries[len(written.Entries):]
			rest.First, rest.Prev = written.Last()+1, written.Head
		}
		if rest.Prev != want.Head || !reflect.DeepEqual(got, want.Entries) {
			t.Fatalf("%d records, head %s, want %d, %s", len(got), rest.Prev, len(want.Entries), want.Head)
		}
	})
}

func TestAnyChangedBitIsRefused(t *testing.T) {
	f := demo(3)
	b, _, err := flush.Encode(f, flush.Limit)
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(b) * 8 {
		b[i/8] ^= 1 << (i % 8)
		if _, err := flush.Parse(b); !errors.Is(err, flush.ErrFlush) {
			t.Fatalf("bit %d changed: Parse = %v, want ErrFlush", i, err)
		}
		b[i/8] ^= 1 << (i % 8)
	}
	for n := range b {
		if _, err := flush.Parse(b[:n]); !errors.Is(err, flush.ErrFlush) {
			t.Fatalf("cut to %d bytes: Parse = %v, want ErrFlush", n, err)
		}
	}
}

func TestEncodeRefusesWhatTheFormCannotHold(t *testing.T) {
	for name, f := range map[string]flush.Flush{
		"no records":        {First: 1},
		"position zero":     {Entries: demo(1).Entries},
		"a huge record":     {First: 1, Entries: []flush.Entry{{Record: make([]byte, 1<<20)}}},
		"an endless serial": {First: 1, Serial: protocol.Serial(make([]byte, 256)), Entries: demo(1).Entries},
	} {
		if _, _, err := flush.Encode(f, flush.Limit); !errors.Is(err, flush.ErrFlush) {
			t.Errorf("%s: Encode = %v, want ErrFlush", name, err)
		}
	}
}

// demo makes n records as alike as punches are.
func demo(n int) flush.Flush {
	f := flush.Flush{First: 7, Epoch: 2, Prev: protocol.Hash{1}, Serial: "DEMO-0001"}
	for i := range n {
		at := time.Unix(1767312000+int64(i), 0)
		r := protocol.Record{
			Serial: f.Serial, PIN: fmt.Sprint(100001 + i), Time: protocol.NewLocalTime(at.UTC()), Source: protocol.SourceZK,
			Raw: fmt.Appendf(nil, "%040d", i), Read: "0123456789abcdef",
		}
		f.Entries = append(f.Entries, flush.Entry{Mark: uint64(i) * 0x9e3779b97f4a7c15, At: at, Record: r.AppendCanonical(nil)})
	}
	return f
}

func TestPunchesTakeAThirdOfTheirRoom(t *testing.T) {
	f := demo(100)
	plain := 0
	for _, e := range f.Entries {
		plain += len(e.Record)
	}
	b, _, err := flush.Encode(f, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("100 punches: %d bytes of records in %d", plain, len(b))
	if len(b) > plain*2/5 {
		t.Errorf("100 punches of %d bytes take %d", plain, len(b))
	}
}

func TestScanFindsFlushesInRuins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ruins []byte
		var want []uint64
		for i := range rapid.IntRange(0, 5).Draw(t, "flushes") {
			rubble := rapid.SliceOfN(rapid.SampledFrom([]byte("SfL\x01\x00\xff")), 0, 300).Draw(t, "rubble")
			ruins = append(ruins, rubble...)
			f := demo(1 + 10*i)
			f.First = uint64(i + 1)
			b, _, err := flush.Encode(f, 1<<20)
			if err != nil {
				t.Fatalf("Encode: %v", err)
			}
			if rapid.Bool().Draw(t, "hurt") {
				b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= 0x10
			} else {
				want = append(want, f.First)
			}
			ruins = append(ruins, b...)
		}
		if rapid.Bool().Draw(t, "far") { // across the border of what is read at once
			ruins = append(make([]byte, 1<<20-rapid.IntRange(0, 1500).Draw(t, "before")), ruins...)
		}
		var got []uint64
		flush.Scan(bytes.NewReader(ruins), int64(len(ruins)), func(f flush.Found) {
			if _, err := f.Read(bytes.NewReader(ruins)); err != nil {
				t.Fatalf("Read what was found: %v", err)
			}
			got = append(got, f.First)
		})
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("found %v, want %v", got, want)
		}
	})
}

// FuzzParse looks for bytes that parse and are not what Encode writes, or that
// make Parse fault. The checksum is set right, or nothing would get past it.
func FuzzParse(f *testing.F) {
	for _, n := range []int{1, 2, 30} {
		b, _, err := flush.Encode(demo(n), 1<<20)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= 12 {
			b = bytes.Clone(b)
			binary.BigEndian.PutUint32(b[4:], uint32(len(b)))
			binary.BigEndian.PutUint32(b[8:], flush.Checksum(b))
		}
		parsed, err := flush.Parse(b)
		if err != nil {
			return
		}
		written, _, err := flush.Encode(parsed, 1<<30)
		if err != nil {
			t.Fatalf("Encode what was parsed: %v", err)
		}
		again, err := flush.Parse(written)
		parsed.Head = again.Head // Encode computes it
		if err != nil || !reflect.DeepEqual(again, parsed) {
			t.Fatalf("Parse(Encode) = %+v, %v, want %+v", again, err, parsed)
		}
	})
}
