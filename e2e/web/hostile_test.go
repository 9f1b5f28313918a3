package web

import (
	"net/url"
	"testing"

	"greyglass/e2e/lab"
)

// hostile are addresses and names that attack those who look at them.
var hostile = []struct{ sender, recipient, queueID string }{
	{`"<script>alert(1)</script>"@sender.test`, bob, "<script>alert(2)</script>"},
	{`"><img src=x onerror=alert(1)>@sender.test`, `'><svg onload=alert(3)>@example.test`, `"onmouseover="alert(4)`},
	{`</bdi></p><form action=//hostile.test><button>Log out</button>@sender.test`, bob, `javascript:alert(5)`},
	{"moc.evil\u202e\u2066nna@sender.test", "bob\u200f@example.test", "\u202eQ1"},
	{"\x1b[2J\x07\x7f\u0085ann@sender.test", "bob\u2028@example.test", "\x1b]0;x\x07"},
	{"{{.}}${7*7}<!--@sender.test", "&lt;b&gt;&#x202e;@example.test", "<![CDATA["},
	{"a\u0301\u0301\u0301\u0301\ufeff\u200b@sender.test", bob, "\u00ad"},
}

// TestHostileAddresses: whatever stands in an address, the page has it as text alone: no
// element, attribute or script comes of it, and no control character reaches the screen.
func TestHostileAddresses(t *testing.T) {
	t.Parallel()
	lab.Require(t)
	d := newDaemon(t).start()
	for _, h := range hostile {
		d.ask(client, h.sender, h.recipient, "queue_id="+h.queueID, "helo_name="+h.sender, "instance="+h.queueID)
	}
	w := d.window()
	w.open("/login")
	w.is(w.login(operator, password), 200)
	harmless := func(what string) {
		t.Helper()
		w.lacks(`script, img, iframe, object, embed, base, bdi *, [onerror], [onload], [onmouseover], form[action*="hostile"], a[href^="javascript"]`)
		if found := evaluate[[]string](w, `[...document.querySelectorAll("form, a, link")].map(e => new URL(e.action || e.href).origin).filter(o => o != location.origin)`); len(found) > 0 {
			t.Errorf("%s: it leads to %q", what, found)
		}
		if found := evaluate[[]string](w, `document.documentElement.innerText.match(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g) || []`); len(found) > 0 {
			t.Errorf("%s: it shows %q", what, found)
		}
		if said := w.said(); len(said) > 0 {
			t.Errorf("%s: the browser said %q", what, said)
		}
	}
	w.is(w.open("/"), 200)
	harmless("the overview")
	w.search("203.0.113.7")
	w.says(`script`, "moc.evil")
	harmless("a search of the client")
	for _, h := range hostile {
		for _, q := range []string{h.sender, h.recipient, h.queueID, client + " " + h.sender + " " + h.recipient} {
			w.open("/search?q=" + url.QueryEscape(q))
			harmless("a search of " + q)
		}
	}
	w.search("203.0.113.7")
	w.is(w.press("Forget it"), 200) // the newest
	w.says("Forgotten: ", "Undo")
	harmless("after an action")
}
