package flush

import "hash/crc32"

// Checksum is what belongs into a flush's crc field.
func Checksum(b []byte) uint32 { return crc32.Checksum(b[preamble:], castagnoli) }
