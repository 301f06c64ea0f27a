package verify_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/verify"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// exported is a file of evidence of the seeded site, with the hub's key and what
// an auditor trusts.
func exported(t *testing.T, s *store.Store, month string) ([]byte, verify.Manifest, seal.SigningKey, verify.Trusted) {
	t.Helper()
	hub, err := seal.GenerateSigningKey()
	ok(t, err)
	var file bytes.Buffer
	m, err := verify.Export(t.Context(), s, "samsat-belitung", month, hub, noon, &file)
	ok(t, err)
	trusted := verify.Trusted{Hub: hub.Public().Fingerprint()}
	for _, agent := range m.Agents {
		trusted.Agents = append(trusted.Agents, agent.Key.Fingerprint())
	}
	return file.Bytes(), m, hub, trusted
}

func TestEvidenceHoldsEveryPunchOfTheMonth(t *testing.T) {
	storetest.Each(t, postgres, func(t *testing.T, dsn string) {
		s := open(t, dsn)
		a := seed(t, s)
		impossible := storetest.Punches("T-1", 400, 1)[0]
		impossible.Time = protocol.RawTime(protocol.SourceZK, "4294967295")
		later := storetest.Punches("T-1", 401, 1)[0]
		later.Time = "2026-02-01T00:00:00"
		seg, _ := a.Segment(t, impossible, later)
		accept(t, s, store.OutcomeStored, a, seg)

		for _, row := range []struct {
			month string
			want  int
		}{
			{"2026-01", 9 + 1}, // nine at the registered terminal, three of them seen twice; one without a date, by its arrival
			{"2026-02", 1},
			{"2026-03", 0},
		} {
			t.Run(row.month, func(t *testing.T) {
				file, m, _, trusted := exported(t, s, row.month)
				got, err := verify.Check(bytes.NewReader(file), trusted)
				ok(t, err)
				if got.Punches != row.want || m.Punches != row.want || got.Site != a.Site {
					t.Errorf("Check = %d punches of %s, want %d", got.Punches, got.Site, row.want)
				}
				lines, err := csv.NewReader(bytes.NewReader(content(t, file)["punches.csv"])).ReadAll()
				ok(t, err)
				if len(lines) != row.want+1 {
					t.Errorf("punches.csv has %d lines, want %d and a head", len(lines), row.want)
				}
			})
		}
		for _, month := range []string{"", "2026", "2026-13", "2026-01-01"} {
			if _, err := verify.Export(t.Context(), s, a.Site, month, a.Key, noon, io.Discard); !errors.Is(err, verify.ErrMonth) {
				t.Errorf("Export(%q) = %v, want ErrMonth", month, err)
			}
		}
	})
}

func TestEveryByteOfTheEvidenceCounts(t *testing.T) {
	s := open(t, t.TempDir()+"/hub.db")
	seed(t, s)
	file, _, _, trusted := exported(t, s, "2026-01")
	step := 1
	if testing.Short() {
		step = 17
	}
	for i := 0; i < len(file); i += step {
		file[i] ^= 1 << (i % 8)
		if _, err := verify.Check(bytes.NewReader(file), trusted); !errors.Is(err, verify.ErrEvidence) {
			t.Fatalf("byte %d of %d changed: Check = %v, want ErrEvidence", i, len(file), err)
		}
		file[i] ^= 1 << (i % 8)
	}
	for _, cut := range []int{0, 1, 512, len(file) / 2, len(file) - 512, len(file) - 1} {
		if _, err := verify.Check(bytes.NewReader(file[:cut]), trusted); !errors.Is(err, verify.ErrEvidence) {
			t.Errorf("cut to %d bytes: Check = %v, want ErrEvidence", cut, err)
		}
	}
	if _, err := verify.Check(bytes.NewReader(append(file, 0)), trusted); !errors.Is(err, verify.ErrEvidence) {
		t.Errorf("one byte more: Check = %v, want ErrEvidence", err)
	}
}

func TestOnlyTrustedKeysProve(t *testing.T) {
	s := open(t, t.TempDir()+"/hub.db")
	seed(t, s)
	file, _, _, trusted := exported(t, s, "2026-01")
	stranger := storetest.NewAgent(t, "x").Key.Public().Fingerprint()
	for _, row := range []struct {
		name    string
		trusted verify.Trusted
	}{
		{"nothing trusted", verify.Trusted{}},
		{"another hub", verify.Trusted{Hub: stranger, Agents: trusted.Agents}},
		{"no agent", verify.Trusted{Hub: trusted.Hub}},
		{"one of two agents", verify.Trusted{Hub: trusted.Hub, Agents: trusted.Agents[:1]}},
		{"another agent", verify.Trusted{Hub: trusted.Hub, Agents: []seal.Fingerprint{stranger}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, err := verify.Check(bytes.NewReader(file), row.trusted); !errors.Is(err, verify.ErrEvidence) {
				t.Errorf("Check = %v, want ErrEvidence", err)
			}
		})
	}
}

// TestTheHubCannotForgeEvidence plays an owner of the database and the hub's key.
func TestTheHubCannotForgeEvidence(t *testing.T) {
	s := open(t, t.TempDir()+"/hub.db")
	seed(t, s)
	file, _, hub, trusted := exported(t, s, "2026-01")
	for _, row := range []struct {
		name  string
		forge func(files map[string][]byte, m *verify.Manifest)
	}{
		{"nothing forged", nil},
		{"another PIN in a message and in the list", func(files map[string][]byte, _ *verify.Manifest) {
			for name, text := range files {
				files[name] = bytes.ReplaceAll(text, []byte("100003"), []byte("100099"))
			}
		}},
		{"a punch left out of the list", func(files map[string][]byte, m *verify.Manifest) {
			lines := bytes.SplitAfter(files["punches.csv"], []byte("\n"))
			files["punches.csv"] = bytes.Join(slices.Delete(lines, 2, 3), nil)
			m.Punches--
		}},
		{"a message left out", func(files map[string][]byte, _ *verify.Manifest) {
			lines := bytes.SplitAfter(files["segments.jsonl"], []byte("\n"))
			files["segments.jsonl"] = bytes.Join(slices.Delete(lines, 1, 2), nil)
		}},
		{"the messages in another order", func(files map[string][]byte, _ *verify.Manifest) {
			lines := bytes.SplitAfter(files["segments.jsonl"], []byte("\n"))
			lines[0], lines[1] = lines[1], lines[0]
			files["segments.jsonl"] = bytes.Join(lines, nil)
		}},
		{"a terminal denied", func(_ map[string][]byte, m *verify.Manifest) { m.Terminals = nil }},
		{"another month's name", func(_ map[string][]byte, m *verify.Manifest) { m.Month = "2026-02" }},
		{"another site's name", func(_ map[string][]byte, m *verify.Manifest) { m.Site = "dinas-arsip" }},
		{"a shorter chain claimed", func(_ map[string][]byte, m *verify.Manifest) { m.Chains[0].Last-- }},
	} {
		t.Run(row.name, func(t *testing.T) {
			files := content(t, file)
			var m verify.Manifest
			ok(t, json.Unmarshal(files["manifest.json"], &m))
			if row.forge != nil {
				row.forge(files, &m)
			}
			_, err := verify.Check(bytes.NewReader(signed(t, files, m, hub)), trusted)
			if row.forge == nil {
				ok(t, err) // this test can sign as the hub does
			} else if !errors.Is(err, verify.ErrEvidence) {
				t.Errorf("Check = %v, want ErrEvidence", err)
			}
		})
	}
}

func TestABrokenDatabaseGivesNoEvidence(t *testing.T) {
	dsn := t.TempDir() + "/hub.db"
	s := open(t, dsn)
	seed(t, s)
	newTamperer(t, dsn).exec("UPDATE segment SET message = (SELECT message FROM segment WHERE epoch = 2) WHERE epoch = 1 AND last = 5")
	hub := storetest.NewAgent(t, "x").Key
	var file bytes.Buffer
	if _, err := verify.Export(t.Context(), s, "samsat-belitung", "2026-01", hub, noon, &file); !errors.Is(err, verify.ErrBroken) || file.Len() > 0 {
		t.Errorf("Export = %v with %d bytes, want ErrBroken and none", err, file.Len())
	}
}

// sum is a SHA-256.
func sum(b []byte) protocol.Hash { return sha256.Sum256(b) }

func content(t *testing.T, file []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(file)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		ok(t, err)
		files[h.Name], err = io.ReadAll(r)
		ok(t, err)
	}
}

// signed packs files as Export does.
func signed(t *testing.T, files map[string][]byte, m verify.Manifest, hub seal.SigningKey) []byte {
	t.Helper()
	for name := range m.Files {
		m.Files[name] = sum(files[name])
	}
	text, err := json.MarshalIndent(m, "", "  ")
	ok(t, err)
	files["manifest.json"], files["manifest.sig"] = text, hub.Sign([]byte("sidik/v1/evidence\n"+string(text)))
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range strings.Fields("README.txt segments.jsonl punches.csv manifest.json manifest.sig") {
		ok(t, w.WriteHeader(&tar.Header{Name: name, Size: int64(len(files[name])), Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR, Typeflag: tar.TypeReg}))
		_, err := w.Write(files[name])
		ok(t, err)
	}
	ok(t, w.Close())
	return out.Bytes()
}
