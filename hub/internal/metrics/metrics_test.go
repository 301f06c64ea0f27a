package metrics_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/metrics"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

func scraped(t *testing.T, m *metrics.Metrics, f metrics.Figures, err error) string {
	t.Helper()
	answer := httptest.NewRecorder()
	m.Handler(func(context.Context) (metrics.Figures, error) { return f, err }).
		ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	if answer.Code != 200 {
		t.Fatalf("scrape = %d %s", answer.Code, answer.Body)
	}
	return answer.Body.String()
}

func expect(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
}

func TestCountersAreScraped(t *testing.T) {
	m := metrics.New("v1.2.3")
	m.Segment("stored", 100, 3*time.Millisecond)
	m.Segment("stored", 1, 30*time.Millisecond)
	m.Segment("duplicate", 0, time.Millisecond)
	m.Refused(protocol.KindPunches, protocol.ReasonSignature)
	m.Receipt()
	m.Broker(true)
	text := scraped(t, m, metrics.Figures{}, nil)
	expect(t, text,
		`sidik_punches_stored_total 101`,
		`sidik_segments_total{outcome="stored"} 2`,
		`sidik_segments_total{outcome="duplicate"} 1`,
		`sidik_ingest_seconds_bucket{le="0.005"} 2`,
		`sidik_ingest_seconds_count 3`,
		`sidik_messages_refused_total{kind="punches",reason="bad-signature"} 1`,
		`sidik_receipts_sent_total 1`,
		`sidik_broker_connected 1`,
		`sidik_build_info{version="v1.2.3"} 1`,
	)
	m.Broker(false)
	expect(t, scraped(t, m, metrics.Figures{}, nil), `sidik_broker_connected 0`)
}

func TestFiguresAreReadAtTheScrape(t *testing.T) {
	text := scraped(t, metrics.New("x"), metrics.Figures{
		Standings: map[string]int{"ready": 2, "missing": 1}, Terminals: 3, Unregistered: 1, Epochs: 7, Sightings: 600, Attempts: 4, StoreBytes: 8192,
		Sites: []metrics.Site{{ID: "samsat-koba", Backlog: 12, Heard: time.Unix(1767312000, 0)}, {ID: "never-heard"}},
	}, nil)
	expect(t, text,
		`sidik_store_up 1`,
		`sidik_sites{state="ready"} 2`,
		`sidik_sites{state="missing"} 1`,
		`sidik_site_backlog_punches{site="samsat-koba"} 12`,
		`sidik_site_heard_timestamp_seconds{site="samsat-koba"} 1.767312e+09`,
		`sidik_terminals 3`,
		`sidik_terminals_unregistered 1`,
		`sidik_store_sightings 600`,
		`sidik_store_epochs 7`,
		`sidik_attempts 4`,
		`sidik_store_bytes 8192`,
	)
	if strings.Contains(text, `timestamp_seconds{site="never-heard"}`) {
		t.Error("a site that was never heard has a time")
	}
}

func TestStoreThatDoesNotAnswerLeavesTheCounters(t *testing.T) {
	m := metrics.New("x")
	m.Receipt()
	expect(t, scraped(t, m, metrics.Figures{}, errors.New("closed")), `sidik_store_up 0`, `sidik_receipts_sent_total 1`)
}

func TestDroppedFollowsEachConnection(t *testing.T) {
	m := metrics.New("x")
	for _, n := range []uint64{0, 3, 5, 5, 2, 4} { // a new connection begins at the 2
		m.Dropped(n)
	}
	expect(t, scraped(t, m, metrics.Figures{}, nil), `sidik_messages_dropped_total 9`)
}
