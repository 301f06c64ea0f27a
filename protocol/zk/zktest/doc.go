// Package zktest is a simulated fingerprint terminal on TCP and UDP port numbers of the
// loopback, good enough that other people's clients work with it unchanged.
//
// It knows the wire protocol (package zk), the habits of the terminal families (Profiles)
// and the ways in which terminals fail (FaultKind). It must not know who reads it: neither
// package testing nor any client code is imported, so that a program can serve it too.
//
// Beware: everything a terminal does by itself it does here too. A full log drops its oldest
// punch, a disabled terminal shows nobody's punch to the listeners, CLEAR_DATA without a body
// erases the users with the punches.
//
//	t, err := zktest.New(zktest.Config{Serial: "SIM0000001"})
//	addr, err := t.Listen("127.0.0.1:0", true)
//	defer t.Close()
//
// The parts: profile.go the families, state.go what the terminal holds, demo.go invented
// contents, listen.go and link.go the two carriers, command.go small commands, bulk.go the
// datasets, write.go and upload.go users and fingers on their way in, live.go events, enrol.go
// enrolment, fault.go faults.
package zktest
