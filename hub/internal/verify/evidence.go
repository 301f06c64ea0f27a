package verify

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	_ "embed" // for the explanation in every file of evidence
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Manifest says what a file of evidence holds. The hub signs it.
type Manifest struct {
	Version    int                      `json:"version"`
	Site       protocol.SiteID          `json:"site"`
	Month      string                   `json:"month"` // 2026-01, by the terminals' clocks
	At         time.Time                `json:"at"`
	Generation protocol.Generation      `json:"generation"`
	Hub        seal.PublicKey           `json:"hub"`
	Agents     []AgentKey               `json:"agents"`
	Terminals  []protocol.Serial        `json:"terminals"` // registered at the site
	Chains     []Chain                  `json:"chains"`
	Punches    int                      `json:"punches"`
	Files      map[string]protocol.Hash `json:"files"` // SHA-256
}

// AgentKey is a key that was once admitted for the site.
type AgentKey struct {
	Key      seal.PublicKey `json:"key"`
	Admitted time.Time      `json:"admitted"`
	Retired  *time.Time     `json:"retired"` // null: the admitted one
}

// Chain is an unbroken run of segments.
type Chain struct {
	Epoch protocol.Hash `json:"epoch"`
	First uint64        `json:"first"`
	Last  uint64        `json:"last"`
	Prev  protocol.Hash `json:"prev"` // h(First−1)
	Head  protocol.Hash `json:"head"` // h(Last)
}

// The files, in this order.
const (
	fileReadme    = "README.txt"
	fileSegments  = "segments.jsonl"
	filePunches   = "punches.csv"
	fileManifest  = "manifest.json"
	fileSignature = "manifest.sig"
)

//go:embed readme.txt
var readme []byte

// signedManifest is what the hub signs: nothing else that it signs begins so.
func signedManifest(text []byte) []byte { return append([]byte("sidik/v1/evidence\n"), text...) }

// file is one of the files.
type file struct {
	name    string
	content []byte
}

// pack writes the files as a tar archive that follows from them alone.
func pack(w io.Writer, files []file) error {
	t := tar.NewWriter(w)
	for _, f := range files {
		if err := t.WriteHeader(&tar.Header{
			Typeflag: tar.TypeReg, Name: f.name, Size: int64(len(f.content)), Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
		}); err != nil {
			return err
		}
		if _, err := t.Write(f.content); err != nil {
			return err
		}
	}
	return t.Close()
}

// line is a line of segments.jsonl.
type line struct {
	Received time.Time       `json:"received"`
	Message  json.RawMessage `json:"message"` // the envelope, byte for byte
}

// month is a range of the terminals' clocks.
type month struct {
	from, to     protocol.LocalTime
	since, until time.Time // the same by the hub's
}

// ErrMonth says that a text names no month.
var ErrMonth = errors.New("not a month: write it as 2026-01")

func parseMonth(s string) (month, error) {
	at, err := time.Parse("2006-01", s)
	if err != nil {
		return month{}, fmt.Errorf("%q: %w", s, ErrMonth)
	}
	next := at.AddDate(0, 1, 0)
	return month{
		protocol.NewLocalTime(at), protocol.NewLocalTime(next), at.Add(-protocol.Zone), next.Add(-protocol.Zone),
	}, nil
}

// has tells whether a record belongs to the month: by its own time, or by the
// time of receiving where its own names no date.
func (m month) has(r protocol.Record, received time.Time) bool {
	if _, exists := r.Time.Wall(); exists {
		return r.Time >= m.from && r.Time < m.to
	}
	return !received.Before(m.since) && received.Before(m.until)
}

// reading goes along the segments and draws the punches out of them. The one who
// exports and the one who checks do it alike.
type reading struct {
	month     month
	site      protocol.SiteID
	keys      protocol.Keys
	terminals map[protocol.Serial]bool

	chains  []Chain
	begun   map[protocol.Hash]bool
	used    map[seal.KeyID]bool
	seen    map[punchKey]bool
	text    bytes.Buffer
	csv     *csv.Writer
	punches int
}

// punchKey is what makes two sightings one punch.
type punchKey struct {
	serial protocol.Serial
	pin    string
	time   protocol.LocalTime
	status uint8
	nth    uint32
}

func newReading(m month, site protocol.SiteID, keys protocol.Keys, terminals []protocol.Serial) *reading {
	r := &reading{
		month: m, site: site, keys: keys, terminals: map[protocol.Serial]bool{},
		begun: map[protocol.Hash]bool{}, used: map[seal.KeyID]bool{}, seen: map[punchKey]bool{},
	}
	for _, serial := range terminals {
		r.terminals[serial] = true
	}
	r.csv = csv.NewWriter(&r.text)
	r.csv.Write([]string{"serial", "pin", "time", "status", "verify", "work_code", "nth", "offset", "received", "epoch", "seq"}) // into memory
	return r
}

// take checks one message and adds its punches.
func (r *reading) take(l line) error {
	e, err := protocol.Parse(protocol.Topic{Site: r.site, Kind: protocol.KindPunches}.String(), l.Message)
	if err != nil {
		return err
	}
	key, found := r.keys(r.site, e.From)
	if !found || !e.SignedBy(key) {
		return fmt.Errorf("message %s: no trusted key of the site has signed it", e.ID)
	}
	r.used[e.From] = true
	var s protocol.Segment
	if err := e.Into(&s); err != nil {
		return err
	}
	if err := r.join(s); err != nil {
		return err
	}
	for i, record := range s.Records {
		k := punchKey{record.Serial, protocol.NormalPIN(record.PIN), record.Time, record.Status, record.Nth}
		if !r.terminals[record.Serial] || !r.month.has(record, l.Received) || r.seen[k] {
			continue
		}
		r.seen[k] = true
		r.punches++
		offset := ""
		if record.Offset != protocol.OffsetUnknown {
			offset = strconv.Itoa(int(record.Offset))
		}
		r.csv.Write([]string{ // into memory
			string(record.Serial), record.PIN, string(record.Time), fmt.Sprint(record.Status), fmt.Sprint(record.Verify),
			fmt.Sprint(record.WorkCode), fmt.Sprint(record.Nth), offset, l.Received.UTC().Format(time.RFC3339Nano), s.Epoch.String(), fmt.Sprint(s.First + uint64(i)),
		})
	}
	return nil
}

// join adds a segment to the chain of its epoch, which it must continue.
func (r *reading) join(s protocol.Segment) error {
	if n := len(r.chains); n > 0 && r.chains[n-1].Epoch == s.Epoch {
		c := &r.chains[n-1]
		held := s.Prev // h(c.Last) as this segment tells it
		if s.First <= c.Last && s.Last >= c.Last {
			links, err := s.Links()
			if err != nil {
				return err
			}
			held = links[c.Last-s.First].Hash
		}
		if s.First > c.Last+1 || s.Last <= c.Last || held != c.Head {
			return fmt.Errorf("segment %d to %d of epoch %s does not continue the chain at %d", s.First, s.Last, s.Epoch.Short(), c.Last)
		}
		c.Last, c.Head = s.Last, s.Head
		return nil
	}
	if r.begun[s.Epoch] {
		return fmt.Errorf("epoch %s comes twice", s.Epoch.Short())
	}
	r.begun[s.Epoch] = true
	r.chains = append(r.chains, Chain{s.Epoch, s.First, s.Last, s.Prev, s.Head})
	return nil
}

// list returns punches.csv.
func (r *reading) list() []byte {
	r.csv.Flush()
	return r.text.Bytes()
}

func digest(content []byte) protocol.Hash { return sha256.Sum256(content) }
