package web

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"greyglass/e2e/lab"
)

// TestSessions: one who may only look sees no button, and cannot act; a session ends with its
// user, and the page that was asked for comes after the next login; nothing is done without a token.
func TestSessions(t *testing.T) {
	t.Parallel()
	lab.Require(t)
	d := newDaemon(t).start()
	if answer := d.ask(client, ann, bob); answer == "DUNNO" {
		t.Fatal(answer)
	}
	w := d.window()
	w.open("/login?next=%2Fsearch%3Fq%3Dann%40sender.test")
	w.is(w.login(looker, password), 200)
	w.says("ann@sender.test wrote", "(read only)")
	w.lacks(`form[action="/pass"], form[action="/forget"], form[action="/expect"], form[action="/undo"]`)
	const names = "client=203.0.113.7&sender=ann@sender.test&recipient=bob@example.test"
	token := evaluate[string](w, `document.querySelector("input[name=token]").value`)
	if status := w.send("/pass", names+"&token="+token); status != 403 {
		t.Errorf("one who may only look acts: status %d", status)
	}
	d.allow(operator)
	w.is(w.open("/search?q=ann@sender.test"), 200)
	w.says("Password")
	w.is(w.login(operator, password), 200)
	w.says("ann@sender.test wrote")
	for _, of := range []string{"", "&token=" + token} {
		if status := w.send("/pass", names+of); status != 403 {
			t.Errorf("with the token %q: status %d", of, status)
		}
	}
	w.search(ann)
	d.allow(operator) // now with another hash of the same password
	w.is(w.press("Let it in"), 401)
	w.says("Your session has ended. Nothing was changed.")
	w.is(w.login(operator, password), 200)
	w.says("ann@sender.test wrote") // where the button was
	if answer := d.ask(client, ann, bob); answer == "DUNNO" {
		t.Errorf("let in: %s", answer)
	}
	w.is(w.press("Log out"), 200)
	w.open("/login")
	for range 5 {
		w.is(w.login("guess", "guess"), 401)
	}
	w.is(w.login(operator, password), 429)
	w.says("Try again in")
}

// TestHostileSite: another site that the operator visits cannot act by their session, show
// the page in a frame, or read it by a name of its own.
func TestHostileSite(t *testing.T) {
	t.Parallel()
	lab.Require(t)
	d := newDaemon(t).start()
	d.ask(client, ann, bob)
	w := d.window()
	w.open("/login")
	w.is(w.login(operator, password), 200)
	neighbour := serveHostile(t, "127.0.0.1", d.page, "")
	hostile := serveHostile(t, hostileAddress, d.page, neighbour)

	w.is(w.leads(chromedp.Navigate(hostile+"/form")), 200)
	w.is(w.leads(chromedp.Click("button")), 403)
	w.do(chromedp.Navigate(hostile + "/frame"))
	if text := evaluate[string](w, `document.body.innerText`); text != "a frame" {
		t.Errorf("shown: %q", text)
	}
	if framed := w.framed(neighbour); framed != 1 {
		t.Errorf("%d frames show a page that may be shown in one", framed)
	}
	if framed := w.framed(d.page); framed != 0 {
		t.Errorf("%d frames show the page", framed)
	}
	if got := evaluateAwaited[string](w, `fetch("`+d.page+`/", {credentials: "include"}).then(r => r.text(), e => "refused")`); got != "refused" {
		t.Errorf("read from another site: %.200s", got)
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(d.page, "http://"), ":")
	w.is(w.leads(chromedp.Navigate("http://"+hostileName+":"+port+"/")), 421)
	w.says("this is not the name of this page")
	w.do(chromedp.Navigate(d.page + "/search?q=ann@sender.test"))
	w.says("ann@sender.test wrote")
	w.lacks("script")
	if answer := d.ask(client, ann, bob); answer == "DUNNO" {
		t.Errorf("let in: %s", answer)
	}
}

// send sends a form that the page does not have, from the page, and returns the status.
func (w *window) send(path, fields string) int64 {
	w.t.Helper()
	return w.leads(chromedp.Evaluate(fmt.Sprintf(`(() => {
		const form = document.createElement("form");
		form.method = "post";
		form.action = %q;
		for (const [name, value] of new URLSearchParams(%q)) {
			const field = document.createElement("input");
			field.name = name;
			field.value = value;
			form.append(field);
		}
		document.body.append(form);
		form.submit();
	})()`, path, fields), nil))
}

// serveHostile serves, at an address, the pages of a site that attacks the page at a URL. It
// shows in a frame the page, and that of a neighbour of it.
func serveHostile(t *testing.T, address, at, neighbour string) string {
	t.Helper()
	l, err := net.Listen("tcp", address+":0")
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]string{
		"/form": `<form method="post" action="` + at + `/pass"><input name="client" value="` + client + `"><input name="sender" value="` + ann +
			`"><input name="recipient" value="` + bob + `"><button>You have won</button></form>`,
		"/frame": `a frame<iframe src="` + at + `/login"></iframe><iframe src="` + neighbour + `/form"></iframe>`,
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "<!DOCTYPE html><title>hostile</title><body>%s", pages[r.URL.Path])
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return "http://" + l.Addr().String()
}

// framed returns how many frames of the page show a site.
func (w *window) framed(site string) (n int) {
	w.t.Helper()
	w.do(chromedp.ActionFunc(func(ctx context.Context) error {
		tree, err := page.GetFrameTree().Do(ctx)
		if err != nil {
			return err
		}
		for _, child := range tree.ChildFrames {
			if strings.HasPrefix(child.Frame.URL, site) {
				n++
			}
		}
		return nil
	}))
	return n
}

// evaluateAwaited returns what the promise of an expression gives.
func evaluateAwaited[T any](w *window, expression string) (value T) {
	w.t.Helper()
	w.do(chromedp.Evaluate(expression, &value, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	return value
}
