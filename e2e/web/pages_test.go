package web

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"greyglass/e2e/lab"
)

// view is a page as somebody sees it.
type view struct {
	name string
	user string // who is logged in; empty: nobody is
	show func(*window)
}

const waiting = "203.0.113.40 orders@shop.example bob@example.test"

var views = []view{
	{"login", "", func(w *window) { w.is(w.open("/login"), 200) }},
	{"login-failed", "", func(w *window) {
		w.is(w.open("/login"), 200)
		w.is(w.login(operator, "wrong"), 401)
		w.says("User or password is wrong.")
	}},
	{"overview", operator, func(w *window) {
		w.is(w.open("/"), 200)
		w.says("Is all well?", "What waits longest", "198.51.100.0/24")
		w.do(chromedp.Evaluate(`document.querySelectorAll("details").forEach(d => d.open = true)`, nil))
	}},
	{"search-empty", operator, func(w *window) { w.is(w.open("/search"), 200) }},
	{"search-many", operator, func(w *window) { w.search("bob@example.test") }},
	{"search-one", operator, func(w *window) {
		w.search(waiting)
		w.says("orders@shop.example wrote to bob@example.test for the first time", "Let it in", "4XyZ0k1abc")
		if broken := evaluate[[]string](w, `[...document.querySelectorAll(".whole bdi")].filter(e => e.getClientRects().length > 1).map(e => e.innerText)`); len(broken) > 0 {
			w.t.Errorf("broken into lines: %q", broken)
		}
		w.do(chromedp.Evaluate(`document.querySelectorAll("details").forEach(d => d.open = true)`, nil))
	}},
	{"search-looker", looker, func(w *window) { w.search(waiting) }},
	{"search-none", operator, func(w *window) {
		w.search("203.0.113.200 who@else.example bob@example.test")
		w.says("No triplet is stored for this.")
	}},
	{"search-wrong", operator, func(w *window) { w.is(w.open("/search?q="+url.QueryEscape("a@b c@d e@f g")), 422) }},
	{"done", operator, func(w *window) { w.letIn() }},
	{"undone", operator, func(w *window) {
		w.letIn()
		w.is(w.press("Undo"), 200)
		w.says("Undone: ")
	}},
	{"missing", operator, func(w *window) { w.is(w.open("/nothing-here"), 404) }},
	{"action-failed", operator, func(w *window) {
		w.letIn()
		fields := evaluate[string](w, `new URLSearchParams(new FormData(document.querySelector("form[action='/undo']"))).toString()`)
		w.is(w.press("Undo"), 200)
		w.is(w.send("/undo", fields), 410)
		w.says("This cannot be undone any more")
	}},
	{"session-ended", operator, func(w *window) { // the last view of this user
		w.search(waiting)
		w.d.allow(operator, looker)
		w.is(w.press("Let it in"), 401)
		w.says("Your session has ended.")
	}},
}

var withoutUsers = view{"without-users", "", func(w *window) {
	w.is(w.open("/"), 200)
	w.says("Is all well?", "Recipients judged")
}}

// letIn lets in mail that waits, other mail each time.
func (w *window) letIn() {
	w.t.Helper()
	w.letsIn++
	w.search(fmt.Sprintf("198.51.100.%d news@bigmailer.example dave@example.test", 9+w.letsIn))
	w.is(w.press("Let it in"), 200)
	w.says("Let in: mail from news@bigmailer.example to dave@example.test.", "Undo")
}

// TestPages: each page is free of faults of accessibility of the levels A and AA (WCAG 2.1),
// in light and dark and on a phone, which never has to scroll sideways; no script runs. Pictures of
// all are written to a folder that the test names.
func TestPages(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	d.remember()
	d.start()
	d.ask("203.0.113.40", "orders@shop.example", "bob@example.test", "client_name=mail.shop.example", "helo_name=mail.shop.example", "queue_id=4XyZ0k1abc")
	axe := lab.Text(t, lab.AxeCore)
	folder := lab.Pictures(t, "GREYGLASS_SCREENSHOTS")
	for _, user := range []string{"", operator, looker} {
		w := d.window()
		if user != "" {
			w.open("/login")
			w.is(w.login(user, password), 200)
		}
		for _, v := range views {
			if v.user == user {
				w.look(v, axe, folder)
			}
		}
		if said := w.said(); len(said) > 0 {
			t.Errorf("the browser said %q", said)
		}
	}
	open := newDaemon(t)
	open.write("greyglass.toml", strings.Replace(fmt.Sprintf(settings, open.dir), fmt.Sprintf("users_file = %q", open.dir+"/users"), `users_file = ""`, 1))
	open.start().window().look(withoutUsers, axe, folder)
}

// look shows a view, and fails the test for all that is wrong with it.
func (w *window) look(v view, axe, folder string) {
	w.t.Helper()
	w.size(desktop)
	v.show(w)
	w.lacks("script")
	w.do(chromedp.Evaluate(axe+`;0`, nil))
	for _, size := range []device{desktop, dark, phone} {
		w.size(size)
		name := v.name + "-" + size.name
		if wide := evaluate[int64](w, `document.scrollingElement.scrollWidth`); wide > size.width {
			w.t.Errorf("%s is %d wide, of %d", name, wide, size.width)
		}
		w.picture(folder, name)
		for _, fault := range w.faults() {
			w.t.Errorf("%s: %s", name, fault)
		}
	}
}

// faults are what axe-core finds wrong with the page, in which its script was evaluated by the
// developer tools, which the page's Content-Security-Policy does not bind.
func (w *window) faults() (all []string) {
	w.t.Helper()
	var found []struct {
		ID, Help string
		Nodes    []struct {
			HTML           string
			FailureSummary string
		}
	}
	text := evaluateAwaited[string](w, `axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}).then(r => JSON.stringify(r.violations))`)
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		w.t.Fatalf("axe: %v: %s", err, text)
	}
	for _, f := range found {
		for _, node := range f.Nodes {
			all = append(all, fmt.Sprintf("%s (%s): %s: %s", f.ID, f.Help, node.HTML, node.FailureSummary))
		}
	}
	return all
}
