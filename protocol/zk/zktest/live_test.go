package zktest_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

var all = []byte{0xFF, 0xFF, 0, 0}

// event gives the next packet, which must be an event, and acknowledges it.
func (c *probe) event() zk.Event {
	c.t.Helper()
	p, err := c.receive()
	if err != nil || p.Code != zk.RegEvent || p.Reply != 0 {
		c.t.Fatalf("%v reply id %d, %v, want an event with reply id 0", p.Code, p.Reply, err)
	}
	e := zk.ParseEvent(zk.Packet{Code: p.Code, Session: p.Session, Body: bytes.Clone(p.Body)})
	if err := c.send(zk.Packet{Code: zk.AckOK, Session: c.session}); err != nil {
		c.t.Fatal(err)
	}
	return e
}

func TestPunchIsShownToWhoRegistered(t *testing.T) {
	for _, profile := range zktest.Profiles() {
		for _, network := range []string{"tcp", "udp"} {
			t.Run(profile.Name+" by "+network, func(t *testing.T) {
				terminal, address := start(t, zktest.Config{Profile: profile}, 3, 0, 0)
				c, other := connected(t, network, address), connected(t, network, address)
				c.must(zk.RegEvent, []byte{1, 0, 0, 0}, zk.AckOK)
				for _, pin := range []string{"1002", "1003"} {
					if err := terminal.Punch(pin, 1); err != nil {
						t.Fatal(err)
					}
				}
				for i, held := range terminal.Punches() {
					e := c.event()
					if len(e.Raw) != profile.Event || !e.Punched || e.Code != zk.EventAttLog {
						t.Fatalf("event %v of %d bytes, want a punch of %d", e.Code, len(e.Raw), profile.Event)
					}
					pin := held.PIN
					if profile.Event == 10 || profile.Event == 14 {
						if e.Slot != uint16(i+2) {
							t.Errorf("slot %d, want %d", e.Slot, i+2)
						}
						pin = e.PIN
					}
					if e.PIN != pin || e.Time != held.Time || e.Status != held.Status || e.Verify != profile.Verify {
						t.Errorf("event %+v, terminal holds %+v", e, held)
					}
				}
				if !other.silent() {
					t.Error("a client that did not register saw something")
				}
			})
		}
	}
}

func TestNoEvents(t *testing.T) {
	for name, prepare := range map[string]func(*zktest.Terminal, *probe){
		"while disabled":            func(_ *zktest.Terminal, c *probe) { c.must(zk.CmdDisable, nil, zk.AckOK) },
		"after mask 0":              func(_ *zktest.Terminal, c *probe) { c.must(zk.RegEvent, []byte{0, 0, 0, 0}, zk.AckOK) },
		"with a mask of other bits": func(_ *zktest.Terminal, c *probe) { c.must(zk.RegEvent, []byte{2, 0, 0, 0}, zk.AckOK) },
		"while frozen": func(t *zktest.Terminal, c *probe) {
			t.Inject(zktest.Fault{Kind: zktest.Freeze})
			_ = c.send(zk.Packet{Code: zk.CmdVersion})
		},
	} {
		t.Run(name, func(t *testing.T) {
			terminal, address := start(t, zktest.Config{}, 1, 0, 0)
			c := connected(t, "tcp", address)
			c.must(zk.RegEvent, all, zk.AckOK)
			prepare(terminal, c)
			for end := time.Now().Add(5 * time.Second); name == "while frozen" && terminal.Fired(zktest.Freeze) == 0; {
				if time.Now().After(end) {
					t.Fatal("it does not freeze")
				}
				time.Sleep(time.Millisecond)
			}
			if err := terminal.AddPunch(zk.Attendance{PIN: "1001", Time: 700000000}); err != nil {
				t.Fatal(err)
			}
			if !c.silent() {
				t.Error("an event came")
			}
			if len(terminal.Punches()) != 1 {
				t.Error("the punch is not stored")
			}
		})
	}
}

func TestEventsWithoutAcknowledgementStillCome(t *testing.T) {
	terminal, address := start(t, zktest.Config{}, 1, 0, 0)
	c := connected(t, "tcp", address)
	c.must(zk.RegEvent, all, zk.AckOK)
	for range 3 {
		if err := terminal.Punch("1001", 0); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if p, err := c.receive(); err != nil || p.Code != zk.RegEvent {
			t.Fatalf("%v %v, want an event", p.Code, err)
		}
	}
}

// The end of one enrolment must not come after the answer that begins the next.
func TestEventsBeforeARequestComeBeforeItsAnswer(t *testing.T) {
	terminal, address := start(t, zktest.Config{}, 1, 0, 0)
	c := connected(t, "tcp", address)
	c.must(zk.RegEvent, all, zk.AckOK)
	const shown = 3 // without acknowledgement the later ones wait
	for range shown {
		if err := terminal.Punch("1001", 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.send(zk.Packet{Code: zk.CmdVersion, Session: c.session}); err != nil {
		t.Fatal(err)
	}
	for i := range shown {
		if p, err := c.receive(); err != nil || p.Code != zk.RegEvent {
			t.Fatalf("packet %d is %v, %v, want an event", i, p.Code, err)
		}
	}
	if p, err := c.receive(); err != nil || p.Code != zk.AckOK {
		t.Fatalf("%v, %v, want the answer", p.Code, err)
	}
}

func TestEnrolment(t *testing.T) {
	tcp := append(append([]byte("1002"), make([]byte, 20)...), 6, 1)
	udp := []byte{0xEA, 3, 0, 0, 6}
	for name, row := range map[string]struct {
		network string
		body    []byte
		result  uint16
	}{
		"stored, by tcp": {"tcp", tcp, 0}, "stored, by udp": {"udp", udp, 0}, "duplicate": {"tcp", tcp, 5}, "failed": {"tcp", tcp, 6},
	} {
		t.Run(name, func(t *testing.T) {
			terminal, address := start(t, zktest.Config{EnrolResult: row.result}, 3, 0, 0)
			c := connected(t, row.network, address)
			c.must(zk.CmdCancelCapture, nil, zk.AckOK)
			c.must(zk.CmdStartEnroll, append(append([]byte("9999"), make([]byte, 20)...), 6, 1), zk.AckError) // nobody
			c.must(zk.CmdStartEnroll, row.body, zk.AckOK)
			for range 3 {
				if e := c.event(); e.Code != zk.EventFinger || len(e.Raw) != 0 {
					t.Fatalf("%v, want a finger", e.Code)
				}
				if score, ok := c.event().Quality(); !ok || score != 100 {
					t.Fatalf("quality %d", score)
				}
			}
			e := c.event()
			ended, ok := e.Enrolled()
			if !ok || ended.Result != row.result {
				t.Fatalf("event %v % x, want the end with result %d", e.Code, e.Raw, row.result)
			}
			templates := terminal.Templates()
			if row.result != 0 {
				if len(templates) != 0 {
					t.Error("a template was stored")
				}
				return
			}
			if len(templates) != 1 || templates[0].UID != 2 || templates[0].Finger != 6 || int(ended.Size) != len(templates[0].Data) || ended.PIN != "1002" {
				t.Errorf("%d templates, event says %+v", len(templates), ended)
			}
		})
	}
}

// TestEnrolmentByHand: somebody comes, puts a finger on badly and well, or does not come.
func TestEnrolmentByHand(t *testing.T) {
	ask := append(append([]byte("1002"), make([]byte, 20)...), 6, 1)
	begin := func(t *testing.T) (*zktest.Terminal, *probe) {
		terminal, address := start(t, zktest.Config{EnrolByHand: true}, 3, 0, 0)
		c := connected(t, "tcp", address)
		if err := terminal.PlaceFinger(nil, true); !errors.Is(err, zktest.ErrNotAsked) {
			t.Errorf("PlaceFinger = %v before anybody was asked", err)
		}
		c.must(zk.CmdStartEnroll, ask, zk.AckOK)
		c.must(zk.CmdStartEnroll, ask, zk.AckError) // one at a time
		if pin, finger, asked := terminal.Asked(); pin != "1002" || finger != 6 || !asked {
			t.Errorf("Asked = %s, %d, %v", pin, finger, asked)
		}
		return terminal, c
	}
	ends := func(t *testing.T, c *probe, want uint16) {
		t.Helper()
		for {
			if n, ok := c.event().Enrolled(); ok {
				if n.Result != want {
					t.Errorf("result %d, want %d", n.Result, want)
				}
				return
			}
		}
	}
	t.Run("three good images store the finger", func(t *testing.T) {
		terminal, c := begin(t)
		for _, good := range []bool{true, false, true, true} {
			if err := terminal.PlaceFinger([]byte("a finger"), good); err != nil {
				t.Fatal(err)
			}
		}
		var scores []uint8
		for range 4 {
			if e := c.event(); e.Code != zk.EventFinger {
				t.Fatalf("%v, want a finger", e.Code)
			}
			score, _ := c.event().Quality()
			scores = append(scores, score)
		}
		if !bytes.Equal(scores, []byte{100, 0, 100, 100}) {
			t.Errorf("scores %v", scores)
		}
		ends(t, c, 0)
		if held := terminal.Templates(); len(held) != 1 || string(held[0].Data) != "a finger" || held[0].Finger != 6 {
			t.Errorf("%d templates", len(held))
		}
	})
	t.Run("a finger of somebody else is a duplicate", func(t *testing.T) {
		terminal, c := begin(t)
		if err := terminal.AddTemplate(zk.Template{UID: 3, Finger: 1, Data: []byte("a finger")}); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := terminal.PlaceFinger([]byte("a finger"), true); err != nil {
				t.Fatal(err)
			}
		}
		ends(t, c, 5)
	})
	t.Run("nobody comes", func(t *testing.T) {
		terminal, c := begin(t)
		if err := terminal.EndEnrolment(4); err != nil {
			t.Fatal(err)
		}
		ends(t, c, 4)
	})
	t.Run("cancelled by the client", func(t *testing.T) {
		terminal, c := begin(t)
		c.must(zk.CmdCancelCapture, nil, zk.AckOK)
		ends(t, c, 4)
		if _, _, asked := terminal.Asked(); asked {
			t.Error("it still asks")
		}
	})
}
