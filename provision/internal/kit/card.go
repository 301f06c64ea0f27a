package kit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/bkpsdmd-babel/sidik/protocol/durable"
)

// Card is the boot partition of a card that Raspberry Pi OS was written to. What stands in
// its folder sidik is put in place by the Raspberry Pi itself, because words at the end of
// cmdline.txt ask systemd for it (systemd-run-generator(8)): a boot without network and
// services that runs one script, and after it the usual one. Raspberry Pi's own writer of
// cards has used the same words, so there can be only one of both at a time.
type Card struct {
	At   string // where the Raspberry Pi mounts it
	dir  string // where it is mounted here
	line string // of cmdline.txt, without our words
}

// Errors by which callers decide.
var (
	ErrNoCard    = errors.New("no boot partition of Raspberry Pi OS")
	ErrMount     = errors.New("nothing tells where a Raspberry Pi mounts this partition")
	ErrLine      = errors.New("cmdline.txt is not one line")
	ErrOthers    = errors.New("cmdline.txt asks systemd to run something else")
	ErrNoPackage = errors.New("no package of the agent: a card that boots has no network to get one")
)

// tries is how often a card begins to put its kit in place: offices have power cuts, and
// after so many of them nobody should wait for it any longer.
const tries = 5

const cmdline, config = "cmdline.txt", "config.txt"

// words ask systemd for the boot that runs the script. A script that cannot be run at all
// would fail for ever: then the machine is switched off, so that somebody looks.
func words(at string) []string {
	return []string{"systemd.run=" + at + "/sidik/boot.sh", "systemd.run_success_action=reboot",
		"systemd.run_failure_action=poweroff", "systemd.unit=kernel-command-line.target"}
}

// OpenCard looks at the partition that is mounted at dir, and changes nothing. Where the
// Raspberry Pi will mount it changed with Debian 12, and the words depend on it: the card's
// own config.txt names the place in its comments, unless at does.
func OpenCard(dir, at string) (Card, error) {
	line, err := os.ReadFile(filepath.Join(dir, cmdline))
	settings, wrong := os.ReadFile(filepath.Join(dir, config))
	if err := errors.Join(err, wrong); err != nil {
		return Card{}, fmt.Errorf("%w: %w", ErrNoCard, err)
	}
	newer, older := bytes.Contains(settings, []byte("/boot/firmware/overlays/")), bytes.Contains(settings, []byte("/boot/overlays/"))
	switch {
	case at == "/boot" || at == "/boot/firmware":
	case at != "" || newer == older:
		return Card{}, ErrMount
	case newer:
		at = "/boot/firmware"
	default:
		at = "/boot"
	}
	c := Card{At: at, dir: dir, line: strings.TrimSpace(string(line))}
	for _, at := range []string{"/boot", "/boot/firmware"} {
		c.line = strings.Replace(c.line, " "+strings.Join(words(at), " "), "", 1)
	}
	if c.line == "" || strings.ContainsAny(c.line, "\r\n") {
		return Card{}, ErrLine
	}
	for word := range strings.FieldsSeq(c.line) {
		if strings.HasPrefix(word, "systemd.run") || strings.HasPrefix(word, "systemd.unit=") {
			return Card{}, fmt.Errorf("%w: %s", ErrOthers, word)
		}
	}
	return c, nil
}

// Write puts a kit on the card, and returns its folder. The words come last: before them
// the card boots as it would have, and with them all is there that they ask for. The line
// as it was is kept in cmdline.txt.asli until the Raspberry Pi takes the words out.
func (c Card) Write(k Kit) (folder string, err error) {
	if len(k.Packages) == 0 {
		return "", ErrNoPackage
	}
	folder = filepath.Join(c.dir, "sidik")
	err = k.write(folder+".new", folder, words(c.At))
	if err == nil {
		err = durable.SyncFolder(c.dir)
	}
	if err == nil {
		err = durable.Write(filepath.Join(c.dir, cmdline+".asli"), []byte(c.line+"\n"))
	}
	if err == nil {
		err = durable.Write(filepath.Join(c.dir, cmdline), []byte(c.line+" "+strings.Join(words(c.At), " ")+"\n"))
	}
	if err != nil {
		return "", fmt.Errorf("write kit of site %s on a card: %w", k.Site, err)
	}
	return folder, nil
}
