package usbfile

import (
	"bytes"
	"fmt"
	"strings"
)

// TemplatesName is the name under which terminals of an algorithm write their templates.
func (a Algorithm) TemplatesName() string {
	if a == Algorithm9 {
		return "template.dat"
	}
	return "template.fp10.1"
}

// AlgorithmOf reads a template file's name: template.dat, template.fp10.1, template.fp10,
// also after a browser has put a number into it. false for a name that is none of these.
func AlgorithmOf(path string) (a Algorithm, known bool) {
	base := strings.ToLower(path[strings.LastIndexAny(path, `/\`)+1:])
	switch {
	case !strings.HasPrefix(base, "template"):
		return 0, false
	case strings.Contains(base, ".fp10"):
		return Algorithm10, true
	case strings.HasSuffix(base, ".dat"):
		return Algorithm9, true
	}
	return 0, false
}

// TemplateFile is what a file of templates says.
type TemplateFile struct {
	Algorithm Algorithm
	Templates []Template // as they stand in the file
	Lost      []Loss
}

// ParseTemplates reads a file of templates of an algorithm, which the file's name tells.
// What is no record costs only itself; where the next one begins, a file of algorithm 10
// does not say, and it is looked for. The error is ErrNotTemplates (less than half of the
// bytes are records) or ErrLarge. An empty file has none.
func ParseTemplates(content []byte, a Algorithm) (TemplateFile, error) {
	if len(content) > MaxPacked {
		return TemplateFile{}, ErrLarge
	}
	f := TemplateFile{Algorithm: a}
	switch a {
	case Algorithm9:
		f.parse9(content)
	case Algorithm10:
		f.parse10(content)
	default:
		return f, fmt.Errorf("algorithm %d: %w", a, ErrNotTemplates)
	}
	lost := 0
	for _, l := range f.Lost {
		lost += l.Size
	}
	if 2*lost > len(content) {
		return TemplateFile{}, fmt.Errorf("%d of %d bytes are no templates of algorithm %d: %w", lost, len(content), a, ErrNotTemplates)
	}
	return f, nil
}

func (f *TemplateFile) parse9(content []byte) {
	for at := 0; at < len(content); at += template9 {
		if len(content)-at < template9 {
			f.Lost = append(f.Lost, Loss{at, len(content) - at, FaultShort})
			return
		}
		t, why := parse9(content[at : at+template9])
		if why != "" {
			f.Lost = append(f.Lost, Loss{at, template9, why})
			continue
		}
		t.offset = at
		f.Templates = append(f.Templates, t)
	}
}

func (f *TemplateFile) parse10(content []byte) {
	begin := 0 // the nearest place beyond this one from which records follow, once it was looked for
	for at := 0; at < len(content); {
		t, why := parse10(content[at:])
		next := at + templateHead + len(t.Data.Bytes())
		if why == "" && follows(content, next) {
			at = f.take(t, at, next)
			continue
		}
		if begin <= at {
			begin = found(content, at+1)
		}
		if why == "" && begin >= next && ends(content, next) {
			at = f.take(t, at, next)
			continue
		}
		if why == "" { // or it would take what follows for its own
			why = FaultSize
		}
		f.Lost = append(f.Lost, Loss{at, begin - at, why})
		at = begin
	}
}

func (f *TemplateFile) take(t Template, at, next int) int {
	t.offset = at
	f.Templates = append(f.Templates, t)
	return next
}

// peek looks at a record's head without copying the record.
func peek(content []byte, at int) (next int, why Fault) {
	if len(content)-at < templateHead {
		return at, FaultShort
	}
	t, why := head(content[at:], templateHead+1, template10)
	if why == "" && at+int(t.size) > len(content) {
		why = FaultShort
	}
	return at + int(t.size), why
}

// chain is how many records in a row are believed to be no accident.
const chain = 3

// follows tells whether records begin at a place, or the file ends there.
func follows(content []byte, at int) bool {
	for range chain {
		if at == len(content) {
			return true
		}
		next, why := peek(content, at)
		if why != "" {
			return false
		}
		at = next
	}
	return true
}

// ends tells whether a record can end at a place from which no records follow: what
// begins there differs from one in its size alone, or in everything but its size, or is
// NUL from there on.
func ends(content []byte, at int) bool {
	next, why := peek(content, at)
	switch why {
	case "", FaultSize, FaultShort:
		return true
	}
	if len(bytes.Trim(content[at:at+templateHead], "\x00")) == 0 {
		return content[at-1] != 0 // else these NUL began before it
	}
	return next <= len(content) && follows(content, next)
}

// found is the next place from which records follow; the end where there is none.
func found(content []byte, from int) int {
	for at := from; at < len(content); at++ {
		if follows(content, at) {
			return at
		}
	}
	return len(content)
}

// Append writes the file; see Algorithm.Append.
func (f TemplateFile) Append(dst []byte) (_ []byte, err error) {
	grown := dst
	for _, t := range f.Templates {
		if grown, err = f.Algorithm.Append(grown, t); err != nil {
			return dst, err
		}
	}
	return grown, nil
}

// Forget overwrites the templates. The file is not to be used afterwards.
func (f TemplateFile) Forget() {
	for _, t := range f.Templates {
		t.Data.wipe()
	}
}
