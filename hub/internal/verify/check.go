package verify

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// maxEvidence bounds what Check reads: far above a site's busiest month.
const maxEvidence = 1 << 30

// ErrEvidence says that a file is no evidence, or not as it was handed out.
var ErrEvidence = errors.New("the evidence does not hold")

// Trusted are the keys that an auditor trusts, known from elsewhere.
type Trusted struct {
	Hub    seal.Fingerprint
	Agents []seal.Fingerprint
}

// Check computes everything in a file of evidence again, with public keys alone,
// and returns what it proves. Whatever differs in a single byte is ErrEvidence.
func Check(from io.Reader, trusted Trusted) (Manifest, error) {
	m, err := check(from, trusted)
	if err != nil {
		return Manifest{}, fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	return m, nil
}

func check(from io.Reader, trusted Trusted) (m Manifest, err error) {
	whole, err := io.ReadAll(io.LimitReader(from, maxEvidence+1))
	if err != nil {
		return m, err
	}
	if len(whole) > maxEvidence {
		return m, errors.New("the file is larger than any evidence")
	}
	content, err := unpack(whole)
	if err != nil {
		return m, err
	}
	text := content[fileManifest]
	if m, err = readManifest(text, content[fileSignature], trusted); err != nil {
		return m, err
	}
	for _, name := range []string{fileReadme, fileSegments, filePunches} {
		if digest(content[name]) != m.Files[name] {
			return m, fmt.Errorf("%s is not the file that the hub signed", name)
		}
	}
	span, err := parseMonth(m.Month)
	if err != nil {
		return m, err
	}
	r := newReading(span, m.Site, m.keys, m.Terminals)
	for text := range bytes.Lines(content[fileSegments]) {
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return m, fmt.Errorf("%s: %w", fileSegments, err)
		}
		if err := r.take(l); err != nil {
			return m, fmt.Errorf("%s: %w", fileSegments, err)
		}
	}
	for id := range r.used {
		key, _ := m.keys(m.Site, id)
		if !slices.Contains(trusted.Agents, key.Fingerprint()) {
			return m, fmt.Errorf("the agent's key %s is not among the trusted ones", key.Fingerprint())
		}
	}
	if !slices.Equal(r.chains, m.Chains) {
		return m, errors.New("the chains are not those in the manifest")
	}
	if !bytes.Equal(r.list(), content[filePunches]) || r.punches != m.Punches {
		return m, fmt.Errorf("%s does not follow from the segments", filePunches)
	}
	return m, nil
}

// unpack reads the archive, and holds that it is the only one with these files.
func unpack(whole []byte) (map[string][]byte, error) {
	content := map[string][]byte{}
	var files []file
	t := tar.NewReader(bytes.NewReader(whole))
	for {
		header, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		f := file{name: header.Name}
		if f.content, err = io.ReadAll(t); err != nil {
			return nil, err
		}
		files = append(files, f)
		content[f.name] = f.content
	}
	var names []string
	for _, f := range files {
		names = append(names, f.name)
	}
	if want := []string{fileReadme, fileSegments, filePunches, fileManifest, fileSignature}; !slices.Equal(names, want) {
		return nil, fmt.Errorf("it holds the files %q, want %q", names, want)
	}
	var again bytes.Buffer
	if err := pack(&again, files); err != nil {
		return nil, err
	}
	if !bytes.Equal(again.Bytes(), whole) {
		return nil, errors.New("the archive was not written by this program")
	}
	return content, nil
}

// readManifest reads the manifest, once it is clear that the trusted hub signed it.
func readManifest(text, signature []byte, trusted Trusted) (m Manifest, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, fmt.Errorf("%s: %w", fileManifest, err)
	}
	switch {
	case m.Version != protocol.Version:
		return m, fmt.Errorf("version %d, this program knows %d", m.Version, protocol.Version)
	case m.Hub.Fingerprint() != trusted.Hub:
		return m, fmt.Errorf("the hub's key %s is not the trusted one", m.Hub.Fingerprint())
	case !m.Hub.Verify(signedManifest(text), signature):
		return m, errors.New("the hub has not signed this manifest")
	}
	return m, nil
}
