package main

import (
	"strings"
	"testing"

	"greyglass/greylist/address"
)

func TestProbe(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{
		"blocked.action":        `"deny"`,
		"rules.allowed_senders": `["192.0.2.1", "2001:db8::1"]`,
		"greylist.reply":        `"450 4.7.1 100% later, in {wait}"`,
	})
	s.write("blocked.list", "spam@example.net\n")
	daemon := s.serve()
	const deferred = "verdict  defer\nreply    450 4.7.1 100% later, in 1 hour\n"
	for _, c := range []struct{ client, sender, recipient, want string }{
		{"192.0.2.1", "ann@example.net", "r1@example.org", "verdict  accept\n"},
		{"[IPv6:2001:db8::1]", "<ann@example.net>", "<R2@Example.ORG>", "verdict  accept\n"},
		{"local", "ann@example.net", "r3@example.org", "verdict  accept\n"},
		{"203.0.113.7", "ann@example.net", "r4@example.org", deferred + "at       RCPT\n"},
		{"2001:db8:9::/64", "ann@example.net", "r5@example.org", deferred + "at       RCPT\n"},
		{"203.0.113.7", "<>", "r6@example.org", deferred + "at       DATA\n"},
		{"203.0.113.7", "", "r7@example.org", deferred + "at       DATA\n"},
		{"203.0.113.7", "spam@example.net", "r8@example.org",
			"verdict  deny\nreply    550 5.7.1 Your email has not been and will not be delivered - it has been blocked\nat       RCPT\n"},
	} {
		if got := s.output("probe", c.client, c.sender, c.recipient); got != c.want {
			t.Errorf("probe %s %s %s:\n%swant:\n%s", c.client, c.sender, c.recipient, got, c.want)
		}
		decision := daemon.decision(address.Fold(c.recipient))
		if got, want := decision.str("verdict"), strings.Fields(c.want)[1]; got != want {
			t.Errorf("%s: logged verdict %q, printed %q", c.recipient, got, want)
		}
	}

	// A probe is an attempt like any other.
	s.output("probe", "203.0.113.7", "ann@example.net", "r4@example.org", "--helo", "mx.example.net")
	again := daemon.wait(`"recipient":"r4@example.org"`, "way-too-soon")
	if again.str("helo") != "mx.example.net" || again.str("client") != "203.0.113.7" {
		t.Errorf("logged: %v", again)
	}
}

func TestProbeFindsTheSocket(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.configure(conf{"listen.milter": quoted("systemd:milter", s.socket, "inet:127.0.0.1:0", "inet6:[::1]:0")})
	s.run("probe", "192.0.2.1", "<a>", "b@example.org").fails(t, statusFailed,
		"no answer from "+s.socket, "is the daemon running?", "no such file or directory")

	// systemd is not there to pass the first one.
	daemon := s.serve("--set", "listen.milter="+quoted(s.socket, "inet:127.0.0.1:0", "inet6:[::1]:0"))
	port := func(address string) string {
		bound := daemon.wait(`"listening"`, `"address":"`+address+`"`).str("bound")
		return bound[strings.LastIndex(bound, ":")+1:]
	}
	four, six := port("inet:127.0.0.1:0"), port("inet6:[::1]:0")
	s.output("probe", "192.0.2.1", "<a>", "b@example.org") // the first that can be asked
	for _, to := range []string{
		"unix:" + s.path("milter.sock"), "local:" + s.path("milter.sock"), s.path("milter.sock"),
		"inet:127.0.0.1:" + four, "inet:" + four + "@127.0.0.1",
		"inet6:[::1]:" + six, "inet6:" + six + "@[::1]", "inet6:" + six + "@::1",
	} {
		if got := s.output("probe", "192.0.2.1", "<a>", "b@example.org", "--to", to); !strings.HasPrefix(got, "verdict  defer\n") {
			t.Errorf("--to %s: %s", to, got)
		}
	}
	daemon.stop()
	s.run("probe", "192.0.2.1", "<a>", "b@example.org", "--to", "inet:127.0.0.1:"+four).fails(t, statusFailed,
		"no answer from inet:127.0.0.1:"+four, "is the daemon running?", "connection refused")
}

func TestProbeNeedsASocket(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"listen.milter": `["systemd:milter"]`})
	s.run("probe", "192.0.2.1", "<a>", "b@example.org").fails(t, statusFailed, "listen.milter has no socket to ask; name one with --to")
	s.run("probe", "192.0.2.1", "<a>", "b@example.org", "--to", "systemd:milter").fails(t, statusFailed, "systemd:milter")
}
