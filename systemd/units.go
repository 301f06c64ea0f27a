// Package systemd holds the units of agent and hub as they are installed, with the users
// and folders that they need, and speaks to the service manager that started a program.
//
// It knows no agent and no hub. Beware: each text is the only one of its kind. Packages
// ship the files of this folder, and package service writes the same bytes.
package systemd

import "embed"

//go:embed *.service *.sysusers *.tmpfiles
var files embed.FS

// Texts are the files that one program needs as a service.
type Texts struct {
	Unit     string // of the service
	Sysusers string // the user that it runs as, for systemd-sysusers
	Tmpfiles string // who may read its configuration, for systemd-tmpfiles
}

// TextsOf returns the texts of a program: sidik-agent or sidik-hub.
func TextsOf(program string) (t Texts, err error) {
	for _, file := range []struct {
		suffix string
		text   *string
	}{{".service", &t.Unit}, {".sysusers", &t.Sysusers}, {".tmpfiles", &t.Tmpfiles}} {
		text, err := files.ReadFile(program + file.suffix)
		if err != nil {
			return Texts{}, err
		}
		*file.text = string(text)
	}
	return t, nil
}
