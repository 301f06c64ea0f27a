// Package list reads sites and their terminals from a list that an office's program wrote,
// with the columns site, terminal, terminal2 and so on.
//
// It knows files, and how sites and terminals are named. It must not know what becomes of
// them. Beware: a line that cannot be used is returned with its error, in its place; the
// others count.
package list

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Row is one site of a list.
type Row struct {
	Line      int
	Site      protocol.SiteID
	Terminals []protocol.Serial
	Err       error // what is wrong with the line itself
}

// Read reads a list with the columns site, terminal, terminal2 and so on, apart by
// commas or, as offices' programs write it, by semicolons. A line that cannot be used has
// an error; the others count.
func Read(path string) (rows []Row, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read list of sites: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read list of sites: %w", err)
	}
	if len(text) > maxSize {
		return nil, fmt.Errorf("read list of sites: more than %d bytes", maxSize)
	}
	content := strings.TrimPrefix(string(text), "\ufeff")
	head, _, _ := strings.Cut(content, "\n")
	r := csv.NewReader(strings.NewReader(content))
	r.FieldsPerRecord, r.TrimLeadingSpace = -1, true
	if strings.Contains(head, ";") {
		r.Comma = ';'
	}
	if first, err := r.Read(); err != nil || !strings.EqualFold(strings.TrimSpace(first[0]), "site") {
		return nil, errors.Join(ErrHead, err)
	}
	seen := map[string]int{}
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if broken, is := errors.AsType[*csv.ParseError](err); is {
			rows = append(rows, Row{Line: broken.Line, Err: fmt.Errorf("%w: %w", ErrQuotes, broken.Err)})
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read list of sites: %w", err)
		}
		line, _ := r.FieldPos(0)
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
		}
		serials := slices.DeleteFunc(fields[1:], func(s string) bool { return s == "" })
		if fields[0] == "" && len(serials) == 0 {
			continue
		}
		n := Row{Line: line}
		n.Site, n.Terminals, n.Err = Parse(fields[0], serials)
		if n.Err == nil {
			n.Err = once(seen, n)
		}
		rows = append(rows, n)
	}
}

// once refuses what stands in a line before already. A serial that was copied from line to
// line would have two offices wait for one terminal.
func once(seen map[string]int, n Row) error {
	names := []string{"site " + string(n.Site)}
	for _, t := range n.Terminals {
		names = append(names, "terminal "+string(t))
	}
	for _, name := range names {
		if before := seen[name]; before > 0 {
			return fmt.Errorf("%w: %s, line %d", ErrTwice, name, before)
		}
	}
	for _, name := range names {
		seen[name] = n.Line
	}
	return nil
}

// maxSize bounds a list of sites, in bytes.
const maxSize = 4 << 20

// What is wrong with a list, or with a line of it.
var (
	ErrHead   = errors.New("no columns site,terminal,terminal2")
	ErrQuotes = errors.New("quotation marks without their like")
	ErrTwice  = errors.New("twice in the list")
)

// Parse checks a site and its terminals.
func Parse(site string, terminals []string) (id protocol.SiteID, serials []protocol.Serial, err error) {
	id, err = protocol.ParseSiteID(site)
	for _, t := range terminals {
		serial, wrong := protocol.ParseSerial(t)
		serials, err = append(serials, serial), errors.Join(err, wrong)
	}
	return id, serials, err
}
