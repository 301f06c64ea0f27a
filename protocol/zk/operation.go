package zk

import (
	"encoding/binary"
	"fmt"
)

// OperationSize is the length of a row of the operation log.
//
//	0 2 administrator's slot   2 1 operation   3 1 unknown   4 4 time   8 8 4 × u16
const OperationSize = 16

// Operation is what was done at the terminal's menu, or happened to the terminal: 0
// switched on, 1 off, 3 tamper, 5 option changed, 6 finger enrolled, 9 user deleted,
// 13 data erased, 21 clock set, 23 log erased, 30 user enrolled, and others.
type Operation struct {
	Admin   uint16
	Number  uint8
	Unknown uint8
	Time    Time
	Params  [4]uint16
}

// ParseOperation reads one row.
func ParseOperation(row []byte) (Operation, error) {
	if len(row) != OperationSize {
		return Operation{}, fmt.Errorf("operation row of %d bytes: %w", len(row), ErrLayout)
	}
	o := Operation{
		Admin:   binary.LittleEndian.Uint16(row),
		Number:  row[2],
		Unknown: row[3],
		Time:    Time(binary.LittleEndian.Uint32(row[4:])),
	}
	for i := range o.Params {
		o.Params[i] = binary.LittleEndian.Uint16(row[8+2*i:])
	}
	return o, nil
}

// Append writes the row.
func (o Operation) Append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, o.Admin)
	dst = append(dst, o.Number, o.Unknown)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(o.Time))
	for _, p := range o.Params {
		dst = binary.LittleEndian.AppendUint16(dst, p)
	}
	return dst
}
