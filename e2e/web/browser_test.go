package web

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"greyglass/e2e/lab"
)

// chromium is the browser of all tests. Each has a window with cookies of its own.
var chromium struct {
	start func() error
	dir   string // what it writes
	ctx   context.Context
	close context.CancelFunc
}

func init() { chromium.start = sync.OnceValue(startBrowser) }

// The address and the name from which a hostile site is served; the browser finds the name at
// the page's address. The address is of this machine too: a browser by itself lets no site of the
// network frame a page of the machine.
const (
	hostileAddress = "127.0.0.2"
	hostileName    = "rebound.hostile.test"
)

func closeBrowser() {
	if chromium.close != nil {
		chromium.close()
	}
	if chromium.dir != "" {
		_ = os.RemoveAll(chromium.dir)
	}
}

// startBrowser starts the browser for all tests.
func startBrowser() error {
	program, environ, dir, err := lab.Browser()
	chromium.dir = dir
	if err != nil {
		return err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.Env(environ...), chromedp.UserDataDir(filepath.Join(dir, "profile")), chromedp.WSURLReadTimeout(timeout),
		chromedp.Flag("host-resolver-rules", "MAP "+hostileName+" 127.0.0.1"),
		chromedp.Flag("disable-site-isolation-trials", true), // else frames of other sites are not in the tree of a page
		chromedp.Flag("no-proxy-server", true), chromedp.DisableGPU, chromedp.Flag("lang", "en"))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // its sandbox does not work as root
	}
	allocator, _ := chromedp.NewExecAllocator(context.Background(), options...)
	chromium.ctx, chromium.close = chromedp.NewContext(allocator)
	// Linux ends the browser with the thread that started it (chromedp asks for that, see PDEATHSIG
	// in prctl(2)), and a thread on which the lab entered a namespace ends. So this one does nothing else.
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		started <- chromedp.Run(chromium.ctx)
		<-chromium.ctx.Done()
	}()
	return <-started
}

// window is a window of the browser, without cookies at first.
type window struct {
	t   *testing.T
	d   *daemon
	ctx context.Context

	letsIn int // how much mail was let in

	mu   sync.Mutex
	told []string // by the browser: scripts that ran, dialogs, what it refused
}

func (d *daemon) window() *window {
	d.t.Helper()
	lab.Require(d.t)
	if err := chromium.start(); err != nil {
		d.t.Fatal(err)
	}
	w := &window{t: d.t, d: d}
	ctx, closeWindow := chromedp.NewContext(chromium.ctx, chromedp.WithTargetID(openTarget(d.t)))
	d.t.Cleanup(closeWindow)
	w.ctx = ctx
	chromedp.ListenTarget(ctx, w.note)
	if err := chromedp.Run(ctx); err != nil { // opens it; with a timeout it would end with that
		d.t.Fatal(err)
	}
	w.size(desktop)
	return w
}

// openTarget opens a window with cookies of its own.
func openTarget(t *testing.T) target.ID {
	t.Helper()
	ctx := cdp.WithExecutor(chromium.ctx, chromedp.FromContext(chromium.ctx).Browser)
	cookies, err := target.CreateBrowserContext().Do(ctx)
	if err != nil {
		t.Fatal(err)
	}
	id, err := target.CreateTarget("about:blank").WithBrowserContextID(cookies).WithNewWindow(true).Do(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// note keeps what the browser tells besides answers.
func (w *window) note(event any) {
	text := ""
	switch e := event.(type) {
	case *page.EventJavascriptDialogOpening:
		text = "dialog: " + e.Message
	case *cdpruntime.EventExceptionThrown:
		text = "exception: " + e.ExceptionDetails.Error()
	case *cdpruntime.EventConsoleAPICalled:
		text = "console: " + e.Type.String()
	case *log.EventEntryAdded:
		text = fmt.Sprintf("%s: %s", e.Entry.Source, e.Entry.Text)
	default:
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, text)
}

// said returns what the browser has told since it was asked last.
func (w *window) said() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	told := w.told
	w.told = nil
	return slices.DeleteFunc(told, func(s string) bool { // of an answer with an error status, which a test looks at
		return strings.HasPrefix(s, "network: Failed to load resource: the server responded with a status of")
	})
}

// do runs actions in the window.
func (w *window) do(actions ...chromedp.Action) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, timeout)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		w.t.Fatalf("%v\nthe page:\n%s", err, w.text())
	}
}

// evaluate returns the value of an expression of JavaScript.
func evaluate[T any](w *window, expression string) (value T) {
	w.t.Helper()
	w.do(chromedp.Evaluate(expression, &value))
	return value
}

// open opens a page of the daemon, and returns its status.
func (w *window) open(path string) int64 {
	w.t.Helper()
	return w.leads(chromedp.Navigate(w.d.page + path))
}

// press presses the button that has this text, and returns the status of the page that follows.
func (w *window) press(button string) int64 {
	w.t.Helper()
	return w.leads(chromedp.Click(fmt.Sprintf(`//button[normalize-space()=%q]`, button), chromedp.BySearch))
}

// leads does what leads to another page, and returns its status.
func (w *window) leads(action chromedp.Action) (status int64) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, timeout)
	defer cancel()
	response, err := chromedp.RunResponse(ctx, action)
	if err != nil {
		w.t.Fatalf("%v\nthe page:\n%s", err, w.text())
	}
	if response == nil {
		return 0
	}
	return response.Status
}

// search opens the results of a search.
func (w *window) search(words ...string) {
	w.t.Helper()
	w.is(w.open("/search?q="+url.QueryEscape(strings.Join(words, " "))), 200)
}

// login logs in from the page of the login.
func (w *window) login(user, password string) int64 {
	w.t.Helper()
	w.do(chromedp.SetValue("#user", user), chromedp.SetValue("#password", password))
	return w.press("Log in")
}

// is fails the test unless a status is the wanted one.
func (w *window) is(got, want int64) {
	w.t.Helper()
	if got != want {
		w.t.Fatalf("status %d, want %d; the page:\n%s", got, want, w.text())
	}
}

// text is what the page shows.
func (w *window) text() (text string) {
	ctx, cancel := context.WithTimeout(w.ctx, timeout)
	defer cancel()
	if err := chromedp.Run(ctx, chromedp.Evaluate(`document.body.innerText`, &text)); err != nil {
		return err.Error()
	}
	return text
}

// says fails the test unless the page shows all the texts.
func (w *window) says(texts ...string) {
	w.t.Helper()
	shown := w.text()
	for _, text := range texts {
		if !strings.Contains(shown, text) {
			w.t.Errorf("the page lacks %q:\n%s", text, shown)
		}
	}
}

// lacks fails the test if an element of the page fits the selector.
func (w *window) lacks(selector string) {
	w.t.Helper()
	if n := evaluate[int](w, fmt.Sprintf(`document.querySelectorAll(%q).length`, selector)); n > 0 {
		w.t.Errorf("the page has %d of %s:\n%s", n, selector, evaluate[string](w, `document.documentElement.outerHTML`))
	}
}

// device is a size of window, and what its user prefers.
type device struct {
	name          string
	width, height int64
	scheme        string
}

var (
	desktop = device{"light", 1024, 768, "light"}
	dark    = device{"dark", 1024, 768, "dark"}
	phone   = device{"phone", 360, 740, "light"}
)

func (w *window) size(d device) {
	w.t.Helper()
	w.do(emulation.SetDeviceMetricsOverride(d.width, d.height, 1, d == phone),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: d.scheme}}))
}
