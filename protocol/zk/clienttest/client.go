// Package clienttest reads a terminal with other people's clients, so that what our
// programs wrote is not judged by our own reading of the protocol alone.
//
// It knows which clients there are, how each is started and what its answer means. It must
// not know package zk, nor who wrote what is read: a mistake that writer and reader share
// would stay unseen.
//
// Beware: the clients are not as careful as the protocol allows a terminal to be. They take
// one read of the socket for one answer, guess the length of rows from the carrier, cut PINs
// after nine characters and know no communication key. testdata/clients/README.md has the list.
package clienttest

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const (
	patience = 30 * time.Second // of one reading
	readings = 4                // a client that lost its place on a busy machine begins again
)

// Client is one client over one carrier.
type Client struct {
	Name    string // of the package, and its carrier: tcp or udp
	UserRow int    // bytes of the user rows that it reads
	LogRow  int    // bytes of the rows of punches that it reads
	Cards   bool   // it tells cards and passwords
	Fingers bool   // its transfer serves for fingers too
}

// Clients lists them. They are put in place by make deps.
func Clients() []Client {
	return []Client{
		{Name: "node-zklib tcp", UserRow: 72, LogRow: 40, Cards: true, Fingers: true},
		{Name: "zkteco-js tcp", UserRow: 72, LogRow: 40, Cards: true, Fingers: true},
		{Name: "zklib udp", UserRow: 72, LogRow: 40, Cards: true},
		{Name: "node-zklib udp", UserRow: 28, LogRow: 16, Fingers: true},
	}
}

// People are the users of a terminal with their fingers, as a client understood them.
type People struct {
	Users   []User
	Fingers []Finger
}

// User is one user; Card and Password are empty where the client does not tell them.
type User struct {
	Slot      uint16
	PIN       string
	Name      string
	Privilege uint8
	Card      uint32
	Password  string
}

// Punch is one row of the log, with the terminal's own time.
type Punch struct {
	PIN  string
	Time time.Time
}

// Finger is one template with its head: length, slot, finger, flag.
type Finger struct {
	Slot     uint16
	Finger   uint8
	Flag     uint8
	Template string // bytes
}

// People lets the client read the users and fingers of the terminal at HOST:PORT.
func (c Client) People(t testing.TB, address string) People {
	t.Helper()
	var told struct {
		Users   []User
		Fingers string // the data set as it came, in hexadecimal digits
	}
	c.read(t, address, "people", &told)
	data, err := hex.DecodeString(told.Fingers)
	people := People{Users: told.Users}
	if err == nil && len(data) > 0 {
		people.Fingers, err = fingers(data)
	}
	if err != nil {
		t.Fatalf("%s read fingers of %s: %v", c.Name, address, err)
	}
	return people
}

// Log lets the client read the punches, oldest first.
func (c Client) Log(t testing.TB, address string) (punches []Punch) {
	t.Helper()
	c.read(t, address, "log", &punches)
	return punches
}

func (c Client) read(t testing.TB, address, what string, told any) {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	root := top(t)
	modules := filepath.Join(root, ".cache", "clients", "node_modules")
	node, err := exec.LookPath("node")
	if _, missing := os.Stat(modules); err != nil || missing != nil {
		t.Fatal("no client of other people is installed, so nobody else read the terminal: run make deps, which needs Node.js and the npm registry")
	}
	for try := 1; ; try++ {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		cmd := exec.CommandContext(ctx, node, filepath.Join(root, "testdata", "clients", "read.js"), c.Name, host, port, what)
		cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
		var complaint bytes.Buffer
		cmd.Stderr = &complaint
		said, err := cmd.Output()
		cancel()
		if err == nil {
			last := said[bytes.LastIndexByte(said, '\n')+1:] // the clients print too
			if err := json.Unmarshal(last, told); err != nil {
				t.Fatalf("%s read %s of %s: %v", c.Name, what, address, err)
			}
			return
		}
		if try == readings {
			t.Fatalf("%s cannot read %s of %s: %v\n%s", c.Name, what, address, err, complaint.Bytes())
		}
	}
}

// top is the folder of the module.
func top(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil && dir != filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	t.Fatalf("no go.mod above the working folder (%v)", err)
	return ""
}

// fingers takes the data set apart.
//
//	u32 total, then per finger: u16 length with this head, u16 slot, u8 finger, u8 flag, template
func fingers(data []byte) (list []Finger, err error) {
	if len(data) < 4 || int(binary.LittleEndian.Uint32(data)) != len(data)-4 {
		return nil, fmt.Errorf("%d bytes of fingers do not have the length that they say", len(data))
	}
	for data = data[4:]; len(data) > 0; {
		size := len(data) + 1
		if len(data) >= 6 {
			size = int(binary.LittleEndian.Uint16(data))
		}
		if size < 6 || size > len(data) {
			return nil, fmt.Errorf("a finger of %d bytes with %d bytes left", size, len(data))
		}
		list = append(list, Finger{binary.LittleEndian.Uint16(data[2:]), data[4], data[5], string(data[6:size])})
		data = data[size:]
	}
	return list, nil
}
