package control_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/agent/internal/collect"
	"github.com/bkpsdmd-babel/sidik/agent/internal/control"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// office is an agent whose reads do what the test says.
type office struct {
	read func(ctx context.Context, serial protocol.Serial, progress func(collect.Progress)) (collect.Result, error)
}

func (o office) Status() control.Status {
	return control.Status{Site: "samsat-demo", Process: 42, State: protocol.State{Status: protocol.StatusReady}}
}

func (o office) ReadNow(ctx context.Context, serial protocol.Serial, progress func(collect.Progress)) (collect.Result, error) {
	return o.read(ctx, serial, progress)
}

// serve answers in a data folder until stop is called or the test ends.
func serve(t *testing.T, data string, agent control.Agent) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- control.Serve(ctx, data, agent) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	t.Cleanup(stop)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := control.Connect(data).Status(t.Context()); err == nil {
			return stop
		} else if time.Now().After(deadline) {
			t.Fatalf("no answer within 20 s: %v", err)
		}
	}
}

func TestStatusComesOverTheSocket(t *testing.T) {
	data := t.TempDir()
	serve(t, data, office{})
	s, err := control.Connect(data).Status(t.Context())
	if err != nil || s.Site != "samsat-demo" || s.Process != 42 || s.State.Status != protocol.StatusReady {
		t.Errorf("Status = %+v, %v", s, err)
	}
	info, err := os.Stat(filepath.Join(data, "agent.sock"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket %v, %v; want it to be the owner's alone", info, err)
	}
}

func TestReadTellsItsProgressAndItsResult(t *testing.T) {
	data := t.TempDir()
	serve(t, data, office{func(_ context.Context, serial protocol.Serial, progress func(collect.Progress)) (collect.Result, error) {
		if serial != "DEMO 1&2" {
			return collect.Result{}, collect.ErrNoTerminal
		}
		progress(collect.Progress{Done: 40, Total: 80})
		progress(collect.Progress{Done: 80, Total: 80})
		return collect.Result{Rows: 2, New: 1, Proof: "count", Offset: -3, Took: time.Second}, nil
	}})
	var told []int
	got, err := control.Connect(data).ReadNow(t.Context(), "DEMO 1&2", func(p collect.Progress) { told = append(told, p.Done) })
	want := collect.Result{Rows: 2, New: 1, Proof: "count", Offset: -3, Took: time.Second}
	if err != nil || got != want || !slices.Equal(told, []int{40, 80}) {
		t.Errorf("ReadNow = %+v, %v after %v; want %+v", got, err, told, want)
	}
	if _, err := control.Connect(data).ReadNow(t.Context(), "OTHER", nil); err == nil || !strings.Contains(err.Error(), "no such terminal") {
		t.Errorf("ReadNow of an unknown terminal = %v, want the agent's own words", err)
	}
}

func TestReadEndsWhenTheAskerGoesAway(t *testing.T) {
	data := t.TempDir()
	begun, ended := make(chan struct{}), make(chan struct{})
	serve(t, data, office{func(ctx context.Context, _ protocol.Serial, _ func(collect.Progress)) (collect.Result, error) {
		close(begun)
		<-ctx.Done()
		close(ended)
		return collect.Result{}, ctx.Err()
	}})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	if _, err := control.Connect(data).ReadNow(ctx, "DEMO1", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("ReadNow = %v, want canceled", err)
	}
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("the read goes on")
	}
}

func TestServeWaitsForTheReadsUnderWay(t *testing.T) {
	data := t.TempDir()
	begun, ended := make(chan struct{}), false
	stop := serve(t, data, office{func(ctx context.Context, _ protocol.Serial, _ func(collect.Progress)) (collect.Result, error) {
		close(begun)
		<-ctx.Done()
		time.Sleep(50 * time.Millisecond) // letting a terminal go takes a moment
		ended = true                      // seen without a lock: Serve has returned
		return collect.Result{}, ctx.Err()
	}})
	asked := make(chan error, 1)
	go func() {
		_, err := control.Connect(data).ReadNow(context.Background(), "DEMO1", nil)
		asked <- err
	}()
	<-begun
	stop()
	if !ended {
		t.Error("Serve returned before the read had ended")
	}
	if err := <-asked; err == nil {
		t.Error("the asker was told that a read succeeded that did not")
	}
}

func TestNoAgentIsErrNotRunning(t *testing.T) {
	killed := t.TempDir()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(killed, "agent.sock"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false) // as after SIGKILL
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{"never started": t.TempDir(), "killed": killed} {
		t.Run(name, func(t *testing.T) {
			if _, err := control.Connect(data).Status(t.Context()); !errors.Is(err, control.ErrNotRunning) {
				t.Errorf("Status = %v, want ErrNotRunning", err)
			}
			if _, err := control.Connect(data).ReadNow(t.Context(), "DEMO1", nil); !errors.Is(err, control.ErrNotRunning) {
				t.Errorf("ReadNow = %v, want ErrNotRunning", err)
			}
		})
	}
	t.Run("the socket of a killed agent is replaced", func(t *testing.T) { serve(t, killed, office{}) })
}

func TestAnAgentThatCannotBeAskedMayRun(t *testing.T) {
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "occupied"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := control.Connect(filepath.Join(data, "occupied")).Status(t.Context()) // ENOTDIR; EACCES does not exist for root
	if err == nil || errors.Is(err, control.ErrNotRunning) {
		t.Errorf("Status = %v, want another error than ErrNotRunning", err)
	}
}

func TestTooLongAPathIsToldInWords(t *testing.T) {
	err := control.Serve(t.Context(), filepath.Join(t.TempDir(), strings.Repeat("long", 30)), office{})
	if err == nil || !strings.Contains(err.Error(), "shorter data folder") {
		t.Errorf("Serve = %v, want what to do", err)
	}
}
