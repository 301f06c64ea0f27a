package keyring

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/durable"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
)

// Overlap is for how long a former signing key still counts, for what is under way by
// hand in messages that it signed.
const Overlap = 90 * 24 * time.Hour

// Prepare makes the next keys of a hub whose present ones shall be replaced. They wait
// until the root has signed them. Doing it again changes nothing.
func Prepare(dir string) error {
	if _, _, err := seal.LoadOrCreate(filepath.Join(dir, nextSigning)); err != nil {
		return err
	}
	_, _, err := seal.LoadOrCreateSealing(filepath.Join(dir, nextSealing))
	return err
}

// Requested is the request for the keys that a hub has or has prepared, for its
// authorities, and with the present release keys. Where keys are prepared the present
// ones still count until at + Overlap, or, when they were stolen, not at all.
func Requested(dir string, k *Keyring, at time.Time, stolen bool, authorities ...[]byte) (trust.Request, error) {
	present := k.document.Keys()
	r := trust.Request{Number: k.document.Number(), Keys: protocol.KeyList{
		Signing: []protocol.HubKey{{Key: k.Signing().Public()}}, Sealing: []seal.SealingPublic{k.Sealing()},
		Authorities: authorities, Release: present.Release,
	}}
	signing, err := seal.Load(filepath.Join(dir, nextSigning))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return trust.Request{}, err
	}
	sealing, err := seal.LoadSealing(filepath.Join(dir, nextSealing))
	if err != nil {
		return trust.Request{}, err
	}
	r.Keys.Signing = []protocol.HubKey{{Key: signing.Public()}}
	r.Keys.Sealing = []seal.SealingPublic{sealing.Public()}
	if !stolen {
		until := at.Add(Overlap).UTC().Truncate(time.Second)
		r.Keys.Signing = append(r.Keys.Signing, protocol.HubKey{Key: k.Signing().Public(), Until: &until})
	}
	return r, nil
}

// Errors of Install, each saying what to do.
var (
	ErrOlder     = errors.New("the hub has a newer keys document already; ask for a new signature: sidik-hub key request")
	ErrOtherRoot = errors.New("another root key has signed this document than the one before; agents would refuse it")
)

// Install puts a document in place that the root has signed for this hub's present or
// prepared keys. It counts from the next start.
func Install(dir string, message []byte) (trust.Document, error) {
	d, err := open(message)
	if err != nil {
		return d, fmt.Errorf("install keys document: %w", err)
	}
	before, err := readDocument(dir)
	if err != nil {
		return d, err
	}
	if !before.IsZero() && before.Keys().Root != d.Keys().Root {
		return d, ErrOtherRoot
	}
	if !d.Newer(before) {
		return d, ErrOlder
	}
	for _, names := range [][2]string{{signingFile, sealingFile}, {nextSigning, nextSealing}} {
		signing, err := seal.Load(filepath.Join(dir, names[0]))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return d, err
		}
		sealing, err := seal.LoadSealing(filepath.Join(dir, names[1]))
		if err != nil {
			return d, err
		}
		if signing.Public() == d.Hub() && sealing.Public() == d.Sealing() {
			return d, durable.Write(filepath.Join(dir, documentFile), append(d.Message(), '\n'))
		}
	}
	return d, fmt.Errorf("install keys document: %w", ErrNotVouched)
}

// promote finishes what Install began: keys that were prepared and that the document
// names become the present ones, and those before become former ones.
func promote(dir string, d trust.Document) error {
	if d.IsZero() {
		return nil
	}
	signing, err := seal.Load(filepath.Join(dir, nextSigning))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case signing.Public() == d.Hub():
		before, err := seal.Load(filepath.Join(dir, signingFile))
		if err := replace(dir, signingFile, nextSigning, "hub-"+string(before.Public().KeyID())+".key", err); err != nil {
			return err
		}
	}
	sealing, err := seal.LoadSealing(filepath.Join(dir, nextSealing))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case sealing.Public() == d.Sealing():
		before, err := seal.LoadSealing(filepath.Join(dir, sealingFile))
		if err := replace(dir, sealingFile, nextSealing, "sealing-"+string(before.Public().KeyID())+".key", err); err != nil {
			return err
		}
	}
	return nil
}

// replace moves the present key's file away, unless a power cut did so before, and the
// next one into its place. present is the error of reading the present one.
func replace(dir, file, next, former string, present error) error {
	if present != nil && !errors.Is(present, fs.ErrNotExist) {
		return present
	}
	if present == nil {
		if err := os.Rename(filepath.Join(dir, file), filepath.Join(dir, former)); err != nil {
			return fmt.Errorf("put former key aside: %w", err)
		}
		// Or a power cut could keep the second move and not the first: the former key would be
		// gone.
		if err := durable.SyncFolder(dir); err != nil {
			return fmt.Errorf("put former key aside: %w", err)
		}
	}
	if err := os.Rename(filepath.Join(dir, next), filepath.Join(dir, file)); err != nil {
		return fmt.Errorf("put next key in place: %w", err)
	}
	return durable.SyncFolder(dir)
}
