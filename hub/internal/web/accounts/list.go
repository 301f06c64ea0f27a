package accounts

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// logShown is how many lines of the log stand on a page, the newest first.
const logShown = 200

// listView is the data of list.html.
type listView struct {
	shell.Speech
	Rows []row
}

// row is one account of the list.
type row struct {
	account.Account
	Units []string
}

func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	v := listView{Speech: p.Speech(r)}
	all, err := p.Accounts.List(r.Context())
	for i := 0; err == nil && i < len(all); i++ {
		one := row{Account: all[i]}
		one.Units, err = p.unitNames(r, all[i])
		v.Rows = append(v.Rows, one)
	}
	if err != nil {
		return err
	}
	return p.Show(w, r, shell.Frame{Title: v.Text("title-list"), Section: "accounts"}, shell.Still("list", v))
}

// unitNames are the units of an account, by name.
func (p *Pages) unitNames(r *http.Request, a account.Account) (names []string, err error) {
	if len(a.Units) == 0 {
		return nil, nil
	}
	reg, err := p.Directory.Register(r.Context())
	if err != nil {
		return nil, err
	}
	for _, id := range a.Units {
		if u := reg.Units[id]; u != nil {
			names = append(names, u.At(directory.UnitName, roster.DateOf(p.Now())))
		}
	}
	slices.Sort(names)
	return names, nil
}

// accountView is the data of account.html.
type accountView struct {
	shell.Speech
	account.Account
	Form  *shell.Form
	Units []string
	Lines []line
	Link  string // that was just made; shown this once
}

func (p *Pages) account(w http.ResponseWriter, r *http.Request) error {
	a, err := p.find(r)
	if err != nil {
		return err
	}
	return p.showAccount(w, r, a, p.Form(r), "", http.StatusOK)
}

func (p *Pages) showAccount(w http.ResponseWriter, r *http.Request, a account.Account, form *shell.Form, code string, status int) error {
	v := accountView{Speech: p.Speech(r), Account: a, Form: form}
	if code != "" {
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		v.Link = scheme + "://" + r.Host + "/link/" + code
	}
	var err error
	if v.Units, err = p.unitNames(r, a); err != nil {
		return err
	}
	if v.Lines, err = p.lines(r, a.ID); err != nil {
		return err
	}
	return p.Show(w, r, shell.Frame{Title: a.FullName, Section: "accounts", Code: status, At: pathOf(a)}, shell.Still("account", v))
}

// pathOf is where an account is.
func pathOf(a account.Account) string { return "/accounts/" + strconv.FormatInt(int64(a.ID), 10) }

// newLink makes a link by which the owner chooses another password.
func (p *Pages) newLink(w http.ResponseWriter, r *http.Request) error {
	a, err := p.find(r)
	if err != nil {
		return err
	}
	code, err := p.Accounts.Link(r.Context(), by(r), a.ID)
	return p.after(w, r, a, code, err)
}

// disable shuts an account, or opens it again.
func (p *Pages) disable(shut bool) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		a, err := p.find(r)
		if err != nil {
			return err
		}
		if err := p.Accounts.Disable(r.Context(), by(r), a.ID, shut); err != nil {
			return p.after(w, r, a, "", err)
		}
		notice := "notice-enabled"
		if shut {
			notice = "notice-disabled"
		}
		p.Done(w, r, pathOf(a), notice)
		return nil
	}
}

// after shows an account after something was done with it, or refused.
func (p *Pages) after(w http.ResponseWriter, r *http.Request, a account.Account, link string, err error) error {
	form, code := p.Form(r), http.StatusOK
	if err != nil {
		is := false
		if code, is = refused(p.Speech(r), form, err); !is {
			return err
		}
	}
	return p.showAccount(w, r, a, form, link, code)
}

// logView is the data of log.html.
type logView struct {
	shell.Speech
	Lines []line
}

// line is one of the log, with the name of the account that it is about.
type line struct {
	account.Line
	Name string
}

// lines are the newest of the log about one account, or, for 0, about all.
func (p *Pages) lines(r *http.Request, about account.ID) (lines []line, err error) {
	log, err := p.Accounts.Log(r.Context(), about, logShown)
	if err != nil {
		return nil, err
	}
	all, err := p.Accounts.List(r.Context())
	for _, l := range log {
		i := slices.IndexFunc(all, func(a account.Account) bool { return a.ID == l.Account })
		one := line{Line: l}
		if i >= 0 {
			one.Name = all[i].Name
		}
		lines = append(lines, one)
	}
	return lines, err
}

// log shows what became of all accounts, and what was refused to them.
func (p *Pages) log(w http.ResponseWriter, r *http.Request) error {
	v := logView{Speech: p.Speech(r)}
	var err error
	if v.Lines, err = p.lines(r, 0); err != nil {
		return err
	}
	return p.Show(w, r, shell.Frame{Title: v.Text("title-log"), Section: "accounts"}, shell.Still("log", v))
}
