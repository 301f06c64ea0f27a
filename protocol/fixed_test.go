package protocol_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

const site protocol.SiteID = "samsat-belitung"

// fixedKey returns the signing key whose seed is the hash of a name. Nobody else
// has a use for it: the seed is written here.
func fixedKey(t testing.TB, name string) seal.SigningKey {
	t.Helper()
	seed := sha256.Sum256([]byte("sidik test key of " + name))
	der, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := seal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func agentKey(t testing.TB) seal.SigningKey { return fixedKey(t, "agent") }
func hubKey(t testing.TB) seal.SigningKey   { return fixedKey(t, "hub") }
func rootKey(t testing.TB) seal.SigningKey  { return fixedKey(t, "root") }

// sealingKey is a site's sealing key, made from a seed that is written here.
func sealingKey(t testing.TB) seal.SealingKey {
	t.Helper()
	seed := sha256.Sum256([]byte("sidik test sealing key"))
	private, err := hpke.MLKEM768X25519().NewPrivateKey(seed[:])
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "sealing.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{
		Type: "SIDIK SEALING KEY", Bytes: seed[:],
		Headers: map[string]string{"Fingerprint": fmt.Sprintf("%x", sha256.Sum256(private.PublicKey().Bytes()))},
	}), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := seal.LoadSealing(path)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// fixedBox has the form of a box; that real ones open is package seal's test.
func fixedBox() seal.Box {
	return seal.Box{Suite: seal.Suite, To: "0011223344556677", Data: bytes.Repeat([]byte("sealed "), 200)}
}

// fixedHash is a hash that a reader of a golden file can tell from another.
func fixedHash(name string) protocol.Hash {
	return protocol.Hash(sha256.Sum256([]byte("sidik test hash of " + name)))
}

func instant(text string) *time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return &at
}

// records are three punches of one read: an ordinary one, its equal twin, and a
// row with neither a known user nor a possible time.
func records() []protocol.Record {
	first := protocol.Record{
		Serial: "X100C0001", PIN: "100001", Time: "2026-01-02T07:31:05", Status: 0, Verify: 1, WorkCode: 0,
		Source: protocol.SourceZK, Raw: []byte{1, 0, '1', '0', '0', '0', '0', '1', 0, 0xff}, Read: "0011223344556677", Offset: -42, Nth: 0,
	}
	twin := first
	twin.Nth = 1
	odd := first
	odd.PIN, odd.Time, odd.Status, odd.Verify, odd.WorkCode = protocol.SlotPIN(7), protocol.RawTime(protocol.SourceZK, "4294967295"), 255, 15, 1<<32-1
	odd.Offset, odd.Nth = protocol.OffsetUnknown, 1<<32-1
	return []protocol.Record{first, twin, odd}
}

// segment chains records from the first sequence of an epoch.
func segment(epoch protocol.Hash, first uint64, prev protocol.Hash, records []protocol.Record) protocol.Segment {
	s := protocol.Segment{Epoch: epoch, First: first, Last: first + uint64(len(records)) - 1, Prev: prev, Head: prev, Records: records}
	for _, r := range records {
		s.Head = s.Head.Next(r.AppendCanonical(nil))
	}
	return s
}

func firstSegment() protocol.Segment {
	epoch := fixedHash("epoch")
	return segment(epoch, 1, epoch, records())
}

// message is one message before it is written.
type message struct {
	envelope protocol.Envelope
	body     any
	key      seal.SigningKey
}

// messages holds one message of every kind, and more of a kind where its body
// has more than one shape. All of their bytes are in testdata/messages.
func messages(t testing.TB) map[string]message {
	agent, hub := agentKey(t), hubKey(t)
	s := firstSegment()
	receipt := protocol.Receipt{
		Generation: protocol.Generation{ID: fixedHash("generation"), Number: 3},
		Epochs: []protocol.EpochStore{
			{Epoch: s.Epoch, Through: s.Last, Hash: s.Head},
			{Epoch: fixedHash("older epoch"), Through: 12, Hash: fixedHash("twelve"), Fork: 9},
		},
	}
	up := protocol.Envelope{Site: site, To: hub.Public().KeyID(), At: instant("2026-01-02T00:31:06Z")}
	down := protocol.Envelope{Site: site, To: agent.Public().KeyID(), At: instant("2026-01-02T00:31:07Z")}
	all := protocol.Envelope{Site: protocol.HubSite, At: instant("2026-01-02T00:30:00Z")}
	of := func(e protocol.Envelope, kind protocol.Kind, seq protocol.Seq) protocol.Envelope {
		e.Kind, e.Seq = kind, seq
		return e
	}
	receiptMessage := write(t, of(down, protocol.KindReceipt, protocol.Seq{Life: 3, Counter: 18}), receipt, hub)
	state := protocol.State{
		Status: protocol.StatusReady, Boot: "8899aabbccddeeff", Key: agent.Public(), Version: "v0.1.0", Clock: protocol.ClockSynchronised,
		Epoch: s.Epoch, Last: s.Last,
		Backlog:  protocol.Backlog{Punches: 2, Oldest: instant("2026-01-02T00:31:05Z")},
		Capacity: protocol.Capacity{UsedBytes: 1 << 20, MaxBytes: 1 << 30, DaysLeft: 4000},
		Receipt:  receiptMessage,
		Conditions: []protocol.Condition{{
			Code: "terminal-unreachable", Severity: protocol.SeverityWarning, Subject: "192.0.2.7:4370",
			Since: instant("2026-01-02T00:00:00Z"), Args: map[string]string{"cause": "connection refused"},
		}},
		Terminals: []protocol.Terminal{{
			Serial: "X100C0001", Address: "192.0.2.7:4370", Model: "X100-C", Firmware: "Ver 6.60", Algorithm: "10",
			Users: protocol.Fill{Used: 57, Capacity: 3000}, Fingers: protocol.Fill{Used: 112, Capacity: 3000}, Logs: protocol.Fill{Used: 81234, Capacity: 100000},
			Offset: -42, Watermark: "2026-01-02T07:31:05", LastRead: instant("2026-01-02T00:31:05Z"), Proof: "count",
		}},
	}
	keeping := state
	keeping.Rosters = []protocol.HeldRoster{{Serial: "X100C0001", Order: protocol.Seq{Life: 3, Counter: 7}}, {Serial: "X100C0002"}}
	configured := state
	configured.Config = protocol.ConfigState{Order: protocol.Seq{Life: 3, Counter: 1}, Trying: protocol.Seq{Life: 3, Counter: 3},
		Refused: protocol.Seq{Life: 3, Counter: 2}, Reason: "unreadable", Detail: `unknown key "rush"`}
	ofTerminal := func(e protocol.Envelope) protocol.Envelope {
		e.Subject = "X100C0001"
		return e
	}
	templates := protocol.Templates{Serial: "X100C0001", Items: []protocol.SealedTemplate{{PIN: "100001", Finger: 6, Algorithm: 10, Digest: fixedHash("template"), Box: fixedBox()}}}
	captured := protocol.Templates{Serial: "X100C0001", Items: []protocol.SealedTemplate{{PIN: "100001", Finger: 6, Algorithm: 10, Digest: fixedHash("template"),
		Box: fixedBox(), Job: protocol.Seq{Life: 3, Counter: 12}}}}
	lost := protocol.State{Status: protocol.StatusLost, Boot: state.Boot, Key: agent.Public(), Version: state.Version, Clock: protocol.ClockHeld, Epoch: s.Epoch, Receipt: json.RawMessage("null")}
	will := of(up, protocol.KindState, protocol.Seq{Life: 5, Counter: protocol.ConnectionCounter(2, protocol.WillMessage)})
	will.At = nil
	code, err := protocol.ParseClaimCode("K7QM-2XWD-9RTA")
	if err != nil {
		t.Fatal(err)
	}
	return map[string]message{
		"state":         {of(up, protocol.KindState, protocol.Seq{Life: 5, Counter: protocol.ConnectionCounter(2, 1)}), state, agent},
		"state-rosters": {of(up, protocol.KindState, protocol.Seq{Life: 5, Counter: protocol.ConnectionCounter(2, 6)}), keeping, agent},
		"state-config":  {of(up, protocol.KindState, protocol.Seq{Life: 5, Counter: protocol.ConnectionCounter(2, 10)}), configured, agent},
		"config":        {of(down, protocol.KindConfig, protocol.Seq{Life: 3, Counter: 3}), protocol.Config{Settings: "[apply]\nrush = [\"07:00-08:00\"]\n"}, hub},
		"state-will":    {will, lost, agent},
		"punches":       {of(up, protocol.KindPunches, protocol.Seq{Life: 5, Counter: protocol.ConnectionCounter(2, 2)}), s, agent},
		"receipt":       {of(down, protocol.KindReceipt, protocol.Seq{Life: 3, Counter: 18}), receipt, hub},
		"hub":           {of(all, protocol.KindHub, protocol.Seq{Life: 3, Counter: 1}), protocol.Hub{Status: protocol.HubBorn, Generation: receipt.Generation, Version: "v0.1.0"}, hub},
		"keys":          {of(all, protocol.KindKeys, protocol.Seq{Life: 1, Counter: 2}), keyList(t), rootKey(t)},
		"claim": {of(up, protocol.KindClaim, protocol.Seq{Life: 1, Counter: 1}), protocol.Claim{Code: code, Key: agent.Public(),
			TLS: []byte("public key, PKIX"), Terminals: []protocol.Serial{"X100C0001"}, Version: "v0.1.0"}, agent},
		"renewal": {of(up, protocol.KindRenewal, protocol.Seq{Life: 5, Counter: 3}), protocol.Renewal{
			TLS: []byte("public key, PKIX"), Version: "v0.1.0"}, agent},
		"grant": {of(down, protocol.KindGrant, protocol.Seq{Life: 5, Counter: 3}), protocol.Grant{Certificate: []byte("certificate, DER"),
			Until: *instant("2026-04-02T00:00:00Z"), Renew: *instant("2026-03-03T00:00:00Z"), Brokers: []string{"ssl://hub.example.go.id:8883"}}, hub},
		"roster": {ofTerminal(of(down, protocol.KindRoster, protocol.Seq{Life: 3, Counter: 7})), protocol.Roster{AsOf: "2026-02-01", Mode: "enforce", Users: 57, Fingers: 112,
			Doc: protocol.Document{Digest: fixedHash("roster"), Size: 40_000, Box: fixedBox()}}, hub},
		"roster-head": {ofTerminal(of(down, protocol.KindRoster, protocol.Seq{Life: 3, Counter: 8})), protocol.Roster{AsOf: "2026-02-01", Mode: "observe", Users: 3000, Fingers: 9000,
			Doc: protocol.Document{Digest: fixedHash("large roster"), Size: 1_400_000, Parts: 9}}, hub},
		"inventory": {ofTerminal(of(up, protocol.KindInventory, protocol.Seq{Life: 5, Counter: protocol.ConnectionCounter(2, 3)})), protocol.Inventory{Sealing: sealingKey(t).Public(), Users: 57, Fingers: 112,
			Doc: protocol.Document{Digest: fixedHash("inventory"), Size: 40_000, Box: fixedBox()}}, agent},
		"templates-up":   {of(up, protocol.KindTemplatesUp, protocol.Seq{Life: 5, Counter: protocol.ConnectionCounter(2, 4)}), templates, agent},
		"templates-down": {of(down, protocol.KindTemplatesDown, protocol.Seq{Life: 3, Counter: 9}), templates, hub},
		"results": {of(up, protocol.KindResults, protocol.Seq{Life: 5, Counter: protocol.ConnectionCounter(2, 5)}), protocol.Results{
			Serial: "X100C0001", Roster: protocol.Seq{Life: 3, Counter: 7}, Inventory: fixedHash("inventory"), State: protocol.StandingBraked,
			Outcomes: []protocol.Outcome{{Act: "add-user", PIN: "100001"}, {Act: "add-finger", PIN: "100001", Finger: 6, Reason: "template-missing"}},
			Blocked:  []protocol.Outcome{{Act: "drop-user", PIN: "100002", Reason: "last-administrator"}},
			Wants:    []protocol.Hash{fixedHash("template")}, Plan: fixedHash("plan"),
		}, agent},
		"jobs": {of(down, protocol.KindJobs, protocol.Seq{Life: 3, Counter: 12}), protocol.Job{Kind: protocol.JobCapture,
			NotBefore: *instant("2026-01-02T00:31:00Z"), Expires: *instant("2026-01-02T01:01:00Z"), Serial: "X100C0001", PIN: "100001", Finger: 6}, hub},
		"jobs-cancel": {of(down, protocol.KindJobs, protocol.Seq{Life: 3, Counter: 12}), protocol.Job{Kind: protocol.JobCancel,
			Expires: *instant("2026-01-02T01:01:00Z"), Serial: "X100C0001"}, hub},
		"progress": {of(up, protocol.KindProgress, protocol.Seq{Life: 5, Counter: protocol.ConnectionCounter(2, 6)}), protocol.Progress{
			Job: protocol.Seq{Life: 3, Counter: 12}, Serial: "X100C0001", Step: protocol.StepBad, Good: 1, Bad: 1}, agent},
		"progress-done": {of(up, protocol.KindProgress, protocol.Seq{Life: 5, Counter: protocol.ConnectionCounter(2, 7)}), protocol.Progress{
			Job: protocol.Seq{Life: 3, Counter: 12}, Serial: "X100C0001", Step: protocol.StepStored, Good: 3, Bad: 1, Ended: protocol.EndedDone, Digest: fixedHash("template")}, agent},
		"progress-blocked": {of(up, protocol.KindProgress, protocol.Seq{Life: 5, Counter: protocol.ConnectionCounter(2, 8)}), protocol.Progress{
			Job: protocol.Seq{Life: 3, Counter: 13}, Serial: "X100C0001", Step: protocol.StepBegun, Ended: protocol.EndedBlocked, Reason: "users-full"}, agent},
		"jobs-clock": {of(down, protocol.KindJobs, protocol.Seq{Life: 3, Counter: 14}), protocol.Job{Kind: protocol.JobClock,
			Expires: *instant("2026-01-02T01:01:00Z"), Serial: "X100C0001", Force: true}, hub},
		"jobs-key": {of(down, protocol.KindJobs, protocol.Seq{Life: 3, Counter: 20}), protocol.Job{Kind: protocol.JobKeyWrite,
			Expires: *instant("2026-01-02T01:01:00Z"), Serial: "X100C0001", Kept: fixedHash("box")}, hub},
		"progress-key": {of(up, protocol.KindProgress, protocol.Seq{Life: 5, Counter: protocol.ConnectionCounter(2, 20)}), protocol.Progress{
			Job: protocol.Seq{Life: 3, Counter: 19}, Kind: protocol.JobKeyMake, Serial: "X100C0001", Step: protocol.StepBegun, Ended: protocol.EndedDone,
			Result: &protocol.ErrandResult{Key: new(fixedBox())}}, agent},
		"jobs-restart": {of(down, protocol.KindJobs, protocol.Seq{Life: 3, Counter: 15}), protocol.Job{Kind: protocol.JobRestart,
			Expires: *instant("2026-01-02T01:01:00Z")}, hub},
		"progress-clock": {of(up, protocol.KindProgress, protocol.Seq{Life: 5, Counter: protocol.ConnectionCounter(2, 10)}), protocol.Progress{
			Job: protocol.Seq{Life: 3, Counter: 14}, Kind: protocol.JobClock, Serial: "X100C0001", Step: protocol.StepBegun, Ended: protocol.EndedDone,
			Result: &protocol.ErrandResult{Rows: 81234, New: 2, Before: -90, After: 0}}, agent},
		"progress-unknown": {of(up, protocol.KindProgress, protocol.Seq{Life: 5, Counter: protocol.ConnectionCounter(2, 11)}), protocol.Progress{
			Job: protocol.Seq{Life: 3, Counter: 16}, Kind: "of-a-newer-hub", Ended: protocol.EndedUnknown}, agent},
		"diagnosis": {of(up, protocol.KindDiagnosis, protocol.Seq{Life: 5, Counter: protocol.ConnectionCounter(2, 12)}), protocol.Diagnosis{
			Job: protocol.Seq{Life: 3, Counter: 17}, Doc: protocol.Document{Digest: fixedHash("diagnosis"), Size: 20_000, Box: fixedBox()}}, agent},
		"release":            {of(down, protocol.KindRelease, protocol.Seq{Life: 3, Counter: 14}), protocol.Release{SignedManifest: signedManifest(t), Downgrade: true}, hub},
		"templates-captured": {of(up, protocol.KindTemplatesUp, protocol.Seq{Life: 5, Counter: protocol.ConnectionCounter(2, 9)}), captured, agent},
	}
}

// manifest is a release for all processors.
func manifest(t testing.TB) protocol.Manifest {
	version, err := protocol.ParseEdition("v1.4.0-rc.1")
	if err != nil {
		t.Fatal(err)
	}
	return protocol.Manifest{Version: version, Built: *instant("2026-01-02T00:00:00Z"), Files: []protocol.ReleaseFile{
		{Arch: protocol.ArchAMD64, Size: 20_000_000, SHA256: fixedHash("amd64")},
		{Arch: protocol.ArchARM64, Size: 19_000_000, SHA256: fixedHash("arm64")},
		{Arch: protocol.ArchARMv6, Size: 18_000_000, SHA256: fixedHash("armv6")},
	}}
}

// signedManifest is written without SignManifest.
func signedManifest(t testing.TB) protocol.SignedManifest {
	text := plainJSON(t, manifest(t))
	return protocol.SignedManifest{Manifest: text, Sig: fixedKey(t, "release").Sign(append([]byte("sidik/v1/release\n"), text...))}
}

// keyList is a keys document: a present key of the hub, and an older one that counts
// for a while.
func keyList(t testing.TB) protocol.KeyList {
	until := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	return protocol.KeyList{
		Root:    rootKey(t).Public(),
		Signing: []protocol.HubKey{{Key: hubKey(t).Public()}, {Key: fixedKey(t, "hub before").Public(), Until: &until}},
		Sealing: []seal.SealingPublic{sealingKey(t).Public()}, Authorities: [][]byte{[]byte("certificate, DER")},
		Release: []seal.PublicKey{fixedKey(t, "release").Public()},
	}
}

// topic is where a message belongs; those that travel over HTTPS have none.
func (m message) topic() string {
	switch m.envelope.Kind {
	case protocol.KindClaim, protocol.KindRenewal, protocol.KindGrant:
		return ""
	}
	return m.envelope.Topic().String()
}

// write is a second writer of messages, made from the contract's description
// and sharing no code with Seal, with an id that does not change.
func write(t testing.TB, e protocol.Envelope, body any, key seal.SigningKey) []byte {
	t.Helper()
	sum := sha256.Sum256([]byte(e.Kind))
	return writeAs(t, e, plainJSON(t, body), fmt.Sprintf("%x", sum[:8]), key)
}

func writeAs(t testing.TB, e protocol.Envelope, body []byte, id string, key seal.SigningKey) []byte {
	t.Helper()
	return writeFrom(t, e, body, id, string(key.Public().KeyID()), key)
}

func writeFrom(t testing.TB, e protocol.Envelope, body []byte, id, from string, key seal.SigningKey) []byte {
	t.Helper()
	at, atJSON := "", "null"
	if e.At != nil {
		at = e.At.UTC().Format("2006-01-02T15:04:05Z")
		atJSON = `"` + at + `"`
	}
	signed := []byte("sidik/v1/envelope")
	for _, field := range []string{
		"1", string(e.Kind), string(e.Site), e.Subject, from, string(e.To),
		fmt.Sprintf("%d.%d", e.Seq.Life, e.Seq.Counter), id, at, string(body),
	} {
		signed = binary.BigEndian.AppendUint32(signed, uint32(len(field)))
		signed = append(signed, field...)
	}
	quote := func(s string) string { return string(plainJSON(t, s)) }
	return fmt.Appendf(nil, `{"v":1,"kind":%s,"site":%s,"subject":%s,"from":%s,"to":%s,"seq":[%d,%d],"id":%s,"at":%s,"body":%s,"sig":%s}`,
		quote(string(e.Kind)), quote(string(e.Site)), quote(e.Subject), quote(from), quote(string(e.To)),
		e.Seq.Life, e.Seq.Counter, quote(id), atJSON, body, plainJSON(t, key.Sign(signed)))
}

func plainJSON(t testing.TB, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(b.Bytes())
}

// known finds the two fixed keys.
func known(t testing.TB) protocol.Keys {
	agent, hub, root := agentKey(t).Public(), hubKey(t).Public(), rootKey(t).Public()
	return func(s protocol.SiteID, id seal.KeyID) (seal.PublicKey, bool) {
		switch {
		case id == hub.KeyID():
			return hub, true
		case id == root.KeyID() && s == protocol.HubSite:
			return root, true
		case id == agent.KeyID() && s == site:
			return agent, true
		}
		return seal.PublicKey{}, false
	}
}
