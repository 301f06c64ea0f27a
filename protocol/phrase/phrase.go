// Package phrase is the one catalogue of what the programs say to people:
// Indonesian first, English second. Conditions, errors, pages and command lines
// name a code; the sentence is here, in the JSON file of its area.
//
// It knows no program and no message. Beware: a code in a program without a
// sentence here, or a sentence that nothing uses, fails a test.
package phrase

import (
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"
)

// Lang is a language of the catalogue.
type Lang string

// Indonesian is what people get unless they ask for English.
const (
	Indonesian Lang = "id"
	English    Lang = "en"
)

// ParseLang reads a language as a browser, a flag or the environment names it
// (id, en, en_GB.UTF-8 …); everything unknown is Indonesian.
func ParseLang(s string) Lang {
	if strings.HasPrefix(strings.ToLower(s), string(English)) {
		return English
	}
	return Indonesian
}

// Args fills the {names} of a sentence.
type Args map[string]any

//go:embed *.json
var files embed.FS

// Catalogue holds all sentences. It is read-only and safe for concurrent use.
type Catalogue struct {
	sentences map[string]map[Lang]string
}

// New reads the catalogue that is built into the program.
func New() *Catalogue {
	c := &Catalogue{sentences: map[string]map[Lang]string{}}
	names, err := files.ReadDir(".")
	if err != nil {
		panic("phrase: catalogue is not in the program: " + err.Error())
	}
	for _, f := range names {
		text, err := files.ReadFile(f.Name())
		if err == nil {
			err = c.add(strings.TrimSuffix(f.Name(), path.Ext(f.Name())), text)
		}
		if err != nil {
			panic(fmt.Sprintf("phrase: %s: %v", f.Name(), err)) // a file of this program, held by a test
		}
	}
	return c
}

// add takes one area's file: code → language → sentence. The area's name goes
// before every code, so that two files cannot claim one.
func (c *Catalogue) add(area string, text []byte) error {
	var sentences map[string]map[Lang]string
	if err := json.Unmarshal(text, &sentences); err != nil {
		return err
	}
	for code, said := range sentences {
		c.sentences[area+"."+code] = said
	}
	return nil
}

// Say returns the sentence of a code ("area.code") with its {names} filled. An
// unknown code is returned as it is: something to look for is better than nothing.
func (c *Catalogue) Say(lang Lang, code string, args Args) string {
	said, found := c.sentences[code]
	if !found {
		return Plain(code)
	}
	sentence, found := said[lang]
	if !found {
		sentence = said[Indonesian]
	}
	for name, value := range args {
		sentence = strings.ReplaceAll(sentence, "{"+name+"}", Plain(fmt.Sprint(value)))
	}
	return sentence
}

// Plain is a text from elsewhere without what moves a terminal's cursor, or makes it do
// more: a site that was taken over writes its own log and reasons.
func Plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// Has reports whether the catalogue knows a code.
func (c *Catalogue) Has(code string) bool {
	_, found := c.sentences[code]
	return found
}

// Codes returns all codes, sorted.
func (c *Catalogue) Codes() []string {
	codes := make([]string, 0, len(c.sentences))
	for code := range c.sentences {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	return codes
}
