package zktest_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start makes a terminal with contents that listens on TCP and UDP.
func start(t testing.TB, cfg zktest.Config, users, templates, punches int) (*zktest.Terminal, string) {
	t.Helper()
	terminal, err := zktest.New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	if err := terminal.Fill(users, templates, punches); err != nil {
		t.Fatalf("Fill(%d, %d, %d): %v", users, templates, punches, err)
	}
	address, err := terminal.Listen("127.0.0.1:0", true)
	if err != nil {
		t.Fatalf("Listen: %v", err)
	}
	t.Cleanup(func() {
		if err := terminal.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return terminal, address.String()
}

// probe is a strict client: all that is not exactly as documented is an error.
type probe struct {
	t       testing.TB
	conn    net.Conn
	tcp     bool
	wait    time.Duration
	session uint16
	reply   uint16
	buf     []byte
	largest int // body of a DATA packet
}

func dial(t testing.TB, network, address string) *probe {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatalf("dial %s: %v", network, err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &probe{t: t, conn: conn, tcp: network == "tcp", wait: 5 * time.Second}
}

// connected is dial and CONNECT.
func connected(t testing.TB, network, address string) *probe {
	t.Helper()
	c := dial(t, network, address)
	answer, err := c.ask(zk.CmdConnect, nil)
	if err != nil || answer.Code != zk.AckOK || answer.Session == 0 {
		t.Fatalf("CONNECT: %v session %d, %v, want ACK_OK and a session", answer.Code, answer.Session, err)
	}
	c.session = answer.Session
	return c
}

func (c *probe) send(p zk.Packet) error {
	wire := p.Append(nil)
	if c.tcp {
		wire = zk.AppendFrame(nil, p)
	}
	_, err := c.conn.Write(wire)
	return err
}

// receive gives the next packet; its body is valid until the next.
func (c *probe) receive() (zk.Packet, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(c.wait)); err != nil {
		return zk.Packet{}, err
	}
	var p zk.Packet
	var err error
	if c.tcp {
		p, c.buf, err = zk.ReadFrame(c.conn, 0xFFFF, c.buf) // who reads lengths of 16 bits
		return p, err
	}
	c.buf = append(c.buf[:0], make([]byte, 2048)...)
	n, err := c.conn.Read(c.buf)
	if err != nil {
		return zk.Packet{}, err
	}
	return zk.ParsePacket(c.buf[:n])
}

var errStale = errors.New("reply id of another request")

// ask gives the first packet of the answer.
func (c *probe) ask(code zk.Code, body []byte) (zk.Packet, error) {
	request := zk.Packet{Code: code, Session: c.session, Reply: c.reply, Body: body}
	c.reply++
	if err := c.send(request); err != nil {
		return zk.Packet{}, err
	}
	return c.receiveFor(request.Reply)
}

func (c *probe) receiveFor(reply uint16) (zk.Packet, error) {
	p, err := c.receive()
	if err == nil && p.Reply != reply {
		err = fmt.Errorf("packet %v with reply id %d, want %d: %w", p.Code, p.Reply, reply, errStale)
	}
	return p, err
}

// must is ask for a command that is expected to be answered with this code.
func (c *probe) must(code zk.Code, body []byte, want zk.Code) zk.Packet {
	c.t.Helper()
	p, err := c.ask(code, body)
	if err != nil || p.Code != want {
		c.t.Fatalf("%v: %v %v, want %v", code, p.Code, err, want)
	}
	return p
}

func (c *probe) sizes() (zk.Sizes, error) {
	p, err := c.ask(zk.CmdFreeSizes, nil)
	return zk.ParseSizes(p.Body), err
}

// read reads a whole dataset, in parts of chunk bytes, and gives its rows.
func (c *probe) read(set zk.Dataset, chunk int) ([]byte, error) {
	p, err := c.ask(zk.PrepareBuffer, set.Request())
	if err != nil {
		return nil, err
	}
	if p.Code == zk.Data {
		if p.Session != c.session {
			return nil, fmt.Errorf("direct DATA with session %d, want %d", p.Session, c.session)
		}
		return withoutTotal(append([]byte(nil), p.Body...))
	}
	if p.Code != zk.AckOK || len(p.Body) != 13 {
		return nil, fmt.Errorf("1503 answered %v with %d bytes", p.Code, len(p.Body))
	}
	size := int(binary.LittleEndian.Uint32(p.Body[1:]))
	data := make([]byte, 0, size)
	for len(data) < size {
		n := min(chunk, size-len(data))
		body := binary.LittleEndian.AppendUint32(nil, uint32(len(data)))
		body = binary.LittleEndian.AppendUint32(body, uint32(n))
		if data, err = c.bulk(data, zk.ReadBuffer, body, n); err != nil {
			return nil, err
		}
	}
	if p, err = c.ask(zk.FreeData, nil); err != nil || p.Code != zk.AckOK {
		return nil, fmt.Errorf("FREE_DATA answered %v: %w", p.Code, err)
	}
	return withoutTotal(data)
}

// bulk asks for want bytes (negative: as many as are announced) and appends them.
func (c *probe) bulk(data []byte, code zk.Code, body []byte, want int) ([]byte, error) {
	reply := c.reply
	p, err := c.ask(code, body)
	if err != nil {
		return nil, err
	}
	if p.Code == zk.Data && (want < 0 || len(p.Body) == want) {
		return append(data, p.Body...), nil
	}
	if p.Code != zk.PrepareData || len(p.Body) != 8 {
		return nil, fmt.Errorf("%v answered %v with %d bytes", code, p.Code, len(p.Body))
	}
	n := int(binary.LittleEndian.Uint32(p.Body))
	if want >= 0 && n != want {
		return nil, fmt.Errorf("PREPARE_DATA announces %d bytes, want %d", n, want)
	}
	got := 0
	for number := uint16(0); got < n; number++ {
		if p, err = c.receiveFor(reply); err != nil {
			return nil, err
		}
		if p.Code != zk.Data || p.Session != number {
			return nil, fmt.Errorf("%v number %d, want DATA number %d", p.Code, p.Session, number)
		}
		got += len(p.Body)
		c.largest = max(c.largest, len(p.Body))
		data = append(data, p.Body...)
	}
	if p, err = c.receiveFor(reply); err != nil {
		return nil, fmt.Errorf("final ACK: %w", err)
	}
	if p.Code != zk.AckOK || got != n {
		return nil, fmt.Errorf("transfer of %d bytes ends with %v after %d", n, p.Code, got)
	}
	return data, nil
}

func withoutTotal(data []byte) ([]byte, error) {
	if len(data) < 4 || int(binary.LittleEndian.Uint32(data)) != len(data)-4 {
		return nil, fmt.Errorf("dataset of %d bytes says another total", len(data))
	}
	return data[4:], nil
}

// chunk is what clients ask for at once.
func (c *probe) chunk() int {
	if c.tcp {
		return zktest.MaxData
	}
	return 16384
}

// silent says whether nothing comes for a moment.
func (c *probe) silent() bool {
	c.t.Helper()
	before := c.wait
	c.wait = 150 * time.Millisecond
	_, err := c.receive()
	c.wait = before
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
