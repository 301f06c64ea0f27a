package punches

import (
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/meeting"
)

// A download is read in portions: between two of them no transaction is open, so
// that somebody's slow line does not keep the database from tidying up.
const (
	portion        = 2000
	portionTimeout = time.Minute // for one portion to leave over the line
)

// download sends the punches that a page's filter selects as CSV: UTF-8, commas, a
// header of fixed names, terminal after terminal, oldest first, times as they stand
// on the terminal. It streams, so an error on the way can only be shown by breaking
// off: a browser then says that the download failed instead of keeping half a file.
func (s *Pages) download(w http.ResponseWriter, r *http.Request) error {
	look, err := s.asked(r)
	if err != nil {
		return err
	}
	sources, err := s.terminals(r.Context(), look, look.filter.Filter)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
	w.Header().Set("Content-Disposition", `attachment; filename="`+look.question.fileName()+`"`)
	w.Header().Set("Vary", "Accept-Encoding")
	line := &sending{w: w}
	var pipe io.WriteCloser = line
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		pipe = gzip.NewWriter(line)
	}
	out := csv.NewWriter(pipe)
	err = out.Write([]string{"site", "terminal", "pin", "time", "raw_time", "status", "verify", "work_code", "received", "employee", "name", "flags"})
	for i := 0; err == nil && i < len(sources); i++ {
		sources[i].Newest, sources[i].Limit = false, portion
		look.filter.Filter = sources[i]
		err = s.downloadFrom(r.Context(), http.NewResponseController(w), out, look)
	}
	if err == nil {
		out.Flush()
		err = errors.Join(out.Error(), pipe.Close())
	}
	if err != nil && !line.begun { // this can still be a page
		w.Header().Del("Content-Disposition")
		w.Header().Del("Content-Encoding")
		return err
	}
	if err != nil {
		if r.Context().Err() == nil {
			s.Logger.Error("download broken off", "page", r.Pattern, "error", err)
		}
		panic(http.ErrAbortHandler)
	}
	return nil
}

// downloadFrom writes the punches of one terminal, portion by portion.
func (s *Pages) downloadFrom(ctx context.Context, limit *http.ResponseController, out *csv.Writer, look search) error {
	for {
		punches, err := s.read(ctx, look, look.meeting.Narrow(look.filter))
		if err != nil {
			return err
		}
		_ = limit.SetWriteDeadline(time.Now().Add(portionTimeout)) // only a test's recorder has none
		for _, p := range punches {
			if !look.filter.Fits(p) {
				continue
			}
			if err := out.Write(s.row(p)); err != nil {
				return fmt.Errorf("send punches: %w", err)
			}
		}
		if len(punches) < portion {
			return nil
		}
		after := punches[len(punches)-1].Cursor()
		look.filter.After = &after
	}
}

// sending knows whether anything has left.
type sending struct {
	w     io.Writer
	begun bool
}

func (s *sending) Write(b []byte) (int, error) {
	s.begun = true
	return s.w.Write(b)
}

func (s *sending) Close() error { return nil }

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

func (s *Pages) row(p meeting.Punch) []string {
	clock, raw := string(p.Time), ""
	if _, ok := p.Time.Wall(); !ok {
		clock, raw = "", string(p.Time)
	}
	return []string{
		string(p.Site), string(p.Serial), inert(p.PIN), strings.Replace(clock, "T", " ", 1), inert(raw),
		strconv.Itoa(int(p.Status)), strconv.Itoa(int(p.Verify)), strconv.FormatUint(uint64(p.WorkCode), 10),
		p.Received.In(s.Zone).Format(time.RFC3339), p.Owner(), inert(p.Name()), strings.Join(p.Flags.Names(), " "),
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
