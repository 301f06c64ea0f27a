package collect_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

// openBuffer opens the agent's own buffer.
func openBuffer(t *testing.T, dir string) *buffer.Buffer {
	t.Helper()
	b, _, err := buffer.Open(t.Context(), buffer.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// records reads everything that waits for the hub.
func records(t *testing.T, b *buffer.Buffer) (all []protocol.Record) {
	t.Helper()
	for {
		s, ok, err := b.Segment(uint64(len(all)))
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return all
		}
		if err := s.Check(); err != nil {
			t.Fatal(err)
		}
		all = append(all, s.Records...)
	}
}

// TestAgentThatIsStoppedAndStarted lives with its own buffer through a week of a
// terminal's life, off now and then.
func TestAgentThatIsStoppedAndStarted(t *testing.T) {
	for _, profile := range zktest.Profiles() {
		t.Run(profile.Name, func(t *testing.T) {
			o := newOffice(t, "tcp", zktest.Config{Profile: profile}, 2500)
			dir := t.TempDir()
			held := o.Punches()
			for _, while := range []func(){
				func() {},
				func() { o.punches(40, 0) },
				func() { o.punches(1200, 24*time.Hour) },
				func() { o.ClearLog(); o.punches(50, 48*time.Hour) },
				func() { o.Inject(zktest.Fault{Kind: zktest.ShuffledLog}) },
				func() { o.Inject(zktest.Fault{Kind: zktest.FullLog}); o.punches(20, 72*time.Hour) },
				func() { o.punches(20, -72*time.Hour) },
			} {
				b := openBuffer(t, dir)
				r := o.collect(b, true)
				eventually(t, "a read", func() bool { return r.Terminals()[0].LastRead != nil })
				r.stop()
				while()
				r = o.collect(b, true)
				o.now(r)
				r.stop()
				held = ever(held, o.Punches())
				o.equal(records(t, b), held)
				if err := b.Close(); err != nil {
					t.Fatal(err)
				}
			}
			o.untouched()
		})
	}
}

// TestStartEnablesTheTerminal that whoever came before left disabled.
func TestStartEnablesTheTerminal(t *testing.T) {
	for _, live := range []bool{true, false} {
		o := newOffice(t, "tcp", zktest.Config{}, 10)
		disableAndDie(t, o.address)
		eventually(t, "a disabled terminal", func() bool { return !o.Enabled() })
		r := o.collect(newMemory(), live)
		eventually(t, "an enabled terminal", o.Enabled)
		r.stop()
		if n := o.DisableCount(); n != 1 {
			t.Errorf("disabled %d times, want only before we came", n)
		}
	}
}

// disableAndDie is a client that crashes in the midst of writing.
func disableAndDie(t *testing.T, address string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	send := func(p zk.Packet) zk.Packet {
		t.Helper()
		if _, err := conn.Write(zk.AppendFrame(nil, p)); err != nil {
			t.Fatal(err)
		}
		head := make([]byte, zk.PrefixSize)
		if _, err := io.ReadFull(conn, head); err != nil {
			t.Fatal(err)
		}
		body := make([]byte, binary.LittleEndian.Uint32(head[4:]))
		if _, err := io.ReadFull(conn, body); err != nil {
			t.Fatal(err)
		}
		answer, err := zk.ParsePacket(body)
		if err != nil || answer.Code != zk.AckOK {
			t.Fatalf("%s was answered %s, %v", p.Code, answer.Code, err)
		}
		return answer
	}
	session := send(zk.Packet{Code: zk.CmdConnect}).Session
	send(zk.Packet{Code: zk.CmdDisable, Session: session, Reply: 1})
}

// TestSecondClient lets somebody else's program use the terminal too: both get their
// answers now and then, and nothing is lost.
func TestSecondClient(t *testing.T) {
	for name, clients := range map[string]zktest.Clients{"the newer throws the older out": zktest.KickFirst, "the older keeps the newer out": zktest.RefuseSecond} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, "tcp", zktest.Config{Clients: clients}, 300)
			m := newMemory()
			r := o.collect(m, true)
			o.now(r)
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			other, err := zk.Dial(ctx, zk.Options{Address: o.address})
			if (err == nil) != (clients == zktest.KickFirst) {
				t.Fatalf("the other client: %v", err)
			}
			o.punches(10, 0)
			o.now(r)
			o.equal(m.kept(), o.Punches())
			if err == nil {
				_ = other.Close()
			}
			o.untouched()
		})
	}
}
