// Package usbfile reads and writes the files that ZK terminals exchange on a USB stick:
// punches as text, users and fingers as packed records.
//
// It knows bytes. It must not know registers, pages or where a file came from: a name is
// read for what it says, and believed by nobody here.
//
// Beware: nothing in these files is signed or checked by the terminal. Whoever carries one
// can edit it; what contradicts it is to be looked for elsewhere.
package usbfile
