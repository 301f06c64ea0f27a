package zk_test

import (
	"errors"
	"maps"
	"net"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

func TestAskSerialAsksForNothingElse(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		for _, c := range []struct {
			name     string
			has, try uint32
			want     error
			requests map[zk.Code]int
		}{
			{"no key", 0, 0, nil, map[zk.Code]int{zk.CmdConnect: 1, zk.CmdOptionRead: 1, zk.CmdExit: 1}},
			{"right key", 77, 77, nil, map[zk.Code]int{zk.CmdConnect: 1, zk.CmdAuth: 1, zk.CmdOptionRead: 1, zk.CmdExit: 1}},
			{"wrong key", 77, 78, zk.ErrKey, map[zk.Code]int{zk.CmdConnect: 1, zk.CmdAuth: 1}},
		} {
			t.Run(network+", "+c.name, func(t *testing.T) {
				sim, err := zktest.New(zktest.Config{Serial: "FOREIGN1", CommKey: c.has})
				if err != nil {
					t.Fatal(err)
				}
				address, err := sim.Listen("127.0.0.1:0", true)
				if err != nil {
					t.Fatal(err)
				}
				serial, err := zk.AskSerial(t.Context(), zk.Options{Address: address.String(), Network: network, CommKey: c.try, Timeout: 5 * time.Second})
				if !errors.Is(err, c.want) || c.want == nil && serial != "FOREIGN1" {
					t.Errorf("AskSerial = %q, %v, want %v", serial, err, c.want)
				}
				if err := sim.Close(); err != nil { // it has taken in all that came
					t.Fatal(err)
				}
				if got := sim.AllRequests(); !maps.Equal(got, c.requests) {
					t.Errorf("requests %v, want %v", got, c.requests)
				}
			})
		}
	}
}

func TestAskSerialOfNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, network := range []string{"tcp", "udp"} {
		if serial, err := zk.AskSerial(t.Context(), zk.Options{Address: address, Network: network, Timeout: 5 * time.Second}); err == nil {
			t.Errorf("%s: nobody has the serial number %q", network, serial)
		}
	}
}
