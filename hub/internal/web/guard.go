package web

import (
	"net"
	"net/http"
	"strings"

	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
)

// secured sets what protects every answer: nothing but our own files is loaded, no
// script stands in a page, nobody frames us, nothing is kept by a proxy on the way.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer") // addresses hold PINs
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// known refuses a request to a name that is not the hub's. Somebody's page elsewhere can
// give its own name our address, and would then read our pages as if they were its own.
func known(address string, named func(string) bool, frame *shell.Shell, next http.Handler) http.Handler {
	refuse := frame.Page(func(http.ResponseWriter, *http.Request) error {
		return &shell.Problem{Code: http.StatusMisdirectedRequest, Phrase: "host"}
	})
	ours := hostOf(address)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host := hostOf(r.Host); host == "" || host != ours && !loopback(host) && (named == nil || !named(host)) {
			refuse.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostOf is an address without its port.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		address = host
	}
	return strings.ToLower(strings.Trim(address, "[]"))
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
