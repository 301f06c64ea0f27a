package flush

import "encoding/binary"

// Records of one terminal differ in few bytes: PIN, time, a part of the raw row.
// A record as long as the one before it is therefore written as what differs. It
// makes the file a third as large, and a third as much is written to the card.
//
// Form: uvarint of 2·length, +1 when it is written as differences. Then either
// the record, or, until its end is reached, pairs of runs: uvarint bytes equal
// to the previous record's, uvarint bytes that follow, these bytes.

// joined is the number of equal bytes that are not worth a new pair of runs.
const joined = 2

func appendDelta(dst, previous, record []byte) []byte {
	if len(previous) != len(record) || len(record) == 0 {
		dst = binary.AppendUvarint(dst, uint64(len(record))<<1)
		return append(dst, record...)
	}
	dst = binary.AppendUvarint(dst, uint64(len(record))<<1|1)
	for at := 0; at < len(record); {
		from := at
		for from < len(record) && record[from] == previous[from] {
			from++
		}
		to, equal := from, 0 // after the last differing byte, equal ones since
		for i := from; i < len(record) && equal <= joined; i++ {
			if record[i] == previous[i] {
				equal++
				continue
			}
			to, equal = i+1, 0
		}
		dst = binary.AppendUvarint(dst, uint64(from-at))
		dst = binary.AppendUvarint(dst, uint64(to-from))
		dst = append(dst, record[from:to]...)
		at = to
	}
	return dst
}

// parseDelta returns the record and what follows it in b.
func parseDelta(b, previous []byte) (record, rest []byte, ok bool) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size>>1 > maxRecord {
		return nil, nil, false
	}
	b = b[n:]
	length := int(size >> 1)
	if size&1 == 0 {
		if length > len(b) {
			return nil, nil, false
		}
		return append(make([]byte, 0, length), b[:length]...), b[length:], true
	}
	if length != len(previous) || length == 0 {
		return nil, nil, false
	}
	record = append(make([]byte, 0, length), previous...)
	for at := 0; at < length; {
		same, n := binary.Uvarint(b)
		if n <= 0 || same > uint64(length-at) {
			return nil, nil, false
		}
		b, at = b[n:], at+int(same)
		differ, n := binary.Uvarint(b)
		if n <= 0 || differ > uint64(length-at) || differ > uint64(len(b)-n) || same+differ == 0 {
			return nil, nil, false
		}
		copy(record[at:], b[n:n+int(differ)])
		b, at = b[n+int(differ):], at+int(differ)
	}
	return record, b, true
}
