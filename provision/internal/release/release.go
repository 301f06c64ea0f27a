// Package release signs what agents may run. The release key is kept as the root key is:
// on a stick, under a passphrase, and never on a hub.
//
// It knows programs as files, and what is signed of them. It must not know hubs or sites:
// the folder that it writes into is carried to the hub.
//
// Beware: whoever has this key and its passphrase decides what runs in every office, as
// long as the root vouches for it.
package release

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/durable"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/provision/internal/keyfile"
)

// manifestFile lies beside the programs of a release.
const manifestFile = "release.json"

// PublicName is where the public half of a release key is: beside its file.
func PublicName(path string) string { return path + ".pub" }

// MakeKey makes a release key in a file, and writes its public half beside it, for the
// root to vouch for.
func MakeKey(path, passphrase string) (seal.PublicKey, error) {
	key, err := keyfile.Make(passphrase)
	if err == nil {
		err = keyfile.Free(path)
	}
	if err == nil {
		err = durable.Write(PublicName(path), []byte(key.Public().String()+"\n"))
	}
	if err == nil {
		err = keyfile.Write(path, key, passphrase)
	}
	if err != nil {
		return seal.PublicKey{}, fmt.Errorf("make release key: %w", err)
	}
	return key.Public(), nil
}

// Errors that say what is wrong with a release.
var (
	ErrProgram = errors.New("not a program for Linux on amd64, arm64 or 32-bit ARM; build it with: make dist")
	ErrDigest  = errors.New("its programs are not those that were signed")
	ErrVersion = errors.New("the program does not carry this version; build it from the tag, with: make dist")
)

// Sign writes release.json beside the programs, which are the agent for several
// processors in one folder.
func Sign(version protocol.Edition, built time.Time, key seal.SigningKey, programs []string) (path string, m protocol.Manifest, err error) {
	m = protocol.Manifest{Version: version, Built: built.UTC().Truncate(time.Second)}
	if len(programs) == 0 {
		return "", m, errors.New("sign release: no program is named")
	}
	folder := filepath.Dir(programs[0])
	for _, program := range programs {
		if filepath.Dir(program) != folder {
			return "", m, fmt.Errorf("sign release: %s and %s are not in one folder", programs[0], program)
		}
		f, err := look(program, version)
		if err != nil {
			return "", m, fmt.Errorf("sign release: %w", err)
		}
		m.Files = append(m.Files, f)
	}
	signed, err := protocol.SignManifest(m, key)
	if err != nil {
		return "", m, fmt.Errorf("sign release: %w", err)
	}
	text, err := signed.Append(nil)
	if err != nil {
		return "", m, err
	}
	path = filepath.Join(folder, manifestFile)
	if err := durable.Write(path, text); err != nil {
		return "", m, fmt.Errorf("write release: %w", err)
	}
	return path, m, nil
}

// look reads of a program what a manifest says of it. A program that says another version
// of itself could never prove that it runs: the version must stand in it.
func look(path string, version protocol.Edition) (f protocol.ReleaseFile, err error) {
	text, err := read(path)
	if err != nil {
		return f, err
	}
	if f.Arch, err = arch(text); err != nil {
		return f, fmt.Errorf("%s: %w", path, err)
	}
	if !bytes.Contains(text, []byte(version.String())) {
		return f, fmt.Errorf("%s: %w", path, ErrVersion)
	}
	f.Size, f.SHA256 = int64(len(text)), sha256.Sum256(text)
	return f, nil
}

// read reads a program, no larger than one can be.
func read(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, protocol.MaxProgram+1))
	if err != nil {
		return nil, err
	}
	if len(text) > protocol.MaxProgram {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, protocol.MaxProgram)
	}
	return text, nil
}

// arch reads the head of a program.
func arch(text []byte) (protocol.Arch, error) {
	head, err := elf.NewFile(bytes.NewReader(text))
	if err != nil || head.Type != elf.ET_EXEC && head.Type != elf.ET_DYN {
		return "", ErrProgram
	}
	switch head.Machine {
	case elf.EM_X86_64:
		return protocol.ArchAMD64, nil
	case elf.EM_AARCH64:
		return protocol.ArchARM64, nil
	case elf.EM_ARM:
		return protocol.ArchARMv6, nil
	}
	return "", ErrProgram
}

// Check reads the release in a folder. keys may sign it; with none the signature is not
// looked at. Each program of the manifest must be there, under whichever name.
func Check(folder string, keys []seal.PublicKey) (m protocol.Manifest, err error) {
	text, err := os.ReadFile(filepath.Join(folder, manifestFile))
	if err != nil {
		return m, fmt.Errorf("read release: %w", err)
	}
	signed, err := protocol.ParseSignedManifest(text)
	if err != nil {
		return m, err
	}
	if len(keys) > 0 {
		m, err = signed.Open(keys)
	} else {
		m, err = protocol.ParseManifest(signed.Manifest)
	}
	if err != nil {
		return protocol.Manifest{}, err
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return m, fmt.Errorf("read release: %w", err)
	}
	here := map[protocol.Hash]bool{}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		text, err := read(filepath.Join(folder, e.Name()))
		if err != nil {
			return m, fmt.Errorf("read release: %w", err)
		}
		here[sha256.Sum256(text)] = true
	}
	for _, f := range m.Files {
		if !here[f.SHA256] {
			return m, fmt.Errorf("release %s for %s: %w", m.Version, f.Arch, ErrDigest)
		}
	}
	return m, nil
}
