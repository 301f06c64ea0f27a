package zkdriver

import (
	"context"
	"strconv"
	"strings"

	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// family is what a terminal does not say about itself, by the start of its ~Platform.
// What no row says is taken for less able than it may be.
type family struct {
	platform string
	utf8     bool // it shows names in UTF-8
}

func families() []family {
	return []family{
		{platform: "ZMM", utf8: true},
		{platform: "ZAM", utf8: true},
		{platform: "ZEM", utf8: false}, // a code page that depends on its language
		{platform: "ZLM", utf8: false},
	}
}

const (
	name28, name72 = 8, 23 // bytes of a name; a row of 72 ends it with a NUL
	pin28, pin72   = 9, 24 // digits of a PIN that always fit
)

// capabilities asks once in a session what the terminal can hold.
func (s *session) capabilities(ctx context.Context, sizes zk.Sizes) (roster.Capabilities, error) {
	if s.able == nil {
		able, err := s.ask(ctx)
		if err != nil {
			return roster.Capabilities{}, err
		}
		s.able = &able
	}
	able := *s.able
	if sizes.Known {
		able.Users, able.Fingers = max(sizes.UserCap, 0), max(sizes.TemplateCap, 0)
	}
	return able, nil
}

func (s *session) ask(ctx context.Context) (roster.Capabilities, error) {
	var platform, algorithm, width, letters, ssr string
	for _, option := range []struct {
		name string
		into *string
	}{
		{"~Platform", &platform}, {"~ZKFPVersion", &algorithm}, {"~PIN2Width", &width}, {"~IsABCPinEnable", &letters}, {"~SSR", &ssr},
	} {
		value, err := s.d.conn.Option(ctx, option.name)
		if err != nil && !refused(err) {
			return roster.Capabilities{}, err
		}
		*option.into = value
	}
	if s.layout == 0 { // it has no users whose rows would tell
		switch {
		case ssr == "1", strings.Contains(platform, "_TFT"):
			s.layout = zk.User72
		case platform != "":
			s.layout = zk.User28
		}
	}
	able := roster.Capabilities{NameASCII: true, ReadOnly: s.d.config.ReadOnly, UniqueFinger: s.d.config.UniqueFinger}
	if algorithm == "9" || algorithm == "10" {
		n, _ := strconv.Atoi(algorithm)
		able.Algorithm = uint8(n)
	}
	if n, err := strconv.Atoi(width); err == nil && n > 0 {
		able.PINWidth = n
	}
	switch s.layout {
	case zk.User28:
		able.NameBytes = name28
		if able.PINWidth == 0 || able.PINWidth > pin28 {
			able.PINWidth = pin28
		}
	case zk.User72:
		able.NameBytes = name72
		able.PINWidth = min(able.PINWidth, pin72)
		able.PINLetters = letters == "1"
	}
	for _, f := range families() {
		if strings.HasPrefix(platform, f.platform) {
			able.NameASCII = !f.utf8
		}
	}
	return able, nil
}

// levelMask is the part of a rights byte that says the level.
const levelMask = zk.PrivilegeAdmin

// privilege names the level of a rights byte; an unknown one is that below it.
func privilege(p zk.Privilege) roster.Privilege {
	switch level := p & levelMask; {
	case level >= zk.PrivilegeAdmin:
		return roster.Administrator
	case level >= zk.PrivilegeManager:
		return roster.Manager
	case level >= zk.PrivilegeEnroller:
		return roster.Enroller
	}
	return roster.User
}

// withLevel changes the level of a rights byte and nothing else of it; a byte that has
// the level already stays as it is.
func withLevel(p zk.Privilege, level roster.Privilege) zk.Privilege {
	if level == "" || privilege(p) == level {
		return p
	}
	var bits zk.Privilege
	switch level {
	case roster.Enroller:
		bits = zk.PrivilegeEnroller
	case roster.Manager:
		bits = zk.PrivilegeManager
	case roster.Administrator:
		bits = zk.PrivilegeAdmin
	case roster.User:
	}
	return p&^levelMask | bits
}
