package safe

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// A packed backup is a first line that says what it is, a line with the manifest, and the
// contents of the files in its order, one behind the other.

const (
	header      = "sidik key backup 1\n"
	maxManifest = 256 << 10
)

// ErrForm says that what was packed cannot be read.
var ErrForm = errors.New("it is no backup of a hub's keys, or damaged; take another copy of it")

type manifest struct {
	Made  time.Time        `json:"made"`
	Hub   seal.Fingerprint `json:"hub"`
	Files []entry          `json:"files"`
}

type entry struct {
	Name string `json:"name"`
	Size int    `json:"size"`
	Sum  string `json:"sha256"`
}

func sumOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// Pack writes a backup in the one form that Unpack reads.
func Pack(b Backup) ([]byte, error) {
	m := manifest{Made: b.Made.UTC().Truncate(time.Second), Hub: b.Hub, Files: []entry{}}
	for _, f := range b.Files {
		m.Files = append(m.Files, entry{f.Name, len(f.Content), sumOf(f.Content)})
	}
	line, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("pack keys: %w", err)
	}
	if len(line) > maxManifest {
		return nil, fmt.Errorf("pack keys: %w", ErrLarge)
	}
	packed := append(append([]byte(header), line...), '\n')
	for _, f := range b.Files {
		packed = append(packed, f.Content...)
	}
	return packed, nil
}

// Unpack reads what Pack wrote, and only that. The contents are parts of packed.
func Unpack(packed []byte, n Names) (Backup, error) {
	rest, found := bytes.CutPrefix(packed, []byte(header))
	if !found {
		return Backup{}, ErrForm
	}
	end := bytes.IndexByte(rest[:min(len(rest), maxManifest+1)], '\n')
	if end < 0 {
		return Backup{}, ErrForm
	}
	var m manifest
	if err := json.Unmarshal(rest[:end], &m); err != nil || len(m.Files) > maxFiles {
		return Backup{}, ErrForm
	}
	if _, err := seal.ParseFingerprint(string(m.Hub)); err != nil {
		return Backup{}, ErrForm
	}
	b := Backup{Made: m.Made, Hub: m.Hub}
	body := rest[end+1:]
	for i, e := range m.Files {
		inOrder := i == 0 || e.Name == n.List || e.Name > m.Files[i-1].Name
		last := e.Name != n.List || i == len(m.Files)-1
		if !n.has(e.Name) || !inOrder || !last || e.Size < 0 || e.Size > len(body) {
			return Backup{}, ErrForm
		}
		b.Files = append(b.Files, File{e.Name, body[:e.Size:e.Size]})
		body = body[e.Size:]
	}
	again, err := Pack(b)
	if err != nil || !bytes.Equal(again, packed) { // the sums too, and nothing is left over
		return Backup{}, ErrForm
	}
	return b, nil
}
