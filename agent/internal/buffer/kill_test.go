package buffer_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
	"github.com/bkpsdmd-babel/sidik/protocol/selftest"
)

// appendChild appends until it is killed and prints how many records stand after
// each Append.
func appendChild(dir string) int {
	b, opening, err := buffer.Open(context.Background(), buffer.Options{Dir: dir, MaxBytes: 16 << 20})
	if err != nil || opening.Quarantined != "" {
		fmt.Fprintln(os.Stderr, opening, err)
		return 1
	}
	for n := int(b.Last()); ; {
		size := 1 + rand.IntN(9)
		if rand.IntN(20) == 0 {
			size = 300
		}
		if err := b.Append(buffer.Flush{Serial: terminal, Entries: punches(terminal, n, size), Cursor: fmt.Append(nil, n+size)}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		n += size
		fmt.Println(n)
	}
}

func TestKilledWhileAppendingKeepsWhatWasAppended(t *testing.T) {
	kills := 30
	if os.Getenv("SIDIK_SOAK") == "1" {
		kills = 200
	}
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(1, 1))
	for kill := range kills {
		appended := appendAndKill(t, dir, 1+random.IntN(60))
		b, opening, err := buffer.Open(context.Background(), buffer.Options{Dir: dir, MaxBytes: 16 << 20, Check: checkInChild(t)})
		if err != nil || opening.Quarantined != "" {
			t.Fatalf("kill %d: Open: %+v, %v", kill, opening, err)
		}
		in, err := b.Inspect()
		if err != nil || in.Last < appended {
			t.Fatalf("kill %d: %d records of %d that were appended, %v", kill, in.Last, appended, err)
		}
		for i, got := range in.Records {
			if !bytes.Equal(got, punch(terminal, i).Record.AppendCanonical(nil)) {
				t.Fatalf("kill %d: record %d is another one", kill, i)
			}
		}
		if cursor, err := b.Cursor(terminal); err != nil || string(cursor) != fmt.Sprint(in.Last) {
			t.Fatalf("kill %d: cursor %s with %d records, %v", kill, cursor, in.Last, err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	b, _ := open(t, buffer.Options{Dir: dir, MaxBytes: 16 << 20})
	if got := drain(t, b, 0); uint64(len(got)) != b.Last() {
		t.Errorf("%d records, want %d", len(got), b.Last())
	}
	t.Logf("%d kills, %d records", kills, b.Last())
}

// appendAndKill lets a child append and kills it after so many flushes, while it
// is at the next. It returns how many records the child had been told are safe.
func appendAndKill(t *testing.T, dir string, flushes int) uint64 {
	t.Helper()
	self, args := selftest.Command(t, dir)
	command := exec.Command(self, args...)
	command.Env = append(os.Environ(), "SIDIK_BUFFER_CHILD=append")
	var said strings.Builder
	command.Stderr = &said
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	appended := uint64(0)
	lines := bufio.NewScanner(out)
	for seen := 0; lines.Scan(); seen++ { // reads on after the kill: what was printed was promised
		if appended, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
			t.Fatal(err)
		}
		if seen == flushes {
			if err := command.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := command.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Fatalf("child ended by itself: %v: %s", err, said.String())
	}
	return appended
}
