package enrol

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/admission"
	"github.com/bkpsdmd-babel/sidik/hub/internal/entrance"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Programs gives out the programs of releases.
type Programs interface {
	// Holder is the site of a certificate, if it still counts.
	Holder(ctx context.Context, leaf *x509.Certificate) (protocol.SiteID, error)
	// Program opens a program that the site is to run; ErrNoProgram for any other.
	Program(ctx context.Context, site protocol.SiteID, digest protocol.Hash) (*os.File, error)
}

// ErrNoProgram says that a site is not to run such a program.
var ErrNoProgram = errors.New("no such program for this site")

// Bounds of giving out programs: a site asks for one piece after the other, and slow
// lines take their time.
const (
	programsAtOnce = 32
	programTime    = 4 * time.Minute // for one piece, on a line of 20 kbit/s too
)

// programs is the part of the door that gives out programs.
type programs struct {
	from Programs

	mu   sync.Mutex // guards what follows
	open map[protocol.SiteID]bool
}

// begin takes a site's turn, of which it has one.
func (p *programs) begin(site protocol.SiteID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open[site] || len(p.open) >= programsAtOnce {
		return false
	}
	p.open[site] = true
	return true
}

func (p *programs) end(site protocol.SiteID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, site)
}

// program gives a piece of a program to the site of the certificate by which it comes.
func (d *door) program(w http.ResponseWriter, r *http.Request) {
	from := entrance.Address(r.RemoteAddr)
	if !d.limits.allow(protocol.KindRelease, from, d.o.Now()) {
		d.deny(w, from, protocol.KindRelease, "", &admission.Denied{Code: protocol.DeniedBusy, Cause: "too many refusals"})
		return
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		d.deny(w, from, protocol.KindRelease, "", &admission.Denied{Code: protocol.DeniedKey, Cause: "without a certificate"})
		return
	}
	site, err := d.programs.from.Holder(r.Context(), r.TLS.PeerCertificates[0])
	if err != nil {
		d.deny(w, from, protocol.KindRelease, site, err)
		return
	}
	var digest protocol.Hash
	if err := digest.UnmarshalText([]byte(strings.TrimPrefix(r.URL.Path, protocol.PathRelease))); err != nil {
		http.NotFound(w, r)
		return
	}
	if !d.programs.begin(site) {
		w.Header().Set("Retry-After", "10")
		http.Error(w, "one at a time", http.StatusTooManyRequests)
		return
	}
	defer d.programs.end(site)
	file, err := d.programs.from.Program(r.Context(), site, digest)
	if errors.Is(err, ErrNoProgram) {
		http.NotFound(w, r)
		return
	}
	if err != nil {
		d.deny(w, from, protocol.KindRelease, site, err)
		return
	}
	defer file.Close()
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(programTime)); err != nil {
		d.deny(w, from, protocol.KindRelease, site, err)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, file)
}
