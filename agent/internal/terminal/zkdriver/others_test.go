package zkdriver_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal/zkdriver"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

// other is a client that knows packets and nothing else of ours. Its requests are those
// that other people's clients send.
type other struct {
	t       *testing.T
	conn    net.Conn
	session uint16
	reply   uint16
}

func (o *other) ask(code uint16, body string) zk.Packet {
	o.t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(body, " ", ""))
	if err != nil {
		o.t.Fatal(err)
	}
	if _, err := o.conn.Write(zk.AppendFrame(nil, zk.Packet{Code: zk.Code(code), Session: o.session, Reply: o.reply, Body: b})); err != nil {
		o.t.Fatal(err)
	}
	o.reply++
	return o.next()
}

func (o *other) next() zk.Packet {
	o.t.Helper()
	p, _, err := zk.ReadFrame(o.conn, 0xFFFF, nil)
	if err != nil {
		o.t.Fatal(err)
	}
	return p
}

// dataset reads all of what a 1503 with this body prepares, without its total.
func (o *other) dataset(request string) []byte {
	o.t.Helper()
	p := o.ask(1503, request)
	data := p.Body
	if p.Code == zk.AckOK {
		size := binary.LittleEndian.Uint32(p.Body[1:])
		p = o.ask(1504, "00000000"+hex.EncodeToString(binary.LittleEndian.AppendUint32(nil, size)))
		data = p.Body
		if p.Code == zk.PrepareData {
			for data = nil; len(data) < int(size); {
				data = append(data, o.next().Body...)
			}
			o.next() // the ACK_OK
		}
		o.ask(1502, "")
	}
	if len(data) < 4 || int(binary.LittleEndian.Uint32(data)) != len(data)-4 {
		o.t.Fatalf("data set of %d bytes", len(data))
	}
	return data[4:]
}

// TestOthersReadWhatWasWritten byte by byte: the rows that are spelled out here.
func TestOthersReadWhatWasWritten(t *testing.T) {
	for _, profile := range zktest.Profiles() {
		t.Run(profile.Name, func(t *testing.T) {
			s := newStand(t, "tcp", zktest.Config{Profile: profile}, zkdriver.Config{})
			template := bytes.Repeat([]byte{7}, 600)
			card := uint32(0x01020304)
			err := hold(t, zkdriver.New(s.config), func(ctx context.Context, session terminal.Session) error {
				if _, err := session.Inventory(ctx); err != nil {
					return err
				}
				return session.Put(ctx, terminal.Put{
					Slot: 0x1234, New: true, PIN: "4242", Name: []byte("Sari"), Privilege: roster.Administrator, Card: &card,
					Fingers: []terminal.PutFinger{{Number: 6, Template: template}},
				})
			})
			if err != nil {
				t.Fatal(err)
			}
			conn, err := net.Dial("tcp", s.config.Address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			o := &other{t: t, conn: conn}
			o.session = o.ask(1000, "").Session
			scrambled := zk.Scramble(4711, o.session, 50)
			if p := o.ask(1102, hex.EncodeToString(scrambled[:])); p.Code != zk.AckOK {
				t.Fatal(p.Code)
			}
			row := "\x34\x12\x0e" + pad("", 5) + pad("Sari", 8) + "\x04\x03\x02\x01" + "\x00\x01\x00\x00" + "\x92\x10\x00\x00"
			if profile.Users == zk.User72 {
				row = "\x34\x12\x0e" + pad("", 8) + pad("Sari", 24) + "\x04\x03\x02\x01" + "\x01" + pad("", 8) + pad("4242", 24)
			}
			if users := o.dataset("01 0900 05000000 00000000"); !strings.HasSuffix(string(users), row) || len(users) != 51*len(row) {
				t.Errorf("%d bytes of users, the last %x, want %x", len(users), users[len(users)-len(row):], row)
			}
			want := "\x5e\x02" + "\x34\x12" + "\x06" + "\x01" + string(template)
			if templates := o.dataset("01 0700 02000000 00000000"); string(templates) != want {
				t.Errorf("%d bytes of templates, want %d", len(templates), len(want))
			}
			if s.Requests(zk.CmdRefreshData) == 0 || !s.Enabled() || s.DisableCount() != 1 {
				t.Errorf("refreshed %d times, enabled %v, disabled %d times", s.Requests(zk.CmdRefreshData), s.Enabled(), s.DisableCount())
			}
		})
	}
}

func pad(text string, n int) string { return text + strings.Repeat("\x00", n-len(text)) }
