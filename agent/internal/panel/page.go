package panel

import "github.com/bkpsdmd-babel/sidik/protocol/phrase"

// Row is one line of the page that hangs beside the panel.
type Row struct{ Lamp, Look, Meaning, Act string }

// Page is what the lights mean in words, with its heading first. PANDUAN.md is this page
// in Indonesian.
func Page(c *phrase.Catalogue, lang phrase.Lang) []Row {
	say := func(code string) string { return c.Say(lang, "panel."+code, nil) }
	rows := []Row{{say("head-lamp"), say("head-look"), say("head-meaning"), say("head-act")}}
	for _, p := range Patterns() {
		rows = append(rows, Row{
			Lamp:    say("lamp-" + string(p.Lamp)),
			Look:    say("look-" + string(p.Look)),
			Meaning: say("meaning-" + string(p.Situation)),
			Act:     say("act-" + string(p.Situation)),
		})
	}
	return rows
}
