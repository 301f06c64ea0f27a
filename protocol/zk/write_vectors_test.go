package zk

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
)

// requests calls a method of a session of which the next request has this reply id, and
// gives all packets that it sent; each was answered with ACK_OK.
func requests(t *testing.T, session, reply uint16, call func(ctx context.Context, c *Conn) error) (sent []Packet) {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			p, _, err := ReadFrame(theirs, MaxFrame, nil)
			if err != nil {
				return
			}
			p.Body = bytes.Clone(p.Body)
			sent = append(sent, p)
			if _, err := theirs.Write(AppendFrame(nil, Packet{Code: AckOK, Session: session, Reply: p.Reply})); err != nil {
				return
			}
		}
	}()
	c := newConn(&stream{Conn: ours, in: make([]byte, 4096)}, Options{Timeout: defaultTimeout})
	c.session, c.reply = session, reply
	if err := call(t.Context(), c); err != nil {
		t.Error(err)
	}
	_ = ours.Close()
	<-done
	return sent
}

// TestWritingVectors compares what the methods that change a terminal send with packets
// of others: the first is byte for byte, for the steps of an upload the body is.
func TestWritingVectors(t *testing.T) {
	captured := vector{}
	packet := func(name string) Packet {
		t.Helper()
		for _, v := range vectors(t, "packet") {
			if strings.HasPrefix(v.Name, name) {
				captured = v
				p, _, err := ReadFrame(bytes.NewReader(v.bytes(t)), MaxFrame, nil)
				if err != nil {
					t.Fatal(err)
				}
				return p
			}
		}
		t.Fatalf("no packet %q", name)
		return Packet{}
	}
	ned, err := User72.Parse(packet("USER_WRQ session 0x8a9d").Body)
	if err != nil {
		t.Fatal(err)
	}
	finger := Template{UID: 14, Finger: 4, Flag: 1, Data: make([]byte, 1214)}
	for _, c := range []struct {
		name string
		at   int // which of the packets sent
		call func(ctx context.Context, c *Conn) error
	}{
		{"USER_WRQ session 0x8a9d", 0, func(ctx context.Context, c *Conn) error { return c.WriteUser(ctx, User72, ned) }},
		{"DELETE_USER session", 0, func(ctx context.Context, c *Conn) error { return c.DeleteUser(ctx, 14) }},
		{"DELETE_USERTEMP session", 0, func(ctx context.Context, c *Conn) error { return c.DeleteTemplate(ctx, 14, 4) }},
		{"DEL_FPTMP session", 0, func(ctx context.Context, c *Conn) error { return c.DeleteTemplateOf(ctx, "5555", 4) }},
		{"REFRESHDATA session", 0, func(ctx context.Context, c *Conn) error { return c.Refresh(ctx) }},
		{"PREPARE_DATA session 0x1a2b", 0, func(ctx context.Context, c *Conn) error { return c.WriteTemplate(ctx, finger) }},
		{"CHECKSUM_BUFFER session", 3, func(ctx context.Context, c *Conn) error { return c.WriteTemplate(ctx, finger) }},
		{"TMP_WRITE session", 4, func(ctx context.Context, c *Conn) error { return c.WriteTemplate(ctx, finger) }},
		{"FREE_DATA session 0x1a2b", 5, func(ctx context.Context, c *Conn) error { return c.WriteTemplate(ctx, finger) }},
		{"SAVE_USERTEMPS session", 2, func(ctx context.Context, c *Conn) error { return c.Save(ctx, Upload{Layout: User72}) }},
		{"STARTENROLL session 0x1a2b reply 35", 0, func(ctx context.Context, c *Conn) error { return c.StartEnroll(ctx, User72, "5555", 6) }},
		{"STARTENROLL session 0x1a2b reply 36", 0, func(ctx context.Context, c *Conn) error { return c.StartEnroll(ctx, User28, "5555", 6) }},
		{"CANCELCAPTURE session", 0, func(ctx context.Context, c *Conn) error { return c.CancelCapture(ctx) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := packet(c.name)
			sent := requests(t, want.Session, want.Reply-uint16(c.at), c.call)
			if len(sent) <= c.at {
				t.Fatalf("%d packets sent, want more than %d", len(sent), c.at)
			}
			if got := AppendFrame(nil, sent[c.at]); !bytes.Equal(got, captured.bytes(t)) {
				t.Errorf("sent %x, want %x", got, captured.bytes(t))
			}
		})
	}
}

// TestUploadVector sends a captured form of upload: the bytes that arrive in its DATA
// packets are those that other clients send for the same users and fingers.
func TestUploadVector(t *testing.T) {
	for _, v := range vectors(t, "upload") {
		t.Run(v.Name, func(t *testing.T) {
			u, err := ParseUpload(v.bytes(t))
			if err != nil {
				t.Fatal(err)
			}
			sent := requests(t, 7, 0, func(ctx context.Context, c *Conn) error { return c.Save(ctx, u) })
			var arrived []byte
			for _, p := range sent {
				if p.Code == Data {
					arrived = append(arrived, p.Body...)
				}
			}
			if !bytes.Equal(arrived, v.bytes(t)) {
				t.Errorf("sent %x, want %x", arrived, v.bytes(t))
			}
		})
	}
}

// TestReplayReadTemplate reads two captured fingers: the byte after them is their flag.
func TestReplayReadTemplate(t *testing.T) {
	c := replay(t,
		exchange{code: CmdTempRead, reply: 50, answers: [][]byte{recorded(t, "stream", "template of 1243 bytes")}},
		exchange{code: CmdTempRead, reply: 53, answers: [][]byte{
			recorded(t, "stream", "template of 1010 bytes"), ok(1, 53)[0]}},
	)
	for _, want := range []struct {
		reply  uint16
		length int
	}{{50, 1243}, {53, 1010}} {
		c.reply = want.reply
		m, err := c.ReadTemplate(t.Context(), 1, 0)
		if err != nil || len(m.Data) != want.length || m.Flag != 1 || m.Algorithm() != 10 || TemplateLength(m.Data) != want.length {
			t.Errorf("template of %d bytes, flag %d, %v, want %d", len(m.Data), m.Flag, err, want.length)
		}
	}
}

func TestCutFlag(t *testing.T) {
	ten := append([]byte("\x4D\xFDSS21\x00\x00\x00\x14\xBE\x04\x08\x05\x07\x09\xCE\xD0\x00"), 1)
	nine := bytes.Repeat([]byte{9}, 500)
	six := make([]byte, 6)
	for _, c := range []struct {
		name       string
		data, want []byte
		flag       uint8
	}{
		{"algorithm 10 says where it ends", append(bytes.Clone(ten), 3), ten, 3},
		{"algorithm 10 with six zeros", append(append(bytes.Clone(ten), six...), 1), ten, 1},
		{"algorithm 10 with nothing after it", ten, ten, 1},
		{"algorithm 9 ends before the flag", append(bytes.Clone(nine), 1), nine, 1},
		{"algorithm 9 with six zeros", append(append(bytes.Clone(nine), six...), 3), nine, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, flag, err := cutFlag(c.data); err != nil || !bytes.Equal(got, c.want) || flag != c.flag {
				t.Errorf("cutFlag = %d bytes, flag %d, %v, want %d and %d", len(got), flag, err, len(c.want), c.flag)
			}
		})
	}
	if _, _, err := cutFlag([]byte{1}); err == nil {
		t.Error("one byte is a template")
	}
}
