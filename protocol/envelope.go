package protocol

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// MaxPayload is the size of the largest message, in bytes, on every carrier.
const MaxPayload = 256 << 10

// Seq orders what one key says: first by life (an agent's boot number, the
// hub's generation), then by counter within it.
type Seq struct {
	Life    uint64
	Counter uint64
}

// Less reports whether s comes before o.
func (s Seq) Less(o Seq) bool {
	return s.Life < o.Life || s.Life == o.Life && s.Counter < o.Counter
}

func (s Seq) String() string { return fmt.Sprintf("%d.%d", s.Life, s.Counter) }

// MarshalJSON writes [life,counter].
func (s Seq) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "[%d,%d]", s.Life, s.Counter), nil
}

// UnmarshalJSON reads [life,counter].
func (s *Seq) UnmarshalJSON(text []byte) error {
	var pair []uint64
	if err := json.Unmarshal(text, &pair); err != nil || len(pair) != 2 {
		return fmt.Errorf("sequence %q: want [life,counter]", text)
	}
	*s = Seq{pair[0], pair[1]}
	return nil
}

// ConnectionCounter makes the counter of the n-th message of an agent's c-th
// connection in this life. The will of connection c is ConnectionCounter(c,
// WillMessage): it outranks every message of its own connection, and every
// message of the next connection outranks it, in whichever order they arrive.
func ConnectionCounter(connection, n uint32) uint64 { return uint64(connection)<<32 | uint64(n) }

// WillMessage is the message number that only a last will has.
const WillMessage = 1<<32 - 1

// Envelope is a message with its signature. Body keeps the exact bytes that
// were signed.
type Envelope struct {
	Version int             `json:"v"`
	Kind    Kind            `json:"kind"`
	Site    SiteID          `json:"site"`
	Subject string          `json:"subject"` // a terminal's serial, or empty
	From    seal.KeyID      `json:"from"`
	To      seal.KeyID      `json:"to"` // empty: to everybody who may read the topic
	Seq     Seq             `json:"seq"`
	ID      string          `json:"id"`
	At      *time.Time      `json:"at"` // null when the sender does not trust its clock; never decides order
	Body    json.RawMessage `json:"body"`
	Sig     []byte          `json:"sig"`
}

// Reason is why a message was refused. It is counted and shown by this word.
type Reason string

// The reasons for which a message is refused whole.
const (
	ReasonSize      Reason = "too-large"
	ReasonForm      Reason = "malformed"
	ReasonVersion   Reason = "version"
	ReasonTopic     Reason = "wrong-topic"
	ReasonKey       Reason = "unknown-key"
	ReasonSignature Reason = "bad-signature"
	ReasonReceiver  Reason = "not-for-us"
	ReasonReplay    Reason = "replay"
	ReasonBody      Reason = "bad-body"
)

// Refusal is the error of a message that changes nothing.
type Refusal struct {
	Reason Reason
	Cause  error // may be nil
}

func (r *Refusal) Error() string {
	if r.Cause == nil {
		return "message refused: " + string(r.Reason)
	}
	return "message refused: " + string(r.Reason) + ": " + r.Cause.Error()
}

func (r *Refusal) Unwrap() error { return r.Cause }

func refuse(reason Reason, format string, args ...any) error {
	return &Refusal{reason, fmt.Errorf(format, args...)}
}

// ReasonOf returns the reason in err, or ReasonForm where none is told.
func ReasonOf(err error) Reason {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Reason
	}
	return ReasonForm
}

// Seal writes body, signs the envelope with key and returns the whole message.
// Version, From, ID, Body and Sig of e are set here.
func Seal(e Envelope, body any, key seal.SigningKey) ([]byte, error) {
	e.Version = Version
	e.From = key.Public().KeyID()
	e.ID = NewID()
	var err error
	if e.Body, err = compact(body); err != nil {
		return nil, fmt.Errorf("write %s message: %w", e.Kind, err)
	}
	if e.At != nil {
		at := e.At.UTC().Truncate(time.Second)
		e.At = &at
	}
	e.Sig = key.Sign(e.signed())
	message := e.append(nil)
	if len(message) > MaxPayload {
		return nil, fmt.Errorf("write %s message: %d bytes, the limit is %d", e.Kind, len(message), MaxPayload)
	}
	return message, nil
}

// Keys finds the public key that a message names.
type Keys func(site SiteID, id seal.KeyID) (seal.PublicKey, bool)

// Open reads a message that came by topic and checks form, version, topic, key
// and signature, in this order. Whatever does not fit refuses it whole with a
// *Refusal; a caller still has to check receiver and order.
func Open(topic string, message []byte, keys Keys) (Envelope, error) {
	e, err := Parse(topic, message)
	if err != nil {
		return Envelope{}, err
	}
	key, found := keys(e.Site, e.From)
	if !found {
		return Envelope{}, refuse(ReasonKey, "key %s is not known for site %s", e.From, e.Site)
	}
	if !e.SignedBy(key) {
		return Envelope{}, refuse(ReasonSignature, "%s message %s of site %s", e.Kind, e.ID, e.Site)
	}
	return e, nil
}

// Parse reads a message without checking its signature: for showing it, and for
// learning the key that an admitted fingerprint stands for. topic may be empty
// for a message that came by file.
func Parse(topic string, message []byte) (Envelope, error) {
	if len(message) > MaxPayload {
		return Envelope{}, refuse(ReasonSize, "%d bytes, the limit is %d", len(message), MaxPayload)
	}
	var e Envelope
	d := json.NewDecoder(bytes.NewReader(message))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return Envelope{}, refuse(ReasonForm, "%w", err)
	}
	if e.Version != Version {
		return Envelope{}, refuse(ReasonVersion, "version %d, this program knows %d", e.Version, Version)
	}
	if topic != "" {
		t, err := ParseTopic(topic)
		if err != nil {
			return Envelope{}, refuse(ReasonTopic, "%w", err)
		}
		if r, _ := t.Kind.rule(); t.Kind != e.Kind || t.Site != e.Site || r.subject && string(t.Serial) != e.Subject {
			return Envelope{}, refuse(ReasonTopic, "a %s message of %s %s came by %s", e.Kind, e.Site, e.Subject, topic)
		}
	}
	// One message has one form. Without this, a changed letter in a field's name
	// or a second field of the same name would pass unseen.
	if !bytes.Equal(e.append(nil), message) {
		return Envelope{}, refuse(ReasonForm, "not in the form in which envelopes are written")
	}
	return e, nil
}

// SignedBy reports whether the signature is key's.
func (e Envelope) SignedBy(key seal.PublicKey) bool {
	return key.KeyID() == e.From && key.Verify(e.signed(), e.Sig)
}

// Into reads the body into a message and checks it; unknown fields refuse it.
func (e Envelope) Into(body any) error {
	if err := e.IntoUnchecked(body); err != nil {
		return err
	}
	if c, ok := body.(interface{ Check() error }); ok {
		if err := c.Check(); err != nil {
			return refuse(ReasonBody, "%s message: %w", e.Kind, err)
		}
	}
	return nil
}

// IntoUnchecked is Into for a caller that does the message's own check itself,
// as the hub does with Segment.Links.
func (e Envelope) IntoUnchecked(body any) error {
	if err := Decode(e.Body, body); err != nil {
		return refuse(ReasonBody, "%s message: %w", e.Kind, err)
	}
	return nil
}

// Topic is where the message belongs; the part of a document is for its sender to add.
func (e Envelope) Topic() Topic {
	t := Topic{Site: e.Site, Kind: e.Kind}
	if r, _ := e.Kind.rule(); r.subject {
		t.Serial = Serial(e.Subject)
	}
	return t
}

// signed returns the bytes under the signature: a label, then every field but
// sig in order, each with a big-endian uint32 length before it.
func (e Envelope) signed() []byte {
	at := ""
	if e.At != nil {
		at = e.At.UTC().Format(time.RFC3339)
	}
	b := []byte("sidik/v1/envelope")
	for _, field := range []string{
		fmt.Sprint(e.Version), string(e.Kind), string(e.Site), e.Subject,
		string(e.From), string(e.To), e.Seq.String(), e.ID, at,
	} {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(field))), field...)
	}
	return append(binary.BigEndian.AppendUint32(b, uint32(len(e.Body))), e.Body...)
}

// append writes the envelope as JSON with the body's bytes as they are
// (encoding/json would write them anew).
func (e Envelope) append(dst []byte) []byte {
	head := e
	head.Body, head.Sig = nil, nil
	if e.At != nil { // in the one form that is signed: UTC, whole seconds
		at := e.At.UTC().Truncate(time.Second)
		head.At = &at
	}
	text, err := compact(head)
	if err != nil {
		return nil // strings, integers and a time: cannot fail on anything that was parsed
	}
	text = bytes.TrimSuffix(text, []byte(`,"body":null,"sig":null}`))
	dst = append(dst, text...)
	dst = append(append(dst, `,"body":`...), e.Body...)
	dst = append(dst, `,"sig":`...)
	sig, _ := compact(e.Sig)
	return append(append(dst, sig...), '}')
}

// compact writes v as JSON in one line without escaping HTML characters.
func compact(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// NewID returns a random id for a message or a process: 16 hexadecimal characters.
func NewID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}
