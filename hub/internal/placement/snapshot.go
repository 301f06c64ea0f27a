package placement

import (
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Ids of the register. They never change and mean nothing outside of it.
type (
	UnitID      int64
	EmployeeID  int64
	PlacementID int64
	GrantID     int64
	// TerminalID is a terminal of one site; 0 in a grant or alias means all.
	TerminalID int64
)

// UnitKind is what an office is.
type UnitKind string

// The kinds of units. A section has no terminals of its own: its people belong on
// those of the nearest unit above that is none.
const (
	OPD      UnitKind = "opd"
	UPTD     UnitKind = "uptd"
	Branch   UnitKind = "cabang-dinas"
	School   UnitKind = "sekolah"
	Hospital UnitKind = "rumah-sakit"
	Section  UnitKind = "bagian"
)

// EmployeeKind is how somebody is employed.
type EmployeeKind string

// The kinds of employees.
const (
	PNS          EmployeeKind = "pns"
	CPNS         EmployeeKind = "cpns"
	PPPK         EmployeeKind = "pppk"
	PPPKPartTime EmployeeKind = "pppk-pw"
	NonASN       EmployeeKind = "non-asn"
)

// Sex as the register has it; empty where it does not know.
type Sex string

// The values of Sex.
const (
	Male   Sex = "l"
	Female Sex = "p"
)

// Status is whether somebody works.
type Status string

// The statuses. Only who is active is on terminals.
const (
	Active  Status = "aktif"
	Retired Status = "pensiun"
	Died    Status = "meninggal"
	Moved   Status = "pindah"        // to another government
	Leave   Status = "cltn"          // without pay
	Study   Status = "tugas-belajar" // sent to study
)

// Kind is what a placement is.
type Kind string

// The kinds of placements; all bring somebody onto terminals.
const (
	Definitive Kind = "definitif"
	Acting     Kind = "plt"
	Lent       Kind = "titipan"
	Additional Kind = "tugas-tambahan"
)

// Unit is an office with what the rule needs of it.
type Unit struct {
	ID      UnitID
	Kind    History[UnitKind]
	Parent  History[UnitID] // 0: none
	Merged  History[UnitID] // into which unit; 0: in none
	Prepare History[int]    // days before a placement begins; -1: as the unit above
	Grace   History[int]    // days after it ended; -1: as the unit above
}

// Terminal is a machine with what the rule needs of it.
type Terminal struct {
	ID        TerminalID
	Serial    protocol.Serial
	Mode      History[roster.Mode] // none: observe
	MaxAdmins History[int]         // none: DefaultMaxAdmins
	Algorithm uint8                // of its templates, 9 or 10; 0: not known
	Serves    []Serving
}

// Serving is that a terminal serves a unit, responsible for it or not.
type Serving struct {
	Unit        UnitID
	Responsible bool
	Period
}

// Employee is a person with what the rule needs of them.
type Employee struct {
	ID      EmployeeID
	PIN     string // the hub's, in normal form
	Aliases []Alias
	Name    History[string]
	Status  History[Status]
	Card    History[uint32] // 0: none
	Fingers []roster.Finger // the best copies, by number, then algorithm
}

// Alias is another PIN by which terminals know an employee.
type Alias struct {
	Terminal TerminalID // 0: every one
	PIN      string     // in normal form
	Period
}

// Placement puts an employee at a unit.
type Placement struct {
	ID       PlacementID
	Employee EmployeeID
	Unit     UnitID
	Kind     Kind
	Period
}

// Grant lets an employee administer a terminal, placed there or not.
type Grant struct {
	ID        GrantID
	Employee  EmployeeID
	Terminal  TerminalID // 0: every one
	Privilege roster.Privilege
	Period
}

// DefaultMaxAdmins is how many administrators a terminal may have before it is a
// finding, where the register says nothing else.
const DefaultMaxAdmins = 3

// Settings are what holds where no unit says otherwise.
type Settings struct {
	PrepareDays int
	GraceDays   int
}

// Usual are the settings of a hub of which nobody asked for others.
func Usual() Settings { return Settings{PrepareDays: 3, GraceDays: 3} }

// Snapshot is the register at one moment, in any order.
type Snapshot struct {
	Settings   Settings
	Units      []Unit
	Terminals  []Terminal
	Employees  []Employee
	Placements []Placement
	Grants     []Grant
}
