package shell

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// A page is a frame (head, navigation, foot) around parts. Some parts live: htmx asks
// for each again every few seconds, telling the version it has in "live". The same
// version is answered by 204 without a byte, because lines are poor; another by the
// part alone. Without JavaScript the page is the same, as of its loading.

// Frame is what a page says to its frame.
type Frame struct {
	Title   string
	Section string // of the menu; may be none
	Aside   bool   // on a wide screen the last part stands beside the others
	Code    int    // HTTP status; 0 is 200
	At      string // the page's own address, where that of the request is only for sending to
}

// Part is a piece of a page. One that lives is asked for again by itself; Every is 0 for
// one that stays as it was loaded, as a form must. Its template is its name, its data is
// read only when it is shown.
type Part struct {
	Name  string
	Every time.Duration
	Data  func() (any, error)
}

// Still is a part that stays as it was loaded, of data that is there.
func Still(name string, data any) Part {
	return Part{Name: name, Data: func() (any, error) { return data, nil }}
}

// frame is the data of frame.html.
type frame struct {
	Speech
	Frame
	Main    template.HTML
	Live    Live
	Menu    []Entry
	Assets  assets
	Version string
	Done    string // what somebody has just done, in words
	Lives   bool   // a part of the page does
	Here    string // this page's address, for the way back from the language switch
}

// living is the data of living.html, which wraps a part.
type living struct {
	Name  string
	Poll  string // address of this part, with the version that is shown; empty: it stays
	Every string
	Part  template.HTML
}

// Show answers with a page of parts, or with the one part that is asked for.
func (g *Group) Show(w http.ResponseWriter, r *http.Request, f Frame, parts ...Part) error {
	asked := r.URL.Query().Get("part")
	page := frame{Frame: f}
	for _, p := range parts {
		if asked != "" && asked != p.Name {
			continue
		}
		body, version, err := g.part(r, p)
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
		page.Main += body
		page.Lives = page.Lives || p.Every > 0
	}
	if asked != "" {
		return NotFound("no-page")
	}
	return g.Shell.frame(w, r, page)
}

// part writes one part, wrapped so that it asks for itself again.
func (g *Group) part(r *http.Request, p Part) (body template.HTML, version string, err error) {
	data, err := p.Data()
	if err != nil {
		return "", "", err
	}
	inner, err := g.Render(p.Name, data)
	if err != nil {
		return "", "", err
	}
	sum := fnv.New64a()
	sum.Write([]byte(inner))
	version = strconv.FormatUint(sum.Sum64(), 36)
	wrap := living{Name: p.Name, Part: inner}
	if p.Every > 0 {
		query := r.URL.Query()
		query.Set("part", p.Name)
		query.Set("live", version)
		wrap.Poll = (&url.URL{Path: r.URL.Path, RawQuery: query.Encode()}).String()
		wrap.Every = fmt.Sprintf("every %dms", p.Every.Milliseconds())
	}
	body, err = g.Render("living", wrap)
	return body, version, err
}

// frame puts the frame around a page and sends it.
func (s *Shell) frame(w http.ResponseWriter, r *http.Request, f frame) error {
	f.Speech, f.Live, f.Assets, f.Version = s.own.Speech(r), s.Options.Live(), s.assets, s.Version
	for _, e := range s.Menu {
		if f.Reader.Name != "" && (e.Deed == "" || f.May(e.Deed)) {
			f.Menu = append(f.Menu, e)
		}
	}
	f.Done = s.takeNotice(w, r)
	query := r.URL.Query()
	query.Del("live")
	query.Del("part")
	f.Here = cmp.Or(f.At, (&url.URL{Path: r.URL.Path, RawQuery: query.Encode()}).String())
	page, err := s.own.Render("frame", f)
	if err != nil {
		return err
	}
	return sendHTML(w, r, cmp.Or(f.Code, http.StatusOK), []byte(page))
}
