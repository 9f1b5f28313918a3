package mx

import (
	"strings"
	"testing"
	"time"

	"greyglass/e2e/lab"
)

// TestThreeMXs: whom one MX has told to come back, another lets in once the window
// says so; a third has known since; and the commands see all of it anywhere.
func TestThreeMXs(t *testing.T) {
	db := database(t)
	var daemons [3]*daemon
	var mxs [3]*lab.Instance
	for i := range mxs {
		daemons[i] = startDaemon(t, urlOf(db))
		mxs[i] = lab.Start(t, lab.Postfix, lab.Options{Milters: []string{daemons[i].milter()}})
	}
	try := func(mx int, sender string) lab.Reply {
		t.Helper()
		c := lab.Dial(t, "203.0.113.7", mxs[mx].Addr4)
		defer c.Quit()
		for _, r := range []lab.Reply{c.Ehlo("client.sender.test"), c.Mail(sender)} {
			if !r.OK() {
				t.Fatal(r)
			}
		}
		if r := c.Rcpt("bob@" + lab.Domain); !r.OK() {
			return r
		}
		return c.Data("Subject: hello\r\n\r\nHello.\r\n")
	}
	const ann = "ann@sender.test"
	for mx := range mxs { // however often, and wherever
		if r := try(mx, ann); r.Code != 451 || !strings.Contains(r.Text, "Greylisted") {
			t.Errorf("MX %d, at first: %s", mx, r)
		}
	}
	time.Sleep(2100 * time.Millisecond)
	if r := try(1, ann); !r.OK() {
		t.Errorf("the second MX, after the wait: %s", r)
	}
	for mx := range mxs {
		if r := try(mx, ann); !r.OK() {
			t.Errorf("MX %d, from then on: %s", mx, r)
		}
	}
	for _, mx := range []int{0, 2} {
		mxs[mx].WaitMail(1)
	}
	mxs[1].WaitMail(2)

	const who, bob = "203.0.113.7", "bob@" + lab.Domain
	if got := daemons[2].run("list", "--passed"); !strings.Contains(got, ann) {
		t.Errorf("list: %s", got)
	}
	if got := daemons[0].run("explain", who, ann, bob); !strings.Contains(got, "already-grey") {
		t.Errorf("explain: %s", got)
	}
	daemons[1].run("forget", who, ann, bob)
	if r := try(2, ann); r.Code != 451 {
		t.Errorf("after forget: %s", r)
	}
	daemons[0].run("pass", who, ann, bob)
	if r := try(1, ann); !r.OK() {
		t.Errorf("after pass: %s", r)
	}
	if got := daemons[2].run("stats"); !strings.Contains(got, "passed    1") {
		t.Errorf("stats: %s", got)
	}
	if got := daemons[2].run("expire"); got != "removed: 0\n" {
		t.Errorf("expire: %s", got)
	}
	for _, d := range daemons {
		for _, text := range []string{d.run("config"), d.log()} {
			if strings.Contains(text, password) {
				t.Errorf("the password stands in\n%s", text)
			}
		}
	}
}
