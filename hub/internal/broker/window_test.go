package broker

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
)

// count is asked with made-up connections and moments.
func TestFloodsAreCountedBySubjectAndWindow(t *testing.T) {
	type sent struct {
		after       time.Duration // since the first look
		connection  uint64
		who         string
		mega, kilos int64 // in total on this connection: bytes in MiB, messages in thousands
	}
	for _, row := range []struct {
		name string
		sent []sent
		want string // whose flood is found at the last look; empty: nobody's
	}{
		{"nothing", nil, ""},
		{"as much as is let pass", []sent{{0, 1, "samsat", 64, 20}}, ""},
		{"too many bytes", []sent{{0, 1, "samsat", 65, 0}}, "samsat"},
		{"too many messages", []sent{{0, 1, "samsat", 0, 21}}, "samsat"},
		{"the hub", []sent{{0, 1, "_", 1000, 1000}}, ""},
		{"somebody without a name", []sent{{0, 1, "", 1000, 1000}}, ""},
		{"an operator", []sent{{0, 1, "_ani", 65, 0}}, "_ani"},
		{"by and by", []sent{{0, 1, "samsat", 40, 0}, {4 * time.Second, 1, "samsat", 60, 0}, {8 * time.Second, 1, "samsat", 70, 0}}, "samsat"},
		{"as much over a longer time", []sent{{0, 1, "samsat", 60, 0}, {10 * time.Second, 1, "samsat", 120, 0}, {20 * time.Second, 1, "samsat", 180, 0}}, ""},
		{"over many connections", []sent{{0, 1, "samsat", 40, 0}, {2 * time.Second, 2, "samsat", 30, 0}}, "samsat"},
		{"two together", []sent{{0, 1, "samsat", 40, 0}, {2 * time.Second, 2, "samsat-2", 30, 0}}, ""},
		{"a connection that is seen again after it ended", []sent{{0, 1, "samsat", 40, 0}, {2 * time.Second, 1, "samsat", 40, 0}, {4 * time.Second, 1, "samsat", 40, 0}}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			start := time.Now()
			g := &gate{floods: newFloods()}
			var found []flooding
			for _, s := range row.sent {
				found = g.count(start.Add(s.after), []*server.ConnInfo{{Cid: s.connection, AuthorizedUser: s.who, InBytes: s.mega << 20, InMsgs: s.kilos * 1000}})
			}
			got := ""
			if len(found) == 1 {
				got = found[0].subject.CN()
			}
			if got != row.want || len(found) > 1 {
				t.Errorf("found %v, want %q", found, row.want)
			}
		})
	}
}

func TestFloodIsForgivenAfterAMinute(t *testing.T) {
	start, site := time.Now(), authority.Subject{Kind: authority.Site, Name: "samsat"}
	g := &gate{floods: newFloods()}
	flood := []*server.ConnInfo{{Cid: 1, AuthorizedUser: "samsat", InMsgs: 50_000}}
	if found := g.count(start, flood); len(found) != 1 {
		t.Fatalf("found %v", found)
	}
	if until := g.refusedUntil(site); !until.Equal(start.Add(time.Minute)) {
		t.Errorf("it stays out until %v", until.Sub(start))
	}
	for _, after := range []time.Duration{2 * time.Second, 59 * time.Second} {
		if found := g.count(start.Add(after), flood); len(found) != 0 || g.refusedUntil(site).IsZero() {
			t.Errorf("after %v: found %v, out until %v", after, found, g.refusedUntil(site))
		}
	}
	g.count(start.Add(time.Minute), flood)
	if until := g.refusedUntil(site); !until.IsZero() {
		t.Errorf("after a minute it stays out until %v", until)
	}
}
