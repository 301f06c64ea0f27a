package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// The program itself, told by its environment that a service manager started it.
func TestServiceManagerHearsOfTheAgent(t *testing.T) {
	folder := t.TempDir()
	socket := filepath.Join(folder, "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	hear := func() string {
		t.Helper()
		buf := make([]byte, 4096)
		err := manager.SetReadDeadline(time.Now().Add(time.Minute))
		n, err2 := manager.Read(buf)
		if err := errors.Join(err, err2); err != nil {
			t.Fatalf("the service manager was told nothing: %v", err)
		}
		return string(buf[:n])
	}
	example, err := os.ReadFile(filepath.Join("..", "..", "..", "systemd", "agent.example.toml"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "agent.toml")
	text := strings.NewReplacer("/var/lib/sidik-agent", folder, "192.168.1.201:4370", "127.0.0.1:1", "hub.example.go.id:8443", "127.0.0.1:1").Replace(string(example))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "3600000000")
	t.Setenv("SIDIK_LANG", "id")
	o := &office{catalogue: phrase.New(), lang: phrase.Indonesian, version: "test"}
	command := o.command()
	command.SetArgs([]string{"run", "--config", file})
	command.SetOut(io.Discard)
	command.SetErr(io.Discard)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := command.ExecuteContext(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	defer running.Wait()
	defer stop()
	said := strings.Split(hear(), "\n")
	if len(said) != 3 || said[0] != "READY=1" || said[2] != "WATCHDOG=1" ||
		!strings.HasPrefix(said[1], "STATUS=samsat-contoh: belum tersambung ke hub") || !strings.Contains(said[1], "Mesin presensi: 1.") {
		t.Errorf("said %q at the start", said)
	}
	if _, err := os.Stat(filepath.Join(folder, "buffer.db")); err != nil {
		t.Errorf("ready without an open buffer: %v", err)
	}
	stop()
	if said := hear(); said != "STOPPING=1" {
		t.Errorf("said %q at the end", said)
	}
}
