// Package commkey keeps the communication keys that this agent made for its office's
// terminals, through every moment in which nobody can know which of two a terminal has.
//
// It knows one file. It must not know terminals, nor how the hub gets its copy.
//
// Beware: a key that is written before the hub has its copy can be lost with the card,
// and then only somebody at the terminal's menu gets in. So Made comes first, then the
// hub's receipt, then Written, and the former key is kept until the new one has opened.
package commkey

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/durable"
)

// file of the data folder.
const file = "comm-keys.json"

// most is the greatest key that can be typed at a terminal.
const most = 999_999

// Keys is safe for concurrent use.
type Keys struct {
	path string

	mu   sync.Mutex // guards held
	held map[protocol.Serial]held
}

// held is what is known of one terminal.
type held struct {
	Key     *uint32       `json:"key,omitempty"` // that opened last; nil: the configured one
	Next    uint32        `json:"next,omitempty"`
	Sealed  protocol.Hash `json:"sealed,omitzero"`   // of the box with Next that was told to the hub last
	Written bool          `json:"written,omitempty"` // Next may be what the terminal has
}

// ErrDamaged says that the file could not be read and was set aside. The hub has a copy
// of each key in it.
var ErrDamaged = errors.New("the communication keys of terminals were damaged and are set aside")

// Open reads what is kept. With ErrDamaged come Keys all the same, with nothing in them:
// configured keys are tried.
func Open(dir string) (*Keys, error) {
	k, err := read(dir)
	if !errors.Is(err, ErrDamaged) {
		return k, err
	}
	if err := durable.SetAside(k.path); err != nil {
		return nil, fmt.Errorf("set communication keys aside: %w", err)
	}
	return k, err
}

// Tried are the keys that the agent of a data folder tries at a terminal, for whoever
// looks on. What cannot be read is not looked at.
func Tried(dir string, serial protocol.Serial, configured uint32) []uint32 {
	k, err := read(dir)
	if err != nil {
		return []uint32{configured}
	}
	return k.Of(serial, configured).Keys()
}

func read(dir string) (*Keys, error) {
	k := &Keys{path: filepath.Join(dir, file), held: map[protocol.Serial]held{}}
	text, err := os.ReadFile(k.path)
	if errors.Is(err, os.ErrNotExist) {
		return k, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read communication keys: %w", err)
	}
	if json.Unmarshal(text, &k.held) != nil {
		k.held = map[protocol.Serial]held{}
		return k, ErrDamaged
	}
	return k, nil
}

// save puts what is known of a terminal on disk.
func (k *Keys) save(serial protocol.Serial, h held) error {
	before, was := k.held[serial]
	k.held[serial] = h
	text, err := json.Marshal(k.held)
	if err == nil {
		err = durable.Write(k.path, text)
	}
	if err == nil {
		return nil
	}
	if k.held[serial] = before; !was {
		delete(k.held, serial)
	}
	return fmt.Errorf("keep communication keys: %w", err)
}

// Make returns the key that a terminal is to have next: a random one, and the same one
// until it has opened or was dropped.
func (k *Keys) Make(serial protocol.Serial) (uint32, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := k.held[serial]
	if h.Next != 0 {
		return h.Next, nil
	}
	n, err := rand.Int(rand.Reader, big.NewInt(most))
	if err != nil {
		return 0, fmt.Errorf("make a communication key: %w", err)
	}
	h.Next, h.Written = uint32(n.Int64())+1, false
	return h.Next, k.save(serial, h)
}

// Sealed says in which box the key of Make is told to the hub.
func (k *Keys) Sealed(serial protocol.Serial, box protocol.Hash) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := k.held[serial]
	h.Sealed = box
	return k.save(serial, h)
}

// Kept returns the key of Make if that very box is kept by the hub; 0 if it is not.
func (k *Keys) Kept(serial protocol.Serial, box protocol.Hash) uint32 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if h := k.held[serial]; !box.IsZero() && h.Sealed == box {
		return h.Next
	}
	return 0
}

// Written says that the key of Make is about to be written: from now on the terminal may
// have it.
func (k *Keys) Written(serial protocol.Serial) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := k.held[serial]
	if h.Next == 0 || h.Written {
		return nil
	}
	h.Written = true
	return k.save(serial, h)
}

// Drop forgets a key that was made and that the terminal does not have: it was never
// written, or the former one opened after that.
func (k *Keys) Drop(serial protocol.Serial) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := k.held[serial]
	if h.Next == 0 {
		return nil
	}
	h.Next, h.Sealed, h.Written = 0, protocol.Hash{}, false
	return k.save(serial, h)
}

// Of is the keys of one terminal, with the one that is configured.
func (k *Keys) Of(serial protocol.Serial, configured uint32) Terminal {
	return Terminal{k, serial, configured}
}

// Terminal is the keys of one terminal.
type Terminal struct {
	keys       *Keys
	serial     protocol.Serial
	configured uint32
}

// Keys are those that may open it, in the order in which they are tried.
func (t Terminal) Keys() []uint32 {
	t.keys.mu.Lock()
	defer t.keys.mu.Unlock()
	h := t.keys.held[t.serial]
	var list []uint32
	add := func(key uint32) {
		if !slices.Contains(list, key) {
			list = append(list, key)
		}
	}
	if h.Written {
		add(h.Next)
	}
	if h.Key != nil {
		add(*h.Key)
	}
	add(t.configured) // also later: a person may set the terminal back to it
	return list
}

// Opened says which key let us in. An error is that of a disk, and is told again by the
// next time.
func (t Terminal) Opened(key uint32) error {
	t.keys.mu.Lock()
	defer t.keys.mu.Unlock()
	h := t.keys.held[t.serial]
	switch {
	case h.Written && key == h.Next:
		return t.keys.save(t.serial, held{Key: &key})
	case h.Key == nil && key == t.configured, h.Key != nil && key == *h.Key:
		return nil
	}
	h.Key = &key
	return t.keys.save(t.serial, h)
}

// Present is the key that opened last.
func (t Terminal) Present() uint32 {
	t.keys.mu.Lock()
	defer t.keys.mu.Unlock()
	if h := t.keys.held[t.serial]; h.Key != nil {
		return *h.Key
	}
	return t.configured
}
