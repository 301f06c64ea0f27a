package vault

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
)

// The vault key is a tree of 64 levels. The key of a node makes the keys of its two
// children, one way only, and a leaf is a data key: that of one employee, or of one
// day's finds. So one short file stands for all of them, and a copy of it made once
// opens what is sealed years later.
//
// To destroy a leaf, the tree forgets every node on the way to it and keeps their
// siblings instead. Nothing that is left makes that leaf again, and everything else
// is still there: therefore old backups of the database become unreadable for this
// one person and for nobody else.
type tree struct{ nodes []node } // by prefix; none lies below another

// node is the key of a subtree. Of prefix the first depth bits count, the others
// are 0.
type node struct {
	depth  uint8
	prefix uint64
	key    [sha256.Size]byte
}

const treeDepth = 64

// ErrDestroyed says that a data key was destroyed: what it sealed is unreadable for
// ever, in backups too.
var ErrDestroyed = errors.New("the data key was destroyed")

// Format keeps keys from being printed.
func (tree) Format(f fmt.State, _ rune) { fmt.Fprint(f, "vault key") }

// over is the index of the node above a leaf, or false when that leaf is destroyed.
func (t tree) over(leaf uint64) (int, bool) {
	i, found := slices.BinarySearchFunc(t.nodes, leaf, func(n node, leaf uint64) int {
		if n.prefix > leaf {
			return 1
		}
		return -1 // equal too: the one sought is the last that does not lie behind the leaf
	})
	if found || i == 0 {
		return 0, false
	}
	n := t.nodes[i-1]
	return i - 1, leaf&mask(n.depth) == n.prefix
}

// leaf makes a data key, or returns ErrDestroyed.
func (t tree) leaf(leaf uint64) (key [sha256.Size]byte, err error) {
	i, there := t.over(leaf)
	if !there {
		return key, ErrDestroyed
	}
	n := t.nodes[i]
	for n.depth < treeDepth {
		n = n.child(leaf)
	}
	return n.key, nil
}

// without is the tree that cannot make one leaf; changed is false where it could
// not before.
func (t tree) without(leaf uint64) (less tree, changed bool) {
	i, there := t.over(leaf)
	if !there {
		return t, false
	}
	var kept []node
	for n := t.nodes[i]; n.depth < treeDepth; n = n.child(leaf) {
		kept = append(kept, n.child(leaf^(1<<(treeDepth-1-n.depth))))
	}
	less.nodes = slices.Replace(slices.Clone(t.nodes), i, i+1, kept...)
	slices.SortFunc(less.nodes, func(a, b node) int {
		if a.prefix < b.prefix {
			return -1
		}
		return 1
	})
	return less, true
}

// child is the child on the way to a leaf.
func (n node) child(leaf uint64) node {
	bit := byte(leaf >> (treeDepth - 1 - n.depth) & 1)
	h := hmac.New(sha256.New, n.key[:])
	h.Write([]byte("sidik/v1/vault"))
	h.Write([]byte{bit})
	return node{depth: n.depth + 1, prefix: leaf & mask(n.depth+1), key: [sha256.Size]byte(h.Sum(nil))}
}

// mask has the first depth bits.
func mask(depth uint8) uint64 { return ^uint64(0) << (treeDepth - depth) }
