package sidik_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent"
	"github.com/bkpsdmd-babel/sidik/agent/config"
)

// idleFor is how long an agent is watched: a minute, or what SIDIK_IDLE says.
// The goals are stated for ten.
func idleFor(b *testing.B) time.Duration {
	text := os.Getenv("SIDIK_IDLE")
	if text == "" {
		return time.Minute
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		b.Fatalf("SIDIK_IDLE: %v", err)
	}
	return d
}

// The goals for an agent with one terminal where nobody punches: anonymous
// memory 15 MB, resident 30 MB, 0.2 % of a CPU, with an empty buffer and with
// 100 000 punches that wait because there is no hub.
func BenchmarkIdleAgent(b *testing.B) {
	for _, waiting := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("%d waiting", waiting), func(b *testing.B) {
			w := newWorld(b, nil)
			w.startHub()
			o := w.newOffice("samsat-belitung", "tft-new", waiting)
			o.admit()
			if waiting > 0 {
				o.config.Hub.Broker = "tcp://127.0.0.1:1"
			}
			o.config.Terminals[0].Every = config.Duration(5 * time.Minute)
			path := o.writeConfig()
			text, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, []byte(strings.Replace(string(text), `every = "1s"`, `every = "5m"`, 1)), 0o600)
			}
			if err != nil {
				b.Fatal(err)
			}
			p := newProcess(b, filepath.Join(build(b), "sidik-agent"), "run", "--config", path)
			for b.Loop() {
				p.start()
				watch := time.NewTimer(idleFor(b))
				<-watch.C
				before, begun := processorTime(b, p.cmd.Process.Pid), time.Now()
				watch.Reset(idleFor(b) / 2) // what starting cost is not idling
				<-watch.C
				used := processorTime(b, p.cmd.Process.Pid) - before
				memory := rollup(b, p.cmd.Process.Pid)
				b.ReportMetric(memory["Anonymous"]/1024, "MB-anonymous")
				b.ReportMetric(memory["Rss"]/1024, "MB-resident")
				b.ReportMetric(100*used.Seconds()/time.Since(begun).Seconds(), "%CPU")
				b.ReportMetric(0, "ns/op")
				p.end()
			}
			if waiting > 0 {
				a, err := agent.Open(b.Context(), agent.Options{Config: o.config, Logger: quiet(b, "agent")})
				if err != nil {
					b.Fatal(err)
				}
				defer a.Close()
				if n := a.Status().State.Backlog.Punches; n != uint64(waiting) {
					b.Fatalf("%d punches wait, want %d", n, waiting)
				}
			}
		})
	}
}

// The goal for an agent that was let in by a claim and speaks TLS with the hub's broker:
// anonymous memory 20 MB, when it has its line and when 5 000 punches went over it.
func BenchmarkCertifiedAgent(b *testing.B) {
	for b.Loop() {
		w := certifiedWorld(b, 0)
		w.startHub()
		o := w.newOffice("samsat-belitung", "tft-new", 10)
		o.admit()
		p := newProcess(b, filepath.Join(build(b), "sidik-agent"), "run", "--config", o.writeConfig())
		p.start()
		o.arrive() // only over TLS: the broker has no other listener here
		first := rollup(b, p.cmd.Process.Pid)
		o.punch(5_000)
		o.arrive()
		memory := rollup(b, p.cmd.Process.Pid)
		b.ReportMetric(first["Anonymous"]/1024, "MB-anonymous-connected")
		b.ReportMetric(memory["Anonymous"]/1024, "MB-anonymous-after-5000")
		b.ReportMetric(memory["Rss"]/1024, "MB-resident")
		b.ReportMetric(0, "ns/op")
		p.end()
		w.stopHub()
	}
}

// processorTime is what a process has used of the CPUs.
func processorTime(b *testing.B, pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	ticks := 0
	for _, field := range fields[11:13] { // utime, stime, in hundredths of a second
		n, err := strconv.Atoi(field)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// rollup is a process's memory in kB, by kind.
func rollup(b *testing.B, pid int) map[string]float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		b.Fatal(err)
	}
	kinds := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 3 && fields[2] == "kB" {
			kinds[strings.TrimSuffix(fields[0], ":")], _ = strconv.ParseFloat(fields[1], 64) // other lines have no number
		}
	}
	return kinds
}
