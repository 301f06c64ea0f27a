package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Agent makes signed segments as an agent would.
type Agent struct {
	Site  protocol.SiteID
	Key   seal.SigningKey
	Epoch protocol.Hash
	Last  uint64
	Head  protocol.Hash
	sent  uint64
}

// NewAgent makes an agent with a new key and a new epoch.
func NewAgent(t testing.TB, site protocol.SiteID) *Agent {
	t.Helper()
	key, err := seal.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	a := &Agent{Site: site, Key: key}
	a.Begin()
	return a
}

// Begin starts a new epoch.
func (a *Agent) Begin() {
	a.Epoch = protocol.NewEpoch()
	a.Last, a.Head = 0, a.Epoch
}

// Segment appends records and returns the signed segment of them.
func (a *Agent) Segment(t testing.TB, records ...protocol.Record) (protocol.Segment, []byte) {
	t.Helper()
	s := protocol.Segment{Epoch: a.Epoch, First: a.Last + 1, Last: a.Last + uint64(len(records)), Prev: a.Head, Records: records}
	for _, r := range records {
		a.Head = a.Head.Next(r.AppendCanonical(nil))
	}
	a.Last, s.Head = s.Last, a.Head
	return s, a.Sign(t, s)
}

// Sign signs a segment as it is.
func (a *Agent) Sign(t testing.TB, s protocol.Segment) []byte {
	t.Helper()
	a.sent++
	message, err := protocol.Seal(protocol.Envelope{
		Kind: protocol.KindPunches, Site: a.Site, Seq: protocol.Seq{Life: 1, Counter: a.sent},
	}, s, a.Key)
	if err != nil {
		t.Fatal(err)
	}
	return message
}

// Morning is the time from which Punches count.
func Morning() time.Time { return time.Date(2026, 1, 5, 7, 0, 0, 0, time.UTC) }

// Punches makes n different punches at a terminal, from number on; 20 people
// come one second after the other.
func Punches(serial protocol.Serial, number, n int) []protocol.Record {
	records := make([]protocol.Record, n)
	for i := range records {
		k := number + i
		at := Morning().Add(time.Duration(k) * time.Second)
		records[i] = protocol.Record{
			Serial: serial, PIN: fmt.Sprint(100001 + k%20), Time: protocol.NewLocalTime(at), Status: uint8(k / 20 % 2), Verify: 1,
			Source: protocol.SourceZK, Raw: fmt.Appendf(nil, "row %030d", k), Read: "read-1", Offset: 3,
		}
	}
	return records
}
