package outbox_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/bkpsdmd-babel/sidik/agent/internal/outbox"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

const site protocol.SiteID = "bkpsdmd"

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dir string, changed func()) *outbox.Outbox {
	t.Helper()
	o, err := outbox.Open(outbox.Options{Site: site, Dir: dir, Changed: changed})
	ok(t, err)
	return o
}

func hubKey(t testing.TB) seal.SealingKey {
	t.Helper()
	key, err := seal.GenerateSealingKey()
	ok(t, err)
	return key
}

// sealed is a template that can be kept.
func sealed(t testing.TB, o *outbox.Outbox, template string, job protocol.Seq) protocol.SealedTemplate {
	t.Helper()
	item, err := o.Seal("T1", protocol.SealedTemplate{PIN: "100001", Finger: 1, Algorithm: 10,
		Digest: sha256.Sum256([]byte(template)), Job: job}, []byte(template))
	ok(t, err)
	return item
}

// drain takes everything out.
func drain(o *outbox.Outbox) (all []any) {
	for {
		_, body, found := o.Next()
		if !found {
			return all
		}
		all = append(all, body)
	}
}

func TestOfEachKindTheNewestIsTold(t *testing.T) {
	o := open(t, t.TempDir(), func() {})
	job := func(n uint64) protocol.Seq { return protocol.Seq{Life: 1, Counter: n} }
	o.Progress(protocol.Progress{Job: job(1), Serial: "T1", Step: protocol.StepAsked})
	o.Progress(protocol.Progress{Job: job(2), Serial: "T1", Step: protocol.StepBegun})
	o.Progress(protocol.Progress{Job: job(1), Serial: "T1", Step: protocol.StepStored})
	o.Results(protocol.Results{Serial: "T1", State: protocol.StandingFailed, Outcomes: []protocol.Outcome{{PIN: "1"}}})
	o.Results(protocol.Results{Serial: "T1", State: protocol.StandingEqual, Outcomes: []protocol.Outcome{{PIN: "2"}}})
	for range 3 {
		o.Results(protocol.Results{Serial: "T2", Outcomes: make([]protocol.Outcome, outbox.MaxTold)})
	}
	select {
	case <-o.Outgoing():
	default:
		t.Fatal("nobody is told that there is something")
	}
	topic, first, _ := o.Next()
	if topic.Site != site || topic.Kind != protocol.KindProgress || first.(protocol.Progress).Step != protocol.StepStored {
		t.Errorf("first %+v on %s", first, topic)
	}
	rest := drain(o)
	if len(rest) != 3 || rest[0].(protocol.Progress).Job != job(2) {
		t.Fatalf("then %+v", rest)
	}
	if r := rest[1].(protocol.Results); r.State != protocol.StandingEqual || len(r.Outcomes) != 2 || r.Outcomes[0].PIN != "1" {
		t.Errorf("results %+v: the newest, with every change that was not told yet", r)
	}
	if r := rest[2].(protocol.Results); len(r.Outcomes) != outbox.MaxTold {
		t.Errorf("%d outcomes in one message", len(r.Outcomes))
	}
}

func TestTemplateIsKeptUntilTheHubHasIt(t *testing.T) {
	dir, told := t.TempDir(), 0
	o := open(t, dir, func() { told++ })
	if _, err := o.Seal("T1", protocol.SealedTemplate{}, nil); !errors.Is(err, outbox.ErrNoKey) {
		t.Errorf("sealed without a key: %v", err)
	}
	hub := hubKey(t)
	if !o.SetKey(hub.Public()) || o.SetKey(hub.Public()) {
		t.Error("SetKey does not tell a new key from the same")
	}
	job := protocol.Seq{Life: 3, Counter: 12}
	item := sealed(t, o, "template", protocol.Seq{})
	ok(t, o.Keep("T1", item))
	ok(t, o.Keep("T1", sealed(t, o, "template", job))) // then it turns out to be a job's
	ok(t, o.Keep("T1", sealed(t, o, "template", protocol.Seq{})))
	ok(t, os.WriteFile(filepath.Join(dir, "copies", "half.copy.new"), []byte("{"), 0o600)) // a power cut
	o = open(t, dir, func() { told++ })
	if !o.Keeps(item.Digest) {
		t.Fatal("after a restart it is gone")
	}
	o.Again()
	o.Again()
	all := drain(o)
	if len(all) != 1 || len(all[0].(protocol.Templates).Items) != 1 {
		t.Fatalf("told %+v", all)
	}
	got := all[0].(protocol.Templates).Items[0]
	template, err := hub.Open(protocol.TemplatePurpose(protocol.KindTemplatesUp, site, "T1", got.PIN, got.Finger, got.Algorithm, got.Digest), got.Box)
	if err != nil || string(template) != "template" || got.Job != job {
		t.Errorf("the hub opens %q of job %s, %v", template, got.Job, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "copies", item.Digest.String()+".copy"))
	if err != nil || bytes.Contains(text, []byte("template\"")) && bytes.Contains(text, []byte("dGVtcGxhdGU")) {
		t.Errorf("on disk it is readable, or not there: %v", err)
	}
	ok(t, o.Confirm([]protocol.Hash{item.Digest, {1}}))
	ok(t, o.Confirm(nil))
	if o.Keeps(item.Digest) || told != 2 {
		t.Errorf("kept after the confirmation: %t; told %d times, want for the key and the confirmation", o.Keeps(item.Digest), told)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "copies", "*.copy")); len(left) != 0 {
		t.Errorf("left on disk: %v", left)
	}
}

func TestManyTemplatesGoInMessagesThatFit(t *testing.T) {
	o := open(t, t.TempDir(), func() {})
	items := make([]protocol.SealedTemplate, 2*protocol.MaxTemplates+1)
	for i := range items {
		items[i] = protocol.SealedTemplate{PIN: "100001", Digest: protocol.Hash{byte(i), 1}}
	}
	o.Pulled("T1", items[:1])
	o.Pulled("T1", items[1:])
	var sizes []int
	for _, body := range drain(o) {
		sizes = append(sizes, len(body.(protocol.Templates).Items))
	}
	if !slices.Equal(sizes, []int{1, protocol.MaxTemplates, protocol.MaxTemplates}) {
		t.Errorf("messages of %v templates", sizes)
	}
}
