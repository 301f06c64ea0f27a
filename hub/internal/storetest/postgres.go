// Package storetest gives tests a real database of each kind: a SQLite file and
// a throwaway PostgreSQL from Debian's package, in a folder of its own, without
// a network port.
//
// It knows the programs initdb and postgres. It must not know any table.
//
// Beware: without the package postgresql a test binary fails; nothing is skipped.
package storetest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver pgx
)

// nobody runs the server when the tests run as root, which postgres refuses.
const nobody = 65534

// Postgres is a running server.
type Postgres struct {
	folder string
	server *exec.Cmd
	ended  chan struct{}
	log    bytes.Buffer
	made   atomic.Int64
}

// Run starts a server, runs the tests with it in *held and stops it, for
// TestMain: os.Exit(storetest.Run(m, &postgres)).
func Run(m *testing.M, held **Postgres) int {
	// The server is to die with this process, and Linux means with the thread
	// that started it.
	runtime.LockOSThread()
	p, err := start()
	if err != nil {
		fmt.Fprintln(os.Stderr, "start a throwaway PostgreSQL:", err)
		return 1
	}
	*held = p
	code := m.Run()
	if err := p.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the throwaway PostgreSQL:", err)
		return max(code, 1)
	}
	return code
}

func start() (p *Postgres, err error) {
	initdb, err := program("initdb")
	if err != nil {
		return nil, err
	}
	postgres, err := program("postgres")
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "sidik-pg-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(folder))
		}
	}()
	p = &Postgres{folder: folder, ended: make(chan struct{})}
	attributes := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Getuid() == 0 {
		attributes.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		if err := os.Chown(folder, nobody, nobody); err != nil {
			return nil, err
		}
	}
	data := filepath.Join(folder, "data")
	create := exec.Command(initdb, "--no-sync", "--auth=trust", "--username=sidik", "--locale=C", "--encoding=UTF8", "--pgdata="+data)
	create.SysProcAttr, create.Dir = attributes, folder
	if said, err := create.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, said)
	}
	p.server = exec.Command(postgres, "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "autovacuum=off",
		"-c", "max_connections=200", "-c", "shared_buffers=64MB")
	p.server.SysProcAttr, p.server.Dir = attributes, folder
	p.server.Stdout, p.server.Stderr = &p.log, &p.log
	if err := p.server.Start(); err != nil {
		return nil, err
	}
	go func() { // ends when the server does; stop waits for it
		p.server.Wait() // a server that ends early is seen by ready
		close(p.ended)
	}()
	if err := p.ready(); err != nil {
		return nil, errors.Join(err, p.stop(), fmt.Errorf("the server said:\n%s", p.log.String()))
	}
	return p, nil
}

// ready waits until the server answers.
func (p *Postgres) ready() error {
	db, err := sql.Open("pgx", p.address(""))
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return errors.New("the server ended at once")
		case <-ctx.Done():
			return fmt.Errorf("no answer within 30 s: %w", err)
		case <-retry.C:
		}
	}
}

// stop ends the server and removes its folder.
func (p *Postgres) stop() error {
	if err := p.server.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		p.server.Process.Kill()
		<-p.ended
	}
	return os.RemoveAll(p.folder)
}

// address names a schema of the server's one database, or the whole for "".
func (p *Postgres) address(schema string) string {
	query := url.Values{"host": {p.folder}}
	if schema != "" {
		query.Set("search_path", schema)
	}
	return (&url.URL{Scheme: "postgres", User: url.User("sidik"), Path: "/postgres", RawQuery: query.Encode()}).String()
}

// program finds a program of the package, also where Debian keeps it off the path.
func program(name string) (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err == nil && len(found) > 0 {
		return slices.Max(found), nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("the program %s is missing, and without it nothing was tested on PostgreSQL: install Debian's package postgresql (make test does)", name)
	}
	return path, nil
}

// Database makes an empty schema, which is quicker to make than a database and
// as good, and returns its address. It is removed with the test.
func (p *Postgres) Database(t testing.TB) string {
	t.Helper()
	db, err := sql.Open("pgx", p.address(""))
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("t%d", p.made.Add(1))
	if _, err := db.Exec("CREATE SCHEMA " + name); err != nil {
		t.Fatalf("create a test schema: %v", err)
	}
	t.Cleanup(func() {
		if _, err := db.Exec("DROP SCHEMA " + name + " CASCADE"); err != nil {
			t.Errorf("remove a test schema: %v", err)
		}
		db.Close()
	})
	return p.address(name)
}
