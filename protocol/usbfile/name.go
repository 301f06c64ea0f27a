package usbfile

import (
	"regexp"
	"strconv"
	"strings"
)

// Name is what a terminal says of itself in the name of a file.
type Name struct {
	Machine uint8  // its machine number, 1 to 255; 0: the name tells none
	Serial  string // its serial number; "": the name tells none
}

// logName finds what stands before the usual end of a log's name, also where a browser
// or a person has added something to it.
var logName = regexp.MustCompile(`(?i)^(?:copy of |salinan )?(?:([A-Za-z0-9-]+)_)?att(?:encrypt)?log(?:[ _-]*\(?\d*\)?)?\.(?:dat|txt)(?:\.txt)?$`)

// ParseLogName reads the name of a log: 1_attlog.dat has a machine number (older
// firmware), ABCD123456789_attlog.dat a serial number (newer), attlog.dat neither. A
// whole number up to 255 of at most three digits is a machine number. known is false
// for a name that is no log's; a folder before it does not count.
func ParseLogName(path string) (n Name, known bool) {
	base := path[strings.LastIndexAny(path, `/\`)+1:]
	parts := logName.FindStringSubmatch(strings.TrimSpace(base))
	if parts == nil {
		return Name{}, false
	}
	prefix := parts[1]
	if len(prefix) <= 3 {
		if number, err := strconv.ParseUint(prefix, 10, 8); err == nil {
			return Name{Machine: uint8(number)}, true
		}
	}
	return Name{Serial: prefix}, true
}
