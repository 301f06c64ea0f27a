package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// PathRelease is where the hub's listener for agents has the programs of releases: GET
// with the digest behind it, by the site's certificate, in ranges.
const PathRelease = "/v1/release/"

// Manifest says of which programs a release consists. It is what the release key signs:
// a program counts by its digest in here, whoever carried it.
type Manifest struct {
	Version Edition       `json:"version"`
	Built   time.Time     `json:"built"`
	Files   []ReleaseFile `json:"files"` // one for each processor
}

// ReleaseFile is the agent's program for one processor.
type ReleaseFile struct {
	Arch   Arch  `json:"arch"`
	Size   int64 `json:"size"`
	SHA256 Hash  `json:"sha256"`
}

// Arch is a kind of processor for which there are programs.
type Arch string

// The processors on which agents run.
const (
	ArchAMD64 Arch = "amd64"
	ArchARM64 Arch = "arm64"
	ArchARMv6 Arch = "armv6" // of 32 bits, from a Raspberry Pi Zero on
)

// ArchOf is the processor by its name in Go; empty for one without releases.
func ArchOf(goarch string) Arch {
	switch goarch {
	case "amd64", "arm64":
		return Arch(goarch)
	case "arm":
		return ArchARMv6
	}
	return ""
}

// Bounds of a release.
const (
	MaxManifest = 16 << 10 // a signed one, in bytes
	MaxProgram  = 64 << 20
)

// For finds the program for a processor.
func (m Manifest) For(a Arch) (ReleaseFile, bool) {
	for _, f := range m.Files {
		if f.Arch == a {
			return f, true
		}
	}
	return ReleaseFile{}, false
}

// Check reports a manifest that cannot be one.
func (m Manifest) Check() error {
	if m.Version == (Edition{}) || m.Built.IsZero() || len(m.Files) == 0 {
		return errors.New("manifest without a version, a time or a program")
	}
	if !m.Built.Equal(m.Built.Truncate(time.Second)) || m.Built.Location() != time.UTC {
		return errors.New("manifest whose time is not in whole seconds of UTC")
	}
	seen := map[Arch]bool{}
	for _, f := range m.Files {
		switch f.Arch {
		case ArchAMD64, ArchARM64, ArchARMv6:
		default:
			return fmt.Errorf("manifest with a program for %q", f.Arch)
		}
		if seen[f.Arch] || f.Size < 1 || f.Size > MaxProgram || f.SHA256.IsZero() {
			return fmt.Errorf("manifest with two programs for %s, or one that is empty or larger than %d bytes", f.Arch, MaxProgram)
		}
		seen[f.Arch] = true
	}
	return nil
}

// SignedManifest is a manifest in the very bytes that were signed.
type SignedManifest struct {
	Manifest json.RawMessage `json:"manifest"`
	Sig      []byte          `json:"sig"`
}

// signedRelease are the bytes under the signature: no signature over anything else of
// ours can be taken for one over a release.
func signedRelease(manifest []byte) []byte { return append([]byte("sidik/v1/release\n"), manifest...) }

// SignManifest writes a manifest and signs it with the release key.
func SignManifest(m Manifest, key seal.SigningKey) (SignedManifest, error) {
	if err := m.Check(); err != nil {
		return SignedManifest{}, err
	}
	text, err := compact(m)
	if err != nil {
		return SignedManifest{}, fmt.Errorf("write manifest: %w", err)
	}
	return SignedManifest{text, key.Sign(signedRelease(text))}, nil
}

// ErrReleaseKey says that no release key that the agency's root vouches for has signed.
var ErrReleaseKey = errors.New("the release is not signed by a release key that the agency's root vouches for")

// Open reads the manifest if one of the keys, those of the keys document, has signed it.
func (s SignedManifest) Open(keys []seal.PublicKey) (Manifest, error) {
	for _, k := range keys {
		if k.Verify(signedRelease(s.Manifest), s.Sig) {
			return ParseManifest(s.Manifest)
		}
	}
	return Manifest{}, ErrReleaseKey
}

// ParseManifest reads a manifest whose signature was checked, or that is only shown. It
// has one form.
func ParseManifest(text []byte) (m Manifest, err error) {
	if len(text) > MaxManifest {
		return m, fmt.Errorf("manifest of %d bytes, the limit is %d", len(text), MaxManifest)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err = d.Decode(&m)
	if err == nil {
		err = m.Check()
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("read manifest: %w", err)
	}
	if again, err := compact(m); err != nil || !bytes.Equal(again, text) {
		return Manifest{}, errors.New("read manifest: it is not in the form in which manifests are written")
	}
	return m, nil
}

// ParseSignedManifest reads the file that lies beside the programs of a release.
func ParseSignedManifest(text []byte) (s SignedManifest, err error) {
	if len(text) > MaxManifest {
		return s, fmt.Errorf("signed manifest of %d bytes, the limit is %d", len(text), MaxManifest)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return SignedManifest{}, fmt.Errorf("read signed manifest: %w", err)
	}
	return s, nil
}

// Append writes the file that ParseSignedManifest reads.
func (s SignedManifest) Append(dst []byte) ([]byte, error) {
	text, err := compact(s)
	return append(append(dst, text...), '\n'), err
}

// Release is the body of a release message: what a site is to run. Its order is that of
// the envelope, and the newest counts.
type Release struct {
	SignedManifest
	// Downgrade lets the site run a version below its present one. Whoever orders it has
	// said so.
	Downgrade bool `json:"downgrade"`
}

// Check reports an order of nothing.
func (r Release) Check() error {
	if len(r.Manifest) == 0 || len(r.Manifest) > MaxManifest || len(r.Sig) == 0 || len(r.Sig) > 64 {
		return errors.New("release without a manifest and its signature")
	}
	return nil
}

// ReleaseState is what an agent says of the newest order that it has not carried out:
// how far it is, or why it will not. A version that runs and has proven itself is
// State.Version.
type ReleaseState struct {
	Version string       `json:"version"`
	Order   Seq          `json:"order"`
	Stage   ReleaseStage `json:"stage"`
	Reason  string       `json:"reason,omitempty"` // why it was refused; its sentence is "release.refused-" + reason
}

// ReleaseStage is how far an agent is with a release.
type ReleaseStage string

// The stages. Refused is the end of an order: the site runs what it ran before.
const (
	ReleaseFetching ReleaseStage = "fetching"
	ReleaseTrying   ReleaseStage = "trying" // it runs, and has not proven itself yet
	ReleaseRunning  ReleaseStage = "running"
	ReleaseRefused  ReleaseStage = "refused"
)

// Check reports a state that no release can have.
func (r ReleaseState) Check() error {
	switch r.Stage {
	case ReleaseFetching, ReleaseTrying, ReleaseRunning, ReleaseRefused:
	default:
		return fmt.Errorf("unknown stage of a release %q", r.Stage)
	}
	if len(r.Version) > maxVersion || len(r.Reason) > maxReason {
		return errors.New("state of a release with more than it can say")
	}
	return nil
}
