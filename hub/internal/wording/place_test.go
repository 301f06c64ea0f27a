package wording_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/whereabouts"
	"github.com/bkpsdmd-babel/sidik/hub/internal/wording"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// Whatever the rule says is a sentence, in both languages, and names who is to act.
func TestEveryReasonIsASentence(t *testing.T) {
	catalogue := phrase.New()
	when := func(at time.Time) string { return at.Format(time.DateOnly) }
	for _, lang := range []phrase.Lang{phrase.Indonesian, phrase.English} {
		w := wording.Words(func(code string, args phrase.Args) (string, bool) {
			return catalogue.Say(lang, code, args), catalogue.Has(code)
		})
		for _, why := range []whereabouts.Why{whereabouts.Unheard, whereabouts.Unread, whereabouts.Mode, whereabouts.Blocked, whereabouts.Braked,
			whereabouts.Ahead, whereabouts.Unreached, whereabouts.Sent, whereabouts.Template, whereabouts.Failed, whereabouts.Working} {
			p := whereabouts.Place{Site: "samsat-demo", Serial: "DEMO1", Revision: protocol.Seq{Life: 1, Counter: 2},
				Open: &whereabouts.Open{Act: whereabouts.MustGo, Why: why, Reason: "pin-width", Since: "2026-02-01"}}
			said := w.Place(p, when)
			if strings.Contains(said, "whereabouts.") || strings.ContainsAny(said, "{}") || !strings.Contains(said, "2026-02-01") ||
				!strings.Contains(said, "samsat-demo") && !strings.Contains(said, "DEMO1") {
				t.Errorf("%s, %s: %q", lang, why, said)
			}
		}
		for _, act := range []whereabouts.Act{whereabouts.MustCome, whereabouts.MustGo} {
			if said := w.Due(act, 7); !strings.Contains(said, "7") || strings.Contains(said, "whereabouts.") {
				t.Errorf("%s, %s: %q", lang, act, said)
			}
		}
	}
}

func TestAPlaceIsSaidAsItStands(t *testing.T) {
	catalogue := phrase.New()
	w := wording.Words(func(code string, args phrase.Args) (string, bool) {
		return catalogue.Say(phrase.English, code, args), catalogue.Has(code)
	})
	at := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	order := protocol.Seq{Life: 1, Counter: 2}
	for name, row := range map[string]struct {
		place whereabouts.Place
		want  string
	}{
		"as it should be": {whereabouts.Place{Revision: order, Should: true, Is: true}, "as it should be"},
		"gone": {whereabouts.Place{Revision: order, Gone: &whereabouts.Removal{Done: at, Revision: order, Read: at}},
			"gone: reported 2026-02-01 for roster 1.2, proven by the inventory of 2026-02-01"},
		"accepted":  {whereabouts.Place{Revision: order, Is: true}, "left so by a decision"},
		"no roster": {whereabouts.Place{Is: true}, "no roster yet"},
		"open without a day": {whereabouts.Place{Revision: order, Site: "a", Open: &whereabouts.Open{Why: whereabouts.Sent}},
			"Nobody needs to act: the roster was sent to site a, its answer is awaited."},
	} {
		t.Run(name, func(t *testing.T) {
			if got := w.Place(row.place, func(at time.Time) string { return at.Format(time.DateOnly) }); got != row.want {
				t.Errorf("said %q, want %q", got, row.want)
			}
		})
	}
	if is, bare, not := w.There(true, []uint8{1, 6}), w.There(true, nil), w.There(false, nil); is != "there, fingers 1, 6" || bare == is || not == bare {
		t.Errorf("There says %q, %q, %q", is, bare, not)
	}
}
