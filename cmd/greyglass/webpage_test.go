package main

import (
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"greyglass/greylist"
)

// TestWebPage: mail that waits is found on the page of a real daemon, let in, and accepted
// through the milter; the daemon logs who did it. log.private ends the memory of decisions.
func TestWebPage(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	hash, err := bcrypt.GenerateFromPassword([]byte("correct horse"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	s.write("users", "olga:"+string(hash)+"\n")
	s.configure(conf{"web.listen": `"127.0.0.1:0"`, "web.users_file": `"` + s.path("users") + `"`, "web.operators": `["olga"]`})
	daemon := s.serve()
	at := "http://" + daemon.wait(`"msg":"listening"`, `"via":"web"`).str("bound")
	if answer := s.ask("203.0.113.7", "ann@example.net", "bob@example.org"); answer.Verdict != greylist.Defer {
		t.Fatalf("answered %+v", answer)
	}
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}
	text := func(r *http.Response, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		all, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("status %d, %v\n%s", r.StatusCode, err, all)
		}
		return string(all)
	}
	eventually(t, "the login", func() bool {
		r, err := client.PostForm(at+"/login", url.Values{"user": {"olga"}, "password": {"correct horse"}})
		return err == nil && strings.Contains(text(r, nil), "Log out")
	})
	page := text(client.Get(at + "/search?q=ann@example.net"))
	if !strings.Contains(page, "ann@example.net wrote to bob@example.org for the first time") || !strings.Contains(page, "not-seen-before") {
		t.Fatalf("the search:\n%s", page)
	}
	form := regexp.MustCompile(`(?s)<form action="/pass" method="post">(.*?)</form>`).FindStringSubmatch(page)
	if form == nil {
		t.Fatalf("there is no button:\n%s", page)
	}
	values := url.Values{}
	for _, field := range regexp.MustCompile(`name="([^"]*)" value="([^"]*)"`).FindAllStringSubmatch(form[1], -1) {
		values.Set(field[1], html.UnescapeString(field[2]))
	}
	if page := text(client.PostForm(at+"/pass", values)); !strings.Contains(page, "Let in: mail from ann@example.net to bob@example.org.") {
		t.Errorf("after the button:\n%s", page)
	}
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
	if page := text(client.Get(at + "/search?q=ann@example.net")); !strings.Contains(page, "None of the newest decisions of this machine is about this.") {
		t.Errorf("after log.private the decisions from before are still there:\n%s", page)
	}
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
	daemon.wait(`"msg":"cannot listen for the web page; it is unavailable, and tried again"`)
	if answer := s.ask("203.0.113.7", "ann@example.net", "bob@example.org"); answer.Verdict != greylist.Defer {
		t.Errorf("answered %+v", answer)
	}
}
