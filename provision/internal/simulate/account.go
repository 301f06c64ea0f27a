package simulate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The demo's administrator, and the file in which the password stands: nobody's real
// password is ever written down.
const (
	adminName     = "admin-demo"
	adminFullName = "Admin Demo"
	adminFile     = "kata-sandi-demo.txt"
)

// administrator makes the demo's account by the first link, as the first administrator of
// an agency does in a browser, and returns the file that says how to log in.
func (s *stage) administrator(ctx context.Context, hubData string) (file string, err error) {
	file = filepath.Join(s.o.Dir, adminFile)
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	link, err := s.run(ctx, "sidik-hub", "account", "link", "--data", hubData)
	if err != nil {
		return "", err
	}
	password := rand.Text()
	text := fmt.Sprintf("Hanya untuk demo / for this demo only.\nnama / name: %s\nkata sandi / password: %s\n", adminName, password)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("write the demo's password: %w", err)
	}
	form := url.Values{"name": {adminName}, "full-name": {adminFullName}, "password": {password}, "again": {password}}
	if err := post(ctx, link, form); err != nil {
		return "", errors.Join(err, os.Remove(file))
	}
	return file, nil
}

// post sends a form that must lead away.
func post(ctx context.Context, to string, form url.Values) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("use the first link: %w", err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		return errors.New("use the first link: the pages of the hub do not answer") // the cause names the link
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusSeeOther {
		return fmt.Errorf("use the first link: the hub answers %s", answer.Status)
	}
	return nil
}
