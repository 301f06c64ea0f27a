package site_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
	"github.com/bkpsdmd-babel/sidik/protocol/trust/trusttest"
	"github.com/bkpsdmd-babel/sidik/provision/internal/hubapi"
	"github.com/bkpsdmd-babel/sidik/provision/internal/site"
)

// hub answers as a hub does, of sites that a test sets.
type hub struct {
	t        *testing.T
	url      string
	profile  string
	root     trusttest.Root
	document []byte
	sites    map[protocol.SiteID]*hubapi.Site
	asked    []string                                        // what changed something
	refuses  func(r *http.Request) (status int, code string) // code empty: it does not
}

func newHub(t *testing.T) *hub {
	t.Helper()
	h := &hub{t: t, profile: filepath.Join(t.TempDir(), "provision.json"), root: trusttest.NewRoot(t), sites: map[protocol.SiteID]*hubapi.Site{}}
	h.refuses = func(*http.Request) (int, string) { return 0, "" }
	signing, err := seal.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	sealing, err := seal.GenerateSealingKey()
	if err != nil {
		t.Fatal(err)
	}
	h.document = h.root.Sign(t, trust.Request{Keys: protocol.KeyList{Signing: []protocol.HubKey{{Key: signing.Public()}}, Sealing: []seal.SealingPublic{sealing.Public()}}})
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	h.url = server.URL
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("tujuh perahu biru 34\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := h.runs("login", "--hub", h.url, "--root", string(h.root.Fingerprint()), "--name", "admin-uji", "--password-file", password); err != nil {
		t.Fatalf("login: %v, %s", err, said)
	}
	return h
}

// runs runs a command and returns all that it prints.
func (h *hub) runs(args ...string) (said string, err error) {
	catalogue := phrase.New()
	root := &cobra.Command{Use: "sidik-provision", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(site.Commands(func(code string, args phrase.Args) string {
		return catalogue.Say(phrase.Indonesian, "provision."+code, args)
	}, func(code string, args phrase.Args) string { return catalogue.Say(phrase.Indonesian, code, args) }, h.profile)...)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(args)
	err = root.ExecuteContext(h.t.Context())
	return out.String(), err
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	if status, code := h.refuses(r); code != "" {
		w.WriteHeader(status)
		answer(hubapi.Refusal{Code: code, Message: "refused"})
		return
	}
	id := protocol.SiteID(strings.Split(r.URL.Path+"////", "/")[4])
	switch s := h.sites[id]; {
	case r.URL.Path == protocol.PathKeys:
		_, _ = w.Write(h.document)
	case r.URL.Path == "/api/v1/tokens":
		answer(map[string]any{"token": "sidik_token_uji", "expires": time.Now().Add(time.Hour)})
	case r.URL.Path == "/api/v1/kit":
		answer(hubapi.Way{Root: h.root.Fingerprint(), Agents: "https://hub.example.go.id:8443", Keys: h.document})
	case r.URL.Path == "/api/v1/sites" && r.Method == http.MethodGet:
		all := []hubapi.Site{}
		for _, s := range h.sites {
			all = append(all, *s)
		}
		answer(map[string]any{"sites": all})
	case r.URL.Path == "/api/v1/sites":
		var asked hubapi.Site
		_ = json.NewDecoder(r.Body).Decode(&asked)
		h.asked = append(h.asked, "site "+string(asked.Site))
		if h.sites[asked.Site] == nil {
			h.sites[asked.Site] = &hubapi.Site{Site: asked.Site, Standing: "registered"}
		}
		s := h.sites[asked.Site]
		s.Terminals = slices.Compact(slices.Sorted(slices.Values(append(s.Terminals, asked.Terminals...))))
		answer(s)
	case s == nil:
		w.WriteHeader(http.StatusNotFound)
		answer(hubapi.Refusal{Code: "no-site", Message: "refused"})
	case strings.HasSuffix(r.URL.Path, "/claim"):
		h.asked = append(h.asked, "claim "+string(id))
		s.Code, s.Standing = time.Now().Add(24*time.Hour).Truncate(time.Millisecond), hubapi.Expected
		answer(map[string]any{"code": protocol.NewClaimCode(), "until": s.Code})
	case strings.HasSuffix(r.URL.Path, "/revoke"):
		h.asked = append(h.asked, "revoke "+string(id))
		if s.Standing == "registered" {
			w.WriteHeader(http.StatusConflict)
			answer(hubapi.Refusal{Code: "nobody", Message: "refused"})
			return
		}
		s.Standing, s.Code = "revoked", time.Time{}
		answer(s)
	default:
		answer(s)
	}
}

// asks runs a command and wants it to change exactly this at the hub.
func (h *hub) asks(want []string, args ...string) (said string) {
	h.t.Helper()
	h.asked = nil
	said, err := h.runs(args...)
	if err != nil || !slices.Equal(h.asked, want) {
		h.t.Errorf("%s: %v, it asks %q, want %q\n%s", strings.Join(args, " "), err, h.asked, want, said)
	}
	return said
}
