// Package zk is the wire protocol that fingerprint attendance terminals serve on
// port 4370, over TCP and UDP: its packets and frames, its records, and a client
// session ([Conn]) that reads and changes a terminal.
//
// It knows bytes and the order of packets. It must not know people, sites,
// databases, or the rest of this project; it imports the standard library only and
// never logs.
//
// Beware of two things. A time on this wire ([Time]) is a wall clock without a zone
// and can name a day that does not exist: keep the packed number. And a terminal may
// answer late, twice or not at all: only a [Reading] with a [Proof] is a whole log.
package zk
