package web_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

// window is a browser that looks at a hub. Its T is that of the sub-test that runs.
type window struct {
	*testing.T
	ctx  context.Context
	base string
	lost atomic.Bool // the hub breaks every connection
	wide int64       // the screen's width

	mu       sync.Mutex
	troubles []string // what the browser complained about; guarded by mu
}

// openWindow starts a browser of its own with a fresh profile.
func openWindow(t *testing.T, h *hub) *window {
	t.Helper()
	w := &window{T: t}
	server := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		if w.lost.Load() {
			panic(http.ErrAbortHandler)
		}
		h.web.ServeHTTP(answer, r)
	}))
	t.Cleanup(server.Close)
	limit, cancel := context.WithTimeout(context.Background(), 3*time.Minute) // t.Context ends before the browser could be closed properly
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
			t.Errorf("close browser: %v", err)
		}
		end()
	})
	w.ctx, w.base = ctx, server.URL
	w.screen(1280, 800)
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
	w.logIn("siti")
	return w
}

// logIn logs in as people do, and is then at the first page.
func (w *window) logIn(name string) {
	w.Helper()
	w.goTo("/login")
	w.do(chromedp.SetValue("input[name=name]", name), chromedp.SetValue("input[name=password]", password))
	w.press(".actions .button")
	w.sees("Keluar", 10*time.Second)
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
	text, err := chromedp.Run(w.ctx, chromedp.Evaluate[string]("document.body ? document.body.innerText : ''"))
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

// quiet fails when the browser complained: a blocked script or style, a missing file.
func (w *window) quiet() {
	w.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, trouble := range w.troubles {
		w.Errorf("the browser says: %s", trouble)
	}
	w.troubles = nil
}

// forgives takes back complaints about an answer that was meant.
func (w *window) forgives(code string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.troubles = slices.DeleteFunc(w.troubles, func(s string) bool { return strings.Contains(s, code) })
}

// screen makes the window one of a desk, or with the option one of a phone.
func (w *window) screen(width, height int64, options ...chromedp.EmulateViewportOption) {
	w.Helper()
	w.wide = width
	w.do(chromedp.EmulateViewport(width, height, options...))
}

// fits fails when a page is wider than the screen. A phone would shrink it until it is
// not, so the window's own width says nothing.
func (w *window) fits(path string) {
	w.Helper()
	over, err := chromedp.Run(w.ctx, chromedp.Evaluate[int64]("document.documentElement.scrollWidth"))
	ok(w, err)
	if over -= w.wide; over > 0 {
		w.Errorf("%s is %d pixels wider than the screen", path, over)
	}
}

func TestBrowser(t *testing.T) {
	h := newHub(t)
	koba := province(h)
	w := openWindow(t, h)

	t.Run("pages look whole on desk and phone", func(t *testing.T) {
		w.T = t
		for _, screen := range []struct {
			name          string
			width, height int64
			options       []chromedp.EmulateViewportOption
		}{{"desk", 1280, 800, nil}, {"small-desk", 1024, 768, nil}, {"phone", 390, 844, []chromedp.EmulateViewportOption{chromedp.EmulateMobile}}} {
			w.screen(screen.width, screen.height, screen.options...)
			for name, path := range map[string]string{"sites": "/", "site": "/sites/samsat-koba", "trouble": "/sites/rsud-soekarno", "punches": "/punches", "problem": "/nowhere"} {
				w.goTo(path)
				w.fits(path)
				w.picture(name + "-" + screen.name)
			}
		}
		w.forgives("404") // the page that does not exist
		w.quiet()
	})

	w.screen(1280, 800)
	t.Run("a new punch appears without reload", func(t *testing.T) {
		w.T = t
		for _, path := range []string{"/", "/sites/samsat-koba", "/punches"} {
			w.goTo(path)
			w.do(chromedp.Evaluate[chromedp.Void]("window.sameDocument = true"))
			pin := fmt.Sprint(200000 + len(path))
			koba.punch(now(), punchAt("CKJ2205001", pin, "2026-01-06T08:14:30"))
			took := w.sees(pin, 3*time.Second)
			same, err := chromedp.Run(w.ctx, chromedp.Evaluate[bool]("window.sameDocument === true"))
			ok(t, err)
			if !same {
				t.Errorf("%s was loaded again", path)
			}
			t.Logf("%s showed it after %s", path, took.Round(10*time.Millisecond))
		}
		w.quiet()
	})

	t.Run("the language is switched and stays", func(t *testing.T) {
		w.T = t
		w.goTo("/sites/samsat-koba")
		w.do(chromedp.Click(".language"))
		w.sees("The way of the last punch", 3*time.Second)
		w.goTo("/punches")
		w.sees("Time at the terminal", time.Second)
		w.do(chromedp.Click(".language"))
		w.sees("Waktu di mesin", 3*time.Second)
		w.quiet()
	})

	t.Run("the filter", func(t *testing.T) {
		w.T = t
		w.goTo("/punches")
		w.do(chromedp.SetValue("select[name=site]", "rsud-soekarno"), chromedp.SendKeys("input[name=pin]", "100402"))
		_, err := chromedp.RunResponse(w.ctx, chromedp.Click(".filter button"))
		ok(t, err)
		w.sees("jam mesin meleset", 3*time.Second)
		if text := w.text(); strings.Contains(text, "100401") || !strings.Contains(text, "100402") {
			t.Errorf("filtered page: %s", text)
		}
		w.quiet()
	})

	t.Run("the CSV of the filter arrives as a file", func(t *testing.T) {
		w.T = t
		w.goTo("/punches?site=rsud-soekarno&pin=100402")
		folder := t.TempDir()
		_, err := chromedp.CallBrowser(w.ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: folder})
		ok(t, err)
		w.do(chromedp.Click(".download"))
		file := filepath.Join(folder, "sidik_rsud-soekarno.csv")
		for begin := time.Now(); ; {
			content, err := os.ReadFile(file)
			if err == nil && strings.HasSuffix(string(content), "clock-off\n") {
				if lines := strings.Count(string(content), "\n"); lines != 2 {
					t.Errorf("%d lines, want 2: %s", lines, content)
				}
				break
			}
			if time.Since(begin) > 10*time.Second {
				t.Fatalf("no file %s (%v)", file, err)
			}
			w.do(chromedp.Sleep(20 * time.Millisecond))
		}
	})

	t.Run("a page that lost its hub says so, and when it is back", func(t *testing.T) {
		w.T = t
		w.goTo("/")
		w.sees("Diperbarui otomatis", 5*time.Second)
		w.lost.Store(true)
		w.sees("Sambungan ke hub terputus.", 5*time.Second)
		w.picture("stale")
		w.lost.Store(false)
		w.sees("Diperbarui otomatis", 5*time.Second)
		if strings.Contains(w.text(), "Sambungan ke hub terputus.") {
			t.Error("the page still says that it is cut off")
		}
	})
}
