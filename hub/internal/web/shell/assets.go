package shell

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"mime"
	"net/http"
	"path"
)

//go:embed assets/*.css assets/*.js assets/*.svg
var assetFiles embed.FS

// assets are the files that pages load, by name. Their addresses hold a part of
// their hash, so that a browser keeps them for good and a new version is a new file.
type assets map[string]asset

type asset struct {
	hash, kind string
	plain, zip []byte
}

func loadAssets() assets {
	files, err := assetFiles.ReadDir("assets")
	if err != nil {
		panic("shell: assets are not in the program: " + err.Error())
	}
	all := assets{}
	for _, f := range files {
		text, err := assetFiles.ReadFile("assets/" + f.Name())
		if err != nil {
			panic("shell: " + err.Error())
		}
		sum := sha256.Sum256(text)
		kind := mime.TypeByExtension(path.Ext(f.Name()))
		all[f.Name()] = asset{hex.EncodeToString(sum[:6]), kind, text, zipped(text)}
	}
	return all
}

// Path returns where a page finds a file.
func (a assets) Path(name string) string { return "/assets/" + a[name].hash + "/" + name }

func (a assets) serve(w http.ResponseWriter, r *http.Request) error {
	file, found := a[r.PathValue("name")]
	if !found || file.hash != r.PathValue("hash") {
		return NotFound("no-page")
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Content-Type", file.kind)
	return send(w, r, http.StatusOK, file.plain, file.zip)
}
