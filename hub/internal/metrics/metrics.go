// Package metrics counts what the hub does and writes it for Prometheus.
//
// It knows numbers and no punch. Beware: a label may only have values that are
// few and ours (an outcome, a reason, an admitted site); a serial number, a PIN or
// the claimed name of a stranger would let anybody fill the memory of the hub, and
// a PIN can be a person's NIP.
package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Metrics is the hub's counters in a registry of their own. Safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	records  prometheus.Counter
	segments *prometheus.CounterVec
	latency  prometheus.Histogram
	refused  *prometheus.CounterVec
	receipts prometheus.Counter
	broker   prometheus.Gauge

	dropped     prometheus.Counter
	mu          sync.Mutex
	droppedSeen uint64 // guarded by mu
}

// New returns counters at zero.
func New(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		records: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sidik_punches_stored_total", Help: "Punch records stored durably since the hub started."}),
		segments: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sidik_segments_total", Help: "Segments by what became of them."}, []string{"outcome"}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sidik_ingest_seconds", Help: "From the arrival of a segment until it was stored durably.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sidik_messages_refused_total", Help: "Messages that changed nothing, by kind and reason."}, []string{"kind", "reason"}),
		receipts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sidik_receipts_sent_total", Help: "Receipts given to the broker."}),
		broker: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sidik_broker_connected", Help: "1 while the hub is connected to its broker."}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sidik_messages_dropped_total", Help: "Messages dropped unread because ingest was behind; agents send them again."}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "sidik_build_info", Help: "Always 1; the label is the version.", ConstLabels: prometheus.Labels{"version": version}})
	build.Set(1)
	m.registry.MustRegister(m.records, m.segments, m.latency, m.refused, m.receipts, m.broker, m.dropped, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Segment counts one verdict: its outcome, how many records were new, and how long
// it took from the arrival of the message until the commit was done.
func (m *Metrics) Segment(outcome string, stored int, took time.Duration) {
	m.segments.WithLabelValues(outcome).Inc()
	m.records.Add(float64(stored))
	m.latency.Observe(took.Seconds())
}

// Refused counts a message that changed nothing.
func (m *Metrics) Refused(kind protocol.Kind, reason protocol.Reason) {
	m.refused.WithLabelValues(string(kind), string(reason)).Inc()
}

// Receipt counts one published receipt.
func (m *Metrics) Receipt() { m.receipts.Inc() }

// Broker says whether the hub is connected to its broker.
func (m *Metrics) Broker(up bool) {
	if up {
		m.broker.Set(1)
	} else {
		m.broker.Set(0)
	}
}

// Dropped takes the running number of dropped messages of the present connection.
// A smaller number than before is a new connection, which counts from 0.
func (m *Metrics) Dropped(n uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n < m.droppedSeen {
		m.droppedSeen = 0
	}
	m.dropped.Add(float64(n - m.droppedSeen))
	m.droppedSeen = n
}
