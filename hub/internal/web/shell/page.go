package shell

import (
	"net/http"
	"strconv"
)

// maxPages is more than any list here has; beyond it an address was written by hand.
const maxPages = 100_000

// PageNumber is which page of a list the address asks for, from 1.
func PageNumber(r *http.Request) (int, error) {
	text := r.URL.Query().Get("page")
	if text == "" {
		return 1, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxPages {
		return 0, BadRequest("filter")
	}
	return n, nil
}
