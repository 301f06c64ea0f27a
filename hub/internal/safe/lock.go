package safe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/bkpsdmd-babel/sidik/protocol/durable"
)

// MinPassphrase is how many characters a passphrase has at least.
const MinPassphrase = 16

// work is the cost of trying a passphrase, as a power of two: about a second. More is
// not accepted, so that nobody's file takes all memory.
const work = 18

// Errors about a file by which people are told what to do.
var (
	ErrPassphrase = errors.New("the passphrase does not open this file; nothing was restored: try again, or take another copy of the file")
	ErrWeak       = fmt.Errorf("the passphrase is too short: use at least %d characters, such as six words of a list", MinPassphrase)
	ErrExists     = errors.New("there is a file of this name already, and it stays; choose another name")
	ErrDamaged    = errors.New("the file is cut off or was changed, or is no backup of keys; nothing was restored: take another copy of it")
)

// Write locks a backup under a passphrase and writes it to a new file. It opens what it
// locked before the file has its name.
func Write(path string, b Backup, n Names, passphrase string) error {
	if len([]rune(passphrase)) < MinPassphrase {
		return ErrWeak
	}
	packed, err := Pack(b)
	if err != nil {
		return err
	}
	text, err := lock(packed, passphrase, work)
	if err != nil {
		return fmt.Errorf("lock keys: %w", err)
	}
	opened, err := unlock(text, passphrase)
	if err == nil && !bytes.Equal(opened, packed) {
		err = ErrDamaged
	}
	if err == nil {
		_, err = Unpack(opened, n)
	}
	if err == nil {
		err = writeNew(path, text)
	}
	if err != nil {
		return fmt.Errorf("write backup of keys %s: %w", path, err)
	}
	return nil
}

// Read opens the file that Write wrote.
func Read(path string, n Names, passphrase string) (Backup, error) {
	text, err := readBounded(path, 2*maxBytes) // armor is four letters for three bytes
	if err != nil {
		return Backup{}, fmt.Errorf("read backup of keys: %w", err)
	}
	packed, err := unlock(text, passphrase)
	if err != nil {
		return Backup{}, fmt.Errorf("read backup of keys %s: %w", path, err)
	}
	b, err := Unpack(packed, n)
	if err != nil {
		return Backup{}, fmt.Errorf("read backup of keys %s: %w", path, err)
	}
	return b, nil
}

func lock(packed []byte, passphrase string, work int) ([]byte, error) {
	to, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	to.SetWorkFactor(work)
	var text bytes.Buffer
	a := armor.NewWriter(&text)
	w, err := age.Encrypt(a, to)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(packed)
	if err := errors.Join(err, w.Close(), a.Close()); err != nil {
		return nil, err
	}
	return text.Bytes(), nil
}

func unlock(text []byte, passphrase string) ([]byte, error) {
	by, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, ErrPassphrase
	}
	by.SetMaxWorkFactor(work)
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(text)), by)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, ErrPassphrase
	}
	if err != nil {
		return nil, ErrDamaged
	}
	// Read whole before anything is used: the end of the text is what proves it.
	packed, err := io.ReadAll(r)
	if err != nil {
		return nil, ErrDamaged
	}
	return packed, nil
}

// writeNew writes a file that only its owner reads; none is replaced.
func writeNew(path string, text []byte) (err error) {
	if _, err := os.Lstat(path); err == nil {
		return ErrExists
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".sidik-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone where it was renamed
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	switch err := os.Link(f.Name(), path); {
	case errors.Is(err, fs.ErrExist):
		return ErrExists
	case err != nil: // such as a stick, whose file system has no links
		if err := os.Rename(f.Name(), path); err != nil {
			return err
		}
	}
	return durable.SyncFolder(filepath.Dir(path))
}
