package usbfile

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

const bio = "Pin=100001\tNo=0\tIndex=0\tValid=1\tDuress=0\tType=9\tMajorVer=35\tMinorVer=4\tFormat=0\tTmp=AAECAwQ=\r\n" +
	"Pin= 100002\tNo=6\tIndex=1\tValid=0\tDuress=1\tType=1\tMajorVer=10\tMinorVer=0\tFormat=0\tTmp=/////w==\n"

func TestParseBio(t *testing.T) {
	f, err := ParseBio([]byte(bio))
	if err != nil || len(f.Templates) != 2 || len(f.Damaged) > 0 {
		t.Fatalf("%d templates, damaged %v: %v", len(f.Templates), f.Damaged, err)
	}
	want := []BioTemplate{
		{Line: 1, PIN: "100001", Valid: true, Type: 9, Major: 35, Minor: 4, Template: NewSecret([]byte{0, 1, 2, 3, 4})},
		{Line: 2, PIN: "100002", Number: 6, Index: 1, Duress: true, Type: 1, Major: 10, Template: NewSecret([]byte{255, 255, 255, 255})},
	}
	for i, w := range want {
		if b := f.Templates[i]; !b.same(w) || b.Line != w.Line {
			t.Errorf("line %d is read as %+v", i+1, b)
		}
	}
	if again := f.Append(nil); string(again) != bio {
		t.Errorf("written\n%s", again)
	}
	f.Templates[1].Number = 7
	if again := string(f.Append(nil)); again != strings.Replace(strings.Replace(bio, "Pin= 100002\tNo=6", "Pin=100002\tNo=7", 1), "==\n", "==\r\n", 1) {
		t.Errorf("with another number written\n%s", again)
	}
}

func TestDamagedLineOfBioCostsItself(t *testing.T) {
	lines := strings.SplitAfter(bio, "\n")
	for name, row := range map[string]struct {
		line string
		why  Fault
	}{
		"cut":              {"Pin=100001\tNo=0\tInd\r\n", FaultColumns},
		"other keys":       {strings.Replace(lines[0], "Index", "Indeks", 1), FaultColumns},
		"no PIN":           {strings.Replace(lines[0], "100001", "", 1), FaultPIN},
		"half a letter":    {strings.Replace(lines[0], "AAECAwQ=", "AAECAwQ", 1), FaultBytes},
		"no template":      {strings.Replace(lines[0], "AAECAwQ=", "", 1), FaultBytes},
		"a negative":       {strings.Replace(lines[0], "No=0", "No=-1", 1), FaultNumber},
		"neither true nor": {strings.Replace(lines[0], "Valid=1", "Valid=2", 1), FaultFlag},
		"NUL":              {strings.Repeat("\x00", 700) + "\n", FaultColumns},
	} {
		f, err := ParseBio([]byte(lines[0] + row.line + " \r\n" + lines[1]))
		if err != nil || len(f.Templates) != 2 || len(f.Damaged) != 1 || f.Damaged[0].Line != 2 || f.Damaged[0].Why != row.why || f.Damaged[0].Raw != nil {
			t.Errorf("%s: %d templates, damaged %v: %v", name, len(f.Templates), f.Damaged, err)
		}
	}
	if _, err := ParseBio([]byte(office)); !errors.Is(err, ErrNotTemplates) {
		t.Error("a log is taken for templates:", err)
	}
	if _, err := ParseBio(make([]byte, MaxPacked+1)); !errors.Is(err, ErrLarge) {
		t.Error(err)
	}
}

func FuzzParseBio(f *testing.F) {
	f.Add([]byte(bio))
	f.Add([]byte(bio[:100]))
	f.Fuzz(func(t *testing.T, content []byte) {
		file, err := ParseBio(content)
		if err != nil {
			return
		}
		lines := bytes.SplitAfter(content, []byte("\n"))
		for _, b := range file.Templates {
			if got := b.Append(nil); !bytes.Equal(got, lines[b.Line-1]) {
				t.Fatalf("line %d is written as %q", b.Line, got)
			}
			b.raw = Secret{}
			again, why := parseBio(bytes.TrimRight(b.Append(nil), "\r\n"))
			if why != "" || !again.same(b) {
				t.Fatalf("line %d written anew is damaged: %s", b.Line, why)
			}
		}
	})
}
