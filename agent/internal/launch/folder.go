package launch

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/durable"
)

// folderName is where the programs are, in the data folder; planFile is in it.
const (
	folderName = "versions"
	planFile   = "plan.json"
)

// Folder is where the programs of releases are, with the plan.
type Folder struct{ path string }

// In is the folder of a data folder.
func In(data string) Folder { return Folder{filepath.Join(data, folderName)} }

// Path is where something in the folder is.
func (f Folder) Path(name string) string { return filepath.Join(f.path, name) }

// Program is where a program is, or will be.
func (f Folder) Program(digest protocol.Hash) string { return f.Path(digest.String()) }

// maxPlan is far above the size of the largest plan.
const maxPlan = 64 << 10

// Plan reads the plan. That there is none is no error.
func (f Folder) Plan() (p Plan, err error) {
	file, err := os.Open(f.Path(planFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Plan{}, nil
	}
	if err != nil {
		return Plan{}, fmt.Errorf("read plan of programs: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxPlan))
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		err = d.Decode(&p)
	}
	if err != nil {
		return Plan{}, fmt.Errorf("read plan of programs: %w", err)
	}
	return p, nil
}

// Keep writes the plan. It is on disk when this returns.
func (f Folder) Keep(p Plan) error {
	text, err := json.Marshal(p)
	if err == nil {
		err = os.MkdirAll(f.path, 0o700)
	}
	if err == nil {
		err = durable.Write(f.Path(planFile), append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("keep plan of programs: %w", err)
	}
	return nil
}

// setAside puts a plan away that cannot be read, for a person to look at.
func (f Folder) setAside() error { return durable.SetAside(f.Path(planFile)) }

// ErrProgram says that a file is not the program that its name says.
var ErrProgram = errors.New("the program's file is damaged")

// Fit reports what is wrong with a program's file.
func (f Folder) Fit(p Program) error {
	got, err := digest(f.Program(p.SHA256))
	if err != nil {
		return err
	}
	if got != p.SHA256 {
		return fmt.Errorf("%s: %w", f.Program(p.SHA256), ErrProgram)
	}
	return nil
}

func digest(path string) (sum protocol.Hash, err error) {
	file, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(file, protocol.MaxProgram+1)); err != nil {
		return sum, err
	}
	return protocol.Hash(h.Sum(nil)), nil
}

// Clean removes what no plan needs: programs of before, and pieces that were never made
// whole, but for the digests that are named. What was set aside stays.
func (f Folder) Clean(p Plan, wanted ...protocol.Hash) error {
	entries, err := os.ReadDir(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("clean folder of programs: %w", err)
	}
	for _, program := range []*Program{p.Current, p.Trying} {
		if program != nil {
			wanted = append(wanted, program.SHA256)
		}
	}
	stays := map[string]bool{}
	for _, w := range wanted {
		stays[w.String()], stays[w.String()+PartSuffix] = true, true
	}
	for _, e := range entries {
		name := e.Name()
		var sum protocol.Hash
		if base := name[:min(len(name), 2*sha256.Size)]; stays[name] || sum.UnmarshalText([]byte(base)) != nil {
			continue
		}
		if err := os.Remove(f.Path(name)); err != nil {
			return fmt.Errorf("clean folder of programs: %w", err)
		}
	}
	return nil
}

// PartSuffix is behind the name of a program that is not whole yet.
const PartSuffix = ".part"

// Install makes a whole program of its pieces: it has its name only when every byte of it
// is on disk and is what was signed. A damaged one is removed.
func (f Folder) Install(sum protocol.Hash) error {
	part := f.Program(sum) + PartSuffix
	got, err := digest(part)
	if err != nil {
		return fmt.Errorf("install program: %w", err)
	}
	if got != sum {
		return errors.Join(fmt.Errorf("install program: %w", ErrProgram), os.Remove(part))
	}
	if err := os.Chmod(part, 0o700); err != nil {
		return fmt.Errorf("install program: %w", err)
	}
	file, err := os.Open(part)
	if err != nil {
		return fmt.Errorf("install program: %w", err)
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("install program: %w", err)
	}
	if err := os.Rename(part, f.Program(sum)); err != nil {
		return fmt.Errorf("install program: %w", err)
	}
	return durable.SyncFolder(f.path)
}
