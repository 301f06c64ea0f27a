package protocol_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// goldenFolder holds the bytes of one version of the contract. What is listed in
// its SHA256SUMS is promised to programs that are out there.
func goldenFolder(version int) string {
	return filepath.Join("..", "testdata", "messages", fmt.Sprintf("v%d", version))
}

var update = flag.Bool("update", false, "write the golden files of this version; a promised one is never changed")

// goldens are the files of this version, as this program writes them.
func goldens(t testing.TB) map[string][]byte {
	files := map[string][]byte{"record.json": goldenRecords(t)}
	for name, m := range messages(t) {
		files[name+".json"] = append(write(t, m.envelope, m.body, m.key), '\n')
	}
	return files
}

// goldenRecord is a record, its canonical bytes and its place in a chain.
type goldenRecord struct {
	Record    protocol.Record `json:"record"`
	Canonical string          `json:"canonical"`
	Before    protocol.Hash   `json:"before"`
	After     protocol.Hash   `json:"after"`
}

func goldenRecords(t testing.TB) []byte {
	h := fixedHash("epoch")
	var rows []goldenRecord
	for _, r := range records() {
		row := goldenRecord{Record: r, Canonical: hex.EncodeToString(r.AppendCanonical(nil)), Before: h}
		h = h.Next(r.AppendCanonical(nil))
		row.After = h
		rows = append(rows, row)
	}
	text, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

func TestGoldenFiles(t *testing.T) {
	folder := goldenFolder(protocol.Version)
	if *update {
		if err := updateGoldens(folder, goldens(t)); err != nil {
			t.Fatal(err)
		}
	}
	if err := compareGoldens(folder, goldens(t)); err != nil {
		t.Error(err)
	}
}

// What stands in the files is opened and read by this program, too.
func TestGoldenMessagesAreUnderstood(t *testing.T) {
	for name, m := range messages(t) {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(goldenFolder(protocol.Version), name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			text = bytes.TrimSuffix(text, []byte("\n"))
			e, err := protocol.Open(m.topic(), text, known(t))
			if err != nil {
				t.Fatal(err)
			}
			body := reflect.New(reflect.TypeOf(m.body))
			if err := e.Into(body.Interface()); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(body.Elem().Interface(), m.body) {
				t.Errorf("body = %+v\nwant %+v", body.Elem(), m.body)
			}
			sealed, err := protocol.Seal(m.envelope, m.body, m.key)
			if err != nil {
				t.Fatal(err)
			}
			again, err := protocol.Open(m.topic(), sealed, known(t))
			if err != nil {
				t.Fatal(err)
			}
			again.ID, again.Sig = e.ID, e.Sig
			if !reflect.DeepEqual(again, e) {
				t.Errorf("Seal wrote %+v\nthe file has %+v", again, e)
			}
		})
	}
}

func TestGoldenRecordsAreUnderstood(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(goldenFolder(protocol.Version), "record.json"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []goldenRecord
	if err := json.Unmarshal(text, &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) == 0 {
		t.Fatal("no record in the file")
	}
	for _, row := range rows {
		canonical, err := hex.DecodeString(row.Canonical)
		if err != nil {
			t.Fatal(err)
		}
		got, err := protocol.ParseCanonical(canonical)
		if err != nil || !reflect.DeepEqual(got, row.Record) {
			t.Errorf("ParseCanonical(%s) = %+v, %v\nwant %+v", row.Canonical, got, err, row.Record)
		}
		if after := row.Before.Next(canonical); after != row.After {
			t.Errorf("%s.Next = %s, want %s", row.Before.Short(), after, row.After)
		}
		if after := protocol.Hash(sha256.Sum256(append(row.Before[:], canonical...))); after != row.After {
			t.Errorf("SHA-256 by hand = %s, want %s", after, row.After)
		}
	}
}

// Every version that was ever promised stays as it was.
func TestPromisedFilesAreUnchanged(t *testing.T) {
	for version := 1; version <= protocol.Version; version++ {
		if err := checkPromise(goldenFolder(version)); err != nil {
			t.Error(err)
		}
	}
}

func TestEveryKindHasAGoldenFile(t *testing.T) {
	seen := map[protocol.Kind]bool{}
	for _, m := range messages(t) {
		seen[m.envelope.Kind] = true
	}
	for _, kind := range []protocol.Kind{protocol.KindState, protocol.KindPunches, protocol.KindReceipt, protocol.KindHub, protocol.KindKeys,
		protocol.KindRoster, protocol.KindInventory, protocol.KindTemplatesUp, protocol.KindTemplatesDown, protocol.KindResults,
		protocol.KindJobs, protocol.KindProgress, protocol.KindDiagnosis, protocol.KindRelease, protocol.KindConfig, protocol.KindClaim, protocol.KindRenewal, protocol.KindGrant} {
		if !seen[kind] {
			t.Errorf("no golden message of kind %s", kind)
		}
	}
}

// The rule of the versions, seen failing on a folder of its own.
func TestAPromisedFileCannotBeChanged(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "v1")
	promised := map[string][]byte{"state.json": []byte("one\n")}
	if err := updateGoldens(folder, promised); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(compareGoldens(folder, promised), checkPromise(folder)); err != nil {
		t.Fatalf("a fresh folder: %v", err)
	}
	changed := map[string][]byte{"state.json": []byte("two\n")}
	if err := updateGoldens(folder, changed); err == nil || !strings.Contains(err.Error(), "raise") {
		t.Errorf("-update over a promised file = %v, want the order to raise the version", err)
	}
	if err := compareGoldens(folder, changed); err == nil {
		t.Error("a program that writes other bytes passed")
	}
	more := map[string][]byte{"state.json": []byte("one\n"), "roster.json": []byte("new\n")}
	if err := updateGoldens(folder, more); err != nil {
		t.Errorf("-update with a new kind of message = %v", err)
	}
	if err := os.WriteFile(filepath.Join(folder, "state.json"), []byte("two\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := checkPromise(folder); err == nil {
		t.Error("a file changed by hand passed")
	}
	if err := os.Remove(filepath.Join(folder, "state.json")); err != nil {
		t.Fatal(err)
	}
	if err := checkPromise(folder); err == nil {
		t.Error("a removed file passed")
	}
}

func compareGoldens(folder string, files map[string][]byte) error {
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return fmt.Errorf("%w (a new kind of message? run this test with -update)", err)
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("%s is not what this program writes: a change of the contract\nfile: %s\nnow:  %s", filepath.Join(folder, name), got, want)
		}
	}
	return nil
}

// checkPromise compares the files with the folder's SHA256SUMS.
func checkPromise(folder string) error {
	sums, err := readSums(folder)
	if err != nil {
		return err
	}
	if len(sums) == 0 {
		return fmt.Errorf("%s promises nothing", folder)
	}
	for name, want := range sums {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(text)); got != want {
			return fmt.Errorf("%s was promised and is changed: %s", filepath.Join(folder, name), raise)
		}
	}
	return nil
}

const raise = "raise protocol.Version, or, as long as no program of this version has left the house, " +
	"take the file's line out of SHA256SUMS by hand and run with -update"

// updateGoldens writes the files and promises them; a promised one stays.
func updateGoldens(folder string, files map[string][]byte) error {
	sums, err := readSums(folder)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, text := range files {
		sum := fmt.Sprintf("%x", sha256.Sum256(text))
		if promised, found := sums[name]; found && promised != sum {
			return fmt.Errorf("%s is promised: %s", filepath.Join(folder, name), raise)
		}
		sums[name] = sum
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
			return err
		}
	}
	var lines []string
	for name, sum := range sums {
		lines = append(lines, sum+"  "+name+"\n")
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[64:], b[64:]) })
	return os.WriteFile(filepath.Join(folder, "SHA256SUMS"), []byte(strings.Join(lines, "")), 0o644)
}

// readSums reads a list as sha256sum writes it; none is an empty one.
func readSums(folder string) (map[string]string, error) {
	sums := map[string]string{}
	text, err := os.ReadFile(filepath.Join(folder, "SHA256SUMS"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		sum, name, found := strings.Cut(strings.TrimSpace(line), "  ")
		if !found {
			return nil, fmt.Errorf("%s/SHA256SUMS: %q is not a line of it", folder, line)
		}
		sums[name] = sum
	}
	return sums, nil
}
