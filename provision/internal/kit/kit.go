// Package kit writes what is carried to an office: the agent's configuration, the hub's
// keys document, a one-time claim code that expires, a script for the first boot and short
// instructions.
//
// A kit is a folder whose script a person runs, or it is on the card of a Raspberry Pi, which
// runs the script when it boots.
//
// It knows files and folders, and asks nobody: whoever has the values gives them. It must
// not know the hub's API. Beware: the claim code is in the file claim and nowhere else; all
// other files may be seen by anybody.
package kit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/durable"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Kit is what is written for one site.
type Kit struct {
	Site      protocol.SiteID
	Terminals []protocol.Serial
	Root      seal.Fingerprint // of the agency's root key
	Agents    string           // https://HOST:PORT of the hub's door for agents
	Keys      []byte           // the keys document, signed by the root
	Code      protocol.ClaimCode
	Until     time.Time // when the code expires, and the kit with it
	Page      string    // address of the site's page at the hub
	Packages  []string  // files of the agent's packages, for one kind of machine or several
	Now       time.Time
}

// Errors by which callers decide.
var (
	ErrNoTerminal = errors.New("no terminal is registered at this site")
	ErrPackage    = errors.New("not named as a package of the agent, sidik-agent_VERSION_MACHINE.deb") // the script goes by it
)

// Write writes a kit into a folder of the site's name within dir, and returns that folder.
// A power cut leaves the former kit or this one, whole; what was begun ends in .new.
func Write(dir string, k Kit) (folder string, err error) {
	folder = filepath.Join(dir, string(k.Site))
	if err := k.write(folder+".new", folder, nil); err != nil {
		return "", fmt.Errorf("write kit of site %s: %w", k.Site, err)
	}
	return folder, durable.SyncFolder(dir)
}

// write writes it with the words by which a card runs it, if it is for one.
func (k Kit) write(fresh, folder string, words []string) error {
	if err := k.Check(); err != nil {
		return err
	}
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	if err := os.MkdirAll(fresh, 0o700); err != nil {
		return err
	}
	texts, err := k.texts(words)
	if err != nil {
		return err
	}
	for name, text := range texts {
		if err := put(filepath.Join(fresh, name), bytes.NewReader(text)); err != nil {
			return err
		}
	}
	for _, p := range k.Packages {
		if err := bring(p, filepath.Join(fresh, filepath.Base(p))); err != nil {
			return err
		}
	}
	if err := durable.SyncFolder(fresh); err != nil {
		return err
	}
	return exchange(fresh, folder)
}

// Check refuses what could say more in a script that root runs than its value, and
// packages that are not there. It may be asked before there is a code, which ends the
// former one.
func (k Kit) Check() error {
	if len(k.Terminals) == 0 {
		return ErrNoTerminal
	}
	_, err := protocol.ParseSiteID(string(k.Site))
	for _, t := range k.Terminals {
		_, wrong := protocol.ParseSerial(string(t))
		err = errors.Join(err, wrong)
	}
	if _, wrong := seal.ParseFingerprint(string(k.Root)); wrong != nil {
		err = errors.Join(err, wrong)
	}
	if u, wrong := url.Parse(k.Agents); wrong != nil || u.Scheme != "https" || u.Host == "" || strings.ContainsAny(k.Agents, "\"\\") {
		err = errors.Join(err, fmt.Errorf("%q is no address of a hub's door for agents", k.Agents))
	}
	for _, p := range k.Packages {
		if named, _ := filepath.Match("sidik-agent_*_*.deb", filepath.Base(p)); !named { // the pattern is right
			err = errors.Join(err, fmt.Errorf("%s: %w", p, ErrPackage))
		}
		_, wrong := os.Stat(p)
		err = errors.Join(err, wrong)
	}
	return err
}

// bring puts a package into a kit, without a second copy of it where the disk can do so.
func bring(from, to string) error {
	if err := os.Link(from, to); err == nil {
		return nil
	}
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return put(to, f)
}

// put writes one file to the disk, for its owner.
func put(path string, content io.Reader) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Sync(), f.Close())
}

// exchange puts a whole folder in the place of another, if there is one. Where the disk
// cannot do so in one step, as a USB stick's, a power cut in between leaves both beside the
// place. The former goes when the new one's name is on the disk.
func exchange(fresh, folder string) error {
	if _, err := os.Lstat(folder); errors.Is(err, os.ErrNotExist) {
		return os.Rename(fresh, folder)
	}
	if err := unix.Renameat2(unix.AT_FDCWD, fresh, unix.AT_FDCWD, folder, unix.RENAME_EXCHANGE); err == nil {
		if err := durable.SyncFolder(filepath.Dir(folder)); err != nil {
			return err
		}
		return os.RemoveAll(fresh) // the former one now
	}
	former := folder + ".old"
	if err := os.RemoveAll(former); err != nil {
		return err
	}
	if err := os.Rename(folder, former); err != nil {
		return err
	}
	if err := os.Rename(fresh, folder); err != nil {
		return err
	}
	if err := durable.SyncFolder(filepath.Dir(folder)); err != nil {
		return err
	}
	return os.RemoveAll(former)
}
