package protocol_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

func TestJobCheck(t *testing.T) {
	good := messages(t)["jobs"].body.(protocol.Job)
	for _, row := range []struct {
		name   string
		change func(j *protocol.Job)
		want   string
	}{
		{"as written", func(j *protocol.Job) {}, ""},
		{"at once", func(j *protocol.Job) { j.NotBefore = time.Time{} }, ""},
		{"the little finger of the other hand", func(j *protocol.Job) { j.Finger = 9 }, ""},
		{"an eleventh finger", func(j *protocol.Job) { j.Finger = 10 }, "finger 10"},
		{"nobody's finger", func(j *protocol.Job) { j.PIN = "" }, "PIN"},
		{"a padded PIN", func(j *protocol.Job) { j.PIN = "0100001" }, "PIN"},
		{"a PIN longer than any", func(j *protocol.Job) { j.PIN = strings.Repeat("1", 25) }, "PIN"},
		{"no terminal", func(j *protocol.Job) { j.Serial = "" }, "serial"},
		{"a serial that is none", func(j *protocol.Job) { j.Serial = "a/b" }, "serial"},
		{"for ever", func(j *protocol.Job) { j.Expires = time.Time{} }, "expires"},
		{"over before it begins", func(j *protocol.Job) { j.Expires = j.NotBefore }, "expires"},
		{"an unknown kind", func(j *protocol.Job) { j.Kind = "explode" }, "explode"},
		{"a cancel needs no PIN", func(j *protocol.Job) { j.Kind, j.PIN = protocol.JobCancel, "" }, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			j := good
			row.change(&j)
			checkSays(t, j.Check(), row.want)
		})
	}
}

func TestProgressCheck(t *testing.T) {
	good := messages(t)["progress"].body.(protocol.Progress)
	for _, row := range []struct {
		name   string
		change func(p *protocol.Progress)
		want   string
	}{
		{"as written", func(p *protocol.Progress) {}, ""},
		{"not begun", func(p *protocol.Progress) { p.Step, p.Good, p.Bad = "", 0, 0 }, ""},
		{"ended without a template", func(p *protocol.Progress) { p.Ended = protocol.EndedNobody }, ""},
		{"of no job", func(p *protocol.Progress) { p.Job = protocol.Seq{} }, "no job"},
		{"of no terminal", func(p *protocol.Progress) { p.Serial = "" }, "serial"},
		{"an unknown step", func(p *protocol.Progress) { p.Step = "danced" }, "danced"},
		{"an unknown ending", func(p *protocol.Progress) { p.Ended = "happily" }, "happily"},
		{"more images than anybody has patience for", func(p *protocol.Progress) { p.Bad = 1001 }, "more"},
		{"less than none", func(p *protocol.Progress) { p.Good = -1 }, "more"},
		{"a novel for a reason", func(p *protocol.Progress) { p.Reason = strings.Repeat("x", 65) }, "more"},
		{"done without a template", func(p *protocol.Progress) { p.Ended = protocol.EndedDone }, "template"},
		{"a template without being done", func(p *protocol.Progress) { p.Digest = fixedHash("template") }, "template"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := good
			row.change(&p)
			checkSays(t, p.Check(), row.want)
		})
	}
}

func TestErrandCheck(t *testing.T) {
	clock := messages(t)["jobs-clock"].body.(protocol.Job)
	for _, row := range []struct {
		name   string
		change func(j *protocol.Job)
		want   string
	}{
		{"as written", func(j *protocol.Job) {}, ""},
		{"read", func(j *protocol.Job) { j.Kind, j.Force = protocol.JobRead, false }, ""},
		{"restart", func(j *protocol.Job) { j.Kind, j.Serial, j.Force = protocol.JobRestart, "", false }, ""},
		{"diagnose", func(j *protocol.Job) { j.Kind, j.Serial, j.Force = protocol.JobDiagnose, "", false }, ""},
		{"a clock of nobody", func(j *protocol.Job) { j.Serial = "" }, "serial"},
		{"a read of nothing", func(j *protocol.Job) { j.Kind, j.Serial = protocol.JobRead, "" }, "serial"},
		{"a restart of a terminal", func(j *protocol.Job) { j.Kind, j.Force = protocol.JobRestart, false }, "of a terminal"},
		{"a read by force", func(j *protocol.Job) { j.Kind = protocol.JobRead }, "forced"},
		{"for a person", func(j *protocol.Job) { j.PIN = "100001" }, "person"},
		{"for later", func(j *protocol.Job) { j.NotBefore = j.Expires.Add(-time.Minute) }, "later"},
		{"for ever", func(j *protocol.Job) { j.Expires = time.Time{} }, "expires"},
	} {
		t.Run(row.name, func(t *testing.T) {
			j := clock
			row.change(&j)
			checkSays(t, j.Check(), row.want)
		})
	}
}

func TestErrandProgressCheck(t *testing.T) {
	good := messages(t)["progress-clock"].body.(protocol.Progress)
	for _, row := range []struct {
		name   string
		change func(p *protocol.Progress)
		want   string
	}{
		{"as written", func(p *protocol.Progress) {}, ""},
		{"of the site", func(p *protocol.Progress) { p.Kind, p.Serial, p.Result = protocol.JobRestart, "", nil }, ""},
		{"of a kind from tomorrow", func(p *protocol.Progress) { p.Kind = "dance" }, ""},
		{"of a kind that is no word", func(p *protocol.Progress) { p.Kind = "Dance!" }, "none"},
		{"of a serial that is none", func(p *protocol.Progress) { p.Serial = "a/b" }, "serial"},
		{"with a finger", func(p *protocol.Progress) { p.Good = 1 }, "captures"},
		{"with a template", func(p *protocol.Progress) { p.Digest = fixedHash("template") }, "captures"},
		{"with a step of a capture", func(p *protocol.Progress) { p.Step = protocol.StepPlaced }, "captures"},
		{"with punches taken back", func(p *protocol.Progress) { p.Result = &protocol.ErrandResult{New: -1} }, "less"},
		{"of no job", func(p *protocol.Progress) { p.Job = protocol.Seq{} }, "no job"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := good
			row.change(&p)
			checkSays(t, p.Check(), row.want)
		})
	}
	diagnosis := messages(t)["diagnosis"].body.(protocol.Diagnosis)
	checkSays(t, diagnosis.Check(), "")
	diagnosis.Job = protocol.Seq{}
	checkSays(t, diagnosis.Check(), "nobody")
}

// The largest progress there is stays small: it is said at every step.
func TestProgressIsSmall(t *testing.T) {
	text, err := json.Marshal(protocol.Progress{Job: protocol.Seq{Life: 1<<64 - 1, Counter: 1<<64 - 1}, Serial: protocol.Serial(strings.Repeat("A", 32)),
		Step: protocol.StepStored, Good: 1000, Bad: 1000, Ended: protocol.EndedDone, Reason: strings.Repeat("x", 64), Digest: fixedHash("template")})
	if err != nil || len(text) > 512 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}
