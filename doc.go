// Package sidik is the map of the project; it holds no code, only the tests that
// look at the whole.
//
// The way of a punch, and where each step lives:
//
//	terminal ──port 4370──▶ agent ──MQTT──▶ hub ──▶ pages, verify, files
//
//	protocol/        the contract between agents and hub: names, topics, the signed
//	                 envelope, messages, the canonical record and its chain
//	  seal/          keys, signatures, fingerprints
//	  phrase/        every sentence for people, Indonesian first
//	  mqtt/          the MQTT carrier, used by agent and hub alike
//	  zk/            the wire protocol of port 4370
//	    zktest/      a simulated terminal, with faults
//	agent/           one office: reads terminals, keeps punches, sends segments
//	hub/             the agency: checks, stores, answers with receipts, shows
//	provision/       the operators' tools, among them the simulated office
//	systemd/         agent and hub as services: units, readiness, watchdog, packages
//	testdata/        captured and golden bytes; its README says where each came from
//
// Inside a tree, cmd/ is the program and internal/ is nobody else's business. What
// may not import what, and why, is arch_test.go. The words, the guarantees and the
// reasons are in ARCHITECTURE.md.
package sidik
