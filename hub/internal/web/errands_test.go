package web_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/errand"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/api"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// A tool asks a site for service and reads its diagnosis; both are told in a person's name
// in the log of accounts, also a diagnosis that cannot be opened.
func TestToolsAskSitesForService(t *testing.T) {
	h := newHub(t)
	key, err := seal.GenerateSealingKey()
	ok(t, err)
	errands := errand.New(h.store)
	h.parts.Service = api.Service{Errands: errands, Key: key}
	h.web = web.New(h.parts)
	who, err := h.accounts.Named(t.Context(), "siti")
	ok(t, err)
	secret, _, err := h.accounts.NewToken(t.Context(), who, "sidik-provision", "")
	ok(t, err)
	ask := func(method, path, text string, code int, want string) {
		t.Helper()
		r := asking(method, "/api/v1/sites"+path)
		r.Header.Set("Authorization", "Bearer "+secret)
		r.Body = io.NopCloser(strings.NewReader(text))
		answer := h.from(nil, r, nil)
		if said := body(t, answer); answer.StatusCode != code || !strings.Contains(said, want) {
			t.Errorf("%s %s %s = %d %s, want %d %s", method, path, text, answer.StatusCode, said, code, want)
		}
	}
	ask(http.MethodPost, "", `{"site":"samsat-koba","terminals":["X100C0001"]}`, 200, "registered")
	ask(http.MethodPost, "/samsat-koba/errands", `{"kind":"diagnose"}`, 200, `"id":1,"kind":"diagnose","serial":"","by":"Siti Petugas (siti)"`)
	ask(http.MethodPost, "/samsat-koba/errands", `{"kind":"diagnose"}`, 409, `"errand-busy"`)
	ask(http.MethodPost, "/samsat-koba/errands", `{"kind":"capture"}`, 422, `"errand-kind"`)
	ask(http.MethodPost, "/samsat-koba/errands", `{"kind":"read","serial":"OTHER"}`, 422, `"errand-terminal"`)
	ask(http.MethodPost, "/samsat-koba/errands", `{"kind":"read","who":"somebody"}`, 400, `"body"`)
	ask(http.MethodPost, "/nowhere/errands", `{"kind":"restart"}`, 404, `"errand-site"`)
	ask(http.MethodGet, "/samsat-koba/errands/1", "", 200, `"state":"waiting"`)
	ask(http.MethodGet, "/samsat-koba/errands/2", "", 404, `"errand-none"`)
	ask(http.MethodGet, "/samsat-koba/errands/x/diagnosis", "", 404, `"errand-none"`)
	ask(http.MethodGet, "/samsat-koba/errands/1/diagnosis", "", 404, `"errand-none"`)

	e, err := errands.Get(t.Context(), "samsat-koba", 1)
	ok(t, err)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	ok(t, json.NewEncoder(z).Encode(protocol.DiagnosisReport{Version: "v9.9.9"}))
	ok(t, z.Close())
	doc, _, err := protocol.SealDocument(key.Public(), protocol.DiagnosisPurpose("samsat-koba", e.Number), packed.Bytes())
	ok(t, err)
	ok(t, errands.Landed(t.Context(), "samsat-koba", protocol.Diagnosis{Job: e.Number, Doc: doc}, time.Now()))
	ask(http.MethodGet, "/samsat-koba/errands/1", "", 200, `"state":"done","ended":"done"`)
	ask(http.MethodGet, "/samsat-koba/errands/1/diagnosis", "", 200, `"version":"v9.9.9"`)

	lines, err := h.accounts.Log(t.Context(), who.ID, 100)
	ok(t, err)
	var served []string
	for _, l := range lines {
		if l.Act == account.ActServe {
			served = append(served, l.Who+": "+l.Detail)
		}
	}
	if got, want := strings.Join(served, "; "), "Siti Petugas (siti): site diagnosis samsat-koba 1; Siti Petugas (siti): site diagnosis samsat-koba 1; "+
		"Siti Petugas (siti): site errand samsat-koba diagnose"; got != want {
		t.Errorf("the log says %s, want %s", got, want)
	}
}
