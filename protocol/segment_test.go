package protocol_test

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// morning makes n ordinary punches.
func morning(n int) []protocol.Record {
	out := make([]protocol.Record, n)
	for i := range out {
		out[i] = records()[0]
		out[i].Raw = make([]byte, 40)
		out[i].Nth = uint32(i)
	}
	return out
}

func TestLinks(t *testing.T) {
	s := firstSegment()
	links, err := s.Links()
	if err != nil {
		t.Fatal(err)
	}
	h := s.Epoch
	for i, l := range links {
		h = h.Next(s.Records[i].AppendCanonical(nil))
		if l.Seq != uint64(i)+1 || l.Hash != h || !slices.Equal(l.Canonical, s.Records[i].AppendCanonical(nil)) {
			t.Errorf("link %d = %d %s", i, l.Seq, l.Hash)
		}
	}
	if h != s.Head {
		t.Errorf("the last hash = %s, want the head %s", h, s.Head)
	}
	next := segment(s.Epoch, s.Last+1, s.Head, morning(2))
	if _, err := next.Links(); err != nil {
		t.Errorf("the next segment: %v", err)
	}
}

func TestLinksRefuse(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(s *protocol.Segment)
	}{
		{"no record", func(s *protocol.Segment) { s.Records = nil; s.Last = s.First - 1; s.Head = s.Prev }},
		{"sequence 0", func(s *protocol.Segment) { s.First, s.Last = 0, s.Last-1 }},
		{"a last number too high", func(s *protocol.Segment) { s.Last++ }},
		{"a last number too low", func(s *protocol.Segment) { s.Last-- }},
		{"numbers that run over", func(s *protocol.Segment) { s.First, s.Last = math.MaxUint64, 1 }},
		{"numbers in the wrong order", func(s *protocol.Segment) { s.First, s.Last = s.Last, s.First }},
		{"another head", func(s *protocol.Segment) { s.Head[0] ^= 1 }},
		{"another link before", func(s *protocol.Segment) { s.Prev[31] ^= 1 }},
		{"an epoch that does not begin its chain", func(s *protocol.Segment) { s.Epoch[0] ^= 1 }},
		{"a record that is none", func(s *protocol.Segment) {
			rows := records()
			rows[1].PIN = ""
			*s = segment(s.Epoch, 1, s.Epoch, rows)
		}},
		{"one record too many", func(s *protocol.Segment) {
			*s = segment(s.Epoch, 1, s.Epoch, morning(protocol.MaxSegmentPunches+1))
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := firstSegment()
			row.change(&s)
			if _, err := s.Links(); !errors.Is(err, protocol.ErrSegment) {
				t.Errorf("Links = %v, want ErrSegment", err)
			}
			if err := s.Check(); !errors.Is(err, protocol.ErrSegment) {
				t.Errorf("Check = %v, want ErrSegment", err)
			}
		})
	}
}

// Whoever does not have the agent's key cannot make another story of a chain:
// whatever is done to its records, they no longer lead to the signed head.
func TestAChainHoldsItsRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfNDistinct(anyRecord(), 2, 8, func(r protocol.Record) string { return string(r.AppendCanonical(nil)) }).Draw(t, "records")
		s := segment(fixedHash("epoch"), 1, fixedHash("epoch"), rows)
		if _, err := s.Links(); err != nil {
			t.Fatalf("as written: %v", err)
		}
		i := rapid.IntRange(0, len(rows)-1).Draw(t, "i")
		j := rapid.IntRange(0, len(rows)-1).Filter(func(j int) bool { return j != i }).Draw(t, "j")
		changed := slices.Clone(rows)
		switch rapid.SampledFrom([]string{"alter", "drop", "swap", "insert", "repeat", "replace"}).Draw(t, "deed") {
		case "alter":
			changed[i].Status++
		case "drop":
			changed = slices.Delete(changed, i, i+1)
		case "swap":
			changed[i], changed[j] = changed[j], changed[i]
		case "insert":
			changed = slices.Insert(changed, i, records()[0])
		case "repeat":
			changed = slices.Insert(changed, i, changed[i])
		case "replace":
			changed[i] = changed[j]
		}
		for _, honest := range []bool{true, false} { // with the numbers corrected, and as they were
			forged := s
			forged.Records = changed
			if honest {
				forged.Last = forged.First + uint64(len(changed)) - 1
			}
			if _, err := forged.Links(); !errors.Is(err, protocol.ErrSegment) {
				t.Fatalf("Links of the changed chain = %v, want ErrSegment", err)
			}
		}
	})
}

// A run that the buffer may cut must always fit into a message: one that did not
// would stand at the head of the queue for ever.
func TestEverySegmentWithinTheLimitsFitsIntoAMessage(t *testing.T) {
	key := agentKey(t)
	// A PIN is the only text of a record that a terminal chooses; a letter of one
	// byte takes six in JSON at worst.
	widest := records()[0]
	widest.PIN, widest.Raw = strings.Repeat("\x01", 64), nil
	rawest := records()[0]
	rawest.Raw = make([]byte, 4096)
	least := protocol.Record{Serial: "A", PIN: "1", Time: "-", Source: "z", Read: "r"}
	for name, r := range map[string]protocol.Record{
		"ordinary": morning(1)[0], "letters that grow in JSON": widest, "the largest rows": rawest, "the smallest records": least,
	} {
		t.Run(name, func(t *testing.T) {
			n := min(protocol.MaxSegmentPunches, protocol.MaxSegmentBytes/len(r.AppendCanonical(nil)))
			s := segment(fixedHash("epoch"), math.MaxUint64-1000, fixedHash("prev"), slices.Repeat([]protocol.Record{r}, n))
			if err := s.Check(); err != nil {
				t.Fatal(err)
			}
			e := protocol.Envelope{Kind: protocol.KindPunches, Site: protocol.SiteID(strings.Repeat("s", 48)), Seq: protocol.Seq{Life: math.MaxUint64, Counter: math.MaxUint64}}
			text, err := protocol.Seal(e, s, key)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d records, %d bytes", n, len(text))
		})
	}
}

func TestSegmentThroughJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(anyRecord(), 1, 4).Draw(t, "records")
		s := segment(fixedHash("epoch"), rapid.Uint64Range(2, 1<<62).Draw(t, "first"), fixedHash("prev"), rows)
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var got protocol.Segment
		if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, s) {
			t.Fatalf("through JSON = %+v, %v\nwant %+v", got, err, s)
		}
		if _, err := got.Links(); err != nil {
			t.Fatalf("the chain broke on its way: %v", err)
		}
	})
}
