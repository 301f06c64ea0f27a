package protocol_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

func TestEditionsAreOrdered(t *testing.T) {
	// The order of semver.org's own example, and around it.
	order := []string{"v0.0.1", "v0.9.10", "v1.0.0-alpha", "v1.0.0-alpha.1", "v1.0.0-alpha.beta", "v1.0.0-beta", "v1.0.0-beta.2",
		"v1.0.0-beta.11", "v1.0.0-rc.1", "v1.0.0", "v1.0.1", "v1.0.10", "v1.2.0", "v2.0.0-1-gabc", "v2.0.0"}
	var editions []protocol.Edition
	for _, text := range order {
		e, err := protocol.ParseEdition(text)
		if err != nil || e.String() != text {
			t.Fatalf("ParseEdition(%q) = %s, %v", text, e, err)
		}
		editions = append(editions, e)
	}
	for i, a := range editions {
		for j, b := range editions {
			if a.Less(b) != (i < j) {
				t.Errorf("%s.Less(%s) = %t", a, b, a.Less(b))
			}
		}
		if !(protocol.Edition{}).Less(a) || protocol.EditionOf(order[i]) != a {
			t.Errorf("a program without a version is not below %s", a)
		}
	}
}

func TestWhatIsNoEdition(t *testing.T) {
	for _, text := range []string{"", "dev", "unversioned", "1.2.3", "v1.2", "v1.2.3.4", "v01.2.3", "v1.2.3-", "v1.2.3-rc..1", "v1.2.3-01",
		"v1.2.3+build", "v1.2.3-rc/1", "v-1.2.3", "v1.2.+3", "v0.0.0", "v1.2.99999999999", "v1.2.3\n", "v1.2.3-" + strings.Repeat("a", 40)} {
		if e, err := protocol.ParseEdition(text); !errors.Is(err, protocol.ErrEdition) || e != (protocol.Edition{}) {
			t.Errorf("ParseEdition(%q) = %s, %v, want ErrEdition", text, e, err)
		}
		if protocol.EditionOf(text) != (protocol.Edition{}) {
			t.Errorf("EditionOf(%q) is not below all releases", text)
		}
	}
}

func TestAManifestIsOpenedByItsKeyOnly(t *testing.T) {
	key, other := fixedKey(t, "release"), fixedKey(t, "somebody")
	signed, err := protocol.SignManifest(manifest(t), key)
	if err != nil {
		t.Fatal(err)
	}
	file, err := signed.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	read, err := protocol.ParseSignedManifest(file)
	if err != nil {
		t.Fatal(err)
	}
	m, err := read.Open([]seal.PublicKey{other.Public(), key.Public()})
	if err != nil || m.Version.String() != "v1.4.0-rc.1" {
		t.Fatalf("Open = %s, %v", m.Version, err)
	}
	if f, found := m.For(protocol.ArchARMv6); !found || f.SHA256 != fixedHash("armv6") || f.Size != 18_000_000 {
		t.Errorf("the program for armv6 = %+v, %t", f, found)
	}
	for name, keys := range map[string][]seal.PublicKey{"no key": nil, "another key": {other.Public()}, "the zero key": {{}}} {
		if _, err := read.Open(keys); !errors.Is(err, protocol.ErrReleaseKey) {
			t.Errorf("%s: Open = %v, want ErrReleaseKey", name, err)
		}
	}
	for i := range read.Manifest {
		changed := protocol.SignedManifest{Manifest: slices.Clone(read.Manifest), Sig: read.Sig}
		changed.Manifest[i] ^= 1
		if _, err := changed.Open([]seal.PublicKey{key.Public()}); !errors.Is(err, protocol.ErrReleaseKey) {
			t.Fatalf("byte %d changed: Open = %v", i, err)
		}
	}
	// A signature over the bare bytes, as over any other text of ours, is none.
	bare := protocol.SignedManifest{Manifest: read.Manifest, Sig: key.Sign(read.Manifest)}
	if _, err := bare.Open([]seal.PublicKey{key.Public()}); !errors.Is(err, protocol.ErrReleaseKey) {
		t.Errorf("a signature without its domain: Open = %v", err)
	}
}

func TestManifestCheck(t *testing.T) {
	key := fixedKey(t, "release")
	for _, row := range []struct {
		name   string
		change func(m *protocol.Manifest)
		good   bool
	}{
		{"as it should be", func(*protocol.Manifest) {}, true},
		{"no version", func(m *protocol.Manifest) { m.Version = protocol.Edition{} }, false},
		{"no time", func(m *protocol.Manifest) { m.Built = time.Time{} }, false},
		{"a time with parts of a second", func(m *protocol.Manifest) { m.Built = m.Built.Add(1) }, false},
		{"a time of elsewhere", func(m *protocol.Manifest) { m.Built = m.Built.In(time.FixedZone("WIB", 7*3600)) }, false},
		{"no program", func(m *protocol.Manifest) { m.Files = nil }, false},
		{"a processor twice", func(m *protocol.Manifest) { m.Files[1].Arch = m.Files[0].Arch }, false},
		{"an unknown processor", func(m *protocol.Manifest) { m.Files[0].Arch = "z80" }, false},
		{"an empty program", func(m *protocol.Manifest) { m.Files[0].Size = 0 }, false},
		{"a giant program", func(m *protocol.Manifest) { m.Files[0].Size = protocol.MaxProgram + 1 }, false},
		{"a program without a digest", func(m *protocol.Manifest) { m.Files[0].SHA256 = protocol.Hash{} }, false},
	} {
		m := manifest(t)
		row.change(&m)
		if _, err := protocol.SignManifest(m, key); (err == nil) != row.good {
			t.Errorf("%s: SignManifest = %v", row.name, err)
		}
		if _, err := protocol.ParseManifest(plainJSON(t, m)); (err == nil) != row.good {
			t.Errorf("%s: ParseManifest = %v", row.name, err)
		}
	}
	for name, text := range map[string]string{
		"a field more": strings.Replace(string(plainJSON(t, manifest(t))), `{"version"`, `{"more":1,"version"`, 1),
		"spaces":       strings.Replace(string(plainJSON(t, manifest(t))), `,`, `, `, 1),
		"far too long": strings.Repeat(" ", protocol.MaxManifest) + string(plainJSON(t, manifest(t))),
		"two":          string(plainJSON(t, manifest(t))) + "{}",
	} {
		if _, err := protocol.ParseManifest([]byte(text)); err == nil {
			t.Errorf("%s: parsed", name)
		}
	}
}

func TestArchOf(t *testing.T) {
	for name, want := range map[string]protocol.Arch{"amd64": protocol.ArchAMD64, "arm64": protocol.ArchARM64, "arm": protocol.ArchARMv6, "riscv64": ""} {
		if got := protocol.ArchOf(name); got != want {
			t.Errorf("ArchOf(%s) = %q, want %q", name, got, want)
		}
	}
}
