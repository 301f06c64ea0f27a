package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/usbfile"
)

// carry writes what a terminal with three users writes on a stick, and the same with
// damage; $COPIED is an hour ago.
func carry(env *testscript.Env) error {
	env.Setenv("COPIED", protocol.Wall(time.Now().Add(-time.Hour)).Format("2006-01-02 15:04"))
	p := usbfile.Pair{Terminal: "demo", Users: usbfile.UserFile{Layout: usbfile.User72}, Templates: usbfile.TemplateFile{Algorithm: usbfile.Algorithm10}}
	for slot := range uint16(3) {
		p.Users.Users = append(p.Users.Users, usbfile.User{Slot: slot + 1, Name: []byte("Demo"), PIN: fmt.Sprint(100001 + int(slot))})
		p.Templates.Templates = append(p.Templates.Templates, usbfile.NewTemplate(slot+1, 6, 1, fmt.Appendf(nil, "random %d", slot)))
	}
	users, templates, err := p.Files()
	if err != nil {
		return err
	}
	for folder, content := range map[string][]byte{"stick": users.Bytes(), "torn": users.Bytes()[:200]} {
		at := filepath.Join(env.WorkDir, folder)
		if err := errors.Join(os.Mkdir(at, 0o700), os.WriteFile(filepath.Join(at, usbfile.UsersName), content, 0o600),
			os.WriteFile(filepath.Join(at, "template.fp10.1"), templates.Bytes(), 0o600)); err != nil {
			return err
		}
	}
	return nil
}
