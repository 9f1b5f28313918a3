package main

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/d--j/go-milter"
)

// reason asks about an unknown triplet, and returns the reason that the
// daemon logs.
func (s *site) reason(daemon *process, client, sender, recipient string) string {
	s.t.Helper()
	n := len(daemon.find(`"msg":"decision"`))
	s.ask(client, sender, recipient)
	return daemon.waitMore(n, `"msg":"decision"`).str("reason")
}

func TestReload(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	daemon := s.serve()
	expect := func(want string) {
		t.Helper()
		if got := s.reason(daemon, "203.0.113.7", "ann@example.net", "bob@example.org"); got != want {
			t.Errorf("reason %q, want %q", got, want)
		}
	}
	expect("not-seen-before")

	// Changed rules, lists, windows and replies hold from then on.
	s.configure(conf{"rules.allowed_senders": `["203.0.113.7"]`})
	daemon.reload()
	expect("allowed-client")

	s.write("other.list", "ann@example.net\n")
	s.configure(conf{"blocked.senders_file": `"other.list"`, "blocked.action": `"deny"`, "blocked.deny_reply": `"550 5.7.1 Go away"`})
	daemon.reload()
	expect("blocked")
	if answer := s.ask("203.0.113.7", "ann@example.net", "bob@example.org"); answer.Reply != "550 5.7.1 Go away" {
		t.Errorf("%+v", answer)
	}

	s.configure(conf{"greylist.too_soon": "0", "greylist.min_defer_time": "0"})
	daemon.reload()
	expect("now-grey")

	// A key that is gone has its default again.
	s.configure(nil)
	daemon.reload()
	expect("already-grey")
	if got := s.reason(daemon, "203.0.113.8", "ann@example.net", "bob@example.org"); got != "not-seen-before" {
		t.Errorf("reason %q", got)
	}
	if got := s.reason(daemon, "203.0.113.8", "ann@example.net", "bob@example.org"); got != "way-too-soon" {
		t.Errorf("reason %q: the windows are not the default ones", got)
	}

	// So it is for a file that was removed.
	if err := os.Remove(s.file); err != nil {
		t.Fatal(err)
	}
	daemon.signal(syscall.SIGHUP)
	daemon.wait("reload failed; keeping the current configuration", s.file+": no such file")
	expect("already-grey")
}

// A file that an editor has emptied, and not filled yet, is not taken for a wish
// for all defaults.
func TestReloadOfAnEmptyFile(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"rules.allowed_senders": `["203.0.113.7"]`})
	daemon := s.serve()
	expect := func(want string) {
		t.Helper()
		if got := s.reason(daemon, "203.0.113.7", "ann@example.net", "bob@example.org"); got != want {
			t.Errorf("reason %q, want %q", got, want)
		}
	}
	s.write("greyglass.toml", "")
	daemon.signal(syscall.SIGHUP)
	daemon.wait(`"ERROR"`, "reload failed; keeping the current configuration", s.file+": empty or gone", "send SIGHUP again, or write a comment into it")
	expect("allowed-client")
	s.write("greyglass.toml", "log.format = \"json\"\n")
	daemon.reload()
	expect("not-seen-before")
	s.write("greyglass.toml", "# nothing\n")
	daemon.signal(syscall.SIGHUP)
	daemon.wait("INFO", `msg=\"configuration reloaded\"`)
	s.write("greyglass.toml", "") // which changes nothing any more
	daemon.signal(syscall.SIGHUP)
	daemon.waitMore(1, "INFO", `msg=\"configuration reloaded\"`)
}

// A file that has rules only, and is emptied, is no wish for no rules either.
func TestReloadOfAnEmptyFileOfRules(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	var set []string
	for line := range strings.Lines(s.read("greyglass.toml")) {
		set = append(set, "--set", strings.Replace(strings.TrimSpace(line), " = ", "=", 1))
	}
	set = append(set, "--set", "listen.policy="+quoted("unix:"+s.path("policy.sock")))
	s.write("greyglass.toml", "[[rule]]\nname = \"ours\"\nwhen = 'sender_domain == \"example.net\"'\nthen = \"accept\"\n")
	daemon := s.serve(set...)
	s.write("greyglass.toml", "")
	daemon.signal(syscall.SIGHUP)
	daemon.wait(`"ERROR"`, "reload failed; keeping the current configuration", s.file+": empty or gone")
	if got := s.reason(daemon, "203.0.113.7", "ann@example.net", "bob@example.org"); got != "rule:ours" {
		t.Errorf("reason %q", got)
	}
	s.run(append([]string{"status"}, set...)...).fails(t, statusConfig, "the configuration could not be read again")
}

// Limits hold from a reload on, also for present connections.
func TestReloadOfLimits(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"limits.connections": "2"})
	daemon := s.serve()
	const full = "connection limit reached"
	inMessage := func() *milter.ClientSession { // such a connection does not give way
		session := s.mta()
		mail(t, session)
		if _, err := session.Rcpt("bob@example.org", ""); err != nil {
			t.Fatal(err)
		}
		return session
	}
	first, second := inMessage(), inMessage()
	if _, err := s.tryMTA(); err == nil {
		t.Error("a third connection is let in")
	}
	daemon.wait(full)
	s.configure(conf{"limits.connections": "3", "limits.line_length": "1024"})
	daemon.reload()
	third := inMessage()
	if _, err := s.tryMTA(); err == nil {
		t.Error("a fourth connection is let in")
	}
	for _, session := range []*milter.ClientSession{first, third} {
		if _, err := session.Rcpt(strings.Repeat("b", 1024)+"@example.org", ""); err == nil {
			t.Error("a line that is too long is answered")
		}
		daemon.wait("connection closed", `octets for command 'R', at most 1024 are taken`)
	}
	// Fewer than there are: no connection in a message is closed.
	s.configure(conf{"limits.connections": "1", "limits.recipients": "1"})
	daemon.reload()
	if _, err := second.Rcpt("eve@example.org", ""); err != nil {
		t.Error(err)
	}
	if _, err := s.tryMTA(); err == nil {
		t.Error("a connection beyond the limit is let in")
	}
}

func TestReloadOfWhatNeedsARestart(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	daemon := s.serve()
	s.configure(conf{
		"listen.milter":         quoted("unix:" + s.path("other.sock")),
		"listen.socket_mode":    `"0600"`,
		"store.url":             `"sqlite:other.db"`,
		"rules.allowed_senders": `["203.0.113.7"]`,
	})
	for n := range 2 { // it says so each time
		daemon.reload()
		for _, key := range []string{"listen.milter", "listen.socket_mode", "store.url"} {
			if got := len(daemon.find("changed; takes effect at a restart", `"key":"`+key+`"`)); got != n+1 {
				t.Errorf("after %d reloads %s is named %d times", n+1, key, got)
			}
		}
	}
	if lines := daemon.find("takes effect at a restart"); len(lines) != 6 {
		t.Errorf("%v", lines)
	}
	// All else holds, and the old socket and the old database are still in use.
	if got := s.reason(daemon, "203.0.113.7", "ann@example.net", "bob@example.org"); got != "allowed-client" {
		t.Errorf("reason %q", got)
	}
	for _, name := range []string{"other.sock", "other.db"} {
		if _, err := os.Lstat(s.path(name)); err == nil {
			t.Errorf("%s was created", name)
		}
	}
}

func TestReloadOfMistakes(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"rules.allowed_senders": `["203.0.113.7"]`})
	daemon := s.serve()
	s.write("greyglass.toml", "[greylist]\nmode = \"off\"\ntypo = 1\n[log]\nlevel = \"error\"\n")
	daemon.signal(syscall.SIGHUP)
	daemon.wait(`"ERROR"`, "reload failed; keeping the current configuration", s.file+`:2: greylist.mode = \"off\"`)
	daemon.wait(`"ERROR"`, "reload failed; keeping the current configuration", s.file+":3: greylist.typo = 1: unknown key")
	if got := s.reason(daemon, "203.0.113.7", "ann@example.net", "bob@example.org"); got != "allowed-client" {
		t.Errorf("reason %q", got)
	}

	// So is a list that is broken.
	s.configure(nil)
	s.write("blocked.list", "ok@example.net\nnothing\n")
	daemon.wait("cannot read the list", s.path("blocked.list")+":2:")
	daemon.signal(syscall.SIGHUP)
	daemon.wait("reload failed", s.path("blocked.list")+":2:")
	if got := s.reason(daemon, "203.0.113.7", "ann@example.net", "bob@example.org"); got != "allowed-client" {
		t.Errorf("reason %q", got)
	}

	s.write("blocked.list", "")
	daemon.reload()
	if got := s.reason(daemon, "203.0.113.7", "ann@example.net", "bob@example.org"); got != "not-seen-before" {
		t.Errorf("reason %q", got)
	}
	if n := len(daemon.find("configuration reloaded")); n != 1 {
		t.Errorf("reloaded %d times", n)
	}
}

func TestReloadOfTheLog(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	daemon := s.serve()
	s.configure(conf{"log.format": `"text"`})
	daemon.signal(syscall.SIGHUP)
	line := daemon.wait(`msg=\"configuration reloaded\"`).str("text")
	if !strings.Contains(line, "level=INFO") {
		t.Errorf("%s", line)
	}

	// Each reload also warns, which tells what was logged before it.
	s.configure(conf{"log.level": `"warn"`, "listen.socket_mode": `"0600"`})
	eventually(t, "decisions are not logged any more", func() bool {
		before, n := len(daemon.find("quiet@example.org")), len(daemon.find("takes effect at a restart"))
		s.ask("203.0.113.7", "ann@example.net", "quiet@example.org")
		daemon.signal(syscall.SIGHUP)
		daemon.waitMore(n, "takes effect at a restart")
		return len(daemon.find("quiet@example.org")) == before
	})
	s.configure(nil)
	daemon.reload()
	s.ask("203.0.113.7", "ann@example.net", "loud@example.org")
	daemon.decision("loud@example.org")
}
