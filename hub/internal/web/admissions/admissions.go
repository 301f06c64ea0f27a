// Package admissions shows how the agent of each site gets in, and lets the agency change
// it: a new claim code, shutting a site out, another machine in the place of one.
//
// It says what package admission knows and does what that allows; whatever is done stands
// in the log of accounts. It asks no agent. Beware: a claim code is told on one page, the
// answer to the form that asked for it, and stands in no address, cookie or log.
package admissions

import (
	"context"
	"embed"
	"net/http"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/admission"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/door"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

//go:embed page/*.html
var files embed.FS

// Admissions is who decides which agent is a site's.
type Admissions interface {
	NewCode(ctx context.Context, by string, site protocol.SiteID, serial protocol.Serial, life time.Duration) (protocol.ClaimCode, time.Time, error)
	Revoke(ctx context.Context, by string, site protocol.SiteID, reason string) error
	Sites(ctx context.Context) ([]admission.Site, error)
}

// Accounts keeps what was done by whom.
type Accounts interface {
	Provisioned(ctx context.Context, who account.Account, what, address string) error
}

// Options are the parts of these pages.
type Options struct {
	Admissions Admissions // nil: the hub has no door for agents, and the pages say so
	Accounts   Accounts
}

// Pages are the list of all sites on their way in, and the page and forms of each.
type Pages struct {
	*shell.Group
	Options
}

// New plugs the pages into the shell.
func New(s *shell.Shell, o Options) *Pages { return &Pages{s.Group("admissions", files), o} }

// Routes adds the pages' addresses.
func (p *Pages) Routes(d *door.Door) {
	one := door.To(account.Provision, door.Site)
	d.Handle("GET /admissions", door.To(account.Provision), p.Page(p.list))
	d.Handle("GET /sites/{site}/admission", one, p.Page(p.site))
	for _, a := range acts() {
		d.Handle("GET /sites/{site}/admission/"+a.Name, one, p.Page(p.ask(a)))
		d.Handle("POST /sites/{site}/admission/"+a.Name, one, p.Page(p.do(a)))
	}
}

// listView is the data of list.html.
type listView struct {
	shell.Speech
	Open  bool // the hub has a door for agents
	Sites []admission.Site
}

func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	return p.Show(w, r, shell.Frame{Title: p.Speech(r).Text("title-list"), Section: "sites"},
		shell.Part{Name: "list", Every: 10 * time.Second, Data: func() (any, error) {
			v := listView{Speech: p.Speech(r), Open: p.Admissions != nil}
			if !v.Open {
				return v, nil
			}
			var err error
			v.Sites, err = p.Admissions.Sites(r.Context())
			return v, err
		}})
}

// siteView is the data of site.html and form.html.
type siteView struct {
	shell.Speech
	admission.Site
	Open bool
	Code string // that was just made; shown this once
	Act  act
	Form *shell.Form
}

// Path is where something about the site is.
func (v siteView) Path(of string) string { return "/sites/" + string(v.ID) + "/admission" + of }

// Ended tells that the agent's certificate is over.
func (v siteView) Ended() bool { return !v.Until.IsZero() && v.Now.After(v.Until) }

// Removable tells that somebody is there to shut out: an agent, or who holds an open code.
func (v siteView) Removable() bool {
	return v.Standing == admission.Admitted || v.Standing == admission.Expected
}

// view reads the site that the address names.
func (p *Pages) view(r *http.Request) (siteView, error) {
	v := siteView{Speech: p.Speech(r), Open: p.Admissions != nil}
	id, err := protocol.ParseSiteID(r.PathValue("site"))
	if err != nil {
		return v, shell.NotFound("no-site")
	}
	v.ID = id
	if !v.Open {
		return v, nil
	}
	all, err := p.Admissions.Sites(r.Context())
	if err != nil {
		return v, err
	}
	i := slices.IndexFunc(all, func(s admission.Site) bool { return s.ID == id })
	if i < 0 {
		return v, shell.NotFound("no-site")
	}
	v.Site = all[i]
	return v, nil
}

// site shows how a site stands, and follows it: somebody waits for an agent to come in.
func (p *Pages) site(w http.ResponseWriter, r *http.Request) error {
	v, err := p.view(r)
	if err != nil {
		return err
	}
	return p.Show(w, r, shell.Frame{Title: v.Text("title-site", "site", v.ID), Section: "sites"},
		shell.Part{Name: "site", Every: 3 * time.Second, Data: func() (any, error) { return p.view(r) }})
}

// showCode shows a code that was just made. The page stays as it is: asking for it again
// would ask for another code.
func (p *Pages) showCode(w http.ResponseWriter, r *http.Request, code protocol.ClaimCode) error {
	v, err := p.view(r)
	if err != nil {
		return err
	}
	v.Code = code.Text()
	return p.Show(w, r, shell.Frame{Title: v.Text("title-site", "site", v.ID), Section: "sites", At: v.Path("")}, shell.Still("site", v))
}
