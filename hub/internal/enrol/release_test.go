package enrol_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/enrol"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
)

const agentProgram = "the program of a release"

func (p *place) Holder(ctx context.Context, leaf *x509.Certificate) (protocol.SiteID, error) {
	s, err := p.Admissions.Holder(ctx, leaf)
	return protocol.SiteID(s.Name), err
}

func (p *place) Program(_ context.Context, site protocol.SiteID, digest protocol.Hash) (*os.File, error) {
	if site != samsat || digest != sha256.Sum256([]byte(agentProgram)) {
		return nil, enrol.ErrNoProgram
	}
	return os.Open(p.program)
}

// download asks for a program as the holder of a certificate, or as nobody.
func (p *place) download(certificate *tls.Certificate, digest protocol.Hash, piece string) (int, string) {
	p.t.Helper()
	config := p.document.Client(trust.RoleAgents, func() (time.Time, bool) { return time.Now(), true })
	if certificate != nil {
		config.Certificates = []tls.Certificate{*certificate}
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: config}}
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.url+protocol.PathRelease+digest.String(), nil)
	p.must(err)
	if piece != "" {
		request.Header.Set("Range", piece)
	}
	answer, err := client.Do(request)
	p.must(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	p.must(err)
	return answer.StatusCode, string(text)
}

// enter lets a machine in by a code and returns its certificate.
func (p *place) enter(m *machine) *tls.Certificate {
	p.t.Helper()
	status, answer := p.post("127.0.0.1", protocol.PathClaim, bytes.NewReader(m.claim(p, samsat, p.code())))
	if status != http.StatusOK {
		p.t.Fatalf("claim: %d %s", status, answer)
	}
	e, err := protocol.Parse("", answer)
	p.must(err)
	var g protocol.Grant
	p.must(e.Into(&g))
	return &tls.Certificate{Certificate: [][]byte{g.Certificate}, PrivateKey: m.own}
}

// A site gets the program that it is to run, in pieces, by a certificate that counts.
func TestProgramsAreForTheirSite(t *testing.T) {
	p := newPlace(t)
	p.program = filepath.Join(t.TempDir(), "program")
	p.must(os.WriteFile(p.program, []byte(agentProgram), 0o600))
	digest, other := protocol.Hash(sha256.Sum256([]byte(agentProgram))), protocol.Hash(sha256.Sum256([]byte("another")))
	certificate := p.enter(newMachine(t))
	if status, text := p.download(certificate, digest, ""); status != http.StatusOK || text != agentProgram {
		t.Errorf("whole: %d %q", status, text)
	}
	if status, text := p.download(certificate, digest, "bytes=4-10"); status != http.StatusPartialContent || text != agentProgram[4:11] {
		t.Errorf("a piece: %d %q", status, text)
	}
	if status, _ := p.download(certificate, other, ""); status != http.StatusNotFound {
		t.Errorf("another program: %d", status)
	}
	if status, text := p.download(nil, digest, ""); status != http.StatusForbidden || denial(t, []byte(text)) != protocol.DeniedKey {
		t.Errorf("without a certificate: %d %q", status, text)
	}
	replaced := p.enter(newMachine(t)) // from now on the first machine is nobody
	if status, text := p.download(certificate, digest, ""); status != http.StatusForbidden || denial(t, []byte(text)) != protocol.DeniedKey {
		t.Errorf("by the certificate of a machine that was replaced: %d %q", status, text)
	}
	if status, _ := p.download(replaced, digest, ""); status != http.StatusOK {
		t.Errorf("by the new one: %d", status)
	}
	for range 30 { // whoever goes on asking without right is not answered at all
		p.download(nil, digest, "")
	}
	if status, _ := p.download(nil, digest, ""); status != http.StatusTooManyRequests {
		t.Errorf("a stranger who goes on: %d", status)
	}
	if lines := p.log.refusals(t); len(lines) == 0 || len(lines) > 10 {
		t.Errorf("the log has %d refusals", len(lines))
	}
}
