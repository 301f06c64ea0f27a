package web_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// chromium returns the path of a browser that is installed here.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-headless-shell", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("no browser is installed, so nobody saw the pages: install Debian's package chromium (make deps)")
	return ""
}

// window is a browser that looks at a hub.
type window struct {
	*testing.T
	ctx  context.Context
	base string

	mu       sync.Mutex
	troubles []string // what the browser complained about; guarded by mu
}

// openWindow starts a browser of its own with a fresh profile.
func openWindow(t *testing.T, h *hub) *window {
	t.Helper()
	server := httptest.NewServer(h.pages)
	t.Cleanup(server.Close)
	limit, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.WindowSize(1280, 800))
	allocator, stop := chromedp.NewExecAllocator(limit, options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("close browser: %v", err)
		}
		end()
	})
	w := &window{T: t, ctx: ctx, base: server.URL}
	w.do(chromedp.EmulateViewport(1280, 800))
	ok(t, chromedp.Listen(ctx, func(event any) {
		w.mu.Lock()
		defer w.mu.Unlock()
		switch e := event.(type) {
		case *cdplog.EventEntryAdded:
			w.troubles = append(w.troubles, e.Entry.Text)
		case *runtime.EventExceptionThrown:
			w.troubles = append(w.troubles, e.ExceptionDetails.Text)
		}
	}))
	return w
}

func (w *window) do(steps ...chromedp.Action[chromedp.Void]) {
	w.Helper()
	if err := chromedp.Do(w.ctx, steps...); err != nil {
		w.Fatal(err)
	}
}

func (w *window) goTo(path string) { w.Helper(); w.do(chromedp.Navigate(w.base + path)) }

// text returns what people read.
func (w *window) text() string {
	w.Helper()
	text, err := chromedp.Run(w.ctx, chromedp.Evaluate[string]("document.body.innerText"))
	ok(w, err)
	return text
}

// sees waits until the page says something, and returns how long that took.
func (w *window) sees(sentence string, limit time.Duration) time.Duration {
	w.Helper()
	begin := time.Now()
	for {
		text := w.text()
		if strings.Contains(text, sentence) {
			return time.Since(begin)
		}
		if time.Since(begin) > limit {
			w.Fatalf("the page does not say %q within %s:\n%s", sentence, limit, text)
		}
		w.do(chromedp.Sleep(50 * time.Millisecond))
	}
}

// picture keeps how the page looks: go test -run Browser -artifacts -outputdir DIR.
func (w *window) picture(name string) {
	w.Helper()
	png, err := chromedp.Run(w.ctx, chromedp.FullScreenshot(100))
	ok(w, err)
	ok(w, os.WriteFile(filepath.Join(w.ArtifactDir(), name+".png"), png, 0o644))
}

func TestBrowser(t *testing.T) {
	h := newHub(t)
	koba := province(h)
	w := openWindow(t, h)

	w.goTo("/")
	w.sees("Lokasi dan mesin presensi", time.Second)
	w.picture("sites")
	w.goTo("/sites/samsat-koba")
	w.picture("site")
	w.goTo("/sites/rsud-soekarno")
	w.picture("site-trouble")
	w.goTo("/punches")
	w.picture("punches")
	_ = koba
	for _, p := range []struct{ path, name string }{{"/", "sites"}, {"/sites/rsud-soekarno", "site"}, {"/punches", "punches"}, {"/nowhere", "problem"}} {
		w.do(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile))
		w.goTo(p.path)
		w.picture(p.name + "-phone")
	}
	_ = fmt.Sprint
	_ = browser.SetDownloadBehavior
}
