package safe

// Stage stops where a power cut would: the files are whole and not in place.
func Stage(dir string, files []File) error { return stage(dir, files) }

// WriteCheap is Write with a passphrase that costs nothing to try.
func WriteCheap(path string, b Backup, passphrase string) error {
	packed, err := Pack(b)
	if err != nil {
		return err
	}
	text, err := lock(packed, passphrase, 4)
	if err != nil {
		return err
	}
	return writeNew(path, text)
}

// LockHard locks with a cost that nobody's memory should be asked for.
func LockHard(passphrase string) ([]byte, error) { return lock([]byte("x"), passphrase, work+1) }

// The folders of a restore that is under way.
const (
	Writing = writing
	Whole   = whole
)
