package site

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/durable"
	"github.com/bkpsdmd-babel/sidik/provision/internal/hubapi"
)

// progressFile is in the folder of kits: a line for each that is whole.
const progressFile = "progress.jsonl"

// written is one kit that was written.
type written struct {
	Site      protocol.SiteID   `json:"site"`
	Terminals []protocol.Serial `json:"terminals"`
	Until     time.Time         `json:"until"`
}

// progress is which kits of a folder are written. A line that a power cut left is none.
type progress struct {
	dir  string
	kits map[protocol.SiteID]written
	file *os.File
}

func openProgress(dir string) (*progress, error) {
	p := &progress{dir: dir, kits: map[protocol.SiteID]written{}}
	f, err := os.OpenFile(filepath.Join(dir, progressFile), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open progress: %w", err)
	}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var w written
		if json.Unmarshal(lines.Bytes(), &w) == nil {
			p.kits[w.Site] = w
		}
	}
	err = lines.Err()
	if err == nil {
		_, err = f.WriteString("\n") // ends what a power cut may have left
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open progress: %w", err), f.Close())
	}
	p.file = f
	return p, durable.SyncFolder(dir)
}

func (p *progress) close() error { return p.file.Close() }

// done tells whether the kit of a site is there, tells of its terminals, and holds the
// code that is open at the hub.
func (p *progress) done(s hubapi.Site) bool {
	w := p.kits[s.Site]
	if s.Standing != hubapi.Expected || !s.Code.Equal(w.Until) || !slices.Equal(w.Terminals, s.Terminals) {
		return false
	}
	_, err := os.Stat(filepath.Join(p.dir, string(s.Site)))
	return err == nil
}

// note writes down that a kit is whole.
func (p *progress) note(s hubapi.Site, until time.Time) error {
	w := written{s.Site, s.Terminals, until}
	line, err := json.Marshal(w)
	if err == nil {
		_, err = p.file.Write(append(line, '\n'))
	}
	if err == nil {
		err = p.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("write progress: %w", err)
	}
	p.kits[s.Site] = w
	return nil
}
