package zk_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

// serveTCP plays a terminal to one client at a time: answer gives what to write to a request, and
// whether to hang up after it.
func serveTCP(t *testing.T, answer func(p zk.Packet) (raw []byte, hangUp bool)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	serve := func(conn net.Conn) {
		defer conn.Close()
		var buf []byte
		for {
			p, grown, err := zk.ReadFrame(conn, zk.MaxFrame, buf)
			if err != nil {
				return
			}
			buf = grown
			raw, hangUp := answer(p)
			if _, err := conn.Write(raw); err != nil || hangUp {
				return
			}
		}
	}
	served.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serve(conn)
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		served.Wait()
	})
	return listener.Addr().String()
}

func frame(p zk.Packet) []byte { return zk.AppendFrame(nil, p) }

func TestStrangersAreRecognised(t *testing.T) {
	for _, test := range []struct {
		name string
		say  string
		want error
	}{
		{"access panel", "\xaa\x01\x00", zk.ErrAccessPanel},
		{"web server", "HTTP/1.1 400 Bad Request\r\n\r\n", zk.ErrMagic},
		{"one wrong byte", "\x51", zk.ErrMagic},
		{"a frame of 4 GB", "\x50\x50\x82\x7d\xff\xff\xff\xff", zk.ErrTooLong},
		{"a frame without a header", "\x50\x50\x82\x7d\x03\x00\x00\x00abc", zk.ErrShort},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := serveTCP(t, func(zk.Packet) ([]byte, bool) { return []byte(test.say), false })
			start := time.Now()
			_, err := zk.Dial(t.Context(), zk.Options{Address: address, Timeout: 30 * time.Second})
			if !errors.Is(err, test.want) || time.Since(start) > 10*time.Second {
				t.Errorf("Dial: %v after %s, want %v", err, time.Since(start), test.want)
			}
		})
	}
}

// A terminal that answers anything to anything costs a bounded number of requests, and
// never makes a whole log of them.
func TestRandomAnswers(t *testing.T) {
	runs := 80
	if os.Getenv("SIDIK_SOAK") != "" {
		runs = 2000
	}
	for seed := range runs {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(uint64(seed), 1))
			var requests atomic.Int64
			address := serveTCP(t, func(p zk.Packet) ([]byte, bool) {
				requests.Add(1)
				if p.Code == zk.CmdConnect || p.Code == zk.CmdEnable {
					return frame(zk.Packet{Code: zk.AckOK, Session: 7, Reply: p.Reply}), false
				}
				return randomAnswer(r, p), r.IntN(60) == 0
			})
			// The timeout is short because most answers lack something; a busy machine may
			// need several to connect.
			var c *zk.Conn
			eventually(t, "connected", func() bool {
				var err error
				c, err = zk.Dial(t.Context(), zk.Options{Address: address, Timeout: 20 * time.Millisecond})
				return err == nil
			})
			for range 5 {
				reading, err := c.Attendance(t.Context(), zk.ReadOptions{})
				if err == nil && reading.Proof == zk.ProofNone || err != nil && reading.Proof != zk.ProofNone {
					t.Errorf("proof %q, %v", reading.Proof, err)
				}
				_, _, _ = c.Users(t.Context())
				_, _ = c.Templates(t.Context())
			}
			_ = c.Close()
			if n := requests.Load(); n > 2000 {
				t.Errorf("%d requests for 15 readings", n)
			}
		})
	}
}

// randomAnswer is a few packets, most of them of the right kind with wrong numbers.
func randomAnswer(r *rand.Rand, request zk.Packet) []byte {
	codes := []zk.Code{zk.AckOK, zk.AckOK, zk.Data, zk.Data, zk.Data, zk.PrepareData, zk.PrepareData, zk.RegEvent, zk.AckError, zk.AckRetry, zk.AckUnknown, zk.AckNoMemory, zk.AckUnauth}
	sizes := []uint32{0, 1, 3, 4, 5, 8, 40, 44, 80, 1000, 65472, 65476, 1 << 25, 1<<32 - 1}
	var raw []byte
	for i := range r.IntN(5) {
		p := zk.Packet{Code: codes[r.IntN(len(codes))], Session: uint16(i), Reply: request.Reply}
		if r.IntN(10) == 0 {
			p.Reply--
		}
		switch p.Code {
		case zk.AckOK:
			p.Body = make([]byte, []int{0, 4, 13, 80, 92}[r.IntN(5)])
			for at := 1; at+4 <= len(p.Body); at += 3 {
				binary.LittleEndian.PutUint32(p.Body[at:], sizes[r.IntN(len(sizes))])
			}
		case zk.PrepareData:
			p.Body = binary.LittleEndian.AppendUint32(nil, sizes[r.IntN(len(sizes))])
			p.Body = append(p.Body, 0xF0, 3, 0, 0)
		default:
			p.Body = make([]byte, []int{0, 1, 4, 44, 84, 200, 1008}[r.IntN(7)])
			for j := range p.Body {
				p.Body[j] = byte(r.Uint32())
			}
			if len(p.Body) >= 4 {
				binary.LittleEndian.PutUint32(p.Body, sizes[r.IntN(len(sizes))])
			}
		}
		f := frame(p)
		if r.IntN(20) == 0 {
			f[len(f)-1] ^= 0x55
		}
		if r.IntN(40) == 0 {
			f = f[:r.IntN(len(f))]
		}
		raw = append(raw, f...)
	}
	return raw
}

// A terminal that dribbles packets which bring nothing does not hold the client.
func TestAnswersThatBringNothing(t *testing.T) {
	for _, test := range []struct {
		name string
		code zk.Code
		body []byte
	}{
		{"empty DATA", zk.Data, nil},
		{"PREPARE_DATA again and again", zk.PrepareData, []byte{0, 1, 0, 0, 0, 1, 0, 0}},
		{"events", zk.RegEvent, []byte{1}},
		{"stale answers", zk.AckOK, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := serveTCP(t, func(p zk.Packet) ([]byte, bool) {
				switch p.Code {
				case zk.CmdConnect, zk.CmdEnable, zk.FreeData, zk.CmdExit:
					return frame(zk.Packet{Code: zk.AckOK, Session: 7, Reply: p.Reply}), false
				case zk.PrepareBuffer:
					return frame(zk.Packet{Code: zk.AckOK, Session: 7, Reply: p.Reply, Body: []byte{0, 0, 1, 0, 0}}), false
				case zk.ReadBuffer:
					raw := frame(zk.Packet{Code: zk.PrepareData, Session: 7, Reply: p.Reply, Body: []byte{0, 1, 0, 0, 0, 1, 0, 0}})
					for range 200 {
						q := zk.Packet{Code: test.code, Session: 3, Reply: p.Reply, Body: test.body}
						if test.code == zk.AckOK {
							q.Reply += 9
						}
						raw = append(raw, frame(q)...)
					}
					return raw, false
				}
				return nil, false
			})
			c := session(t, zk.Options{Address: address, Timeout: 100 * time.Millisecond})
			start := time.Now()
			if l, err := c.OpenLog(t.Context(), 6); err == nil {
				t.Errorf("a log of %d rows out of nothing", l.Rows())
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// lossyLine is a UDP path that loses every nth datagram and doubles another.
func lossyLine(t *testing.T, to string, nth int) string {
	t.Helper()
	target, err := net.ResolveUDPAddr("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	outside, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	inside, err := net.DialUDP("udp", nil, target)
	if err != nil {
		t.Fatal(err)
	}
	_ = outside.SetReadBuffer(1 << 20)
	_ = inside.SetReadBuffer(1 << 20)
	var running sync.WaitGroup
	var mu sync.Mutex
	var client *net.UDPAddr
	n := 0
	pass := func(b []byte, write func([]byte) (int, error)) {
		mu.Lock()
		n++
		turn := n % nth
		mu.Unlock()
		if turn == 0 {
			return
		}
		_, _ = write(b)
		if turn == nth/2 {
			_, _ = write(b)
		}
	}
	running.Go(func() {
		for b := make([]byte, 2048); ; {
			n, from, err := outside.ReadFromUDP(b)
			if err != nil {
				return
			}
			mu.Lock()
			client = from
			mu.Unlock()
			pass(b[:n], inside.Write)
		}
	})
	running.Go(func() {
		for b := make([]byte, 2048); ; {
			n, err := inside.Read(b)
			if err != nil {
				return
			}
			mu.Lock()
			to := client
			mu.Unlock()
			pass(b[:n], func(b []byte) (int, error) { return outside.WriteToUDP(b, to) })
		}
	})
	t.Cleanup(func() {
		_ = outside.Close()
		_ = inside.Close()
		running.Wait()
	})
	return outside.LocalAddr().String()
}

func TestLossyLineBringsTheWholeLog(t *testing.T) {
	for _, nth := range []int{50, 83, 200} {
		t.Run(fmt.Sprintf("one datagram in %d lost, one doubled", nth), func(t *testing.T) {
			t.Parallel()
			sim, address := terminal(t, zktest.Config{}, 20, 0, 10000)
			c := session(t, zk.Options{Address: lossyLine(t, address, nth), Network: "udp", Timeout: 300 * time.Millisecond})
			r, err := c.Attendance(t.Context(), zk.ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			checkRows(t, r, sim)
		})
	}
}

func TestLossyLineTakesUsersAndFingers(t *testing.T) {
	for _, nth := range []int{50, 83, 200} {
		t.Run(fmt.Sprintf("one datagram in %d lost, one doubled", nth), func(t *testing.T) {
			t.Parallel()
			sim, address := terminal(t, zktest.Config{}, 0, 0, 0)
			c := session(t, zk.Options{Address: lossyLine(t, address, nth), Network: "udp", Timeout: 100 * time.Millisecond})
			for uid := uint16(1); uid <= 30; uid++ {
				u := zk.Upload{Layout: zk.User72, Users: []zk.User{{UID: uid, PIN: fmt.Sprint(uid)}}, Templates: []zk.Template{finger(uid, 5, 1500)}}
				if err := c.Save(t.Context(), u); err != nil {
					t.Fatalf("Save of slot %d: %v", uid, err)
				}
				if err := c.WriteTemplate(t.Context(), finger(uid, 6, 1600)); err != nil {
					t.Fatalf("WriteTemplate of slot %d: %v", uid, err)
				}
			}
			templates := sim.Templates()
			if len(sim.Users()) != 30 || len(templates) != 60 {
				t.Errorf("%d users with %d fingers, want 30 with 60", len(sim.Users()), len(templates))
			}
			for _, m := range templates {
				if want := finger(m.UID, m.Finger, 1000+100*int(m.Finger)); string(m.Data) != string(want.Data) {
					t.Errorf("finger %d of slot %d: %d bytes, want %d", m.Finger, m.UID, len(m.Data), len(want.Data))
				}
			}
		})
	}
}
