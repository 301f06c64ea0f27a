package hub

import (
	"context"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/ingest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/job"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// templates is the vault as dispatch and ingest see it, and the jobs that know whose a
// captured template is.
type templates struct {
	vault    *vault.Vault
	jobs     *job.Jobs
	register *directory.Directory
}

// Templates opens templates for a site, by digest. The same bytes of two employees
// are one template here: whose they are, the roster says.
func (t templates) Templates(ctx context.Context, who, why string, digests ...protocol.Hash) (map[protocol.Hash][]byte, error) {
	var refs []vault.Ref
	for _, digest := range digests {
		held, err := t.vault.ByDigest(ctx, digest)
		if err != nil {
			return nil, err
		}
		if len(held) > 0 {
			refs = append(refs, held[0].Ref)
		}
	}
	opened, err := t.vault.Get(ctx, vault.By{Who: who, Why: why}, refs...)
	if err != nil {
		return nil, err
	}
	plain := map[protocol.Hash][]byte{}
	for _, o := range opened {
		plain[o.Digest] = o.Plain.Bytes()
	}
	return plain, nil
}

// Found keeps templates that a terminal held: what belongs to a job as its employee's
// own, all else until a named person says whose it is.
func (t templates) Found(ctx context.Context, site protocol.SiteID, serial protocol.Serial, at time.Time, list []ingest.Template) error {
	kind, err := t.kind(ctx, site, serial, at)
	if err != nil {
		return err
	}
	finds := make([]vault.Find, 0, len(list))
	for _, l := range list {
		if l.Job != (protocol.Seq{}) {
			ours, err := t.captured(ctx, site, serial, at, l)
			if err != nil {
				return err
			}
			if ours {
				continue
			}
		}
		finds = append(finds, vault.Find{
			Found: vault.Found{Kind: kind, Site: site, Serial: serial, PIN: protocol.NormalPIN(l.PIN), Finger: l.Finger, Algorithm: l.Algorithm, Digest: l.Digest},
			Plain: vault.NewPlain(l.Data),
		})
	}
	if len(finds) == 0 {
		return nil
	}
	return t.vault.Find(ctx, vault.By{Who: "site " + string(site), Why: "held by terminal " + string(serial)}, finds...)
}

// kind is what templates of a terminal are that belong to no job: where fingers are
// recorded they were asked for; elsewhere they are copies of what was deleted.
func (t templates) kind(ctx context.Context, site protocol.SiteID, serial protocol.Serial, at time.Time) (vault.Kind, error) {
	reg, err := t.register.Register(ctx)
	if err != nil {
		return "", err
	}
	terminal, found := reg.TerminalBy(site, serial)
	if found && terminal.On(directory.TerminalEnrolment, roster.DateOf(at)) == "yes" {
		return vault.KindFound, nil
	}
	return vault.KindCopy, nil
}

// captured keeps a template as the best copy of its employee's finger, if it belongs to
// the job that it names. Coming again, it changes nothing.
func (t templates) captured(ctx context.Context, site protocol.SiteID, serial protocol.Serial, at time.Time, l ingest.Template) (ours bool, err error) {
	j, ours, err := t.jobs.Whose(ctx, job.Capture{Site: site, Serial: serial, Number: l.Job, PIN: l.PIN, Finger: l.Finger, Digest: l.Digest}, at)
	if err != nil || !ours {
		return false, err
	}
	if j.Digest.IsZero() { // else the vault has it, and somebody may have marked another as the best since
		err = t.vault.Put(ctx, vault.By{Who: "site " + string(site), Why: fmt.Sprintf("captured by job %d, ordered by %s", j.ID, j.OrderedBy)},
			vault.Template{
				Held: vault.Held{
					Ref:    vault.Ref{Employee: int64(j.Employee), Finger: l.Finger, Algorithm: l.Algorithm, Digest: l.Digest},
					Origin: vault.Origin{Kind: vault.OriginCaptured, Site: site, Serial: serial, Job: j.ID}.String(), Captured: at, Best: true,
				},
				Plain: vault.NewPlain(l.Data),
			})
	}
	if err == nil {
		err = t.jobs.Landed(ctx, j.ID, l.Digest, at)
	}
	return true, err
}
