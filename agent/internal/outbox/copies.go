package outbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/durable"
)

// copies are templates that a terminal is about to lose, or that were captured, sealed
// to the hub and on disk until the hub says that it has them. Nobody here can open them.
type copies struct {
	dir     string
	damaged int // files that were set aside
	mu      sync.Mutex
	all     map[protocol.Hash]sealedCopy
}

// sealedCopy is one file of the folder.
type sealedCopy struct {
	Serial protocol.Serial         `json:"serial"`
	Item   protocol.SealedTemplate `json:"item"`
}

const copySuffix = ".copy"

func openCopies(dir string) (*copies, error) {
	c := &copies{dir: filepath.Join(dir, "copies"), all: map[protocol.Hash]sealedCopy{}}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder of copies: %w", err)
	}
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return nil, fmt.Errorf("read folder of copies: %w", err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), copySuffix) {
			continue // a write that a power cut ended
		}
		var held sealedCopy
		path := filepath.Join(c.dir, e.Name())
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read copy %s: %w", e.Name(), err)
		}
		if json.Unmarshal(text, &held) != nil { // one that is lost must not cost the others, nor the punches
			if err := durable.SetAside(path); err != nil {
				return nil, fmt.Errorf("set copy %s aside: %w", e.Name(), err)
			}
			c.damaged++
			continue
		}
		c.all[held.Item.Digest] = held
	}
	return c, nil
}

func (c *copies) path(digest protocol.Hash) string {
	return filepath.Join(c.dir, digest.String()+copySuffix)
}

// keep returns once the copy is on disk. That it was captured by a job is not forgotten.
func (c *copies) keep(held sealedCopy) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	was, there := c.all[held.Item.Digest]
	if there && (held.Item.Job == protocol.Seq{} || held.Item.Job == was.Item.Job) {
		return nil
	}
	text, err := json.Marshal(held)
	if err == nil {
		err = durable.Write(c.path(held.Item.Digest), text)
	}
	if err != nil {
		return fmt.Errorf("keep a copy of finger %d: %w", held.Item.Finger, err)
	}
	c.all[held.Item.Digest] = held
	return nil
}

func (c *copies) has(digest protocol.Hash) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, there := c.all[digest]
	return there
}

func (c *copies) holds(serial protocol.Serial, item protocol.SealedTemplate) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	held, there := c.all[item.Digest]
	return there && held.Serial == serial && held.Item.PIN == item.PIN && held.Item.Finger == item.Finger
}

// drop forgets a copy that the hub has.
func (c *copies) drop(digest protocol.Hash) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.all[digest]; !there {
		return nil
	}
	if err := os.Remove(c.path(digest)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove a copy: %w", err)
	}
	delete(c.all, digest)
	return nil
}

// messages are all copies that the hub has not confirmed, by terminal.
func (c *copies) messages() map[protocol.Serial][]Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	items := map[protocol.Serial][]protocol.SealedTemplate{}
	for _, held := range c.all {
		items[held.Serial] = append(items[held.Serial], held.Item)
	}
	of := map[protocol.Serial][]Message{}
	for serial, list := range items {
		of[serial] = inMessages(serial, list)
	}
	return of
}

// inMessages is one terminal's templates in messages of a size that fits.
func inMessages(serial protocol.Serial, items []protocol.SealedTemplate) (list []Message) {
	for some := range slices.Chunk(items, protocol.MaxTemplates) {
		list = append(list, Message{protocol.Topic{Kind: protocol.KindTemplatesUp}, protocol.Templates{Serial: serial, Items: some}})
	}
	return list
}
