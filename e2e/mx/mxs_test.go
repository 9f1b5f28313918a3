package mx

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"greyglass/e2e/lab"
	"greyglass/e2e/nameserver"
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
		return send(t, "203.0.113.7", mxs[mx], sender)
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
	if got := daemons[2].run("stats"); !strings.Contains(got, "passed          1") {
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

// send offers a message to a mail server, and returns the reply that decided.
func send(t *testing.T, client string, mx *lab.Instance, sender string) lab.Reply {
	t.Helper()
	c := lab.Dial(t, client, mx.Addr4)
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

// TestPoolOnThreeMXs: a provider that retries from other addresses, and at other MXs, waits
// once. One MX cannot ask DNS: its own clients wait once, too.
func TestPoolOnThreeMXs(t *testing.T) {
	db := database(t)
	const dns = "127.0.1.253:53"
	server, err := nameserver.Start(dns, `
shop.test.           TXT "v=spf1 include:_spf.pool.test ~all"
_spf.pool.test.      TXT "v=spf1 include:_more.pool.test ~all"
_more.pool.test.     TXT "v=spf1 include:_last.pool.test ~all"
_last.pool.test.     TXT "v=spf1 ip4:203.0.113.64/26 ip4:198.51.100.128/28 ~all"
`)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	var mxs [3]*lab.Instance
	var last *daemon
	for i, servers := range []string{dns, dns, "127.0.1.252:53"} {
		last = startDaemon(t, urlOf(db), `client_identity = "provider"`, `[dns]`, `servers = ["`+servers+`"]`, `timeout = "500ms"`)
		mxs[i] = lab.Start(t, lab.Postfix, lab.Options{Milters: []string{last.milter()}})
	}
	want := func(what string, got lab.Reply, code int) {
		t.Helper()
		if got.Code != code {
			t.Errorf("%s: %s", what, got)
		}
	}
	want("at first", send(t, "203.0.113.65", mxs[0], "orders@shop.test"), 451)
	want("at the MX without DNS", send(t, "203.0.113.66", mxs[2], "news@shop.test"), 451)
	time.Sleep(2100 * time.Millisecond)
	for i := range 40 {
		want("from another address, at another MX", send(t, fmt.Sprintf("203.0.113.%d", 66+i), mxs[(i+1)%2], "orders@shop.test"), 250)
	}
	want("from another network", send(t, "198.51.100.130", mxs[0], "orders@shop.test"), 250)
	want("after the MX without DNS", send(t, "203.0.113.66", mxs[1], "news@shop.test"), 250)
	want("from another address then", send(t, "203.0.113.67", mxs[0], "news@shop.test"), 250)
	want("not of the pool", send(t, "203.0.113.7", mxs[0], "orders@shop.test"), 451)
	if got := last.run("list", "--client", "spf:pool.test"); strings.Count(got, "spf:pool.test") != 2 {
		t.Errorf("listed\n%s", got)
	}
}

// TestKnownOnTwoMXs: a client of which a triplet has passed at one MX is proven at the
// other, until it is forgotten at either; and what is expected at one is at the other.
func TestKnownOnTwoMXs(t *testing.T) {
	db := database(t)
	var daemons [2]*daemon
	var mxs [2]*lab.Instance
	for i := range mxs {
		daemons[i] = startDaemon(t, urlOf(db), `[learn]`, `proven_after = 1`)
		mxs[i] = lab.Start(t, lab.Postfix, lab.Options{Milters: []string{daemons[i].milter()}})
	}
	const who = "203.0.113.7"
	want := func(what string, mx int, sender string, code int) {
		t.Helper()
		if got := send(t, who, mxs[mx], sender); got.Code != code {
			t.Errorf("%s: %s", what, got)
		}
	}
	want("at first", 0, "ann@sender.test", 451)
	time.Sleep(2100 * time.Millisecond)
	want("after the wait", 1, "ann@sender.test", 250)
	want("another sender, at the other MX", 0, "bea@sender.test", 250)
	if log := daemons[0].log(); !strings.Contains(log, `"reason":"proven-client"`) {
		t.Errorf("logged\n%s", log)
	}
	if got := strings.Fields(daemons[0].run("list", "--clients")); len(got) < 12 || got[9] != who || got[10] != "yes" || got[11] != "1" {
		t.Errorf("listed %q", got)
	}
	daemons[0].run("forget", "--client", who)
	want("forgotten", 1, "cat@sender.test", 451)
	want("its triplet has passed", 0, "ann@sender.test", 250)

	// What one is told to expect, both know; a message that is expected once comes once.
	bob := "bob@" + lab.Domain
	daemons[0].run("expect", bob, "--from", "@expected.test")
	daemons[1].run("expect", bob, "--from", "once@sender.test", "--once")
	time.Sleep(2 * time.Second)
	for mx := range mxs {
		want("expected", mx, "dan@expected.test", 250)
		want("not expected", mx, "dan@sender.test", 451)
	}
	replies := make(chan lab.Reply, 4)
	for i := range cap(replies) {
		go func() { replies <- send(t, who, mxs[i%2], "once@sender.test") }()
	}
	accepted := 0
	for range cap(replies) {
		if r := <-replies; r.OK() {
			accepted++
		}
	}
	if accepted != 1 {
		t.Errorf("%d messages were accepted of one that was expected", accepted)
	}
}
