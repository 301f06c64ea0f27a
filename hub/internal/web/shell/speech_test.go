package shell

import (
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

func speaker(lang phrase.Lang) Speech {
	return Speech{lang, time.Date(2020, 1, 30, 0, 30, 0, 0, time.UTC), Reader{}, phrase.New(), sharedArea, time.FixedZone("WIB", 7*60*60)}
}

func TestFormsOfTheLanguages(t *testing.T) {
	id, en := speaker(phrase.Indonesian), speaker(phrase.English)
	at := func(h, m, s int) time.Time { return time.Date(2020, 1, 30, h, m, s, 0, id.zone) }
	for _, row := range []struct{ name, id, en, wantID, wantEN string }{
		{"a day", id.Date(at(7, 0, 0)), en.Date(at(7, 0, 0)), "30 Januari 2020", "30 January 2020"},
		{"a moment of today", id.Moment(at(7, 30, 5)), en.Moment(at(7, 30, 5)), "hari ini 07.30.05", "today 07:30:05"},
		{"a moment of the night before in UTC is today in WIB", id.Moment(at(0, 5, 0).UTC()), "", "hari ini 00.05.00", ""},
		{"a moment of another day", id.Moment(at(7, 30, 5).AddDate(0, 4, 1)), en.Moment(at(7, 30, 5).AddDate(0, 4, 1)), "31 Mei 2020 07.30", "31 May 2020 07:30"},
		{"no moment", id.Moment(time.Time{}), en.When(nil), "belum pernah", "never"},
		{"a terminal's time", id.Wall("2020-01-30T07:30:05"), en.Wall("2020-01-30T07:30:05"), "30 Januari 2020 07.30.05", "30 January 2020 07:30:05"},
		{"a terminal's impossible time", id.Wall("zk:77"), en.Wall("zk:77"), "tanggal mustahil (zk:77)", "impossible date (zk:77)"},
		{"no time of a terminal", id.Wall(""), en.Wall(""), "tidak ada data", "no data"},
		{"halves of a time", id.WallDay("2020-01-30T07:30:05") + "/" + id.WallClock("2020-01-30T07:30:05"), en.WallDay("2019-01-30T07:30:05"), "hari ini/07.30.05", "30 January 2019"},
		{"halves of an impossible time", id.WallDay("zk:77") + "/" + id.WallClock("zk:77"), "", "tanggal mustahil (zk:77)/", ""},
		{"a short time of yesterday", id.Short("2020-01-29T16:01:02"), en.Short("2020-01-29T16:01:02"), "29 Januari 16.01", "29 January 16:01"},
		{"thousands", id.Number(1234567), en.Number(uint64(1234567)), "1.234.567", "1,234,567"},
		{"three digits", id.Number(999), en.Number(1000), "999", "1,000"},
		{"half a minute", id.Span(30 * time.Second), en.Span(30 * time.Second), "kurang dari 1 menit", "under a minute"},
		{"one minute", id.Span(time.Minute), en.Span(time.Minute), "1 menit", "1 minute"},
		{"47 hours", id.Span(47 * time.Hour), en.Span(47 * time.Hour), "47 jam", "47 hours"},
		{"two days", id.Span(48 * time.Hour), en.Span(48 * time.Hour), "2 hari", "2 days"},
		{"an exact clock", id.Offset(0), en.Offset(0), "tepat", "exact"},
		{"a clock behind", id.Offset(-200), en.Offset(-200), "−3 menit 20 detik", "−3 min 20 s"},
		{"a clock far ahead", id.Offset(7*3600 + 60), en.Offset(90_000 * 2), "+7 jam 1 menit", "+2 days"},
		{"an unknown clock", id.Offset(protocol.OffsetUnknown), en.Offset(protocol.OffsetUnknown), "tidak diketahui", "unknown"},
		{"kinds of punches", id.Kind(1, 1), en.Kind(255, 15), "pulang, sidik jari", "code 255, face"},
		{"how full", id.Used(protocol.Fill{Used: 12345, Capacity: 100000}), en.Used(protocol.Fill{Used: 3}), "12.345 dari 100.000", "unknown"},
		{"sizes", id.Bytes(12 << 20), en.Bytes(300 << 10), "12 MB", "300 KB"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.id != row.wantID {
				t.Errorf("Indonesian: %q, want %q", row.id, row.wantID)
			}
			if row.wantEN != "" && row.en != row.wantEN {
				t.Errorf("English: %q, want %q", row.en, row.wantEN)
			}
		})
	}
}

// TestEveryPutTogetherCodeIsThere holds the codes that no reading of the text finds.
func TestEveryPutTogetherCodeIsThere(t *testing.T) {
	catalogue := phrase.New()
	for _, list := range []struct{ before, after string }{
		{"month-", "1 2 3 4 5 6 7 8 9 10 11 12"}, {"status-", "other"}, {"verify-", "other"},
		{"problem-", "no-page only-reads busy ours form host no-site filter login right token token-cannot"},
	} {
		for _, after := range strings.Fields(list.after) {
			if !catalogue.Has("page." + list.before + after) {
				t.Errorf("page.%s%s has no sentence", list.before, after)
			}
		}
	}
}

func TestOwnPath(t *testing.T) {
	for back, want := range map[string]string{
		"/": "/", "/punches?pin=1&site=a": "/punches?pin=1&site=a", "/sites/a": "/sites/a", "": "/",
		"https://example.org/": "/", "//example.org/": "/", "/\\example.org": "/", `\\example.org`: "/", "javascript:alert(1)": "/",
		"punches": "/", "///example.org": "/", "/%0d%0aSet-Cookie:x": "/", "/%5cexample.org": "/", "/%2f/example.org": "/",
	} {
		if got := OwnPath(back); got != want {
			t.Errorf("OwnPath(%q) = %q, want %q", back, got, want)
		}
	}
}
