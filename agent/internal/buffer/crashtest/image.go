package crashtest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
)

// Image is the folder as a power cut may have left it.
type Image struct {
	Files map[string][]byte
	Mark  string // the last line that the command had printed before; empty for none
	New   bool   // its content was not among the images before (but then with an earlier mark)
	Where string // which calls it is made of, for a failing test
}

// WriteTo makes the image real in a folder.
func (i Image) WriteTo(folder string) error {
	for name, data := range i.Files {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

const sector = 512

// disk is what is durable, and what is on its way there in any order.
type disk struct {
	files   map[int][]byte
	names   map[string]int
	pending []op
}

// Images yields what the disk may hold: after every call, with every subset of
// what was not synced then, and the last write torn at every sector (at some of
// them where most is below 32). Where the subsets are more than most, as many are
// drawn by chance, from the seed, with writes torn anywhere. Equal images are yielded once, and again when a later
// mark asks more of them.
func (t Trace) Images(seed uint64, most int) iter.Seq[Image] {
	return func(yield func(Image) bool) {
		random := rand.New(rand.NewPCG(seed, 0))
		d := disk{files: map[int][]byte{}, names: map[string]int{}}
		seen := map[[sha256.Size]byte]string{}
		line := ""
		for i, o := range t.ops {
			d.do(o)
			if o.kind == mark {
				line = string(o.data)
			}
			for part := range d.parts(random, most) {
				image := d.image(part)
				image.Mark = line
				sum := image.sum()
				known, old := seen[sum]
				if old && known == line {
					continue
				}
				seen[sum] = line
				image.New = !old
				image.Where = fmt.Sprintf("call %d (%s), unsynced %s", i, o.kind, part)
				if !yield(image) {
					return
				}
			}
		}
	}
}

// do lets a call happen.
func (d *disk) do(o op) {
	switch o.kind {
	case mark:
	case syncFile:
		d.settle(func(p op) bool { return (p.kind == write || p.kind == truncate) && p.file == o.file })
	case syncDir:
		d.settle(func(p op) bool { return p.kind != write && p.kind != truncate })
	default:
		d.pending = append(d.pending, o)
	}
}

// settle makes pending calls durable.
func (d *disk) settle(which func(op) bool) {
	rest := d.pending[:0:0]
	for _, p := range d.pending {
		if !which(p) {
			rest = append(rest, p)
			continue
		}
		apply(d.files, d.names, p, nil)
	}
	d.pending = rest
}

// part says of each pending call what of it reached the disk: nil nothing, else
// the sectors of a write (an empty list: all of it).
type part []sectors

type sectors struct {
	there bool
	only  []bool // by sector of a write; nil: all
}

func (p part) String() string {
	text := ""
	for _, s := range p {
		switch {
		case !s.there:
			text += "-"
		case s.only == nil:
			text += "+"
		default:
			text += "["
			for _, b := range s.only {
				text += map[bool]string{true: "+", false: "-"}[b]
			}
			text += "]"
		}
	}
	return text
}

// parts yields which parts of the pending calls to look at. Of images without
// the last call those were looked at before it.
func (d *disk) parts(random *rand.Rand, most int) iter.Seq[part] {
	return func(yield func(part) bool) {
		n := len(d.pending)
		if n == 0 {
			yield(nil)
			return
		}
		whole := func(bits uint64) part {
			p := make(part, n)
			for i := range p {
				p[i].there = i >= 63 || bits>>i&1 == 1
			}
			return p
		}
		none, all := whole(0), whole(1<<63-1)
		if n > 63 {
			none = make(part, n)
		}
		if !yield(none) || !yield(all) {
			return
		}
		if n < 62 && 1<<n <= most {
			for bits := range uint64(1) << n {
				if !yield(whole(bits)) {
					return
				}
			}
		} else {
			for range most {
				p := make(part, n)
				for i := range p {
					p[i] = sectors{there: random.IntN(2) == 0}
					if d.pending[i].kind == write && random.IntN(4) == 0 {
						p[i].only = torn(random, d.pending[i])
					}
				}
				if !yield(p) {
					return
				}
			}
		}
		last := d.pending[n-1]
		if last.kind != write {
			return
		}
		count := (len(last.data) + sector - 1) / sector
		step := max(1, count*4/most)
		for cut := step; cut < count; cut += step {
			for _, base := range []part{none, all} {
				for _, head := range []bool{true, false} { // the beginning arrived, or the end
					p := slices.Clone(base)
					only := make([]bool, count)
					for i := range only {
						only[i] = i < cut == head
					}
					p[n-1] = sectors{true, only}
					if !yield(p) {
						return
					}
				}
			}
		}
	}
}

func torn(random *rand.Rand, o op) []bool {
	only := make([]bool, (len(o.data)+sector-1)/sector)
	for i := range only {
		only[i] = random.IntN(2) == 0
	}
	return only
}

// image builds the folder from what is durable and parts of what is pending.
func (d *disk) image(p part) Image {
	files, names := maps.Clone(d.files), maps.Clone(d.names)
	copied := map[int]bool{}
	for i, o := range d.pending {
		if !p[i].there {
			continue
		}
		if (o.kind == write || o.kind == truncate) && !copied[o.file] {
			files[o.file] = slices.Clone(files[o.file])
			copied[o.file] = true
		}
		apply(files, names, o, p[i].only)
	}
	image := Image{Files: map[string][]byte{}}
	for name, file := range names {
		image.Files[name] = files[file]
	}
	return image
}

// apply does to a state what a call, or some sectors of it, does. A name that is
// not there (its creation did not arrive) cannot be moved.
func apply(files map[int][]byte, names map[string]int, o op, only []bool) {
	switch o.kind {
	case create:
		names[o.name] = o.file
	case write:
		data := files[o.file]
		for at := 0; at < len(o.data); at += sector {
			if only != nil && !only[at/sector] {
				continue
			}
			piece := o.data[at:min(at+sector, len(o.data))]
			data = resized(data, max(int64(len(data)), o.offset+int64(at+len(piece))))
			copy(data[o.offset+int64(at):], piece)
		}
		files[o.file] = data
	case truncate:
		files[o.file] = resized(files[o.file], o.offset)
	case rename, link:
		if file, there := names[o.name]; there {
			names[o.to] = file
			if o.kind == rename {
				delete(names, o.name)
			}
		}
	case unlink:
		delete(names, o.name)
	}
}

// resized cuts, or fills with zeros.
func resized(data []byte, size int64) []byte {
	if size <= int64(len(data)) {
		return data[:size:size]
	}
	return append(data, make([]byte, size-int64(len(data)))...)
}

func (i Image) sum() [sha256.Size]byte {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(i.Files)) {
		h.Write(append([]byte(name), 0))
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(i.Files[name]))))
		h.Write(i.Files[name])
	}
	return [sha256.Size]byte(h.Sum(nil))
}
