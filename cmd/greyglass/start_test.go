package main

import (
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// The first start makes all that is needed, closed to those whom it does not
// concern.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"listen.socket_mode": `"0606"`})
	s.configure(conf{"listen.socket_mode": `"0606"`, "listen.milter": quoted(s.socket, "inet:127.0.0.1:0")})
	daemon := s.serve()
	s.ask("203.0.113.7", "ann@example.net", "bob@example.org")
	for name, want := range map[string]os.FileMode{
		"greyglass.db": 0o640, "greyglass.db-wal": 0o640, "greyglass.db-shm": 0o640,
		"milter.sock": 0o606 | os.ModeSocket,
	} {
		info, err := os.Stat(s.path(name))
		if err != nil {
			t.Error(err)
		} else if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
		}
	}
	var id, rows int
	s.sql(func(db *sql.DB) error {
		return db.QueryRow(`SELECT (SELECT application_id FROM pragma_application_id), (SELECT count(*) FROM waiting)`).Scan(&id, &rows)
	})
	if id != 0x47524759 || rows != 1 {
		t.Errorf("application_id %#x, %d waiting", id, rows)
	}
	if started := daemon.wait("started"); started.str("version") != version || started.str("mode") != "enforce" {
		t.Errorf("%v", started)
	}

	// When it ends it leaves the database in one file, and no socket.
	daemon.stop()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); got != "blocked.list exceptions.list greyglass.db greyglass.toml" {
		t.Errorf("left behind: %s", got)
	}
	daemon.wait(`"stopped"`)

	// The next start goes on where it was.
	again := s.serve()
	s.ask("203.0.113.7", "ann@example.net", "bob@example.org")
	again.wait("way-too-soon")
}

func TestStartWarns(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"blocked.exceptions_file": `"missing.list"`, "listen.milter": "[]"})
	s.environ = append(s.environ, "GREYGLASS_X=1")
	daemon := s.serve()
	for _, want := range []string{
		`blocked.exceptions_file = \"missing.list\": no such file, so the list is empty`,
		"GREYGLASS_X: ignored",
		"no listeners configured",
	} {
		if n := len(daemon.find(`"WARN"`, want)); n != 1 {
			t.Errorf("%d warnings that say %s", n, want)
		}
	}
	asRoot := len(daemon.find(`"WARN"`, "running as root"))
	if want := os.Geteuid() == 0; (asRoot == 1) != want {
		t.Errorf("%d warnings of being root, which is %t", asRoot, want)
	}
	other := unprivileged(t, nil).serve()
	if lines := other.find(`"WARN"`); len(lines) != 0 {
		t.Errorf("an unprivileged daemon warns: %v", lines)
	}
}

func TestLogFormats(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	daemon := s.serve()
	s.ask("203.0.113.7", "<>", "Bob@example.org")
	decision := daemon.decision("bob@example.org")
	for key, want := range map[string]any{
		"level": "INFO", "msg": "decision", "verdict": "defer", "reason": "not-seen-before",
		"client": "203.0.113.7", "helo": "mx.example.net", "sender": "<>", "recipient": "bob@example.org",
		"wait": 3600.0, "via": "milter",
	} {
		if decision[key] != want {
			t.Errorf("json: %s is %v, want %v", key, decision[key], want)
		}
	}
	if took, err := time.ParseDuration(decision.str("took")); err != nil || took <= 0 {
		t.Errorf("json: took %q", decision.str("took"))
	}
	daemon.stop()

	text := s.serve("--set", "log.format=text")
	s.ask("203.0.113.8", "ann@example.net", "carol@example.org")
	line := text.wait("recipient=carol@example.org").str("text")
	const want = "level=INFO msg=decision verdict=defer reason=not-seen-before client=203.0.113.8 helo=mx.example.net " +
		"sender=ann@example.net recipient=carol@example.org wait=3600 via=milter took="
	if !strings.HasPrefix(line, "time=20") || !strings.Contains(line, want) {
		t.Errorf("text: %s", line)
	}
}

// A path in the configuration may be relative: it counts from the working folder.
func TestRelativePaths(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"store.url": `"sqlite:memory.db"`, "blocked.senders_file": `"blocked.list"`})
	s.write("blocked.list", "spam@example.net\n")
	daemon := s.serve()
	s.ask("203.0.113.7", "spam@example.net", "bob@example.org")
	if got := daemon.decision("bob@example.org").str("reason"); got != "blocked" {
		t.Errorf("reason %s", got)
	}
	if _, err := os.Stat(s.path("memory.db")); err != nil {
		t.Error(err)
	}
}

// After a kill -9 everything is as the clients were told.
func TestStartAfterCrash(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	daemon := s.serve()
	const n = 20
	for i := range n {
		s.ask("203.0.113.7", fmt.Sprintf("s%d@example.net", i), "bob@example.org")
	}
	daemon.kill()
	if _, err := os.Stat(s.path("milter.sock")); err != nil {
		t.Fatal("the crash left no socket, so this tests nothing")
	}
	if got := len(s.list("--waiting")); got != n {
		t.Errorf("%d remembered, %d were told to come back", got, n)
	}
	again := s.serve()
	s.ask("203.0.113.7", "s0@example.net", "bob@example.org")
	again.wait("way-too-soon")
}
