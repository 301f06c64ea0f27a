package metrics

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Figures is what is read from the store at the moment of a scrape.
type Figures struct {
	Standings    map[string]int // sites by how they stand
	Sites        []Site
	Terminals    int64 // registered
	Unregistered int64
	Epochs       int64
	Sightings    int64
	Attempts     int64 // of sites that were not admitted
	StoreBytes   int64 // 0: not known
}

// Site is what is told of one admitted site.
type Site struct {
	ID      string
	Backlog uint64    // punches that wait there for a receipt
	Heard   time.Time // last message; zero: never
}

// scrapeTimeout ends a scrape that the store does not answer, in less than the ten
// seconds that Prometheus waits by default.
const scrapeTimeout = 8 * time.Second

// Handler serves the counters and, read anew for each scrape, the figures. When
// they cannot be read the counters come alone, with sidik_store_up 0.
func (m *Metrics) Handler(figures func(context.Context) (Figures, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), scrapeTimeout)
		defer cancel()
		now := prometheus.NewRegistry()
		now.MustRegister(scrape(figures(ctx)))
		promhttp.HandlerFor(prometheus.Gatherers{m.registry, now}, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	})
}

// scrape makes the collector of one moment.
func scrape(f Figures, err error) collected {
	var c collected
	if err != nil {
		return collected{gauge("sidik_store_up", "1 when the store answered this scrape.", nil, 0)}
	}
	c = append(c,
		gauge("sidik_store_up", "1 when the store answered this scrape.", nil, 1),
		gauge("sidik_store_sightings", "Punch records held.", nil, float64(f.Sightings)),
		gauge("sidik_store_epochs", "Chains of agents held.", nil, float64(f.Epochs)),
		gauge("sidik_terminals", "Registered terminals.", nil, float64(f.Terminals)),
		gauge("sidik_terminals_unregistered", "Terminals whose punches wait for registration.", nil, float64(f.Unregistered)),
		gauge("sidik_attempts", "Messages of sites that are not admitted.", nil, float64(f.Attempts)),
	)
	if f.StoreBytes > 0 {
		c = append(c, gauge("sidik_store_bytes", "Size of the database on disk.", nil, float64(f.StoreBytes)))
	}
	for standing, n := range f.Standings {
		c = append(c, gauge("sidik_sites", "Registered sites by how they stand.", prometheus.Labels{"state": standing}, float64(n)))
	}
	for _, s := range f.Sites {
		site := prometheus.Labels{"site": s.ID}
		c = append(c, gauge("sidik_site_backlog_punches", "Punches that wait at a site for a receipt, as it last said.", site, float64(s.Backlog)))
		if !s.Heard.IsZero() {
			c = append(c, gauge("sidik_site_heard_timestamp_seconds", "When a site was last heard.", site, float64(s.Heard.Unix())))
		}
	}
	return c
}

// collected is a collector of values that are known already.
type collected []prometheus.Metric

// Describe sends nothing: what there is depends on the sites.
func (c collected) Describe(chan<- *prometheus.Desc) {}

func (c collected) Collect(out chan<- prometheus.Metric) {
	for _, metric := range c {
		out <- metric
	}
}

func gauge(name, help string, labels prometheus.Labels, value float64) prometheus.Metric {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels})
	g.Set(value)
	return g
}
