package account

import (
	"slices"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
)

// Role is what somebody is at the hub.
type Role string

// The roles.
const (
	AdminAgency  Role = "admin-bkpsdmd"
	AdminOffice  Role = "admin-opd"     // of some units with everything below
	OperatorUnit Role = "operator-uptd" // of some units alone
	Auditor      Role = "auditor"       // reads everything, writes nothing
)

// Roles are all roles, the strongest first.
func Roles() []Role { return []Role{AdminAgency, AdminOffice, OperatorUnit, Auditor} }

func (r Role) known() bool { return slices.Contains(Roles(), r) }

// Whole tells that a role counts for all units.
func (r Role) Whole() bool { return r == AdminAgency || r == Auditor }

// checkUnits says what is wrong with a role together with the units for which it is to count.
func (r Role) checkUnits(units []placement.UnitID) error {
	switch {
	case !r.known():
		return ErrRole
	case r.Whole() == (len(units) > 0):
		return ErrUnits
	}
	return nil
}

// Deed is something that people do at the hub.
type Deed string

// The deeds. All but See and Inspect change something.
const (
	See      Deed = "see"      // offices, terminals, punches, employees, findings
	Inspect  Deed = "inspect"  // accounts, and what was done with them
	Decide   Deed = "decide"   // about a finding, without a change of the register
	Register Deed = "register" // who is placed where, whether somebody works, what a PIN means
	Capture  Deed = "capture"  // fingers are recorded by the agency only
	Command  Deed = "command"  // how far an agent may go at a terminal, and which plan may pass
	Lead     Deed = "lead"     // campaigns, visits and signed minutes
	Manage   Deed = "manage"   // accounts of others

	Provision Deed = "provision" // which sites there are, and whose key is a site's: codes, kits, shutting out
)

// Deeds are all deeds.
func Deeds() []Deed {
	return []Deed{See, Inspect, Decide, Register, Capture, Command, Lead, Manage, Provision}
}

// Can is the rule: what a role may do, within the units for which its account counts.
// Recording fingers and the ways of agents belong to the agency; an office looks after
// its own terminals; whoever audits changes nothing.
func Can(r Role, d Deed) bool {
	switch r {
	case AdminAgency:
		return slices.Contains(Deeds(), d)
	case AdminOffice:
		return d == See || d == Decide
	case OperatorUnit:
		return d == See
	case Auditor:
		return d == See || d == Inspect
	}
	return false
}
