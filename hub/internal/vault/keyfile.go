package vault

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Errors about the key file by which callers decide.
var (
	ErrKeyFile = errors.New("the file holds no usable vault key; put back a copy of it")
	ErrNoKey   = errors.New("the database holds templates but the vault key is missing; put back a copy of the file")
)

// keyHeader is the first line of the file. Then follow one line for each node
// (depth, prefix and key in hexadecimal) and the SHA-256 of all lines before.
const keyHeader = "sidik vault key 1"

// loadKey reads the vault key. It is read for every use and kept nowhere: what
// another process destroyed meanwhile is destroyed for this one too.
func loadKey(path string) (tree, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return tree{}, fmt.Errorf("read vault key: %w", err)
	}
	t, err := parseKey(text)
	if err != nil {
		return tree{}, fmt.Errorf("read vault key %s: %w", path, err)
	}
	return t, nil
}

// createKey makes a vault key where there is none; a file is never replaced.
func createKey(path string) error {
	root := node{}
	rand.Read(root.key[:]) // never fails (crypto/rand)
	temporary, err := writeTemporary(path, tree{[]node{root}}.text())
	if err != nil {
		return fmt.Errorf("write vault key: %w", err)
	}
	err = errors.Join(os.Link(temporary, path), os.Remove(temporary), syncFolder(path))
	if err != nil {
		return fmt.Errorf("write vault key: %w", err)
	}
	return nil
}

// replaceKey puts a tree that lacks something in place of the file and overwrites
// what the old one held. On return both are on disk.
func replaceKey(path string, t tree) error {
	old, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("replace vault key: %w", err)
	}
	err = func() error {
		temporary, err := writeTemporary(path, t.text())
		if err != nil {
			return err
		}
		if err := os.Rename(temporary, path); err != nil {
			return errors.Join(err, os.Remove(temporary))
		}
		if err := syncFolder(path); err != nil {
			return err
		}
		info, err := old.Stat()
		if err == nil {
			_, err = old.WriteAt(make([]byte, info.Size()), 0)
		}
		return errors.Join(err, old.Sync())
	}()
	if err := errors.Join(err, old.Close()); err != nil {
		return fmt.Errorf("replace vault key: %w", err)
	}
	return nil
}

// text is the content of the file.
func (t tree) text() []byte {
	b := append([]byte(keyHeader), '\n')
	for _, n := range t.nodes {
		b = hex.AppendEncode(b, []byte{n.depth})
		b = hex.AppendEncode(append(b, ' '), binary.BigEndian.AppendUint64(nil, n.prefix))
		b = hex.AppendEncode(append(b, ' '), n.key[:])
		b = append(b, '\n')
	}
	sum := sha256.Sum256(b)
	return append(hex.AppendEncode(b, sum[:]), '\n')
}

// parseKey reads what text wrote, and only that.
func parseKey(text []byte) (tree, error) {
	body, found := bytes.CutPrefix(text, []byte(keyHeader+"\n"))
	if !found {
		return tree{}, ErrKeyFile
	}
	var t tree
	end := uint64(0) // of the subtrees read so far
	for ; len(body) >= keyLine; body = body[keyLine:] {
		n, err := parseNode(body[:keyLine])
		if err != nil || len(t.nodes) > 0 && n.prefix <= end {
			return tree{}, ErrKeyFile
		}
		end = n.prefix | ^mask(n.depth)
		t.nodes = append(t.nodes, n)
	}
	if !bytes.Equal(t.text(), text) { // the sum too
		return tree{}, ErrKeyFile
	}
	return t, nil
}

// keyLine is the length of a node's line.
const keyLine = 2 + 1 + 16 + 1 + 64 + 1

func parseNode(line []byte) (node, error) {
	b, err := hex.AppendDecode(nil, slices.Concat(line[:2], line[3:19], line[20:84]))
	if err != nil {
		return node{}, ErrKeyFile
	}
	n := node{depth: b[0], prefix: binary.BigEndian.Uint64(b[1:9]), key: [sha256.Size]byte(b[9:])}
	if n.depth > treeDepth || n.prefix&^mask(n.depth) != 0 {
		return node{}, ErrKeyFile
	}
	return n, nil
}

// writeTemporary writes a file beside path, readable by its owner only, to disk.
func writeTemporary(path string, content []byte) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".vault-*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// syncFolder makes the names beside path durable.
func syncFolder(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// exists tells whether there is a file at path.
func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
