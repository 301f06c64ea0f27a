package hubapi_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol/trust"
	"github.com/bkpsdmd-babel/sidik/protocol/trust/trusttest"
	"github.com/bkpsdmd-babel/sidik/provision/internal/hubapi"
)

func TestLoginByTheRoot(t *testing.T) {
	h := newHub(t)
	p, err := h.login(t)
	if err != nil || p.Public || p.Token != token || !strings.Contains(h.heard(), password) {
		t.Fatalf("login: %v, public %v", err, p.Public)
	}
	file := filepath.Join(t.TempDir(), "sidik", "provision.json")
	if err := p.Save(file); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the profile has the mode %v, %v", info.Mode(), err)
	}
	if p, err = hubapi.Read(file); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(fmt.Sprintf("%v %+v %#v", p, p, p), token) {
		t.Error("a profile prints its token")
	}
	h.signs(t, 1)
	p, err = sites(t, p)
	if err != nil || !strings.Contains(h.heard(), "Bearer "+token) {
		t.Errorf("sites: %v", err)
	}
	if string(p.Keys) != string(h.document) {
		t.Error("the newer keys document was not taken")
	}
}

func TestLoginByACertificateOfTheWorld(t *testing.T) {
	h := newHub(t)
	a, err := world()
	if err != nil {
		t.Fatal(err)
	}
	h.listens(t, a.server(t, "hub.example.go.id"))
	p, err := h.login(t)
	if err != nil || !p.Public {
		t.Fatalf("login: %v, public %v", err, p.Public)
	}
	if _, err := sites(t, p); err != nil {
		t.Errorf("sites: %v", err)
	}
}

// Whoever stands in between has the hub's keys document, which everybody may read, and a
// certificate of their own. They are told nothing.
func TestNothingSecretIsToldToOthers(t *testing.T) {
	for name, certificate := range map[string]func(h *hub) tls.Certificate{
		"a stranger's certificate": func(*hub) tls.Certificate {
			a, err := newAuthority()
			if err != nil {
				t.Fatal(err)
			}
			return a.server(t, trust.RolePages)
		},
		"the certificate of a broker": func(h *hub) tls.Certificate { return h.authority.server(t, trust.RoleBroker) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t)
			before, err := h.login(t)
			if err != nil {
				t.Fatal(err)
			}
			h.told = nil
			h.listens(t, certificate(h))
			if _, err := h.login(t); !errors.Is(err, trust.ErrServer) {
				t.Errorf("login: %v", err)
			}
			before.Hub = h.URL
			if _, err := sites(t, before); !errors.Is(err, trust.ErrServer) {
				t.Errorf("sites: %v", err)
			}
			if h.heard() != "" {
				t.Errorf("it was told %s", h.heard())
			}
		})
	}
}

// Who logged in by the root goes on by the root, though the world trusts a certificate.
func TestALoginByTheRootTakesNoOtherProof(t *testing.T) {
	h := newHub(t)
	p, err := h.login(t)
	if err != nil {
		t.Fatal(err)
	}
	a, err := world()
	if err != nil {
		t.Fatal(err)
	}
	h.told = nil
	h.listens(t, a.server(t, "hub.example.go.id"))
	p.Hub = h.URL
	if _, err := sites(t, p); !errors.Is(err, trust.ErrServer) || h.heard() != "" {
		t.Errorf("sites: %v, and it was told %s", err, h.heard())
	}
}

func TestAnotherRootIsNoHubOfOurs(t *testing.T) {
	h := newHub(t)
	other := trusttest.NewRoot(t).Fingerprint()
	if _, err := hubapi.Login(t.Context(), h.URL, other, "admin-uji", password, "test"); !errors.Is(err, trust.ErrRoot) || h.heard() != "" {
		t.Errorf("login: %v, and it was told %s", err, h.heard())
	}
	p, err := h.login(t)
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := hubapi.Open(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	h.root = trusttest.NewRoot(t) // the hub now tells others to trust another root
	h.signs(t, 7)
	if _, err := c.Way(t.Context()); !errors.Is(err, trust.ErrRoot) {
		t.Errorf("way for agents: %v", err)
	}
}

func TestARedirectionIsNotFollowed(t *testing.T) {
	h := newHub(t)
	p, err := h.login(t)
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := hubapi.Open(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	h.told = nil
	if _, err := c.Site(t.Context(), "samsat-koba"); err == nil || strings.Count(h.heard(), "Bearer") != 1 {
		t.Errorf("site: %v, and it was told %s", err, h.heard())
	}
}

func TestAddresses(t *testing.T) {
	for _, address := range []string{"", "hub.example.go.id", "http://hub.example.go.id", "http://192.0.2.7:8080", "ftp://127.0.0.1", "https://admin@hub.example.go.id", "https://hub.example.go.id/api"} {
		if _, err := hubapi.Login(t.Context(), address, trusttest.NewRoot(t).Fingerprint(), "admin-uji", password, "test"); !errors.Is(err, hubapi.ErrAddress) {
			t.Errorf("%q: %v", address, err)
		}
	}
	silent := httptest.NewServer(http.NotFoundHandler())
	defer silent.Close()
	if _, err := hubapi.Login(t.Context(), silent.URL, trusttest.NewRoot(t).Fingerprint(), "admin-uji", password, "test"); !errors.Is(err, hubapi.ErrNoKeys) {
		t.Errorf("somebody without keys: %v", err)
	}
	if _, err := hubapi.Read(filepath.Join(t.TempDir(), "none")); !errors.Is(err, hubapi.ErrNoLogin) {
		t.Errorf("no profile: %v", err)
	}
}
