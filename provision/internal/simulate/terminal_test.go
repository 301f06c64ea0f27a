package simulate

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running starts a terminal with these flags; end stops it and gives its error.
func running(t *testing.T, flags ...string) (at ready, end func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		c := Command()
		c.SilenceErrors, c.SilenceUsage = true, true
		c.SetArgs(append([]string{"terminal"}, flags...))
		c.SetOut(in)
		err := c.ExecuteContext(ctx)
		_ = in.CloseWithError(io.EOF)
		ended <- err
	}()
	stopped := false
	end = func() error {
		stopped = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() {
		if !stopped {
			if err := end(); err != nil {
				t.Errorf("terminal ended: %v", err)
			}
		}
	})
	lines := json.NewDecoder(out)
	lines.DisallowUnknownFields()
	if err := lines.Decode(&at); err != nil {
		t.Fatalf("no line that says where it is: %v; %v", err, end())
	}
	return at, end
}

// sizes asks the terminal what it holds.
func sizes(t *testing.T, network, address string) zk.Sizes {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var answer zk.Packet
	for i, code := range []zk.Code{zk.CmdConnect, zk.CmdFreeSizes} {
		p := zk.Packet{Code: code, Session: answer.Session, Reply: uint16(i)}
		wire := zk.AppendFrame(nil, p)
		if network == "udp" {
			wire = p.Append(nil)
		}
		if _, err := conn.Write(wire); err != nil {
			t.Fatal(err)
		}
		if network == "udp" {
			buf := make([]byte, 2048)
			n, readErr := conn.Read(buf)
			if readErr != nil {
				t.Fatal(readErr)
			}
			answer, err = zk.ParsePacket(buf[:n])
		} else {
			answer, _, err = zk.ReadFrame(conn, 1<<16, nil)
		}
		if err != nil || answer.Code != zk.AckOK {
			t.Fatalf("%v: %v %v", code, answer.Code, err)
		}
	}
	return zk.ParseSizes(answer.Body)
}

func TestTerminalServesBothCarriersOnOnePort(t *testing.T) {
	at, end := running(t, "--udp", "--serial", "SIM0000099", "--users", "7", "--punches", "40", "--templates", "9")
	if host, _, err := net.SplitHostPort(at.Listening); err != nil || host != "127.0.0.1" || at.Serial != "SIM0000099" {
		t.Errorf("it says %+v", at)
	}
	for _, network := range []string{"tcp", "udp"} {
		if s := sizes(t, network, at.Listening); s.Users != 7 || s.Records != 40 || s.Templates != 9 {
			t.Errorf("by %s it holds %+v", network, s)
		}
	}
	if err := end(); err != nil {
		t.Errorf("interrupted: %v, want nil", err)
	}
}

func TestRecordSizeChoosesProfile(t *testing.T) {
	for _, row := range []struct {
		o       Options
		profile string
		rows    zk.RowLayout
	}{
		{Options{}, "tft-new", zk.Row40},
		{Options{RecordSize: 8}, "bw-zem500", zk.Row8B},
		{Options{RecordSize: 16}, "bw-zem560", zk.Row16},
		{Options{RecordSize: 40}, "tft-new", zk.Row40},
		{Options{RecordSize: 49}, "vl-49", zk.Row49},
		{Options{RecordSize: 8, Profile: "bw-old"}, "bw-old", zk.Row8A},
		{Options{RecordSize: 8, Profile: "vl-49"}, "vl-49", zk.Row8B},
		{Options{RecordSize: 49, Profile: "tft-k40"}, "tft-k40", zk.Row49},
	} {
		p, err := row.o.profile()
		if err != nil || p.Name != row.profile || p.Rows != row.rows {
			t.Errorf("%+v: profile %s with rows %v, %v", row.o, p.Name, p.Rows, err)
		}
	}
	for _, size := range []string{"8", "16", "40", "49"} {
		at, _ := running(t, "--record-size", size, "--punches", "500", "--comm-key", "0")
		if s := sizes(t, "tcp", at.Listening); s.Records != 500 {
			t.Errorf("record size %s: %d punches", size, s.Records)
		}
	}
}

func TestBadFlagsSayWhatToDo(t *testing.T) {
	folder := t.TempDir()
	damaged := filepath.Join(folder, "damaged.json")
	if err := os.WriteFile(damaged, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for flags, says := range map[string]string{
		"--profile unheard":                         "choose one of tft-new, ",
		"--record-size 12":                          "choose 8, 16, 40 or 49",
		"--fault unheard":                           "choose one of cut-off, ",
		"--fault freeze,for=long":                   "for=long",
		"--users 1000000":                           "holds 3000 users",
		"--users 1 --templates 11":                  "at most 10 templates",
		"--punches -1":                              "below zero",
		"--users 0 --punch-every 1s":                "give --users 1 or more",
		"--punch-every -1s":                         "not below zero",
		"--comm-key 1000000":                        "six digits",
		"--listen nowhere":                          "--listen nowhere",
		"--state " + damaged:                        "remove it to begin anew",
		"--state " + filepath.Join(folder, "x/y.z"): "keep state",
	} {
		t.Run(flags, func(t *testing.T) {
			c := Command()
			c.SilenceErrors, c.SilenceUsage = true, true
			c.SetArgs(append([]string{"terminal"}, strings.Fields(flags)...))
			c.SetOut(io.Discard)
			if err := c.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%v, want an error that says %q", err, says)
			}
		})
	}
}

func TestPeoplePunchAndStateGoesOn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "terminal.json")
	flags := []string{"--serial", "SIM0000003", "--users", "3", "--punches", "20", "--templates", "3", "--state", file}
	at, end := running(t, append(flags, "--punch-every", "5ms")...)
	for deadline := time.Now().Add(10 * time.Second); sizes(t, "tcp", at.Listening).Records < 25; {
		if time.Now().After(deadline) {
			t.Fatal("nobody punches")
		}
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	before, err := readState(file)
	if err != nil || before == nil || len(before.PINs) < 25 {
		t.Fatalf("kept state: %v", err)
	}
	last := before.PINs[20:23]
	if last[0] == last[1] || last[1] == last[2] {
		t.Errorf("punches by %v, want everybody in turn", last)
	}
	again, end := running(t, flags[2:]...) // the serial is in the state
	if s := sizes(t, "tcp", again.Listening); again.Serial != "SIM0000003" || s.Records != len(before.PINs) || s.Users != 3 || s.Templates != 3 {
		t.Errorf("%s holds %+v, want %d punches", again.Serial, s, len(before.PINs))
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	after, err := readState(file)
	if err != nil || !reflect.DeepEqual(before, after) {
		t.Errorf("the state has changed without a punch: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*"))
	if err != nil || len(left) != 1 {
		t.Errorf("files left: %v %v", left, err)
	}
	c := Command()
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs([]string{"terminal", "--serial", "OTHER", "--state", file})
	if err := c.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "another file") {
		t.Errorf("state of another terminal: %v", err)
	}
}

func TestFaultIsInjected(t *testing.T) {
	at, _ := running(t, "--fault", "count-high,n=3,times=always", "--fault", "clock-jump,for=1h", "--punches", "5")
	if s := sizes(t, "tcp", at.Listening); s.Records != 8 {
		t.Errorf("it says %d punches, want 8", s.Records)
	}
}

// TestFingerIsPlaced while the terminal asks for it, image by image.
func TestFingerIsPlaced(t *testing.T) {
	at, _ := running(t, "--finger-every", "20ms", "--users", "2", "--fault", "users-full", "--gap", "0")
	c, err := zk.Dial(t.Context(), zk.Options{Address: at.Listening})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	images := 0
	n, err := c.Enroll(t.Context(), zk.Enrolment{
		Layout: zk.User72, PIN: "1002", Finger: 3, Quiet: 10 * time.Second, Asked: func() {},
		Told: func(e zk.Event) {
			if _, image := e.Quality(); image {
				images++
			}
		},
	})
	if err != nil || n.Result != 0 || images != 3 {
		t.Errorf("Enroll = result %d, %v after %d images, want stored after 3", n.Result, err, images)
	}
	if _, err := c.ReadTemplate(t.Context(), 2, 3); err != nil {
		t.Error(err)
	}
	refusal := (*zk.Refusal)(nil)
	if err := c.WriteUser(t.Context(), zk.User72, zk.User{UID: 9, PIN: "9"}); !errors.As(err, &refusal) {
		t.Errorf("WriteUser to a full terminal = %v, want a refusal", err)
	}
}
