package kit

import (
	"bytes"
	"crypto/rand"
	"embed"
	"encoding/base64"
	"fmt"
	htmltemplate "html/template"
	"strings"
	"text/template"
	"time"

	"rsc.io/qr"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

//go:embed files
var files embed.FS

// content is what the templates see of a kit: no code.
type content struct {
	Site          protocol.SiteID
	Terminals     []protocol.Serial
	Root          seal.Fingerprint
	Agents, Page  string
	ID            string // of this kit among all that were written
	Until         time.Time
	Ends, Written string
	QR            htmltemplate.URL
	Words         []string // of cmdline.txt, as patterns of sed; none where a person runs the script
	Tries         int      // how often a card tries
}

// inWords is a moment as an office reads it.
func inWords(t time.Time) string {
	return t.In(time.FixedZone("WIB", int(protocol.Zone/time.Second))).Format("02-01-2006 pukul 15.04 WIB")
}

// texts are all files of a kit but the packages.
func (k Kit) texts(words []string) (map[string][]byte, error) {
	code, err := qr.Encode(k.Page, qr.M)
	if err != nil {
		return nil, fmt.Errorf("draw the page's address: %w", err)
	}
	c := content{
		Site: k.Site, Terminals: k.Terminals, Root: k.Root, Agents: k.Agents, Page: k.Page, ID: rand.Text(),
		Until: k.Until, Ends: inWords(k.Until), Written: inWords(k.Now),
		QR:    htmltemplate.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(code.PNG())),
		Tries: tries,
	}
	scripts := []string{"files/agent.toml", "files/first-boot.sh", "files/BACA-SAYA.txt"}
	if len(words) > 0 {
		scripts = append(scripts, "files/boot.sh")
	}
	for _, w := range words {
		c.Words = append(c.Words, strings.ReplaceAll(w, ".", `\.`))
	}
	all := map[string][]byte{"claim": []byte(k.Code.Text() + "\n"), "keys.json": k.Keys}
	plain, err := template.ParseFS(files, scripts...)
	if err != nil {
		return nil, err
	}
	page, err := htmltemplate.ParseFS(files, "files/BACA-SAYA.html")
	if err != nil {
		return nil, err
	}
	for _, t := range plain.Templates() {
		var text bytes.Buffer
		if err := t.Execute(&text, c); err != nil {
			return nil, err
		}
		all[t.Name()] = text.Bytes()
	}
	var text bytes.Buffer
	if err := page.Execute(&text, c); err != nil {
		return nil, err
	}
	all[page.Name()] = text.Bytes()
	return all, nil
}
