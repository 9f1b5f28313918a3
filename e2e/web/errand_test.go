package web

import (
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"greyglass/e2e/lab"
)

const (
	client = "203.0.113.7" // that Greyglass does not know
	ann    = "ann@sender.test"
	bob    = "bob@example.test"
)

// try offers a message to a mail server, as another one does, and returns the reply that decided.
func try(t *testing.T, mx *lab.Instance, sender string) lab.Reply {
	t.Helper()
	c := lab.Dial(t, client, mx.Addr4)
	defer c.Quit()
	c.Ehlo("client.sender.test")
	c.Mail(sender)
	if r := c.Rcpt(bob); !r.OK() {
		return r
	}
	return c.Data("Subject: hello\r\n\r\nHello.\r\n")
}

// TestErrand: the mail that somebody asks for on the phone is found, let in, and accepted by the
// mail server; a wrong click is undone; a code to log in with is expected. The browser runs
// no JavaScript, and the search is done by the keyboard alone.
func TestErrand(t *testing.T) {
	t.Parallel()
	lab.Require(t)
	d := newDaemon(t).start()
	mx := lab.Start(t, lab.Postfix, lab.Options{Milters: []string{d.milter}})
	accepted := func(sender string, want bool) {
		t.Helper()
		if r := try(t, mx, sender); r.OK() != want || !want && r.Code != 451 {
			t.Fatalf("mail from %s: %s", sender, r)
		}
	}
	accepted(ann, false)

	w := d.window()
	w.do(emulation.SetScriptExecutionDisabled(true))
	w.is(w.open("/search?q=sender.test"), 200)
	w.says("User", "Password")
	w.is(w.login(operator, "wrong"), 401)
	w.says("User or password is wrong.")
	w.is(w.login(operator, password), 200)
	w.says("ann@sender.test wrote to bob@example.test for the first time") // what was asked for before the login

	w.is(w.open("/"), 200)
	w.keys(kb.Tab) // to the link that skips the header
	w.focused("Skip to the content")
	w.keys(kb.Tab + kb.Tab)
	w.is(w.leads(chromedp.KeyEvent(ann+kb.Enter)), 200)
	w.says("ann@sender.test wrote to bob@example.test for the first time", "not-seen-before")

	w.is(w.press("Let it in"), 200)
	w.says("Let in: mail from ann@sender.test to bob@example.test.")
	w.is(w.press("Undo"), 200)
	w.says("Undone: mail from ann@sender.test to bob@example.test waits as before.")
	accepted(ann, false)

	w.search(client, ann, bob)
	w.is(w.press("Let it in"), 200)
	accepted(ann, true)
	mx.WaitMail(1)
	w.search(ann)
	w.says("was last accepted")

	accepted("code@bank.test", false)
	w.search(bob)
	w.do(chromedp.SetValue("#e-recipient", bob), chromedp.SetValue("#e-sender", "@bank.test"))
	w.is(w.press("Expect it"), 200)
	w.says("Expected: mail to bob@example.test from @bank.test is accepted at once")
	for began := time.Now(); !try(t, mx, "code@bank.test").OK(); time.Sleep(100 * time.Millisecond) {
		if time.Since(began) > timeout { // the manual promises two seconds
			t.Fatal("what is expected is deferred")
		}
	}
	mx.WaitMail(2)

	w.is(w.press("Log out"), 200)
	w.is(w.open("/search?q=ann"), 200)
	w.says("Password")
}

// keys presses keys.
func (w *window) keys(keys string) {
	w.t.Helper()
	w.do(chromedp.KeyEvent(keys))
}

// focused fails the test unless the element with this text has the focus, and shows it.
func (w *window) focused(text string) {
	w.t.Helper()
	got := evaluate[[]string](w, `(e => [e.innerText, getComputedStyle(e).outlineStyle])(document.activeElement)`)
	if got[0] != text || got[1] == "none" {
		w.t.Errorf("the focus is on %q, outline %s; want it on %q", got[0], got[1], text)
	}
}
