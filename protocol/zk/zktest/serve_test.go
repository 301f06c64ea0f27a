package zktest_test

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

// Each profile serves each dataset over both carriers as it holds it.
func TestReaderSeesWhatTerminalHolds(t *testing.T) {
	sizes := []struct{ users, templates, punches int }{{0, 0, 0}, {1, 1, 1}, {60, 90, 1000}, {60, 0, 100000}}
	if testing.Short() {
		sizes = sizes[:3]
	}
	for _, profile := range zktest.Profiles() {
		for _, size := range sizes {
			for _, network := range []string{"tcp", "udp"} {
				t.Run(fmt.Sprintf("%s with %d punches by %s", profile.Name, size.punches, network), func(t *testing.T) {
					terminal, address := start(t, zktest.Config{Profile: profile}, size.users, size.templates, size.punches)
					c := connected(t, network, address)
					compare(t, c, terminal)
					if network == "tcp" && c.largest > zktest.MaxData || network == "udp" && c.largest > zktest.MaxDatagram {
						t.Errorf("a DATA packet of %d bytes", c.largest)
					}
					c.must(zk.CmdExit, nil, zk.AckOK)
				})
			}
		}
	}
}

// compare reads all datasets strictly and compares them with what the terminal holds.
func compare(t *testing.T, c *probe, terminal *zktest.Terminal) {
	t.Helper()
	profile := terminal.Profile()
	punches := terminal.Punches()
	counted, err := c.sizes()
	if err != nil {
		t.Fatalf("sizes: %v", err)
	}
	if counted.Known != (profile.Sizes >= 80) || counted.Known &&
		(counted.Records != len(punches) || counted.Users != len(terminal.Users()) || counted.Templates != len(terminal.Templates())) {
		t.Errorf("sizes: %+v", counted)
	}
	rows, err := c.read(zk.DatasetAttendance, c.chunk())
	if err != nil {
		t.Fatalf("read punches: %v", err)
	}
	got, err := zk.ParseAttendance(nil, rows, profile.Rows)
	if err != nil {
		t.Fatalf("parse punches: %v", err)
	}
	if len(got) != len(punches) {
		t.Fatalf("%d punches read, terminal holds %d", len(got), len(punches))
	}
	for i, want := range punches {
		if profile.Rows.Size() == 8 {
			want.PIN = "" // the row has only the slot
		}
		if !reflect.DeepEqual(got[i], want) {
			t.Fatalf("punch %d: got %+v, want %+v", i, got[i], want)
		}
	}
	if rows, err = c.read(zk.DatasetUsers, c.chunk()); err != nil {
		t.Fatalf("read users: %v", err)
	}
	users, err := zk.ParseUsers(rows, profile.Users)
	if err != nil || len(users) != len(terminal.Users()) {
		t.Fatalf("%d users read, %v", len(users), err)
	}
	for i, want := range terminal.Users() {
		if u := users[i]; u.UID != want.UID || u.PIN != want.PIN || !bytes.Equal(u.Name, want.Name) || u.Privilege != want.Privilege || u.Card != want.Card {
			t.Fatalf("user %d: got %+v, want %+v", i, u, want)
		}
	}
	if rows, err = c.read(zk.DatasetTemplates, c.chunk()); err != nil {
		t.Fatalf("read templates: %v", err)
	}
	templates, err := zk.ParseTemplates(rows)
	if want := terminal.Templates(); err != nil || len(templates) != len(want) || len(want) > 0 && !reflect.DeepEqual(templates, want) {
		t.Fatalf("%d templates read, terminal holds %d, %v", len(templates), len(want), err)
	}
	if rows, err = c.read(zk.DatasetOperations, c.chunk()); err != nil || len(rows)%zk.OperationSize != 0 {
		t.Fatalf("read operations: %d bytes, %v", len(rows), err)
	}
}

// The forms change how bytes are cut, never which bytes they are.
func TestEachFormCarriesTheSameBytes(t *testing.T) {
	forms := map[string]zktest.Form{
		"packets of 1008":                    {PacketSize: 1008},
		"packets of 1008, coalesced":         {PacketSize: 1008, Coalesce: true},
		"one byte a write":                   {Fragment: 1},
		"7 bytes a write, coalesced packets": {PacketSize: 1008, Coalesce: true, Fragment: 7},
		"one DATA without PREPARE_DATA":      {Single: true},
		"everything direct":                  {Direct: 60000},
		"nothing direct":                     {Direct: -1},
		"a gap between frames":               {Gap: time.Millisecond, PacketSize: 4000},
	}
	for name, form := range forms {
		for _, network := range []string{"tcp", "udp"} {
			t.Run(name+" by "+network, func(t *testing.T) {
				if network == "udp" && form.Direct > 0 {
					form.Direct = 1016
				}
				terminal, address := start(t, zktest.Config{Form: form}, 12, 12, 300)
				compare(t, connected(t, network, address), terminal)
			})
		}
	}
}

func TestDefaultAnnounces65536AndStaysBelow65535(t *testing.T) {
	_, address := start(t, zktest.Config{}, 10, 0, 5000)
	c := connected(t, "tcp", address)
	c.must(zk.PrepareBuffer, zk.DatasetAttendance.Request(), zk.AckOK)
	head := c.must(zk.ReadBuffer, []byte{0, 0, 0, 0, 0, 0, 2, 0}, zk.PrepareData) // 131072 bytes at once
	if want := []byte{0, 0, 2, 0, 0, 0, 1, 0}; !bytes.Equal(head.Body, want) {
		t.Fatalf("PREPARE_DATA % x, want % x", head.Body, want)
	}
	for _, want := range []int{65472, 65472, 131072 - 2*65472} {
		p, err := c.receive()
		if err != nil || p.Code != zk.Data || len(p.Body) != want {
			t.Fatalf("%v of %d bytes, %v, want DATA of %d", p.Code, len(p.Body), err, want)
		}
	}
	if p, err := c.receive(); err != nil || p.Code != zk.AckOK || p.Session == c.session {
		t.Fatalf("%v with session %d, %v, want ACK_OK without the session", p.Code, p.Session, err)
	}
}

func TestPreparedLogStaysAsItWas(t *testing.T) {
	terminal, address := start(t, zktest.Config{}, 10, 0, 200)
	before := terminal.Punches()
	terminal.Inject(zktest.Fault{Kind: zktest.LogGrows, Times: zktest.Always, N: 3})
	c := connected(t, "tcp", address)
	rows, err := c.read(zk.DatasetAttendance, 1000)
	if err != nil {
		t.Fatal(err)
	}
	got, err := zk.ParseAttendance(nil, rows, zk.Row40)
	if err != nil || !reflect.DeepEqual(got, before) {
		t.Fatalf("%d punches, %v, want the %d of before", len(got), err, len(before))
	}
	if held := len(terminal.Punches()); held != 200+9*3 {
		t.Errorf("terminal holds %d punches, want 227: three more at each of nine reads", held)
	}
}

func TestReadBeyondBufferIsRefused(t *testing.T) {
	_, address := start(t, zktest.Config{}, 1, 0, 10)
	c := connected(t, "tcp", address)
	read := func(offset, n byte) []byte { return []byte{offset, 0, 0, 0, n, 0, 0, 0} }
	c.must(zk.ReadBuffer, read(0, 4), zk.AckError) // nothing is prepared
	c.must(zk.PrepareBuffer, zk.DatasetUsers.Request(), zk.AckOK)
	c.must(zk.ReadBuffer, read(0, 77), zk.AckError)
	c.must(zk.ReadBuffer, read(76, 1), zk.AckError)
	c.must(zk.ReadBuffer, []byte{0xFF, 0xFF, 0xFF, 0xFF, 4, 0, 0, 0}, zk.AckError)
	c.must(zk.ReadBuffer, []byte{0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF}, zk.AckError)
	if data, err := c.bulk(nil, zk.ReadBuffer, read(0, 76), 76); err != nil || len(data) != 76 {
		t.Errorf("the whole buffer: %d bytes, %v", len(data), err)
	}
	c.must(zk.FreeData, nil, zk.AckOK)
	c.must(zk.ReadBuffer, read(0, 4), zk.AckError)
}

func TestOldBulkCommandsGiveTheSameRows(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		terminal, address := start(t, zktest.Config{}, 5, 5, 500)
		c := connected(t, network, address)
		for set, old := range map[zk.Dataset]zk.Packet{
			zk.DatasetAttendance: {Code: zk.CmdAttLogRead},
			zk.DatasetUsers:      {Code: zk.CmdUserTempRead, Body: []byte{5}},
			zk.DatasetTemplates:  {Code: zk.CmdDBRead, Body: []byte{2}},
		} {
			want, err := c.read(set, c.chunk())
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.bulk(nil, old.Code, old.Body, -1)
			if err != nil {
				t.Fatalf("%v by %s: %v", old.Code, network, err)
			}
			if got, err = withoutTotal(got); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%v by %s: %d bytes, %v, want the %d of 1503", old.Code, network, len(got), err, len(want))
			}
		}
		one := terminal.Templates()[2]
		got, err := c.bulk(nil, zk.CmdTempRead, []byte{byte(one.UID), 0, one.Finger}, -1)
		if err != nil || !bytes.Equal(got, append(bytes.Clone(one.Data), 1)) {
			t.Errorf("88 by %s: %d bytes, %v, want the template and one byte", network, len(got), err)
		}
		if got, err = c.bulk(nil, zk.CmdUserTempRead, []byte{byte(one.UID), 0, one.Finger}, -1); err != nil || !bytes.Equal(got, one.Data) {
			t.Errorf("9 by %s: %d bytes, %v, want the template", network, len(got), err)
		}
		c.must(zk.CmdTempRead, []byte{1, 0, 0}, zk.AckError)
	}
}
