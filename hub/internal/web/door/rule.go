package door

import (
	"net"
	"net/http"
	"strconv"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Rule says who may come to an address.
type Rule struct {
	anyone bool
	local  bool // so may programs on this machine
	person bool // not by a token
	deed   account.Deed
	about  []About
}

// About tells whether what an address is about lies within a scope. What nobody knows
// lies within none: a stranger does not learn what there is. It is asked only of those who
// do not see everything.
type About func(r *http.Request, s account.Scope) (bool, error)

// Anyone is for what people need before they are known.
func Anyone() Rule { return Rule{anyone: true} }

// Known is for everybody with an account.
func Known() Rule { return Rule{} }

// To is for those who may do something, as far as all that the address is about lies
// within their scope.
func To(d account.Deed, about ...About) Rule { return Rule{deed: d, about: about} }

// Person is the rule for people at a browser only: a token does not make itself stronger.
func (r Rule) Person() Rule { r.person = true; return r }

// Local is the rule with an exception for programs on this machine, such as monitoring.
func (r Rule) Local() Rule { r.local = true; return r }

// Site is about the site in the path.
func Site(r *http.Request, s account.Scope) (bool, error) {
	return s.Site(protocol.SiteID(r.PathValue("site"))), nil
}

// Terminal is about the terminal in the path.
func Terminal(r *http.Request, s account.Scope) (bool, error) {
	return s.Terminal(protocol.SiteID(r.PathValue("site")), protocol.Serial(r.PathValue("serial"))), nil
}

// Employee is about the employee in the path.
func Employee(r *http.Request, s account.Scope) (bool, error) {
	return employee(r.PathValue("employee"), s), nil
}

// AskedEmployee is about the employee that the address asks for, if it does.
func AskedEmployee(r *http.Request, s account.Scope) (bool, error) {
	asked := r.URL.Query().Get("employee")
	return asked == "" || employee(asked, s), nil
}

func employee(text string, s account.Scope) bool {
	id, err := strconv.ParseInt(text, 10, 64)
	return err == nil && s.Employee(placement.EmployeeID(id))
}

// AskedUnit is about the unit that the address asks for, if it does.
func AskedUnit(r *http.Request, s account.Scope) (bool, error) {
	asked := r.URL.Query().Get("unit")
	id, err := strconv.ParseInt(asked, 10, 64)
	return asked == "" || err == nil && s.Unit(placement.UnitID(id)), nil
}

// AskedSite is about the site that the address asks for, if it does.
func AskedSite(r *http.Request, s account.Scope) (bool, error) {
	asked := r.URL.Query().Get("site")
	return asked == "" || s.Site(protocol.SiteID(asked)), nil
}

// judge returns why a visitor may not come; nil lets them through.
func (rule Rule) judge(r *http.Request, v visit) (*Failure, error) {
	switch {
	case rule.anyone, rule.local && local(r):
		return nil, nil
	case v.ID == 0:
		return &Failure{http.StatusUnauthorized, "login", "log in, or send a token"}, nil
	case rule.person && v.tool:
		return &Failure{http.StatusForbidden, "token-cannot", "this is for people at a browser: a token does not make itself stronger"}, nil
	}
	if !v.Whole() {
		for _, about := range rule.about {
			if within, err := about(r, v.Scope); err != nil || !within {
				return &Failure{http.StatusNotFound, "no-page", "there is nothing of yours at this address"}, err
			}
		}
	}
	if rule.deed != "" && !account.Can(v.Role, rule.deed) {
		return &Failure{http.StatusForbidden, "right", "your account may not do this: " + string(rule.deed)}, nil
	}
	return nil, nil
}

// local tells that a program on this machine asks, and nobody through it.
func local(r *http.Request) bool {
	ip := net.ParseIP(Address(r))
	return ip != nil && ip.IsLoopback() && r.Header.Get("X-Forwarded-For") == "" && r.Header.Get("Forwarded") == ""
}
