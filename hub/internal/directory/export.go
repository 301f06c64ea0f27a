package directory

import (
	"cmp"
	"slices"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Table writes the employees as Import reads them, one row for each placement that
// has not ended on the day, by PIN. Whoever has none has one row.
func (r *Register) Table(day roster.Date) [][]string {
	table := [][]string{{"NIP", "NIK", "Nama", "Gelar depan", "Gelar belakang", "Jenis pegawai", "Jenis kelamin", "Tgl lahir", "Status",
		"Jabatan", "Golongan", "Kartu", "Kode unit", "Nama unit", "Jenis penempatan", "TMT penempatan", "Sampai", "No SK", "Tgl SK", "TMT", "PIN"}}
	attributes := []Attribute{EmployeeNIP, EmployeeNIK, EmployeeName, EmployeeBefore, EmployeeAfter, EmployeeKind, EmployeeSex, EmployeeBorn, EmployeeStatus,
		EmployeePosition, EmployeeGrade, EmployeeCard}
	people := Sorted(r.Employees)
	slices.SortFunc(people, func(a, b *Employee) int { return cmp.Compare(a.PIN, b.PIN) })
	for _, e := range people {
		var row []string
		for _, a := range attributes {
			row = append(row, quoted(e.At(a, day)))
		}
		before := len(table)
		for _, p := range r.PlacementsOf(e.ID) {
			if p.To > day {
				table = append(table, append(slices.Clone(row), r.placementFields(p, day, e)...))
			}
		}
		if len(table) == before {
			table = append(table, append(row, "", "", "", "", "", "", "", "", e.PINText()))
		}
	}
	return table
}

func (r *Register) placementFields(p Placement, day roster.Date, e *Employee) []string {
	to := p.To
	if to == roster.Forever {
		to = ""
	}
	u := r.Units[p.Unit]
	return []string{quoted(u.At(UnitCode, day)), quoted(u.At(UnitName, day)), string(p.Kind), string(p.From), string(to),
		quoted(p.SK), string(p.SKDate), string(p.TMT), e.PINText()}
}

// UnitTable writes the units as Import reads them, those above first.
func (r *Register) UnitTable(day roster.Date) [][]string {
	table := [][]string{{"Kode unit", "Nama unit", "Jenis unit", "Kode induk", "SIASN id"}}
	written := map[placement.UnitID]bool{}
	var write func(u *Unit)
	write = func(u *Unit) {
		if u == nil || written[u.ID] {
			return
		}
		written[u.ID] = true
		parent := r.Units[unitID(u.At(UnitParent, day))]
		write(parent)
		code := ""
		if parent != nil {
			code = parent.At(UnitCode, day)
		}
		row := []string{u.At(UnitCode, day), u.At(UnitName, day), u.At(UnitKind, day), code, u.At(UnitSIASN, day)}
		for i, text := range row {
			row[i] = quoted(text)
		}
		table = append(table, row)
	}
	for _, u := range Sorted(r.Units) {
		write(u)
	}
	return table
}
