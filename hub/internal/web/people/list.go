package people

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// pageSize is how many employees stand on one page.
const pageSize = 50

// question is what somebody asks of the list, as it stands in the address.
type question struct {
	Typed   string // a part of a name, a NIP or a PIN
	Unit    placement.UnitID
	Without bool // only who is at work and has no finger
	Page    int  // from 1
}

func asked(r *http.Request) (question, error) {
	query := r.URL.Query()
	q := question{Typed: strings.TrimSpace(query.Get("q")), Without: query.Get("without") == "fingers"}
	if len(q.Typed) > 100 {
		return q, shell.BadRequest("filter")
	}
	if text := query.Get("unit"); text != "" {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || id < 1 {
			return q, shell.BadRequest("filter")
		}
		q.Unit = placement.UnitID(id)
	}
	var err error
	q.Page, err = shell.PageNumber(r)
	return q, err
}

// path writes the address of another page of the same question.
func (q question) path(page int) string {
	query := url.Values{}
	if q.Typed != "" {
		query.Set("q", q.Typed)
	}
	if q.Unit != 0 {
		query.Set("unit", strconv.FormatInt(int64(q.Unit), 10))
	}
	if q.Without {
		query.Set("without", "fingers")
	}
	if page > 1 {
		query.Set("page", strconv.Itoa(page))
	}
	return (&url.URL{Path: "/employees", RawQuery: query.Encode()}).String()
}

// row is one employee of the list.
type row struct {
	*directory.Employee
	Name    string
	Units   []string
	Fingers int
}

// listView is the data of list.html.
type listView struct {
	Speech
	question
	Rows       []row
	Count      int
	Prev, Next string // addresses; empty at the ends
}

// UnitOption is a unit to choose.
type UnitOption struct {
	ID   placement.UnitID
	Name string
}

func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	q, err := asked(r)
	if err != nil {
		return err
	}
	title, section := "title-list", "employees"
	if q.Without {
		title, section = "title-without", "fingerless"
	}
	return p.Show(w, r, shell.Frame{Title: p.Speech(r).Text(title), Section: section},
		shell.Part{Name: "list", Data: func() (any, error) { return p.listView(r, q) }})
}

func (p *Pages) listView(r *http.Request, q question) (listView, error) {
	v := listView{question: q}
	var err error
	if v.Speech, err = Read(p.Group, p.Directory, r); err != nil {
		return v, err
	}
	best, err := p.Vault.Best(r.Context())
	if err != nil {
		return v, err
	}
	fingers := map[placement.EmployeeID]int{}
	for i, h := range best {
		if i == 0 || best[i-1].Employee != h.Employee || best[i-1].Finger != h.Finger { // one finger may be there in two algorithms
			fingers[placement.EmployeeID(h.Employee)]++
		}
	}
	all := v.matching(fingers)
	v.Count = len(all)
	from := min(len(all), (q.Page-1)*pageSize)
	v.Rows = all[from:min(len(all), from+pageSize)]
	for i := range v.Rows {
		v.Rows[i].Units = v.unitsOf(v.Rows[i].ID)
		v.Rows[i].Fingers = fingers[v.Rows[i].ID]
	}
	if q.Page > 1 {
		v.Prev = q.path(q.Page - 1)
	}
	if from+pageSize < len(all) {
		v.Next = q.path(q.Page + 1)
	}
	return v, nil
}

// matching are the employees of whom is asked, by name.
func (v listView) matching(fingers map[placement.EmployeeID]int) (all []row) {
	within := v.within(v.question.Unit)
	aliases := map[placement.EmployeeID][]string{}
	for _, a := range v.Register.Aliases {
		aliases[a.Employee] = append(aliases[a.Employee], a.PIN)
	}
	for _, e := range v.Register.Employees {
		r := row{Employee: e, Name: e.At(directory.EmployeeName, v.Today)}
		if !v.Scope.Employee(e.ID) || v.Without && (fingers[e.ID] > 0 || !e.Active(v.Today)) ||
			v.question.Unit != 0 && !v.placedIn(e.ID, within) ||
			v.Typed != "" && !v.meant(r, aliases[e.ID]) {
			continue
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b row) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.PIN, b.PIN)) })
	return all
}

// meant tells whether what somebody typed is a part of a name or the beginning of a
// number of the employee's.
func (v listView) meant(r row, aliases []string) bool {
	typed := v.Typed
	if strings.Contains(strings.ToLower(r.Name), strings.ToLower(typed)) {
		return true
	}
	digits := strings.NewReplacer(" ", "", ".", "", "-", "").Replace(typed)
	begins := func(number string) bool { return strings.HasPrefix(number, digits) }
	if digits == "" {
		return false
	}
	if begins(r.PINText()) || slices.ContainsFunc(aliases, begins) {
		return true
	}
	for _, a := range []directory.Attribute{directory.EmployeeNIP, directory.EmployeeNIK} {
		if slices.ContainsFunc(r.Facts[a], func(f directory.Fact) bool { return begins(f.Value) }) {
			return true
		}
	}
	return false
}

// within is a unit, all below it and all that were merged into one of them: their people
// stay placed where they were.
func (v Speech) within(unit placement.UnitID) map[placement.UnitID]bool {
	inside := map[placement.UnitID]bool{unit: true}
	for before := 0; before != len(inside); {
		before = len(inside)
		for id, u := range v.Register.Units {
			parent, _ := strconv.ParseInt(u.At(directory.UnitParent, v.Today), 10, 64) // none is 0
			into, _ := strconv.ParseInt(u.On(directory.UnitMerged, v.Today), 10, 64)
			if inside[placement.UnitID(parent)] || inside[placement.UnitID(into)] {
				inside[id] = true
			}
		}
	}
	return inside
}

func (v Speech) placedIn(e placement.EmployeeID, units map[placement.UnitID]bool) bool {
	return slices.ContainsFunc(v.Register.PlacementsOf(e), func(p directory.Placement) bool { return p.To > v.Today && units[p.Unit] })
}

// unitsOf are the names of the units where somebody is today or will be.
func (v Speech) unitsOf(e placement.EmployeeID) (names []string) {
	for _, p := range v.Register.PlacementsOf(e) {
		if p.To <= v.Today {
			continue
		}
		name := v.Unit(p.Unit)
		if p.From > v.Today {
			name = v.Text("unit-from", "unit", name, "day", v.Day(p.From))
		}
		names = append(names, name)
	}
	return names
}

// Units are all units of the scope that are not merged into another, by name.
func (v Speech) Units() (list []UnitOption) {
	for id, u := range v.Register.Units {
		if merged := u.On(directory.UnitMerged, v.Today); v.Scope.Unit(id) && (merged == "" || merged == "0") {
			list = append(list, UnitOption{id, u.At(directory.UnitName, v.Today)})
		}
	}
	slices.SortFunc(list, func(a, b UnitOption) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return list
}

// current tells whether a placement holds on a day: now, soon or over.
func current(p placement.Period, day roster.Date) string {
	switch {
	case p.Holds(day):
		return "now"
	case day < p.From:
		return "soon"
	}
	return "over"
}
