package web

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/metrics"
)

// healthTimeout is how long the store may take to answer before it counts as away.
const healthTimeout = 3 * time.Second

// healthAnswer is the body of /healthz, for machines: it has no language.
type healthAnswer struct {
	Status  string   `json:"status"` // ok or trouble
	Trouble []string `json:"trouble,omitempty"`
	Version string   `json:"version"`
}

// health answers 200 while punches can be taken in and stored, else 503 with what
// is missing.
func (s *server) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
	defer cancel()
	answer := healthAnswer{Status: "ok", Version: s.Version}
	if _, err := s.Store.Generation(ctx); err != nil {
		answer.Trouble = append(answer.Trouble, "store does not answer")
		s.Logger.Error("health check failed", "part", "store", "error", err)
	}
	if live := s.Options.Live(); !live.Broker {
		answer.Trouble = append(answer.Trouble, "no connection to the broker")
		s.Logger.Warn("health check failed", "part", "broker", "error", live.Trouble)
	}
	code := http.StatusOK
	if len(answer.Trouble) > 0 {
		answer.Status, code = "trouble", http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer) // whoever asked may be gone
}

// figures are what a scrape gets: the sites' figures and the size of the database.
func (s *server) figures(ctx context.Context) (metrics.Figures, error) {
	f, err := s.sites.Figures(ctx)
	if err == nil && s.StoreSize != nil {
		f.StoreBytes, err = s.StoreSize()
	}
	return f, err
}
