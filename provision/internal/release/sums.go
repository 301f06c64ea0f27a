package release

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/durable"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// The digests of archives and packages, as make dist writes them, and the signature over
// that file's bytes as they are: OpenSSL can check it where there is no Sidik yet.
const (
	sumsFile      = "SHA256SUMS"
	signatureFile = sumsFile + ".sig"
	maxSums       = 64 << 10
)

// Errors that say what is wrong with a list of digests.
var (
	ErrSums      = errors.New("not a list of digests; write it with: make dist")
	ErrSumsKey   = errors.New("the list of digests is not signed by this key")
	ErrSumsNone  = errors.New("no file of the list is in this folder")
	ErrSumsOther = errors.New("its content is not that of the list of digests")
)

// SignSums signs the list in a folder, once each of its files is there and as the list
// says. What is signed is a list and nothing else: no other thing that this key signs
// begins with a digest.
func SignSums(folder string, key seal.SigningKey) (path string, err error) {
	text, sums, err := readSums(folder)
	if err == nil {
		for _, s := range sums {
			if err = s.check(folder); err != nil {
				break
			}
		}
	}
	path = filepath.Join(folder, signatureFile)
	if err == nil {
		err = durable.Write(path, key.Sign(text))
	}
	if err != nil {
		return "", fmt.Errorf("sign digests: %w", err)
	}
	return path, nil
}

// CheckSums looks at the files of the list that are in a folder, and returns their names.
// keys may sign the list; with none the signature is not looked at.
func CheckSums(folder string, keys []seal.PublicKey) (names []string, err error) {
	text, sums, err := readSums(folder)
	if err != nil {
		return nil, fmt.Errorf("check digests: %w", err)
	}
	if len(keys) > 0 {
		signature, err := os.ReadFile(filepath.Join(folder, signatureFile))
		if err == nil && !slices.ContainsFunc(keys, func(k seal.PublicKey) bool { return k.Verify(text, signature) }) {
			err = ErrSumsKey
		}
		if err != nil {
			return nil, fmt.Errorf("check digests: %w", err)
		}
	}
	for _, s := range sums {
		switch err := s.check(folder); {
		case err == nil:
			names = append(names, s.name)
		case !errors.Is(err, fs.ErrNotExist): // nobody needs all of them
			return nil, fmt.Errorf("check digests: %w", err)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("check digests: %w", ErrSumsNone)
	}
	return names, nil
}

// sum is one line of the list.
type sum struct {
	digest protocol.Hash
	name   string // in the same folder
}

// readSums reads a list whole, or not at all.
func readSums(folder string) (text []byte, sums []sum, err error) {
	file, err := os.Open(filepath.Join(folder, sumsFile))
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	if text, err = io.ReadAll(io.LimitReader(file, maxSums+1)); err != nil {
		return nil, nil, err
	}
	line := regexp.MustCompile(`^([0-9a-f]{64})  ([0-9A-Za-z][0-9A-Za-z._+~-]*)$`)
	rest, ended := bytes.CutSuffix(text, []byte("\n"))
	if !ended || len(text) > maxSums {
		return nil, nil, ErrSums
	}
	for _, l := range bytes.Split(rest, []byte("\n")) {
		found := line.FindSubmatch(l)
		if found == nil {
			return nil, nil, ErrSums
		}
		s := sum{name: string(found[2])}
		if err := s.digest.UnmarshalText(found[1]); err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrSums, err)
		}
		sums = append(sums, s)
	}
	return text, sums, nil
}

// check compares a file with its line.
func (s sum) check(folder string) error {
	file, err := os.Open(filepath.Join(folder, s.name))
	if err != nil {
		return err
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return err
	}
	if protocol.Hash(h.Sum(nil)) != s.digest {
		return fmt.Errorf("%s: %w", s.name, ErrSumsOther)
	}
	return nil
}
