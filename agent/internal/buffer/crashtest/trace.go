// Package crashtest answers for a program what its folder may look like after a
// power cut. It records the system calls of a real run with strace, and rebuilds
// from them every state in which the disk may have been: what was synced is there,
// of everything else any part.
//
// It knows files of one flat folder and the calls that change them. It knows
// nothing of what is in them.
//
// Beware: a call that it does not know is an error, not a gap. Changes through a
// writable shared mapping would be invisible and are refused too.
package crashtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// kind is what a call did.
type kind string

const (
	create   kind = "create"
	write    kind = "write"
	truncate kind = "truncate"
	rename   kind = "rename"
	link     kind = "link"
	unlink   kind = "unlink"
	syncFile kind = "sync"
	syncDir  kind = "sync folder"
	mark     kind = "mark"
)

// op is one call that matters. A file is known by the number of its creation,
// because names move.
type op struct {
	kind     kind
	file     int
	name, to string // of create, rename, link, unlink
	offset   int64  // of a write; of truncate the new size
	data     []byte // of a write; of a mark what was printed
}

// Trace is what a program did, in order.
type Trace struct{ ops []op }

// Errors of recording, each a sentence for whoever runs the tests.
var (
	ErrNoStrace = errors.New("power cuts were not tested: strace is not installed (apt-get install strace)")
	ErrRefused  = errors.New("power cuts were not tested: this machine refuses tracing (ptrace)")
)

// traced are the calls that may change a folder or make it durable.
const traced = "open,openat,openat2,creat,close,dup,dup2,dup3,write,writev,pwrite64,pwritev,pwritev2,ftruncate,truncate," +
	"fallocate,copy_file_range,sendfile,splice,lseek,fsync,fdatasync,sync,syncfs,sync_file_range,msync,mmap," +
	"rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat"

// Record runs a command, which must end by itself with status 0, and returns what
// it did in folder, which must be flat and empty at the start. A line that the
// command prints is a mark: it happened after all calls before it.
func Record(ctx context.Context, folder string, env []string, program string, args ...string) (Trace, error) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		return Trace{}, ErrNoStrace
	}
	log, err := os.CreateTemp("", "sidik-strace-")
	if err != nil {
		return Trace{}, err
	}
	defer os.Remove(log.Name())
	defer log.Close()
	command := exec.CommandContext(ctx, strace, append([]string{"-f", "-xx", "-s", "100000000", "-e", "trace=" + traced, "-o", log.Name(), program}, args...)...)
	command.Env = append(os.Environ(), env...)
	command.Stdout = io.Discard
	var said strings.Builder
	command.Stderr = &said
	if err := command.Run(); err != nil {
		if strings.Contains(said.String(), "ptrace") || strings.Contains(said.String(), "PTRACE") {
			return Trace{}, fmt.Errorf("%w: %s", ErrRefused, said.String())
		}
		return Trace{}, fmt.Errorf("run %s under strace: %w: %s", program, err, said.String())
	}
	folder, err = filepath.EvalSymlinks(folder)
	if err != nil {
		return Trace{}, err
	}
	return parse(log, folder)
}

// parse reads strace's output.
func parse(r io.Reader, folder string) (Trace, error) {
	p := parser{folder: folder, names: map[string]int{}, open: map[string]target{}, unfinished: map[string]string{}}
	lines := bufio.NewReaderSize(r, 1<<20)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			if err := p.line(strings.TrimSuffix(line, "\n")); err != nil {
				return Trace{}, fmt.Errorf("read strace output %.200q: %w", line, err)
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return Trace{}, err
		}
	}
	if len(p.ops) == 0 {
		return Trace{}, fmt.Errorf("%w: strace saw nothing", ErrRefused)
	}
	return Trace{p.ops}, nil
}

// target is what a descriptor stands for.
type target struct {
	file int
	dir  bool
	at   int64 // where the next write goes
}

type parser struct {
	folder     string
	names      map[string]int
	open       map[string]target // by descriptor; others are not ours
	files      int
	unfinished map[string]string // by process
	ops        []op
}

func (p *parser) line(line string) error {
	pid, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimLeft(rest, " ")
	if strings.HasPrefix(rest, "+++") || strings.HasPrefix(rest, "---") {
		return nil
	}
	if before, ok := strings.CutSuffix(rest, " <unfinished ...>"); ok {
		p.unfinished[pid] = before
		return nil
	}
	if strings.HasPrefix(rest, "<... ") {
		_, after, _ := strings.Cut(rest, " resumed>")
		rest = p.unfinished[pid] + after
		delete(p.unfinished, pid)
	}
	name, rest, ok := strings.Cut(rest, "(")
	end := strings.LastIndex(rest, ") ")
	if !ok || end < 0 {
		return errors.New("not a call")
	}
	result := strings.TrimLeft(rest[end+2:], " =")
	result, _, _ = strings.Cut(result, " ")
	if strings.HasPrefix(result, "-") || result == "?" {
		return nil // failed: nothing changed
	}
	return p.call(name, strings.Split(rest[:end], ", "), result)
}

func (p *parser) call(name string, args []string, result string) error {
	switch name {
	case "openat":
		return p.opened(args, result)
	case "close":
		delete(p.open, args[0])
		return nil
	case "mmap":
		if _, ours := p.open[args[4]]; ours && strings.Contains(args[2], "PROT_WRITE") && strings.Contains(args[3], "MAP_SHARED") {
			return errors.New("a writable shared mapping: its writes cannot be seen")
		}
		return nil
	case "write", "pwrite64":
		return p.written(name, args, result)
	case "ftruncate":
		size, err := strconv.ParseInt(args[1], 10, 64)
		if t, ours := p.open[args[0]]; ours && err == nil {
			p.add(op{kind: truncate, file: t.file, offset: size})
		}
		return err
	case "fsync", "fdatasync":
		switch t, ours := p.open[args[0]]; {
		case ours && t.dir:
			p.add(op{kind: syncDir})
		case ours:
			p.add(op{kind: syncFile, file: t.file})
		}
		return nil
	case "renameat", "renameat2", "linkat":
		return p.moved(name, args)
	case "unlinkat":
		path, inside, err := p.path(args[0], args[1])
		if err != nil || !inside {
			return err
		}
		p.add(op{kind: unlink, name: path})
		delete(p.names, path)
		return nil
	}
	for _, a := range args {
		if _, ours := p.open[a]; ours {
			return fmt.Errorf("%s on a file of the folder is not known here", name)
		}
	}
	if strings.HasPrefix(name, "sync") || strings.Contains(strings.Join(args, " "), hexed(p.folder)) {
		return fmt.Errorf("%s is not known here", name)
	}
	return nil
}

func (p *parser) add(o op) { p.ops = append(p.ops, o) }

func (p *parser) opened(args []string, descriptor string) error {
	path, inside, err := p.path(args[0], args[1])
	if err != nil || !inside {
		return err
	}
	if path == "." {
		p.open[descriptor] = target{dir: true}
		return nil
	}
	file, exists := p.names[path]
	if !exists {
		p.files++
		file = p.files
		p.names[path] = file
		p.add(op{kind: create, file: file, name: path})
	} else if strings.Contains(args[2], "O_TRUNC") {
		p.add(op{kind: truncate, file: file})
	}
	if strings.Contains(args[2], "O_APPEND") {
		return errors.New("appending is not known here")
	}
	p.open[descriptor] = target{file: file}
	return nil
}

func (p *parser) written(name string, args []string, result string) error {
	t, ours := p.open[args[0]]
	if !ours && args[0] != "1" {
		return nil
	}
	data, err := unhex(args[1])
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(result)
	if err != nil || n > len(data) {
		return fmt.Errorf("%s wrote %s of %d bytes", name, result, len(data))
	}
	if !ours {
		p.add(op{kind: mark, data: data[:n]})
		return nil
	}
	offset := t.at
	if name == "write" {
		t.at += int64(n)
		p.open[args[0]] = t
	} else {
		offset, err = strconv.ParseInt(args[3], 10, 64)
	}
	p.add(op{kind: write, file: t.file, offset: offset, data: data[:n]})
	return err
}

func (p *parser) moved(name string, args []string) error {
	from, inside, err := p.path(args[0], args[1])
	if err != nil || !inside {
		return err
	}
	to, inside, err := p.path(args[2], args[3])
	if err != nil || !inside {
		return errors.Join(err, errors.New("a file leaves the folder"))
	}
	p.names[to] = p.names[from]
	if name == "linkat" {
		p.add(op{kind: link, name: from, to: to})
		return nil
	}
	delete(p.names, from)
	p.add(op{kind: rename, name: from, to: to})
	return nil
}

// path returns a path relative to the folder; inside is false for others.
func (p *parser) path(at, text string) (path string, inside bool, err error) {
	b, err := unhex(text)
	if err != nil {
		return "", false, err
	}
	if !filepath.IsAbs(string(b)) && at == "AT_FDCWD" {
		return "", false, nil // the command is started elsewhere
	}
	path, err = filepath.Rel(p.folder, string(b))
	if err != nil || path == ".." || strings.HasPrefix(path, "../") {
		return "", false, nil
	}
	if strings.Contains(path, "/") {
		return "", false, fmt.Errorf("%s: the folder is not flat", b)
	}
	return path, true, nil
}

func unhex(text string) ([]byte, error) {
	text, ok1 := strings.CutPrefix(text, `"`)
	text, ok2 := strings.CutSuffix(text, `"`)
	if !ok1 || !ok2 || len(text)%4 != 0 {
		return nil, errors.New("not a whole string")
	}
	b := make([]byte, len(text)/4)
	for i := range b {
		n, err := strconv.ParseUint(text[4*i+2:4*i+4], 16, 8)
		if err != nil {
			return nil, err
		}
		b[i] = byte(n)
	}
	return b, nil
}

func hexed(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, `\x%02x`, c)
	}
	return b.String()
}
