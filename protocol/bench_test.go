package protocol_test

import (
	"encoding/json"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// The work of one segment of 100 punches on either side, step by step. A
// terminal's morning is one or two of them.

func BenchmarkCanonicalAndChain100(b *testing.B) {
	rows := morning(100)
	b.ReportAllocs()
	buffer := make([]byte, 0, 256)
	for b.Loop() {
		h := fixedHash("epoch")
		for _, r := range rows {
			h = h.Next(r.AppendCanonical(buffer))
		}
	}
}

func BenchmarkSeal100(b *testing.B) {
	m := messages(b)["punches"]
	s := segment(fixedHash("epoch"), 1, fixedHash("epoch"), morning(100))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := protocol.Seal(m.envelope, s, m.key); err != nil {
			b.Fatal(err)
		}
	}
}

// What the hub does before it stores: form, signature, body, chain.
func BenchmarkOpenAndLinksFull(b *testing.B) { benchmarkOpen(b, protocol.MaxSegmentPunches) }
func BenchmarkOpenAndLinks100(b *testing.B)  { benchmarkOpen(b, 100) }
func BenchmarkOpenAndLinks1(b *testing.B)    { benchmarkOpen(b, 1) }

func benchmarkOpen(b *testing.B, punches int) {
	m := messages(b)["punches"]
	s := segment(fixedHash("epoch"), 1, fixedHash("epoch"), morning(punches))
	text := write(b, m.envelope, s, m.key)
	keys := known(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		e, err := protocol.Open(topicOf(m), text, keys)
		if err != nil {
			b.Fatal(err)
		}
		var got protocol.Segment
		if err := json.Unmarshal(e.Body, &got); err != nil {
			b.Fatal(err)
		}
		if _, err := got.Links(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(punches)*float64(b.N)/b.Elapsed().Seconds(), "punches/s")
}

func topicOf(m message) string {
	return m.topic()
}

func BenchmarkDecodeBody100(b *testing.B) {
	body := plainJSON(b, segment(fixedHash("epoch"), 1, fixedHash("epoch"), morning(100)))
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		var s protocol.Segment
		if err := json.Unmarshal(body, &s); err != nil {
			b.Fatal(err)
		}
	}
}

// The signature alone. What it costs an old ARM is counted by .ci/instructions.
func BenchmarkVerifyFull(b *testing.B) { benchmarkVerify(b, protocol.MaxSegmentPunches) }
func BenchmarkVerify100(b *testing.B)  { benchmarkVerify(b, 100) }

func benchmarkVerify(b *testing.B, punches int) {
	m := messages(b)["punches"]
	text := write(b, m.envelope, segment(fixedHash("epoch"), 1, fixedHash("epoch"), morning(punches)), m.key)
	e, err := protocol.Parse("", text)
	if err != nil {
		b.Fatal(err)
	}
	key := m.key.Public()
	b.ReportAllocs()
	for b.Loop() {
		if !e.SignedBy(key) {
			b.Fatal("the signature is wrong")
		}
	}
}
