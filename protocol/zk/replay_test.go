package zk

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// exchange is one request of a recorded session and what the terminal answered. Where
// the request itself was recorded it must be made byte for byte; otherwise its code and
// reply id must be the ones that the answer belongs to.
type exchange struct {
	request string // name of an entry in packet.json, or "" when not recorded
	code    Code
	reply   uint16
	answers [][]byte
	hangUp  bool
}

// recorded gives the bytes of an entry, which must be a captured one.
func recorded(t *testing.T, kind, name string) []byte {
	t.Helper()
	for _, v := range vectors(t, kind) {
		if v.Name == name {
			if v.Source != "captured" {
				t.Fatalf("%s %q was not captured", kind, name)
			}
			return v.bytes(t)
		}
	}
	t.Fatalf("no entry %q of kind %s", name, kind)
	return nil
}

// replay is a session whose terminal plays the exchanges. One that was not asked for, or
// a request that was not recorded, fails the test.
func replay(t *testing.T, script ...exchange) *Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer theirs.Close()
		for i, x := range script {
			p, _, err := ReadFrame(theirs, MaxFrame, nil)
			if err != nil {
				t.Errorf("exchange %d (%s) was left over, with %d after it: %v", i, x.code, len(script)-i-1, err)
				return
			}
			if x.request != "" {
				if want := recorded(t, "packet", x.request); !bytes.Equal(AppendFrame(nil, p), want) {
					t.Errorf("exchange %d: request %x, recorded %x", i, AppendFrame(nil, p), want)
				}
			} else if p.Code != x.code || p.Reply != x.reply {
				t.Errorf("exchange %d: request %s reply %d, recorded %s reply %d", i, p.Code, p.Reply, x.code, x.reply)
			}
			for _, answer := range x.answers {
				if _, err := theirs.Write(answer); err != nil {
					t.Errorf("exchange %d (%s): answer: %v", i, x.code, err)
				}
			}
			if x.hangUp {
				return
			}
		}
		if p, _, err := ReadFrame(theirs, MaxFrame, nil); !errors.Is(err, io.EOF) {
			t.Errorf("request %s that was not recorded, or %v", p.Code, err)
		}
	}()
	c := newConn(&stream{Conn: ours, in: make([]byte, 4096)}, Options{Timeout: 300 * time.Millisecond})
	t.Cleanup(func() {
		_ = ours.Close()
		<-done
	})
	return c
}

// at runs one step of a recorded session with the reply id that was recorded for it.
func (c *Conn) at(t *testing.T, reply uint16, step func(context.Context) error) {
	t.Helper()
	c.reply = reply
	if err := c.do(t.Context(), step); err != nil {
		t.Fatal(err)
	}
}

func ok(session, reply uint16) [][]byte {
	return [][]byte{AppendFrame(nil, Packet{Code: AckOK, Session: session, Reply: reply})}
}

func TestReplayK20(t *testing.T) {
	packet := func(name string) []byte { return recorded(t, "packet", name) }
	c := replay(t,
		exchange{code: CmdConnect, reply: 16, answers: [][]byte{packet("ACK_OK session 0x3c5c reply 16 with 1 bytes")}},
		exchange{code: CmdEnable, reply: 17, answers: ok(0x3c5c, 17)},
		exchange{code: CmdFreeSizes, reply: 19, answers: [][]byte{packet("ACK_OK session 0x3c5c reply 19 with 80 bytes")}},
		exchange{code: PrepareBuffer, reply: 21, answers: [][]byte{packet("ACK_OK session 0x3c5c reply 21 with 13 bytes")}},
		// The ACK_OK after the data was not recorded; the read does without.
		exchange{code: ReadBuffer, reply: 22, answers: [][]byte{recorded(t, "stream", "70 users in six packets")}},
		exchange{request: "FREE_DATA session 0x3c5c reply 23", code: FreeData, reply: 23, answers: ok(0x3c5c, 23)},
		exchange{code: CmdExit, reply: 24, answers: ok(0x3c5c, 24)},
	)
	c.at(t, 16, c.login)
	c.at(t, 19, func(ctx context.Context) error {
		sizes, err := c.sizes(ctx)
		if sizes.Users != 70 || sizes.Records != 3225 || !sizes.Known {
			t.Errorf("sizes %+v", sizes)
		}
		return err
	})
	c.at(t, 21, func(ctx context.Context) error {
		rows, legacy, err := c.dataset(ctx, DatasetUsers)
		if err != nil {
			return err
		}
		layout, err := GuessUserLayout(rows, 70)
		if layout != User72 || len(rows) != 70*72 || legacy {
			t.Errorf("%d bytes of layout %d, legacy %t", len(rows), layout, legacy)
		}
		return err
	})
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestReplayK20DirectAnswer(t *testing.T) {
	c := replay(t,
		exchange{code: CmdFreeSizes, reply: 19, answers: [][]byte{recorded(t, "packet", "ACK_OK session 0x2058 reply 19 with 80 bytes")}},
		exchange{code: PrepareBuffer, reply: 21, answers: [][]byte{recorded(t, "dataset", "2 users in one packet")}},
		exchange{code: FreeData, reply: 22, answers: ok(0x2058, 22)},
	)
	c.session = 0x2058
	c.at(t, 19, func(ctx context.Context) error {
		sizes, err := c.sizes(ctx)
		if sizes.Users != 2 {
			t.Errorf("sizes %+v", sizes)
		}
		return err
	})
	c.at(t, 21, func(ctx context.Context) error {
		rows, _, err := c.dataset(ctx, DatasetUsers)
		if len(rows) != 2*72 {
			t.Errorf("%d bytes", len(rows))
		}
		return err
	})
}

func TestReplayKeys(t *testing.T) {
	packet := func(name string) []byte { return recorded(t, "packet", name) }
	for _, test := range []struct {
		name    string
		key     uint32
		request string
		answer  string
		want    error
	}{
		{"wrong key", 12, "AUTH session 0x45cf reply 1 with 4 bytes", "ACK_UNAUTH session 0x45cf reply 1", ErrKey},
		{"right key", 45, "AUTH session 0x45cf reply 1 with 4 bytes, again", "ACK_OK session 0x45cf reply 1", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			script := []exchange{
				{request: "CONNECT session 0x0000 reply 0", answers: [][]byte{packet("ACK_UNAUTH session 0x45cf reply 0")}},
				{request: test.request, answers: [][]byte{packet(test.answer)}},
			}
			if test.want == nil {
				script = append(script,
					exchange{code: CmdEnable, reply: 2, answers: ok(0x45cf, 2)},
					exchange{request: "GET_FREE_SIZES session 0x45cf reply 2", answers: ok(0x45cf, 2)},
					exchange{request: "PREPARE_BUFFER session 0x45cf reply 20 with 11 bytes", answers: [][]byte{
						AppendFrame(nil, Packet{Code: Data, Session: 0x45cf, Reply: 20, Body: make([]byte, 4)})}},
					exchange{code: FreeData, reply: 21, answers: ok(0x45cf, 21)})
			}
			c := replay(t, script...)
			c.options.CommKey = test.key
			err := c.do(t.Context(), c.login)
			var refusal *Refusal
			if !errors.Is(err, test.want) || test.want != nil && (!errors.As(err, &refusal) || refusal.Code != AckUnauth) {
				t.Fatalf("login: %v, want %v", err, test.want)
			}
			if err != nil {
				return
			}
			c.at(t, 2, func(ctx context.Context) error { _, err := c.sizes(ctx); return err })
			c.at(t, 20, func(ctx context.Context) error {
				rows, _, err := c.dataset(ctx, DatasetUsers)
				if len(rows) != 0 {
					t.Errorf("%d bytes of no users", len(rows))
				}
				return err
			})
		})
	}
}

// The K40 answers the command of the old kind with the right length and old memory.
func TestReplayK40OldKindBringsOldMemory(t *testing.T) {
	packet := func(name string) []byte { return recorded(t, "packet", name) }
	c := replay(t,
		exchange{request: "CONNECT session 0x0000 reply 1", answers: [][]byte{packet("ACK_OK session 0x6ba0 reply 1")}},
		exchange{request: "ATTLOG_RRQ session 0x6ba0 reply 2", answers: [][]byte{
			packet("PREPARE_DATA session 0x6ba0 reply 2 with 8 bytes"),
			packet("DATA session 0x0000 reply 2 with 124 bytes"),
			packet("ACK_OK session 0x007c reply 2"),
		}},
		exchange{code: CmdGetTime, reply: 40, answers: ok(0x6ba0, 40)},
		exchange{code: CmdGetTime, reply: 41, answers: ok(0x6ba0, 41)},
		exchange{code: CmdExit, reply: 3, answers: [][]byte{packet("ACK_OK session 0x6ba0 reply 3")}},
	)
	c.at(t, 1, func(ctx context.Context) error {
		p, err := c.ask(ctx, CmdConnect, nil)
		c.session = p.Session
		return err
	})
	c.at(t, 2, func(ctx context.Context) error {
		d := &prepared{c: c, set: DatasetAttendance}
		if err := d.askLegacy(ctx, nil); err != nil {
			return err
		}
		c.reply = 40 // what is asked here was not recorded
		for _, count := range []int{3, -1} {
			if l, err := newLog(ctx, d, count); !errors.Is(err, ErrGarbled) {
				t.Errorf("%d counted: log %+v, %v, want ErrGarbled", count, l, err)
			}
		}
		c.reply = 3
		return nil
	})
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestReplyIDsWrap(t *testing.T) {
	var script []exchange
	for _, reply := range []uint16{65533, 65534, 0, 1} {
		script = append(script, exchange{code: CmdFreeSizes, reply: reply, answers: ok(5, reply)})
	}
	c := replay(t, script...)
	c.reply = 65533
	for range script {
		if _, err := c.Sizes(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReplayTemplates(t *testing.T) {
	c := replay(t,
		exchange{code: CmdTempRead, reply: 50, answers: [][]byte{recorded(t, "stream", "template of 1243 bytes")}},
		exchange{code: CmdTempRead, reply: 53, answers: [][]byte{
			recorded(t, "stream", "template of 1010 bytes"), ok(1, 53)[0]}},
	)
	readTemplate(t, c, 50, 1243)
	readTemplate(t, c, 53, 1010)
}

func readTemplate(t *testing.T, c *Conn, reply uint16, length int) {
	t.Helper()
	c.at(t, reply, func(ctx context.Context) error {
		first, err := c.ask(ctx, CmdTempRead, []byte{1, 0, 0})
		if err != nil {
			return err
		}
		data, err := c.gather(ctx, CmdTempRead, first, nil, -1)
		m := Template{Data: data}
		if len(data) != length+1 || TemplateLength(data) != length || m.Algorithm() != 10 {
			t.Errorf("%d bytes, template of %d, want %d", len(data), TemplateLength(data), length)
		}
		return err
	})
}

func TestReplayOptions(t *testing.T) {
	packet := func(name string) []byte { return recorded(t, "packet", name) }
	c := replay(t,
		exchange{request: "OPTIONS_RRQ session 0x8df3 reply 11 with 9 bytes", answers: [][]byte{packet("ACK_OK session 0x8df3 reply 11 with 11 bytes")}},
		exchange{request: "OPTIONS_RRQ session 0x8df3 reply 12 with 10 bytes", answers: [][]byte{packet("ACK_OK session 0x8df3 reply 12 with 21 bytes")}},
	)
	c.session, c.reply = 0x8df3, 11
	for _, want := range [][2]string{{"WorkCode", "0"}, {"~Platform", "ZEM760_TFT"}} {
		if got, err := c.Option(t.Context(), want[0]); err != nil || got != want[1] {
			t.Errorf("Option(%s) = %q, %v, want %q", want[0], got, err, want[1])
		}
	}
}

// AK3750: four bytes for sizes, and an answer for what it does not know.
func TestReplayAK3750(t *testing.T) {
	packet := func(name string) []byte { return recorded(t, "packet", name) }
	c := replay(t,
		exchange{code: CmdState, reply: 10, answers: [][]byte{packet("ACK_UNKNOWN session 0x7d3d reply 10")}},
		exchange{code: CmdFreeSizes, reply: 31, answers: [][]byte{packet("ACK_OK session 0x7d3d reply 31 with 4 bytes")}},
	)
	c.reply = 10
	err := c.do(t.Context(), func(ctx context.Context) error { return c.command(ctx, CmdState, nil) })
	if refusal := (*Refusal)(nil); !errors.As(err, &refusal) || *refusal != (Refusal{CmdState, AckUnknown}) {
		t.Errorf("unknown command: %v", err)
	}
	c.at(t, 31, func(ctx context.Context) error {
		sizes, err := c.sizes(ctx)
		if sizes.Known {
			t.Errorf("four bytes are taken for counts: %+v", sizes)
		}
		return err
	})
}

// A newer terminal announces 65536 bytes a packet and hangs up.
func TestReplayHangUpAfterAnnouncement(t *testing.T) {
	c := replay(t,
		exchange{code: PrepareBuffer, reply: 22, answers: [][]byte{recorded(t, "packet", "ACK_OK session 0x6430 reply 22 with 13 bytes")}},
		exchange{code: ReadBuffer, reply: 23, answers: [][]byte{recorded(t, "packet", "PREPARE_DATA session 0x6430 reply 23 with 8 bytes")}, hangUp: true},
	)
	c.session, c.reply = 0x6430, 22
	err := c.do(t.Context(), func(ctx context.Context) error { _, _, err := c.dataset(ctx, DatasetUsers); return err })
	if !errors.Is(err, io.EOF) {
		t.Errorf("dataset: %v, want EOF", err)
	}
	if _, err := c.Time(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("the line that is over was used again: %v", err)
	}
}

// Two recorded events, one of them in the midst of an answer.
func TestReplayEvents(t *testing.T) {
	quality := recorded(t, "packet", "REG_EVENT session 0x0100 reply 0 with 1 bytes")
	punch := recorded(t, "packet", "REG_EVENT session 0x0001 reply 0 with 32 bytes")
	body, err := hex.DecodeString("6bb36823")
	if err != nil {
		t.Fatal(err)
	}
	clock := AppendFrame(nil, Packet{Code: AckOK, Session: 9, Reply: 5, Body: body})
	c := replay(t,
		exchange{code: CmdGetTime, reply: 5, answers: [][]byte{quality}},
		exchange{code: AckOK, reply: 0, answers: [][]byte{punch[:11], punch[11:]}},
		exchange{code: AckOK, reply: 0, answers: [][]byte{clock}},
	)
	c.session, c.reply = 9, 5
	got, err := c.Time(t.Context())
	if err != nil || got.String() != "2018-06-25T17:50:35" {
		t.Errorf("Time = %s, %v", got, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, want := range []EventCode{EventQuality, EventAttLog} {
		e, err := c.NextEvent(ctx)
		if err != nil || e.Code != want || e.Punched && e.Time.String() != "2018-06-25T17:41:05" {
			t.Errorf("event %+v, %v, want %s", e, err, want)
		}
	}
	if c.reply != 6 {
		t.Errorf("next reply id %d: acknowledging events changed it", c.reply)
	}
}
