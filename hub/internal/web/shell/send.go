package shell

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

func sendHTML(w http.ResponseWriter, r *http.Request, code int, text []byte) error {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	return send(w, r, code, text, nil)
}

// send writes an answer, compressed where that helps and the browser can read it.
func send(w http.ResponseWriter, r *http.Request, code int, plain, zip []byte) error {
	w.Header().Add("Vary", "Accept-Encoding, Cookie")
	body := plain
	if len(plain) > 1000 && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		if body = zip; body == nil {
			body = zipped(plain)
		}
		w.Header().Set("Content-Encoding", "gzip")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	if r.Method == http.MethodHead {
		return nil
	}
	if _, err := w.Write(body); err != nil && r.Context().Err() == nil {
		return fmt.Errorf("send page: %w", err)
	}
	return nil
}

func zipped(plain []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(plain) // to memory: cannot fail
	z.Close()
	return b.Bytes()
}
