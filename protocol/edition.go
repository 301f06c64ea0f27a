package protocol

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Edition is the version of a program, v1.2.3 or v1.2.3-rc.1, as releases have it. The
// zero value stands for a program without one, below every release. Two editions are
// the same when they are equal.
type Edition struct {
	major, minor, patch uint32
	pre                 string
}

// ErrEdition says that a text is not the version of a release.
var ErrEdition = errors.New("not the version of a release: want v1.2.3 or v1.2.3-rc.1")

// maxEdition is how long a version is at most.
const maxEdition = 40

// ParseEdition reads a version in its one form.
func ParseEdition(s string) (Edition, error) {
	var e Edition
	core, pre, has := strings.Cut(s, "-")
	numbers := strings.Split(strings.TrimPrefix(core, "v"), ".")
	if len(s) > maxEdition || len(numbers) != 3 || has && !preRelease(pre) {
		return Edition{}, fmt.Errorf("%.60q: %w", s, ErrEdition)
	}
	for i, part := range []*uint32{&e.major, &e.minor, &e.patch} {
		n, err := strconv.ParseUint(numbers[i], 10, 31)
		if err != nil {
			return Edition{}, fmt.Errorf("%.60q: %w", s, ErrEdition)
		}
		*part = uint32(n)
	}
	e.pre = pre
	if e.String() != s || e == (Edition{}) {
		return Edition{}, fmt.Errorf("%.60q: %w", s, ErrEdition)
	}
	return e, nil
}

// EditionOf reads the version that a program says of itself; one that is none of a
// release is below all of them.
func EditionOf(version string) Edition {
	e, err := ParseEdition(version)
	if err != nil {
		return Edition{}
	}
	return e
}

// preRelease reports whether a text is words of letters, digits and hyphens with dots
// between them, and no number begins with a zero.
func preRelease(s string) bool {
	for word := range strings.SplitSeq(s, ".") {
		if word == "" || strings.Trim(word, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
			return false
		}
		if len(word) > 1 && word[0] == '0' && strings.Trim(word, "0123456789") == "" {
			return false
		}
	}
	return true
}

func (e Edition) String() string {
	s := fmt.Sprintf("v%d.%d.%d", e.major, e.minor, e.patch)
	if e.pre != "" {
		s += "-" + e.pre
	}
	return s
}

// Less reports whether e comes before o, by the rules of semver.org.
func (e Edition) Less(o Edition) bool {
	if c := cmp.Or(cmp.Compare(e.major, o.major), cmp.Compare(e.minor, o.minor), cmp.Compare(e.patch, o.patch)); c != 0 {
		return c < 0
	}
	if e.pre == "" || o.pre == "" { // what goes before a release is below it
		return e.pre != "" && o.pre == ""
	}
	a, b := strings.Split(e.pre, "."), strings.Split(o.pre, ".")
	for i := range min(len(a), len(b)) {
		if c := compareWords(a[i], b[i]); c != 0 {
			return c < 0
		}
	}
	return len(a) < len(b)
}

// compareWords compares two words of what goes before a release: numbers by their
// value, which are below words.
func compareWords(a, b string) int {
	numberA, numberB := strings.Trim(a, "0123456789") == "", strings.Trim(b, "0123456789") == ""
	switch {
	case numberA && numberB:
		return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
	case numberA:
		return -1
	case numberB:
		return 1
	}
	return strings.Compare(a, b)
}

// MarshalText writes the version.
func (e Edition) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads what MarshalText wrote, and only that.
func (e *Edition) UnmarshalText(text []byte) error {
	read, err := ParseEdition(string(text))
	if err == nil {
		*e = read
	}
	return err
}
