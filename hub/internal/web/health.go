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

// healthAnswer is the body of /healthz, for machines: it has no language. Anybody may ask,
// so what is missing stands in the log alone.
type healthAnswer struct {
	Status string `json:"status"` // ok or trouble
}

// health answers 200 while punches can be taken in and stored, else 503.
func (s *server) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
	defer cancel()
	answer, code := healthAnswer{Status: "ok"}, http.StatusOK
	if _, err := s.Store.Generation(ctx); err != nil {
		answer.Status, code = "trouble", http.StatusServiceUnavailable
		s.Logger.Error("health check failed", "part", "store", "error", err)
	}
	if live := s.Options.Live(); !live.Broker {
		answer.Status, code = "trouble", http.StatusServiceUnavailable
		s.Logger.Warn("health check failed", "part", "broker", "error", live.Trouble)
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
