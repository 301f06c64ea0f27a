package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// What a password's hash costs: 19 MiB and two passes. hashesAtOnce of them are reckoned
// at a time, so that a flood of logins does not take the hub's memory; so many wait, and
// for so long.
const (
	hashPasses   = 2
	hashMemory   = 19 << 10 // KiB
	hashLength   = 32
	hashesAtOnce = 4
	hashWaiting  = 32
	hashPatience = 5 * time.Second
)

// The length of a password, in letters and in bytes.
const (
	passwordLeast = 12
	passwordMost  = 256
)

// hasher reckons hashes of passwords, a few at once.
type hasher struct {
	slots   chan struct{}
	waiting atomic.Int32
	nobody  string // what is compared where nobody has the name, so that it takes as long
}

func newHasher() *hasher {
	h := &hasher{slots: make(chan struct{}, hashesAtOnce)}
	h.nobody = encode(random(16), random(hashLength)) // the hash of nothing that anybody knows
	return h
}

// random is n bytes that nobody guesses.
func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}

// turn waits for one of the slots, but not for long.
func (h *hasher) turn(ctx context.Context) (release func(), err error) {
	if h.waiting.Add(1) > hashWaiting {
		h.waiting.Add(-1)
		return nil, ErrBusy
	}
	defer h.waiting.Add(-1)
	limit, cancel := context.WithTimeout(ctx, hashPatience)
	defer cancel()
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-limit.Done():
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, ErrBusy
	}
}

// make returns what is kept of a password.
func (h *hasher) make(ctx context.Context, password string) (string, error) {
	release, err := h.turn(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	salt := random(16)
	return encode(salt, argon2.IDKey([]byte(password), salt, hashPasses, hashMemory, 1, hashLength)), nil
}

// is compares a password with what is kept of one; kept may be empty: nobody's. It takes
// the same time whatever the outcome.
func (h *hasher) is(ctx context.Context, kept, password string) (bool, error) {
	release, err := h.turn(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	known := kept != ""
	if !known {
		kept = h.nobody
	}
	if len(password) > passwordMost {
		password, known = password[:passwordMost], false
	}
	var version, memory, passes, lanes int
	var rest string
	if _, err := fmt.Sscanf(kept, "$argon2id$v=%d$m=%d,t=%d,p=%d$%s", &version, &memory, &passes, &lanes, &rest); err != nil {
		return false, fmt.Errorf("read the hash of a password: %w", err)
	}
	salt, sum, _ := strings.Cut(rest, "$")
	saltBytes, err := base64.RawStdEncoding.DecodeString(salt)
	if err != nil {
		return false, fmt.Errorf("read the salt of a password: %w", err)
	}
	want, err := base64.RawStdEncoding.DecodeString(sum)
	if err != nil || len(want) == 0 {
		return false, fmt.Errorf("read the hash of a password: %d bytes: %w", len(want), err)
	}
	got := argon2.IDKey([]byte(password), saltBytes, uint32(passes), uint32(memory), uint8(lanes), uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1 && known, nil
}

func encode(salt, sum []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, hashMemory, hashPasses, 1,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(sum))
}

// checkPassword says what is wrong with a password that somebody chooses.
func checkPassword(password, name string) error {
	lower := strings.ToLower(password)
	letters := slices.Sorted(slices.Values([]rune(lower)))
	switch {
	case utf8.RuneCountInString(password) < passwordLeast:
		return ErrShort
	case len(password) > passwordMost:
		return ErrLong
	case len(slices.Compact(letters)) < 5, strings.Contains(lower, strings.ToLower(name)),
		slices.ContainsFunc(commonest(), func(c string) bool { return strings.HasPrefix(lower, c) && len(lower)-len(c) < 6 }):
		return ErrCommon
	}
	return nil
}

// commonest are beginnings of passwords that are tried first, here and elsewhere.
func commonest() []string {
	return []string{
		"password", "passw0rd", "p@ssw0rd", "katasandi", "rahasia", "administrator", "adminadmin", "admin123", "qwerty", "asdfgh", "zxcvbn", "1q2w3e",
		"123456", "1234567890", "0123456789", "987654321", "abcdef", "abc123", "iloveyou", "letmein", "welcome", "selamat", "bismillah", "assalamualaikum",
		"alhamdulillah", "indonesia", "merdeka", "pancasila", "garuda", "bangkabelitung", "babelprov", "pangkalpinang", "bkpsdmd", "presensi", "absensi",
		"sidikjari", "sidik", "fingerprint", "sayang", "doraemon", "monkey", "dragon", "football", "superman",
	}
}
