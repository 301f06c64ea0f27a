// Package buffer keeps every punch of an office on disk until the hub has
// proven, by a signed receipt, that it stores it. DESIGN.md beside this file
// tells how and why.
//
// It knows records, positions, epochs and receipts. It knows no terminal, no
// carrier and no key: receipts come to it with their signature already checked.
//
// Append returns nil only when the records are on disk. A full disk or a full
// buffer refuses new records (ErrFull) and never drops old ones that the hub has
// not got; the terminal still holds what was refused. After a power cut the file
// opens with every record whose Append had returned. A Buffer is safe for use by
// several goroutines.
//
// Beware: nothing that comes out of bbolt may live longer than its transaction;
// copy first.
package buffer
