package zktest_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

// Other people's clients are not as careful as the protocol allows a terminal to be. These
// are their habits as documented: one read of the socket is taken for one answer, all parts
// of a dataset are asked for at once, reply ids are not looked at.

const gap = 2 * time.Millisecond // as the program serves them

// oneRead is what the python client takes for the answer.
func oneRead(conn net.Conn, n int) ([]byte, error) {
	if err := conn.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return nil, err
	}
	buf := make([]byte, n)
	got, err := conn.Read(buf)
	return buf[:got], err
}

func code(frame []byte) zk.Code {
	if len(frame) < 16 || binary.LittleEndian.Uint32(frame) != 0x7D825050 {
		return 0
	}
	return zk.Code(binary.LittleEndian.Uint16(frame[8:]))
}

// snake is the manner of the python client over TCP. Its first reply id is 0, its last 65534.
type snake struct {
	conn           net.Conn
	session, reply uint16
}

func (s *snake) ask(command zk.Code, body []byte, n int) ([]byte, error) {
	if _, err := s.conn.Write(zk.AppendFrame(nil, zk.Packet{Code: command, Session: s.session, Reply: s.reply, Body: body})); err != nil {
		return nil, err
	}
	if s.reply++; s.reply == 65535 {
		s.reply = 0
	}
	answer, err := oneRead(s.conn, n+8)
	if err == nil && code(answer) == 0 {
		err = fmt.Errorf("%v: % x is no frame", command, answer)
	}
	return answer, err
}

func (s *snake) read(set zk.Dataset) ([]byte, error) {
	const chunk = 0xFFC0
	head, err := s.ask(zk.PrepareBuffer, set.Request(), 1024)
	if err != nil {
		return nil, err
	}
	if code(head) == zk.Data {
		return s.rest(head[16:], int(binary.LittleEndian.Uint32(head[4:]))-8)
	}
	if code(head) != zk.AckOK || len(head) < 16+5 {
		return nil, fmt.Errorf("1503: %v", code(head))
	}
	var data []byte
	for size := int(binary.LittleEndian.Uint32(head[17:])); len(data) < size; {
		part, err := s.part(len(data), min(chunk, size-len(data)))
		if err != nil {
			return nil, err
		}
		data = append(data, part...)
	}
	if answer, err := s.ask(zk.FreeData, nil, 8); err != nil || code(answer) != zk.AckOK {
		return nil, fmt.Errorf("FREE_DATA: %v %w", code(answer), err)
	}
	return data, nil
}

// part takes PREPARE_DATA as one read, then data as far as it was announced, then one ACK.
func (s *snake) part(offset, n int) ([]byte, error) {
	body := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, uint32(offset)), uint32(n))
	answer, err := s.ask(zk.ReadBuffer, body, n+32)
	if err != nil {
		return nil, err
	}
	if code(answer) != zk.PrepareData {
		return nil, fmt.Errorf("1504: %v", code(answer))
	}
	stream, data := answer[24:], []byte(nil)
	for len(data) < n {
		if len(stream) < 16 {
			more, err := oneRead(s.conn, n-len(data)+32)
			if err != nil {
				return nil, err
			}
			stream = append(stream, more...)
		}
		if code(stream) != zk.Data {
			return nil, fmt.Errorf("%v in place of DATA", code(stream))
		}
		size := int(binary.LittleEndian.Uint32(stream[4:])) - 8
		got, err := s.rest(stream[16:min(len(stream), 16+size)], size)
		if err != nil {
			return nil, err
		}
		stream, data = stream[min(len(stream), 16+size):], append(data, got...)
	}
	for range 2 {
		if len(stream) < 16 {
			more, err := oneRead(s.conn, 16-len(stream))
			if err != nil {
				return nil, err
			}
			stream = append(stream, more...)
		}
	}
	if code(stream) != zk.AckOK || len(data) != n {
		return nil, fmt.Errorf("%d bytes end with %v", len(data), code(stream))
	}
	return data, nil
}

func (s *snake) rest(data []byte, n int) ([]byte, error) {
	data = bytes.Clone(data)
	for len(data) < n {
		more, err := oneRead(s.conn, n-len(data))
		if err != nil {
			return nil, err
		}
		data = append(data, more...)
	}
	return data, nil
}

func TestPythonClient(t *testing.T) {
	for _, profile := range zktest.Profiles() {
		t.Run(profile.Name, func(t *testing.T) {
			terminal, address := start(t, zktest.Config{Profile: profile, CommKey: 45, Form: zktest.Form{Gap: gap}}, 70, 10, 4000)
			probe, err := net.Dial("tcp", address) // it looks whether the port is open, and hangs up
			if err != nil {
				t.Fatal(err)
			}
			_ = probe.Close()
			s := &snake{conn: dial(t, "tcp", address).conn}
			answer, err := s.ask(zk.CmdConnect, nil, 8)
			if err != nil || code(answer) != zk.AckUnauth {
				t.Fatalf("CONNECT: %v %v", code(answer), err)
			}
			s.session = binary.LittleEndian.Uint16(answer[12:])
			key := zk.Scramble(45, s.session, 50)
			for _, step := range []struct {
				command zk.Code
				body    string
				n       int // the read that it does
				want    zk.Code
				says    string
			}{
				{zk.CmdAuth, string(key[:]), 8, zk.AckOK, ""},
				{zk.CmdEnable, "", 8, zk.AckOK, ""},
				{zk.CmdOptionWrite, "SDKBuild=1", 8, zk.AckOK, ""},
				{zk.CmdVersion, "", 1024, zk.AckOK, profile.Firmware + "\x00"},
				{zk.CmdOptionRead, "~SerialNumber\x00", 1024, zk.AckOK, "~SerialNumber=SIM0000001\x00"},
				{zk.CmdOptionRead, "NoSuchOption\x00", 1024, zk.AckError, ""},
				{zk.AckError, "NoSuchOption\x00", 1024, zk.AckUnknown, ""}, // it flushes after an error
				{zk.AckUnknown, "NoSuchOption\x00", 1024, zk.AckUnknown, ""},
				{zk.AckUnknown, "NoSuchOption\x00", 1024, zk.AckUnknown, ""},
				{zk.AckUnknown, "NoSuchOption\x00", 1024, zk.AckUnknown, ""},
				{zk.CmdPINWidth, " P", 9, zk.AckOK, string(rune(profile.PINWidth))},
				{zk.FreeData, "", 8, zk.AckOK, ""},
			} {
				answer, err := s.ask(step.command, []byte(step.body), step.n)
				if err != nil || code(answer) != step.want || string(answer[16:]) != step.says {
					t.Fatalf("%v %q: %v %q, %v, want %v %q", step.command, step.body, code(answer), answer[16:], err, step.want, step.says)
				}
			}
			data, err := s.read(zk.DatasetAttendance)
			if err != nil {
				t.Fatalf("punches: %v", err)
			}
			checkRows(t, terminal, data)
			s.reply = 65534 // and then 0
			for range 2 {
				if data, err = s.read(zk.DatasetUsers); err != nil || len(data) != 4+70*profile.Users.Size() {
					t.Fatalf("users: %d bytes, %v", len(data), err)
				}
			}
			if answer, err = s.ask(zk.CmdExit, nil, 8); err != nil || code(answer) != zk.AckOK {
				t.Errorf("EXIT: %v %v", code(answer), err)
			}
		})
	}
}

func checkRows(t *testing.T, terminal *zktest.Terminal, data []byte) {
	t.Helper()
	var want []byte
	for _, a := range terminal.Punches() {
		want = append(want, a.Raw...)
	}
	if len(data) < 4 || !bytes.Equal(data[4:], want) {
		t.Errorf("%d bytes of punches, want 4 and %d", len(data), len(want))
	}
}

// noded is the manner of the node clients over TCP: each event of the socket completes at
// most one frame, all parts are asked for at once, the number of bytes is all that counts.
func noded(conn net.Conn, session uint16) ([]byte, error) {
	const chunk = 65472
	reply := uint16(2) // CONNECT was 1
	ask := func(command zk.Code, body []byte) error {
		reply++
		_, err := conn.Write(zk.AppendFrame(nil, zk.Packet{Code: command, Session: session, Reply: reply, Body: body}))
		return err
	}
	if err := ask(zk.PrepareBuffer, zk.DatasetAttendance.Request()); err != nil {
		return nil, err
	}
	head, err := oneRead(conn, 1<<16)
	if err != nil || code(head) != zk.AckOK || len(head) < 21 {
		return nil, fmt.Errorf("1503: %v %w", code(head), err)
	}
	size := int(binary.LittleEndian.Uint32(head[17:]))
	parts := 0
	for offset := 0; offset < size; offset += chunk {
		n := min(chunk, size-offset)
		if err := ask(zk.ReadBuffer, binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, uint32(offset)), uint32(n))); err != nil {
			return nil, err
		}
		parts++
	}
	var data, pending, part []byte
	for parts > 0 {
		event, err := oneRead(conn, 1<<16)
		if err != nil {
			return nil, fmt.Errorf("with %d of %d bytes: %w", len(data), size, err)
		}
		pending = append(pending, event...)
		n := 8 + int(binary.LittleEndian.Uint16(pending[4:]))
		if len(pending) < n {
			continue
		}
		part, pending = append(part, pending[16:n]...), pending[n:]
		if want := min(chunk, size-len(data)) + 8; len(part) == want { // 8 are those of PREPARE_DATA
			data, part, pending = append(data, part[8:]...), nil, nil
			parts--
		}
	}
	return data, nil
}

func TestNodeClient(t *testing.T) {
	for name, row := range map[string]struct {
		size, punches int
	}{
		"one row": {65536, 1}, "nearly a part": {65536, 1600}, "seven parts": {65536, 10000}, "many small packets": {1008, 1600},
	} {
		t.Run(name, func(t *testing.T) {
			terminal, address := start(t, zktest.Config{Form: zktest.Form{Gap: gap, PacketSize: row.size}}, 5, 0, row.punches)
			var data []byte
			var err error
			// When this process sleeps longer than the gap, two frames are one event and the
			// client waits for ever. So does the real one; its users try again.
			for range 5 {
				c := dial(t, "tcp", address)
				c.reply = 1
				answer := c.must(zk.CmdConnect, nil, zk.AckOK)
				if data, err = noded(c.conn, answer.Session); err == nil || !isTimeout(err) {
					break
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			checkRows(t, terminal, data)
		})
	}
}

// The manner of the PHP clients over UDP: the old command, the announced number
// of bytes in datagrams of 1032, and one datagram more.
func TestPHPClient(t *testing.T) {
	for _, profile := range zktest.Profiles() {
		terminal, address := start(t, zktest.Config{Profile: profile, Form: zktest.Form{Gap: gap}}, 5, 0, 1500)
		c := dial(t, "udp", address)
		c.reply = 65534
		answer := c.must(zk.CmdConnect, nil, zk.AckOK)
		if _, err := c.conn.Write(zk.Packet{Code: zk.CmdAttLogRead, Session: answer.Session}.Append(nil)); err != nil {
			t.Fatal(err)
		}
		head, err := oneRead(c.conn, 1032)
		if err != nil || len(head) < 12 || zk.Code(binary.LittleEndian.Uint16(head)) != zk.PrepareData {
			t.Fatalf("%s: % x %v, want PREPARE_DATA", profile.Name, head, err)
		}
		var data []byte
		for left := int(binary.LittleEndian.Uint32(head[8:])); left > 0; left -= 1024 {
			datagram, err := oneRead(c.conn, 1032)
			if err != nil || len(datagram) < 8 {
				t.Fatalf("%s: %v with %d bytes left", profile.Name, err, left)
			}
			data = append(data, datagram[8:]...)
		}
		if last, err := oneRead(c.conn, 1024); err != nil || zk.Code(binary.LittleEndian.Uint16(last)) != zk.AckOK {
			t.Errorf("%s: % x %v, want the last ACK_OK", profile.Name, last, err)
		}
		checkRows(t, terminal, data)
	}
}
