package usbfile

import (
	"fmt"
	"unicode/utf8"
)

// UsersName is the name under which every terminal reads and writes its users.
const UsersName = "user.dat"

// UserFile is what user.dat says.
type UserFile struct {
	Layout UserLayout
	Users  []User // as they stand in the file
	Lost   []Loss
}

// ParseUsers reads user.dat. Its layout is the one in which most of it is users; a record
// that is none costs only itself. The error is ErrNotUsers or ErrLarge.
func ParseUsers(content []byte) (UserFile, error) {
	if len(content) > MaxPacked {
		return UserFile{}, ErrLarge
	}
	best, other := parseUsers(content, User28), parseUsers(content, User72)
	if other.size() > best.size() {
		best, other = other, best
	}
	if best.size() == 0 || 2*best.size() < len(content) {
		return UserFile{}, fmt.Errorf("%d bytes: %w", len(content), ErrNotUsers)
	}
	if best.size() == other.size() {
		return UserFile{}, fmt.Errorf("%d bytes could be records of %d or of %d: %w", len(content), best.Layout, other.Layout, ErrNotUsers)
	}
	return best, nil
}

// size is how many bytes of the file are users.
func (f UserFile) size() int { return len(f.Users) * int(f.Layout) }

func parseUsers(content []byte, l UserLayout) UserFile {
	f := UserFile{Layout: l}
	for at := 0; at < len(content); at += int(l) {
		if len(content)-at < int(l) {
			f.Lost = append(f.Lost, Loss{at, len(content) - at, FaultShort})
			break
		}
		u, why := l.parse(content[at : at+int(l)])
		if why != "" {
			f.Lost = append(f.Lost, Loss{at, int(l), why})
			continue
		}
		u.offset = at
		f.Users = append(f.Users, u)
	}
	return f
}

// Append writes the file; see UserLayout.Append.
func (f UserFile) Append(dst []byte) (_ []byte, err error) {
	grown := dst
	for _, u := range f.Users {
		if grown, err = f.Layout.Append(grown, u); err != nil {
			return dst, err
		}
	}
	return grown, nil
}

// CodePage is how letters beyond ASCII are written in names.
type CodePage string

// What names tell of their code page. A name in an unknown one is carried as it is.
const (
	PageASCII   CodePage = "ascii" // there is no other letter: it may be any
	PageUTF8    CodePage = "utf-8"
	PageUnknown CodePage = "unknown"
)

// CodePage looks at all names: terminals have one code page for all.
func (f UserFile) CodePage() CodePage {
	page := PageASCII
	for _, u := range f.Users {
		for i, c := range u.Name {
			if c < utf8.RuneSelf {
				continue
			}
			if !utf8.Valid(u.Name) && !cutRune(u.Name[i:]) {
				return PageUnknown
			}
			page = PageUTF8
		}
	}
	return page
}

// cutRune tells whether a text is UTF-8 but for its last letter, which the end of the
// field has cut.
func cutRune(text []byte) bool {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 {
			return !utf8.FullRune(text)
		}
		text = text[n:]
	}
	return true
}

// Forget overwrites passwords and records as read. The file is not to be used afterwards.
func (f UserFile) Forget() {
	for _, u := range f.Users {
		u.Password.wipe()
		u.record.wipe()
	}
}
