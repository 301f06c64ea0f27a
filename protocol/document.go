package protocol

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Document is a sealed text of any length up to 10 MiB: whole in one message, or,
// when it is larger than MaxWhole, a head that names its digest and parts that
// follow by topics of their own. Nothing of it counts before the whole equals the
// digest.
type Document struct {
	Digest Hash     `json:"digest"` // SHA-256 of the whole text
	Size   int      `json:"size"`   // of the whole text, in bytes
	Parts  int      `json:"parts"`  // 0: the whole is here
	Box    seal.Box `json:"box,omitzero"`
}

// Part is one piece of a Document, in the order of N from 1.
type Part struct {
	Digest Hash     `json:"digest"` // of the whole
	N      int      `json:"n"`
	Parts  int      `json:"parts"`
	Box    seal.Box `json:"box"`
}

// MaxWhole is the size of a text up to which it travels in one message: sealed and
// in base64 it stays below MaxPayload.
const MaxWhole = 160 << 10

// ErrDocument says that parts do not make the whole that was announced.
var ErrDocument = errors.New("the parts do not make the announced document")

// SealDocument seals a text for one purpose: whole, or as a head and parts.
func SealDocument(to seal.SealingPublic, purpose seal.Purpose, text []byte) (Document, []Part, error) {
	d := Document{Digest: sha256.Sum256(text), Size: len(text)}
	if len(text) > maxParts*MaxWhole {
		return d, nil, fmt.Errorf("document of %d bytes, the limit is %d", len(text), maxParts*MaxWhole)
	}
	if len(text) <= MaxWhole {
		var err error
		d.Box, err = to.Seal(piece(purpose, d.Digest, 0, 0), text)
		return d, nil, err
	}
	d.Parts = (len(text) + MaxWhole - 1) / MaxWhole
	parts := make([]Part, d.Parts)
	for i := range parts {
		cut := text[i*MaxWhole : min((i+1)*MaxWhole, len(text))]
		box, err := to.Seal(piece(purpose, d.Digest, i+1, d.Parts), cut)
		if err != nil {
			return d, nil, err
		}
		parts[i] = Part{Digest: d.Digest, N: i + 1, Parts: d.Parts, Box: box}
	}
	return d, parts, nil
}

// piece is what a box of a document is for.
func piece(purpose seal.Purpose, digest Hash, n, parts int) seal.Purpose {
	return purpose.With("digest", digest.String()).With("part", fmt.Sprintf("%d/%d", n, parts))
}

// Opener opens what was sealed to one of its keys, as a seal.SealingKey does.
type Opener interface {
	Open(purpose seal.Purpose, box seal.Box) ([]byte, error)
}

// Open returns the text of a document that is whole. One in parts needs Gather.
func (d Document) Open(key Opener, purpose seal.Purpose) ([]byte, error) {
	if d.Parts != 0 {
		return nil, fmt.Errorf("%w: it has %d parts", ErrDocument, d.Parts)
	}
	text, err := key.Open(piece(purpose, d.Digest, 0, 0), d.Box)
	if err != nil {
		return nil, err
	}
	return d.judge(text)
}

func (d Document) judge(text []byte) ([]byte, error) {
	if len(text) != d.Size || sha256.Sum256(text) != d.Digest {
		return nil, fmt.Errorf("%w: %d bytes of %d, or another digest", ErrDocument, len(text), d.Size)
	}
	return text, nil
}

// Check reports a document that cannot be one.
func (d Document) Check() error {
	if d.Digest.IsZero() || d.Size < 0 || d.Parts < 0 || d.Parts > maxParts || d.Size > maxParts*MaxWhole ||
		d.Parts == 0 && (d.Size > MaxWhole || len(d.Box.Data) == 0) || d.Parts > 0 && len(d.Box.Data) > 0 {
		return fmt.Errorf("%w: %d bytes in %d parts", ErrDocument, d.Size, d.Parts)
	}
	return nil
}

// Check reports a part that cannot be one.
func (p Part) Check() error {
	if p.Digest.IsZero() || p.Parts < 1 || p.Parts > maxParts || p.N < 1 || p.N > p.Parts || len(p.Box.Data) == 0 {
		return fmt.Errorf("%w: part %d of %d", ErrDocument, p.N, p.Parts)
	}
	return nil
}

// Gathering is a document of which parts may be missing. The zero value waits for
// its head.
type Gathering struct {
	head  Document
	parts map[int]Part
}

// Head takes the newest head. Parts of another document are forgotten.
func (g *Gathering) Head(d Document) {
	g.head = d
	for n, p := range g.parts {
		if p.Digest != d.Digest || p.Parts != d.Parts {
			delete(g.parts, n)
		}
	}
}

// Part takes a part, which may come before its head; of two under one number the
// later counts. It is bounded by the number of parts that a document can have.
func (g *Gathering) Part(p Part) {
	if g.parts == nil {
		g.parts = map[int]Part{}
	}
	g.parts[p.N] = p
}

// Open returns the text once everything is there; missing is true until then.
func (g *Gathering) Open(key Opener, purpose seal.Purpose) (text []byte, missing bool, err error) {
	if g.head.Digest.IsZero() {
		return nil, true, nil
	}
	if g.head.Parts == 0 {
		text, err = g.head.Open(key, purpose)
		return text, false, err
	}
	for n := 1; n <= g.head.Parts; n++ {
		p, found := g.parts[n]
		if !found || p.Digest != g.head.Digest || p.Parts != g.head.Parts {
			return nil, true, nil
		}
		cut, err := key.Open(piece(purpose, p.Digest, n, p.Parts), p.Box)
		if err != nil {
			return nil, false, fmt.Errorf("part %d: %w", n, err)
		}
		text = append(text, cut...)
	}
	text, err = g.head.judge(text)
	return text, false, err
}
