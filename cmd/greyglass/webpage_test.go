package main

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"greyglass/e2e/browse"
	"greyglass/greylist"
)

// TestWebPage: mail that waits is found on the page of a real daemon, let in, and accepted
// through the milter; the daemon logs who did it. log.private ends the memory of decisions.
func TestWebPage(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.write("users", browse.Users(t, "correct horse", "olga"))
	s.configure(conf{"web.listen": `"127.0.0.1:0"`, "web.users_file": `"` + s.path("users") + `"`, "web.operators": `["olga"]`})
	daemon := s.serve()
	at := "http://" + daemon.wait(`"msg":"listening"`, `"via":"web"`).str("bound")
	if answer := s.ask("203.0.113.7", "ann@example.net", "bob@example.org"); answer.Verdict != greylist.Defer {
		t.Fatalf("answered %+v", answer)
	}
	b := browse.New(t, at)
	eventually(t, "the login", func() bool { return strings.Contains(b.Login("olga", "correct horse").Text, "Log out") })
	page := b.Search("ann@example.net")
	page.Says(t, http.StatusOK, "ann@example.net wrote to bob@example.org for the first time", "not-seen-before")
	b.Press(page, "/pass").Says(t, http.StatusOK, "Let in: mail from ann@example.net to bob@example.org.")
	if answer := s.ask("203.0.113.7", "ann@example.net", "bob@example.org"); answer.Verdict != greylist.Accept {
		t.Errorf("answered %+v", answer)
	}
	if line := daemon.wait(`"msg":"admin"`); line.str("user") != "olga" || line.str("command") != "pass 203.0.113.7 ann@example.net bob@example.org" {
		t.Errorf("logged %v", line)
	}
	for _, private := range []string{"true", "false"} {
		s.configure(conf{"web.listen": `"127.0.0.1:0"`, "web.users_file": `"` + s.path("users") + `"`, "web.operators": `["olga"]`, "log.private": private})
		daemon.reload()
	}
	b.Search("ann@example.net").Says(t, http.StatusOK, "None of the newest decisions of this machine is about this.")
	s.run("serve", "--set", "web.listen=0.0.0.0:0").fails(t, statusConfig, "web.listen", "set web.certificate and web.key; or set web.proxies")
}

// TestMailWithoutWebPage: what is wrong with the page does not keep mail from being judged.
func TestMailWithoutWebPage(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s.configure(conf{"web.listen": `"` + taken.Addr().String() + `"`, "web.users_file": `"` + s.path("no-users") + `"`,
		"web.certificate": `"` + s.path("no-certificate") + `"`, "web.key": `"` + s.path("no-key") + `"`})
	daemon := s.serve()
	daemon.wait(`"msg":"cannot read web.certificate; the web page is unavailable until it can be read"`)
	daemon.wait(`"msg":"cannot listen for the web page; it is unavailable; trying again"`)
	if answer := s.ask("203.0.113.7", "ann@example.net", "bob@example.org"); answer.Verdict != greylist.Defer {
		t.Errorf("answered %+v", answer)
	}
}
