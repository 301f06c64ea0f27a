package web

import (
	"compress/gzip"
	"encoding/csv"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
)

// A download is read in portions: between two of them no transaction is open, so
// that somebody's slow line does not keep the database from tidying up.
const (
	portion        = 2000
	portionTimeout = time.Minute // for one portion to leave over the line
)

// download sends the punches that a page's filter selects as CSV: UTF-8, commas, a
// header of fixed names, oldest first, times as they stand on the terminal. It
// streams, so an error on the way can only be shown by breaking off: a browser then
// says that the download failed instead of keeping half a file.
func (s *server) download(w http.ResponseWriter, r *http.Request) error {
	q, f, err := s.asked(r)
	if err != nil {
		return err
	}
	f.Newest, f.Limit = false, portion
	punches, err := s.collect(r.Context(), f)
	if err != nil {
		return err // nothing was sent yet: this can still be a page
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
	w.Header().Set("Content-Disposition", `attachment; filename="`+q.fileName()+`"`)
	w.Header().Set("Vary", "Accept-Encoding")
	var pipe io.Writer = w
	finish := func() error { return nil }
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		pipe, finish = z, z.Close
	}
	out := csv.NewWriter(pipe)
	broken := out.Write([]string{"site", "terminal", "pin", "time", "raw_time", "status", "verify", "work_code", "received", "flags"})
	line := http.NewResponseController(w)
	for broken == nil {
		for _, p := range punches {
			out.Write(s.row(p)) // its error is kept for Error below
		}
		out.Flush()
		if broken = out.Error(); broken != nil || len(punches) < portion {
			break
		}
		// A recorder of a test has no deadline; a connection always has.
		_ = line.SetWriteDeadline(time.Now().Add(portionTimeout))
		after := punches[len(punches)-1].Cursor()
		f.After = &after
		punches, broken = s.collect(r.Context(), f)
	}
	if broken == nil {
		broken = finish()
	}
	if broken != nil {
		if r.Context().Err() == nil {
			s.Logger.Error("download broken off", "page", r.Pattern, "error", broken)
		}
		panic(http.ErrAbortHandler)
	}
	return nil
}

// fileName names site and days, never a PIN: file names travel.
func (q question) fileName() string {
	parts := []string{"sidik"}
	for _, part := range []string{string(q.Site), q.From, q.To} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "_") + ".csv"
}

func (s *server) row(p store.Punch) []string {
	clock, raw := string(p.Time), ""
	if _, ok := p.Time.Wall(); !ok {
		clock, raw = "", string(p.Time)
	}
	return []string{
		string(p.Site), string(p.Serial), inert(p.PIN), strings.Replace(clock, "T", " ", 1), inert(raw),
		strconv.Itoa(int(p.Status)), strconv.Itoa(int(p.Verify)), strconv.FormatUint(uint64(p.WorkCode), 10),
		p.Received.In(s.Zone).Format(time.RFC3339), strings.Join(p.Flags.Names(), " "),
	}
}

// inert keeps a spreadsheet from calculating what a terminal sent: a text that
// begins like a formula gets an apostrophe before it, which spreadsheets hide.
func inert(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n", rune(text[0])) {
		return "'" + text
	}
	return text
}
