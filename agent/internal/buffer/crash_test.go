package buffer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer/crashtest"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// A scenario runs in a child process under strace. After everything that must
// survive from then on it prints a promise.
type promise struct {
	Appended uint64 // records, by position from 1: the n-th is punch n−1
	Proven   uint64
	Epochs   int
	Order    protocol.Seq
}

type scenario struct {
	name  string
	most  int // subsets drawn where all are too many
	play  func(*player)
	least int // distinct images in a normal run
}

// player is the child.
type player struct {
	dir  string
	b    *buffer.Buffer
	n    int
	gen  protocol.Generation
	rev  uint64
	held []protocol.EpochStore // what the hub says
	soak bool
}

func crashOptions(dir string) buffer.Options {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return buffer.Options{Dir: dir, MaxBytes: 1 << 20, RetainPunches: 40, Now: func() time.Time {
		now = now.Add(10 * time.Second) // so that no prune waits for the five seconds to pass
		return now
	}}
}

func (p *player) must(err error) {
	if err != nil {
		panic(err)
	}
}

func (p *player) open() {
	b, _, err := buffer.Open(context.Background(), crashOptions(p.dir))
	p.must(err)
	p.b = b
	if p.n > 0 {
		p.promise()
	}
}

func (p *player) append(sizes ...int) {
	for _, n := range sizes {
		p.must(p.b.Append(buffer.Flush{Serial: terminal, Entries: punches(terminal, p.n, n), Cursor: fmt.Append(nil, p.n+n)}))
		p.n += n
		p.promise()
	}
}

func (p *player) promise() {
	in, err := p.b.Inspect()
	p.must(err)
	text, err := json.Marshal(promise{in.Last, in.Proven, in.Epochs, in.Order})
	p.must(err)
	_, err = os.Stdout.Write(append(text, '\n'))
	p.must(err)
}

// receipt proves all but some records; a wrong hash makes it a fork.
func (p *player) receipt(but uint64, wrong bool) buffer.Outcome {
	place := p.b.Place()
	through := place.Last - but
	store := protocol.EpochStore{Epoch: place.Epoch, Through: through}
	for after := place.Receipted; after < through; {
		s, ok, err := p.b.Segment(after)
		p.must(err)
		if !ok {
			panic("no segment")
		}
		links, err := s.Links()
		p.must(err)
		for _, l := range links {
			if l.Seq == through {
				store.Hash = l.Hash
			}
			after = l.Seq
		}
	}
	if wrong {
		store.Hash[0]++
	}
	p.rev++
	p.held = append(slices.DeleteFunc(p.held, func(e protocol.EpochStore) bool { return e.Epoch == store.Epoch }), store)
	p.held = p.held[max(0, len(p.held)-protocol.MaxReceiptEpochs):]
	outcome, err := p.b.Apply(fmt.Appendf(nil, "receipt %d", p.rev), protocol.Seq{Life: p.gen.Number, Counter: p.rev},
		protocol.Receipt{Generation: p.gen, Epochs: p.held})
	p.must(err)
	p.promise()
	return outcome
}

func (p *player) prune() {
	n, err := p.b.Prune()
	p.must(err)
	if n == 0 {
		panic("nothing was pruned")
	}
}

// again plays more of the same in a long run.
func (p *player) again(normal int, do func(i int)) {
	if p.soak {
		normal *= 6
	}
	for i := range normal {
		do(i)
	}
}

func scenarios() []scenario {
	return []scenario{
		{"creation", 256, func(p *player) {
			p.open()
			p.append(1, 1)
			p.must(p.b.Close())
		}, 80},
		{"growth", 24, func(p *player) {
			p.open()
			p.again(6, func(int) { p.append(1, 1, 3, 1, 30, 1, 120, 1) })
			p.must(p.b.Close())
		}, 600},
		{"pruning", 24, func(p *player) {
			p.open()
			p.again(8, func(i int) {
				p.append(60, 1, 1)
				p.receipt(uint64(i%3), false)
				p.prune()
				p.append(1, 1)
			})
			p.must(p.b.Close())
		}, 600},
		{"compaction", 8, func(p *player) {
			p.open()
			p.again(2, func(int) {
				p.append(1500, 1500)
				p.receipt(30, false)
				p.prune()
				p.must(p.b.KeepMarks(terminal, func(uint64) bool { return false })) // or they would fill the file in a long run
				p.must(p.b.Close())
				b, opening, err := buffer.Open(context.Background(), crashOptions(p.dir))
				p.must(err)
				if !opening.Compacted {
					panic("it was not compacted")
				}
				p.b = b
				p.promise()
				p.append(1, 20)
			})
			p.must(p.b.Close())
		}, 300},
		{"new epoch", 24, func(p *player) {
			p.open()
			p.again(4, func(i int) {
				p.append(20, 1, 1)
				p.receipt(9, false)
				p.append(5)
				if o := p.receipt(2, true); !o.NewEpoch {
					panic(fmt.Sprintf("no fork: %+v", o))
				}
				p.append(1, 40)
				p.gen = protocol.Generation{ID: protocol.NewEpoch(), Number: p.gen.Number + 1}
				p.rev = 0
				p.receipt(10, false)
				p.append(1)
			})
			p.must(p.b.Close())
		}, 600},
	}
}

func crashChild(args []string) int {
	for _, s := range scenarios() {
		if s.name == args[0] {
			p := &player{dir: args[1], soak: os.Getenv("SIDIK_SOAK") == "1", gen: protocol.Generation{ID: protocol.NewEpoch(), Number: 1}}
			s.play(p)
			return 0
		}
	}
	fmt.Fprintf(os.Stderr, "no scenario %q\n", args[0])
	return 1
}

// TestPowerCutAtAnyWriteLosesNothing rebuilds every folder that a power cut can
// have left and opens it as the agent would.
func TestPowerCutAtAnyWriteLosesNothing(t *testing.T) {
	soak := os.Getenv("SIDIK_SOAK") == "1"
	total := 0
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			trace := record(t, s.name)
			most := s.most
			if soak {
				most *= 2
			}
			distinct, opened := 0, 0
			dir, remove := fastDir(t)
			defer remove()
			for image := range trace.Images(1, most) {
				opened++
				if image.New {
					distinct++
				}
				if err := checkImage(image, dir); err != nil {
					t.Fatalf("image of %s after %s: %v", image.Where, image.Mark, err)
				}
			}
			t.Logf("%d distinct images, %d opened", distinct, opened)
			if distinct < s.least {
				t.Errorf("%d distinct images, want at least %d", distinct, s.least)
			}
			total += distinct
		})
	}
	want := 2000
	if soak {
		want = 10_000
	}
	t.Logf("%d distinct images in all", total)
	if total < want {
		t.Errorf("%d distinct images in all, want at least %d", total, want)
	}
}

func record(t *testing.T, name string) crashtest.Trace {
	t.Helper()
	dir, remove := fastDir(t)
	defer remove()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	trace, err := crashtest.Record(ctx, dir, []string{"SIDIK_BUFFER_CHILD=crash"}, program, name, dir)
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

func checkImage(image crashtest.Image, dir string) (err error) {
	defer func() {
		entries, readErr := os.ReadDir(dir)
		err = errors.Join(err, readErr)
		for _, e := range entries {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}()
	if err := image.WriteTo(dir); err != nil {
		return err
	}
	var want promise
	if image.Mark != "" {
		if err := json.Unmarshal([]byte(image.Mark), &want); err != nil {
			return err
		}
	}
	b, opening, err := buffer.Open(context.Background(), crashOptions(dir))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close(), buffer.CheckFile(filepath.Join(dir, "buffer.db"))) }()
	if opening.Quarantined != "" || opening.Created && want.Appended > 0 {
		return fmt.Errorf("opening was %+v", opening)
	}
	in, err := b.Inspect()
	if err != nil {
		return err
	}
	// A receipt lowers Proven only in a new generation, which raises Epochs or Order.
	if in.Last < want.Appended || in.Order.Less(want.Order) || in.Epochs < want.Epochs || in.Order == want.Order && in.Proven < want.Proven {
		return fmt.Errorf("it has %d, %d, %v, %d, promised was %+v", in.Last, in.Proven, in.Order, in.Epochs, want)
	}
	if in.First > in.Proven+1 {
		return fmt.Errorf("position %d to %d are missing", in.Proven+1, in.First-1)
	}
	if uint64(len(in.Records)) != in.Last+1-in.First {
		return fmt.Errorf("%d records from position %d to %d", len(in.Records), in.First, in.Last)
	}
	for i, got := range in.Records {
		n := int(in.First) - 1 + i
		if !bytes.Equal(got, punch(terminal, n).Record.AppendCanonical(nil)) {
			return fmt.Errorf("record %d is another one", n)
		}
	}
	cursor, err := b.Cursor(terminal)
	if err != nil || in.Last > 0 && string(cursor) != fmt.Sprint(in.Last) {
		return fmt.Errorf("cursor %q with %d records, %v", cursor, in.Last, err)
	}
	for after := b.Receipted(); ; { // the chain
		s, ok, err := b.Segment(after)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if err := s.Check(); err != nil {
			return err
		}
		after = s.Last
	}
	return b.Append(buffer.Flush{Serial: terminal, Entries: punches(terminal, int(in.Last), 2), Cursor: fmt.Append(nil, in.Last+2)})
}
