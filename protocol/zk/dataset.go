package zk

import (
	"encoding/binary"
	"fmt"
	"strconv"
)

// Dataset is one of the lists a terminal can prepare for reading.
type Dataset int

const (
	DatasetUsers Dataset = iota + 1
	DatasetTemplates
	DatasetAttendance
	DatasetOperations
)

// requestSize is the length of the body of PREPARE_BUFFER.
//
//	0 1 always 1   1 2 command of the old kind   3 4 type   7 4 0
const requestSize = 11

// source gives the command and the type that name a data set.
func (d Dataset) source() (command Code, kind uint32) {
	switch d {
	case DatasetUsers:
		return CmdUserTempRead, 5
	case DatasetTemplates:
		return CmdDBRead, 2
	case DatasetAttendance:
		return CmdAttLogRead, 0
	case DatasetOperations:
		return CmdOpLogRead, 0
	}
	return 0, 0
}

// Request is the body of PREPARE_BUFFER for the data set.
func (d Dataset) Request() []byte {
	command, kind := d.source()
	b := make([]byte, requestSize)
	b[0] = 1
	binary.LittleEndian.PutUint16(b[1:], uint16(command))
	binary.LittleEndian.PutUint32(b[3:], kind)
	return b
}

// ParseDatasetRequest reads the body of PREPARE_BUFFER; false when it asks for
// something else.
func ParseDatasetRequest(body []byte) (Dataset, bool) {
	if len(body) != requestSize || body[0] != 1 || binary.LittleEndian.Uint32(body[7:]) != 0 {
		return 0, false
	}
	for d := DatasetUsers; d <= DatasetOperations; d++ {
		command, kind := d.source()
		if Code(binary.LittleEndian.Uint16(body[1:])) == command && binary.LittleEndian.Uint32(body[3:]) == kind {
			return d, true
		}
	}
	return 0, false
}

// String names the data set.
func (d Dataset) String() string {
	switch d {
	case DatasetUsers:
		return "users"
	case DatasetTemplates:
		return "templates"
	case DatasetAttendance:
		return "attendance"
	case DatasetOperations:
		return "operations"
	}
	return "dataset " + strconv.Itoa(int(d))
}

// totalSize is the length of the u32 that precedes the rows of a data set and counts
// their bytes.
const totalSize = 4

// cutTotal gives the rows of a whole data set. A total that promises more than there
// is means that the read is short; what follows the total's rows is no data.
func cutTotal(data []byte) ([]byte, error) {
	if len(data) < totalSize {
		return nil, fmt.Errorf("data set of %d bytes: %w", len(data), ErrShort)
	}
	rows := data[totalSize:]
	total := binary.LittleEndian.Uint32(data)
	if uint64(total) > uint64(len(rows)) {
		return nil, fmt.Errorf("data set of %d bytes announces %d: %w", len(rows), total, ErrShort)
	}
	return rows[:total:total], nil
}
