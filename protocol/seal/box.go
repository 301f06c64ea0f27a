package seal

import (
	"bytes"
	"crypto/hpke"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Suite names the algorithms of a box by their numbers in HPKE (RFC 9180): the key
// encapsulation MLKEM768-X25519, HKDF-SHA256, ChaCha20-Poly1305. The first holds
// against a quantum computer too: whoever carried a box may have kept it, and a
// finger is for life.
const Suite = "647a.0001.0003"

// Overhead is by how many bytes a box's data is longer than what was sealed. In
// JSON base64 adds a third, and the other fields 60 bytes.
const Overhead = encapsulatedSize + 16

// sealLabel keeps boxes apart from everything else that is ever derived from a key.
const sealLabel = "sidik/v1/seal"

// ErrBox says that a box does not open: it is for another key or another purpose,
// or it was changed. Which of them cannot be told, except for the key.
var ErrBox = errors.New("the sealed box does not open")

// Purpose is what a box is for: a kind and fields in order, such as site, terminal,
// PIN, finger and digest. Whoever opens a box states the purpose himself, from what
// he asked for, and a box that was sealed for another one stays closed: so no
// template can be moved to another person. A Purpose holds nothing secret.
type Purpose struct {
	kind   string
	fields []string // name, value, name, value…
}

// For begins a purpose. kind tells families of boxes apart and is never empty.
func For(kind string) Purpose { return Purpose{kind: kind} }

// With returns the purpose with one field more. Order counts, and so does a field
// whose value is empty.
func (p Purpose) With(name, value string) Purpose {
	p.fields = append(slices.Clip(p.fields), name, value)
	return p
}

// info is what the key of a box is derived with: label and kind.
func (p Purpose) info() []byte { return lengthPrefixed(sealLabel, p.kind) }

// aad is what the content of a box is bound to: every field.
func (p Purpose) aad() []byte { return lengthPrefixed(p.fields...) }

// lengthPrefixed writes texts one after the other, each after its length in four
// bytes, so that no two lists of texts become the same bytes.
func lengthPrefixed(texts ...string) []byte {
	var b []byte
	for _, t := range texts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(t)))
		b = append(b, t...)
	}
	return b
}

// Box is something sealed to one key. Its JSON has one form, and UnmarshalJSON
// takes no other.
type Box struct {
	Suite string `json:"suite"`
	To    KeyID  `json:"to"`
	Data  []byte `json:"data"` // encapsulated key (1120 bytes), ciphertext, tag (16 bytes)
}

// UnmarshalJSON reads what json.Marshal wrote, compact, and only that. A suite that
// this program does not know is read; it is Open that refuses it.
func (b *Box) UnmarshalJSON(text []byte) error {
	type fields Box // without this method
	var read fields
	if err := json.Unmarshal(text, &read); err != nil {
		return fmt.Errorf("read sealed box: %w", ErrBox)
	}
	if again, err := json.Marshal(read); err != nil || !bytes.Equal(again, text) {
		return fmt.Errorf("read sealed box: %w: not in the form in which boxes are written", ErrBox)
	}
	if id, err := hex.DecodeString(string(read.To)); err != nil || len(read.To) != keyIDLength || hex.EncodeToString(id) != string(read.To) {
		return fmt.Errorf("read sealed box: %w: it names no key", ErrBox)
	}
	*b = Box(read)
	return nil
}

// Seal closes plain for the holder of the key and for one purpose. Two boxes of one
// content are never the same bytes.
func (k SealingPublic) Seal(purpose Purpose, plain []byte) (Box, error) {
	if k.IsZero() {
		return Box{}, fmt.Errorf("seal %s: %w", purpose.kind, ErrSealingPublic)
	}
	if purpose.kind == "" {
		return Box{}, errors.New("seal: a purpose without a kind")
	}
	to, err := hpke.MLKEM768X25519().NewPublicKey(k.bytes[:])
	if err != nil {
		return Box{}, fmt.Errorf("seal %s: %w", purpose.kind, err)
	}
	encapsulated, sender, err := hpke.NewSender(to, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), purpose.info())
	if err != nil {
		return Box{}, fmt.Errorf("seal %s: %w", purpose.kind, err)
	}
	closed, err := sender.Seal(purpose.aad(), plain)
	if err != nil {
		return Box{}, fmt.Errorf("seal %s: %w", purpose.kind, err)
	}
	return Box{Suite: Suite, To: k.KeyID(), Data: slices.Concat(encapsulated, closed)}, nil
}

// Open returns what is in a box that was sealed to this key for this purpose, and
// ErrBox for every other.
func (k SealingKey) Open(purpose Purpose, box Box) ([]byte, error) {
	if k.IsZero() || box.To != k.Public().KeyID() {
		return nil, fmt.Errorf("open %s: %w: it is for key %q", purpose.kind, ErrBox, box.To)
	}
	if box.Suite != Suite {
		return nil, fmt.Errorf("open %s: %w: it is of a suite that this version does not know", purpose.kind, ErrBox)
	}
	if len(box.Data) < Overhead {
		return nil, fmt.Errorf("open %s: %w: it is cut off", purpose.kind, ErrBox)
	}
	recipient, err := hpke.NewRecipient(box.Data[:encapsulatedSize], k.private(), hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), purpose.info())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", purpose.kind, ErrBox)
	}
	plain, err := recipient.Open(purpose.aad(), box.Data[encapsulatedSize:])
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", purpose.kind, ErrBox)
	}
	return plain, nil
}
