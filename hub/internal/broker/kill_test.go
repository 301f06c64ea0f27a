package broker_test

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/broker"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
)

// childFolder is the environment variable that turns this test program into a
// broker in a process of its own.
const childFolder = "SIDIK_TEST_BROKER_FOLDER"

// childAuthority is the folder of an authority: with it, the broker is a guarded one that
// admits everybody who has its certificate. childListen is its address.
const (
	childAuthority = "SIDIK_TEST_BROKER_AUTHORITY"
	childListen    = "SIDIK_TEST_BROKER_LISTEN"
)

// child runs a broker until its input ends or it is killed.
func child(dir string) {
	o := broker.Options{Dir: dir, Listen: cmp.Or(os.Getenv(childListen), "127.0.0.1:0")}
	if folder := os.Getenv(childAuthority); folder != "" {
		ca, _, err := authority.LoadOrCreate(folder, time.Now())
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		o.Access = &broker.Access{TLS: ca.ServerConfig(nil, tls.RequireAndVerifyClientCert), Self: ca.SelfConfig(),
			Admit: func(leaf *x509.Certificate) (authority.Subject, error) {
				return authority.ParseSubject(leaf.Subject.CommonName)
			}}
		o.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	b, err := broker.Start(context.Background(), o)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(b.URL())
	io.Copy(io.Discard, os.Stdin)
	b.Close()
	os.Exit(0)
}

// process is a broker in its own process.
type process struct {
	command *exec.Cmd
	url     string
}

func startProcess(t testing.TB, dir string, env ...string) process {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(append(os.Environ(), childFolder+"="+dir), env...)
	c.Stderr = os.Stderr
	if _, err := c.StdinPipe(); err != nil { // ends with this process
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if url := strings.TrimSpace(line); err == nil && strings.Contains(url, "://") {
		return process{c, url}
	}
	t.Fatalf("the broker's process says %q, %v", line, err)
	panic("unreachable")
}

func TestKilledAtAnyMomentItStartsAgainAndWorks(t *testing.T) {
	kills := 10
	if os.Getenv("SIDIK_SOAK") != "" {
		kills = 200
	}
	dir := filepath.Join(t.TempDir(), "broker")
	random := rand.New(rand.NewPCG(3, 4))
	most := 0
	for range kills {
		p := startProcess(t, dir)
		before, err := use(t.Context(), p.url)
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, len(before))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			o := mqtt.Options{Brokers: []string{p.url}, ClientID: "agent", Subscribe: []string{"sidik/v1/+/punches"}, BackoffMin: time.Hour, BackoffMax: 2 * time.Hour}
			done <- mqtt.Run(ctx, o, func(ctx context.Context, c *mqtt.Conn) error {
				for n := 0; ctx.Err() == nil; n++ {
					c.Publish(ctx, mqtt.Message{Topic: fmt.Sprintf("sidik/v1/site-%d/state", n%50), Payload: make([]byte, 2000), Retained: true})
					c.Publish(ctx, mqtt.Message{Topic: fmt.Sprintf("sidik/v1/site-%d/punches", n%50), Payload: make([]byte, 20000)})
				}
				return nil
			})
		}()
		time.Sleep(time.Duration(random.Int64N(int64(150 * time.Millisecond)))) // the random moment
		p.command.Process.Kill()
		p.command.Wait()
		cancel()
		<-done
	}
	if n, aside := works(t, dir); n == 0 || aside != "" {
		t.Errorf("%d retained messages after %d kills (at most %d), aside %q; want some and none aside", n, kills, most, aside)
	}
}
