package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// refusing is the URL of a PostgreSQL that does not run, with a password in it.
func refusing(t *testing.T) (url, shown string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	at := l.Addr().String() + "/greyglass"
	return "postgres://greyglass:hush@" + at, "postgres://greyglass@" + at
}

// A daemon whose PostgreSQL is unavailable at its start serves all the same, says so
// once, and never shows the password; commands say so too.
func TestPostgresUnavailableAtStart(t *testing.T) {
	t.Parallel()
	url, shown := refusing(t)
	s := newSite(t, conf{"store.url": fmt.Sprintf("%q", url)})
	daemon := s.serve()
	failing := daemon.wait("database failing, answering by on_error")
	if failing.str("database") != shown || !strings.Contains(failing.str("error"), "connection refused") || failing.str("advice") == "" {
		t.Errorf("%v", failing)
	}
	for i := range 5 {
		answer := s.ask("203.0.113.7", fmt.Sprintf("s%d@example.net", i), "bob@example.org")
		if answer.Verdict != "accept" {
			t.Errorf("%+v", answer)
		}
	}
	if got := daemon.decision("bob@example.org").str("reason"); got != "error" {
		t.Errorf("reason %s", got)
	}
	if n := len(daemon.find("database failing")); n != 1 {
		t.Errorf("said %d times", n)
	}
	if got := daemon.wait("started").str("store"); !strings.Contains(got, "greyglass:***@") {
		t.Errorf("started with %s", got)
	}
	for _, args := range []string{"list", "stats", "expire", "backup x", "migrate", "explain 192.0.2.1 a@example.net b@example.org",
		"pass 192.0.2.1 a@example.net b@example.org", "forget 192.0.2.1 a@example.net b@example.org", "copy --from " + url + " --to sqlite:x.db"} {
		r := s.run(strings.Fields(args)...)
		r.fails(t, statusDatabase, "connection refused", shown, "see that the server runs")
		if strings.Contains(r.stderr, "hush") {
			t.Errorf("%s shows the password: %s", args, r.stderr)
		}
	}
	if r := s.run("doctor"); r.status != 1 || !strings.Contains(r.stdout, shown) || !strings.Contains(r.stdout, "connection refused") || strings.Contains(r.stdout+r.stderr, "hush") {
		t.Errorf("doctor: %+v", r)
	}
	if got := s.output("config"); !strings.Contains(got, "greyglass:***@") || strings.Contains(got, "hush") {
		t.Errorf("config: %s", got)
	}
	if strings.Contains(fmt.Sprint(daemon.log()), "hush") {
		t.Errorf("the log shows the password: %v", daemon.log())
	}
}

// A URL that cannot be meant is a mistake in the configuration.
func TestPostgresMistake(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"store.url": `"postgres://greyglass:hush@db/greyglass?sslmode=maybe"`})
	r := s.run("serve")
	r.fails(t, statusConfig, "greyglass.toml:", "sslmode")
	if strings.Contains(r.stderr, "hush") {
		t.Errorf("it shows the password: %s", r.stderr)
	}
}

// TestPresentCause: /readyz and doctor name the present cause of an outage, not its first.
func TestPresentCause(t *testing.T) {
	t.Parallel()
	url, _ := refusing(t)
	s := newSite(t, conf{"store.url": fmt.Sprintf("%q", url), "listen.http": `"127.0.0.1:0"`})
	daemon := s.serve()
	cause := func(want string) {
		t.Helper()
		eventually(t, "/readyz says "+want, func() bool {
			s.ask("203.0.113.7", "ann@example.net", "bob@example.org")
			_, body := daemon.get("/readyz")
			_, line, _ := strings.Cut(body, "\ndatabase: failing open since ")
			return strings.Contains(line, want)
		})
		if r := s.run("doctor"); !strings.Contains(r.stdout, want) {
			t.Errorf("doctor does not say %s:\n%s", want, r.stdout)
		}
	}
	cause("connection refused")
	address, _, _ := strings.Cut(url[strings.LastIndex(url, "@")+1:], "/")
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.ReadFull(c, make([]byte, 8))
			// An ErrorResponse (PostgreSQL's manual, section 55.7).
			text := "SFATAL\x00VFATAL\x00C53300\x00Mtoo many clients already\x00\x00"
			_, _ = c.Write(append([]byte{'E', 0, 0, 0, byte(4 + len(text))}, text...))
			_ = c.Close()
		}
	}()
	cause("too many clients already")
	daemon.wait("database still failing, for another reason", "too many clients already")
}
