package usbfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
)

func TestParseTemplates(t *testing.T) {
	for _, a := range []Algorithm{Algorithm9, Algorithm10} {
		want := fingers(5, a)
		want[3].Flag, want[4].Flag = 3, 0
		content := written(t, TemplateFile{Algorithm: a, Templates: want})
		f, err := ParseTemplates(content, a)
		if err != nil || len(f.Lost) > 0 || len(f.Templates) != len(want) {
			t.Fatalf("algorithm %d: %d read, lost %v: %v", a, len(f.Templates), f.Lost, err)
		}
		for i, m := range f.Templates {
			if w := want[i]; m.Slot != w.Slot || m.Finger != w.Finger || m.Flag != w.Flag || !bytes.Equal(m.Bytes(), w.Data.Bytes()) {
				t.Errorf("algorithm %d: template %d is not what was written", a, i)
			}
		}
		if again := written(t, f); !bytes.Equal(again, content) {
			t.Errorf("algorithm %d: not written as read", a)
		}
		if a == Algorithm9 && len(content) != 10*608 {
			t.Errorf("%d bytes of algorithm 9", len(content))
		}
		if f, err := ParseTemplates(content, 19-a); !errors.Is(err, ErrNotTemplates) {
			t.Errorf("algorithm %d taken for the other, %d templates: %v", a, len(f.Templates), err)
		}
	}
	if f, err := ParseTemplates(nil, Algorithm10); err != nil || len(f.Templates) > 0 {
		t.Error("an empty file is one of a terminal without fingers:", err)
	}
	if _, err := ParseTemplates(nil, 12); !errors.Is(err, ErrNotTemplates) {
		t.Error(err)
	}
	if _, err := ParseTemplates(make([]byte, MaxPacked+1), Algorithm9); !errors.Is(err, ErrLarge) {
		t.Error(err)
	}
}

// The size of a record of algorithm 9 is read with and without the head.
func TestSizeOfAlgorithm9(t *testing.T) {
	for _, size := range []int{500, 506} {
		content := written(t, TemplateFile{Algorithm: Algorithm9, Templates: fingers(1, Algorithm9)})
		binary.LittleEndian.PutUint16(content, uint16(size))
		f, err := ParseTemplates(content, Algorithm9)
		if err != nil || len(f.Templates[0].Bytes()) != 500 || len(f.Templates[0].Data.Bytes()) != 602 {
			t.Errorf("size %d: a template of %d bytes, %v", size, len(f.Templates[0].Bytes()), err)
		}
		if again := written(t, f); !bytes.Equal(again, content) {
			t.Errorf("size %d is written otherwise", size)
		}
	}
}

func TestAlgorithmOf(t *testing.T) {
	for path, want := range map[string]Algorithm{
		"template.dat": 9, "TEMPLATE.DAT": 9, "template (1).dat": 9, `E:\template.fp10.1`: 10, "/media/x/template.fp10": 10,
		"template.fp10 (2).1": 10, "user.dat": 0, "biotemplate.dat": 0, "ssrface.dat": 0, "template.txt": 0, "": 0,
	} {
		if a, known := AlgorithmOf(path); a != want || known != (want > 0) {
			t.Errorf("%q is of algorithm %d, %v", path, a, known)
		}
	}
	for _, a := range []Algorithm{Algorithm9, Algorithm10} {
		if b, _ := AlgorithmOf(a.TemplatesName()); a != b {
			t.Errorf("the name of algorithm %d is one of %d", a, b)
		}
	}
}

// Each kind of damage, at each record: the others are read whole, and where the loss is
// is told.
func TestDamagedTemplateCostsItself(t *testing.T) {
	for _, a := range []Algorithm{Algorithm9, Algorithm10} {
		want := fingers(4, a)
		whole := written(t, TemplateFile{Algorithm: a, Templates: want})
		f, err := ParseTemplates(whole, a)
		if err != nil {
			t.Fatal(err)
		}
		begins := []int{}
		for _, m := range f.Templates {
			begins = append(begins, m.Offset())
		}
		begins = append(begins, len(whole))
		for name, damage := range map[string]func(record []byte){
			"no slot":                   func(r []byte) { r[2], r[3] = 0, 0 },
			"a finger too many":         func(r []byte) { r[4] = 10 },
			"a flag of nothing":         func(r []byte) { r[5] = 77 },
			"a size of nothing":         func(r []byte) { r[0], r[1] = 0, 0 },
			"a size beyond all":         func(r []byte) { r[0], r[1] = 0xff, 0xff },
			"a size somewhat too large": func(r []byte) { r[1] += 5 },
			"a size too small":          func(r []byte) { r[0], r[1] = 90, 0 },
			"overwritten with NUL":      func(r []byte) { copy(r, make([]byte, len(r))) },
		} {
			if a == Algorithm9 && name == "a size too small" {
				continue // it is carried whole whatever its size is
			}
			for n := range want {
				content := bytes.Clone(whole)
				damage(content[begins[n]:begins[n+1]])
				f, err := ParseTemplates(content, a)
				if err != nil {
					t.Fatalf("%d, %s: %v", a, name, err)
				}
				what := fmt.Sprintf("algorithm %d, %s, record %d: lost %v", a, name, n, f.Lost)
				if len(f.Lost) != 1 || f.Lost[0].Offset != begins[n] || f.Lost[0].Size != begins[n+1]-begins[n] || len(f.Templates) != len(want)-1 {
					t.Errorf("%s, %d kept", what, len(f.Templates))
					continue
				}
				for i, m := range f.Templates {
					if i >= n {
						i++
					}
					if !bytes.Equal(m.Bytes(), want[i].Data.Bytes()) || m.Offset() != begins[i] {
						t.Errorf("%s: template %d is another", what, i)
					}
				}
			}
		}
		for cut := begins[7] + 1; cut < len(whole); cut += 41 {
			f, err := ParseTemplates(whole[:cut], a)
			if err != nil || len(f.Templates) != 7 || len(f.Lost) != 1 || f.Lost[0] != (Loss{begins[7], cut - begins[7], FaultShort}) {
				t.Fatalf("algorithm %d, cut at %d: %d templates, lost %v: %v", a, cut, len(f.Templates), f.Lost, err)
			}
		}
	}
}

// A file that is made to be looked through again and again takes no longer than another.
func TestLongestSearchForTemplates(t *testing.T) {
	two := written(t, TemplateFile{Algorithm: Algorithm10, Templates: []Template{NewTemplate(1, 1, 1, []byte{1}), NewTemplate(1, 2, 1, []byte{1})}})
	content := bytes.Repeat(append(two, 9), MaxPacked/(len(two)+1))
	if _, err := ParseTemplates(content, Algorithm10); err != nil && !errors.Is(err, ErrNotTemplates) {
		t.Error(err)
	}
}

func TestTemplateThatDoesNotFit(t *testing.T) {
	for name, row := range map[string]struct {
		algorithm Algorithm
		template  Template
	}{
		"603 bytes of algorithm 9": {Algorithm9, NewTemplate(1, 1, 1, make([]byte, 603))},
		"16 KB":                    {Algorithm10, NewTemplate(1, 1, 1, make([]byte, 16<<10))},
		"70 KB":                    {Algorithm10, NewTemplate(1, 1, 1, make([]byte, 70<<10))},
		"no bytes":                 {Algorithm10, NewTemplate(1, 1, 1, nil)},
		"no bytes of algorithm 9":  {Algorithm9, NewTemplate(1, 1, 1, nil)},
		"no slot":                  {Algorithm10, NewTemplate(0, 1, 1, []byte{1})},
		"an eleventh finger":       {Algorithm10, NewTemplate(1, 10, 1, []byte{1})},
		"a flag of nothing":        {Algorithm9, NewTemplate(1, 1, 2, []byte{1})},
	} {
		before := []byte{1, 2}
		if after, err := row.algorithm.Append(before, row.template); !errors.Is(err, ErrTooLong) || !bytes.Equal(after, before) {
			t.Errorf("%s: %d bytes, %v", name, len(after), err)
		}
	}
}

func FuzzParseTemplates(f *testing.F) {
	for _, a := range []Algorithm{Algorithm9, Algorithm10} {
		content := written(f, TemplateFile{Algorithm: a, Templates: fingers(2, a)})
		f.Add(content, uint8(a))
		f.Add(content[:len(content)-100], uint8(a))
		content = bytes.Clone(content)
		content[0] = 3
		f.Add(content, uint8(a))
	}
	f.Add(written(f, TemplateFile{Algorithm: Algorithm10, Templates: []Template{NewTemplate(1, 2, 3, []byte{1}), NewTemplate(2, 2, 1, []byte{1, 2})}}), uint8(10))
	f.Fuzz(func(t *testing.T, content []byte, algorithm uint8) {
		a := Algorithm(algorithm)
		file, err := ParseTemplates(content, a)
		if err != nil {
			return
		}
		templates := file.Templates
		whole(t, content, file.Lost, func(at int) (int, []byte) {
			if len(templates) == 0 || templates[0].Offset() != at {
				return 0, nil
			}
			record, err := a.Append(nil, templates[0])
			if err != nil {
				t.Fatal(err)
			}
			templates = templates[1:]
			return len(record), record
		})
		if len(templates) > 0 {
			t.Fatalf("%d templates out of their order", len(templates))
		}
	})
}
