package web

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"hash/fnv"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A page is a frame (head, navigation, foot) around parts. Most parts live: htmx asks
// for each again every few seconds, telling the version it has in "live". The same
// version is answered by 204 without a byte, because lines are poor; another by the
// part alone. Without JavaScript the page is the same, as of its loading.

// frame is the data of frame.html.
type frame struct {
	speech
	Title   string
	Section string // of the navigation: sites, punches or none
	Main    template.HTML
	Live    Live
	Assets  assets
	Version string
	Aside   bool   // on a wide screen the last part stands beside the others
	Here    string // this page's address, for the way back from the language switch
}

// part is a piece of a page that is asked for again by itself; every is 0 for one
// that stays as it was loaded. Its template is its name, its data is read only when
// it is shown.
type part struct {
	name  string
	every time.Duration
	data  func() (any, error)
}

// living is the data of living.html, which wraps a part.
type living struct {
	Name  string
	Poll  string // address of this part, with the version that is shown; empty: it stays
	Every string
	Part  template.HTML
}

// show answers with a page of parts, or with the one part that is asked for.
func (s *server) show(w http.ResponseWriter, r *http.Request, f frame, parts ...part) error {
	asked := r.URL.Query().Get("part")
	for _, p := range parts {
		if asked != "" && asked != p.name {
			continue
		}
		body, version, err := s.part(r, p)
		if err != nil {
			return err
		}
		if asked != "" {
			if r.URL.Query().Get("live") == version {
				w.WriteHeader(http.StatusNoContent)
				return nil
			}
			return sendHTML(w, r, http.StatusOK, []byte(body))
		}
		f.Main += body
	}
	if asked != "" {
		return notFound("no-page")
	}
	return s.frame(w, r, http.StatusOK, f)
}

// part writes one part, wrapped so that it asks for itself again.
func (s *server) part(r *http.Request, p part) (body template.HTML, version string, err error) {
	data, err := p.data()
	if err != nil {
		return "", "", err
	}
	inner, err := s.render(p.name, data)
	if err != nil {
		return "", "", err
	}
	sum := fnv.New64a()
	sum.Write([]byte(inner))
	version = strconv.FormatUint(sum.Sum64(), 36)
	wrap := living{Name: p.name, Part: inner}
	if p.every > 0 {
		query := r.URL.Query()
		query.Set("part", p.name)
		query.Set("live", version)
		wrap.Poll = (&url.URL{Path: r.URL.Path, RawQuery: query.Encode()}).String()
		wrap.Every = fmt.Sprintf("every %dms", p.every.Milliseconds())
	}
	body, err = s.render("living", wrap)
	return body, version, err
}

// frame puts the frame around a page and sends it.
func (s *server) frame(w http.ResponseWriter, r *http.Request, code int, f frame) error {
	f.speech, f.Live, f.Assets, f.Version = s.speech(r), s.Options.Live(), s.assets, s.Version
	query := r.URL.Query()
	query.Del("live")
	query.Del("part")
	f.Here = (&url.URL{Path: r.URL.Path, RawQuery: query.Encode()}).String()
	page, err := s.render("frame", f)
	if err != nil {
		return err
	}
	return sendHTML(w, r, code, []byte(page))
}

// render returns a template's text; nothing is sent before all of it is there.
func (s *server) render(name string, data any) (template.HTML, error) {
	var text bytes.Buffer
	if err := s.templates.ExecuteTemplate(&text, name+".html", data); err != nil {
		return "", fmt.Errorf("write page %s: %w", name, err)
	}
	return template.HTML(text.String()), nil
}

func sendHTML(w http.ResponseWriter, r *http.Request, code int, text []byte) error {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	return send(w, r, code, text, nil)
}

// send writes an answer, compressed where that helps and the browser can read it.
func send(w http.ResponseWriter, r *http.Request, code int, plain, zip []byte) error {
	w.Header().Add("Vary", "Accept-Encoding, Cookie")
	body := plain
	if len(plain) > 1000 && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		if body = zip; body == nil {
			body = zipped(plain)
		}
		w.Header().Set("Content-Encoding", "gzip")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	if r.Method == http.MethodHead {
		return nil
	}
	if _, err := w.Write(body); err != nil && r.Context().Err() == nil {
		return fmt.Errorf("send page: %w", err)
	}
	return nil
}

func zipped(plain []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(plain) // to memory: cannot fail
	z.Close()
	return b.Bytes()
}
