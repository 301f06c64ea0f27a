// Package shell is what all pages of the hub share: the frame around them, parts that
// ask for themselves again, the reader's language, problems, files for the browser,
// and forms.
//
// A group of pages is one package below web, with its templates beside it in page/.
// It plugs in like this:
//
//	//go:embed page/*.html
//	var files embed.FS
//
//	func New(s *shell.Shell, …) *Pages { return &Pages{Group: s.Group("people", files), …} }
//
//	func (p *Pages) Routes(d *door.Door) {
//		d.Handle("GET /employees", door.To(account.See), p.Page(p.list))
//		d.Handle("POST /employees/{employee}/status", door.To(account.Register, door.Employee), p.Page(p.saveStatus))
//	}
//
// web calls New and Routes, and names the group in the menu. The group's sentences are
// an area of the catalogue of that name (protocol/phrase/people.json); what the area
// lacks is looked for in the area page, which all share. The data of a template embeds
// the Speech of its request. A form is shown by a GET of its address and sent by a POST
// to the same: Posted reads it, Wrong notes what is wrong beside a field, Show with
// Frame.Code 422 shows it again as it was typed, and Done leads away when all is well.
//
// It knows no noun of the hub and reads no store; who reads a page it is told by Reader. Beware: nothing here may keep a PIN,
// which can be a NIP: not in a log, not in a cookie, not in an error.
package shell

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

//go:embed page/*.html
var pageFiles embed.FS

// Live is how the hub's own line is.
type Live struct {
	Broker  bool      // connected to the broker
	Since   time.Time // since when it is so
	Trouble error     // why it is not; nil while connected
	Address string    // where agents connect, for people; may be empty
}

// Listening returns since when the hub hears its broker, or zero.
func (l Live) Listening() time.Time {
	if !l.Broker {
		return time.Time{}
	}
	return l.Since
}

// Entry is one of the menu; its words are page.nav-<section>. It is shown to readers who
// may do the deed; to all who are logged in where there is none.
type Entry struct{ Section, Path, Deed string }

// Reader is who reads a page, as far as pages need to know.
type Reader struct {
	Name string // empty: nobody is logged in
	By   string // how they are written beside what they change
	May  func(deed string) bool
}

// Options are the parts of a Shell; all are needed.
type Options struct {
	Live    func() Live // asked for every page: it must answer at once
	Logger  *slog.Logger
	Version string
	Now     func() time.Time
	Zone    *time.Location // of times on pages
	Menu    []Entry
	Reader  func(*http.Request) Reader
}

// Shell is around all pages. It is safe for concurrent use.
type Shell struct {
	Options
	catalogue *phrase.Catalogue
	templates *template.Template // never executed itself: groups are cloned from it
	assets    assets
	own       *Group
}

// New reads what is built into the program.
func New(o Options) *Shell {
	s := &Shell{Options: o, catalogue: phrase.New(), assets: loadAssets(),
		templates: template.Must(template.ParseFS(pageFiles, "page/*.html"))}
	s.own = s.Group("page", nil)
	return s
}

// Group is the pages of one noun.
type Group struct {
	*Shell
	area      string
	templates *template.Template
}

// Group takes the templates page/*.html of files, which may be nil, and the area of the
// catalogue in which the group's sentences are.
func (s *Shell) Group(area string, files fs.FS) *Group {
	g := &Group{Shell: s, area: area + ".", templates: template.Must(s.templates.Clone())}
	if files != nil {
		template.Must(g.templates.ParseFS(files, "page/*.html"))
	}
	return g
}

// Language remembers the language that the path's {language} names.
func (s *Shell) Language() http.Handler { return s.Page(s.language) }

// Assets are the files that pages load, by {hash} and {name}.
func (s *Shell) Assets() http.Handler { return s.Page(s.assets.serve) }

// Nowhere is the page for addresses that are nobody's.
func (s *Shell) Nowhere() http.Handler {
	return s.Page(func(w http.ResponseWriter, r *http.Request) error {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			return &Problem{Code: http.StatusMethodNotAllowed, Phrase: "only-reads"}
		}
		return NotFound("no-page")
	})
}

// Render returns the text of a group's template NAME.html; nothing is sent before all
// of it is there.
func (g *Group) Render(name string, data any) (template.HTML, error) {
	var text bytes.Buffer
	if err := g.templates.ExecuteTemplate(&text, name+".html", data); err != nil {
		return "", fmt.Errorf("write page %s: %w", name, err)
	}
	return template.HTML(text.String()), nil
}
