package main

import (
	"database/sql"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// http returns the address at which a daemon answers by HTTP.
func (p *process) http() string {
	p.t.Helper()
	return p.wait(`"msg":"listening"`, `"via":"http"`).str("bound")
}

// get asks by HTTP.
func (p *process) get(path string) (status int, body string) {
	p.t.Helper()
	r, err := http.Get("http://" + p.http() + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return r.StatusCode, string(text)
}

// counts waits until the metrics have each of the lines.
func (p *process) counts(lines ...string) {
	p.t.Helper()
	for _, line := range lines {
		eventually(p.t, "metrics with "+line, func() bool {
			_, body := p.get("/metrics")
			return strings.Contains(body, "\n"+line+"\n")
		})
	}
}

// TestWatched: what a daemon tells of itself.
func TestWatched(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"listen.http": `"127.0.0.1:0"`})
	daemon := s.serve()
	s.ask("203.0.113.7", "ann@example.net", "bob@example.org")
	s.ask("203.0.113.7", "ann@example.net", "bob@example.org")
	daemon.counts(
		`greyglass_decisions_total{reason="not-seen-before",verdict="defer",via="milter"} 1`,
		`greyglass_decisions_total{reason="way-too-soon",verdict="defer",via="milter"} 1`,
		`greyglass_answer_seconds_count 2`,
		`greyglass_sessions_total{via="milter"} 2`,
		`greyglass_sessions_open{via="milter"} 0`,
		`greyglass_panics_total{part="judge"} 0`,
		`greyglass_panics_total{part="milter"} 0`,
		`greyglass_panics_total{part="store"} 0`,
		`greyglass_build_info{goversion="`+runtime.Version()+`",version="`+version+`"} 1`,
	)

	s.write("blocked.list", "spam@example.net\n@spam.example\n")
	daemon.wait("list reloaded")
	daemon.counts(
		`greyglass_list_entries{file="blocked"} 2`,
		`greyglass_file_reads_total{file="blocked",result="ok"} 2`,
	)
	s.write("blocked.list", "spam@example.net\nnot a pattern\n")
	daemon.wait("cannot read the list")
	daemon.counts(`greyglass_list_entries{file="blocked"} 2`, `greyglass_file_stale{file="blocked"} 1`)
	if _, body := daemon.get("/readyz"); !strings.Contains(body, "list blocked: 2 entries, read ") || !strings.Contains(body, "the last reading failed") {
		t.Errorf("/readyz:\n%s", body)
	}
	s.write("blocked.list", "")
	daemon.counts(`greyglass_list_entries{file="blocked"} 0`, `greyglass_file_stale{file="blocked"} 0`)

	s.configure(conf{"listen.http": `"127.0.0.1:0"`, "greylist.mode": `"off"`})
	daemon.signal(syscall.SIGHUP)
	daemon.counts(`greyglass_file_stale{file="configuration"} 1`, `greyglass_file_reads_total{file="configuration",result="failed"} 1`)
	s.configure(conf{"listen.http": `"127.0.0.1:0"`})
	daemon.reload()
	daemon.counts(`greyglass_file_stale{file="configuration"} 0`, `greyglass_file_reads_total{file="configuration",result="ok"} 2`)
	if status, body := daemon.get("/readyz"); status != http.StatusOK || !strings.Contains(body, "\ndatabase: works\n") {
		t.Errorf("/readyz: %d\n%s", status, body)
	}
}

// TestWatchedFailingOpen: a daemon whose database fails says so, until it works.
func TestWatchedFailingOpen(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"listen.http": `"127.0.0.1:0"`, "store.timeout": `"100ms"`})
	daemon := s.serve()
	s.sql(func(db *sql.DB) error {
		db.SetMaxOpenConns(1)
		if _, err := db.Exec(`BEGIN IMMEDIATE`); err != nil {
			return err
		}
		s.ask("203.0.113.7", "ann@example.net", "bob@example.org")
		daemon.counts("greyglass_failing_open 1", "greyglass_store_failing 1", "greyglass_store_failed_answers_total 1")
		if status, body := daemon.get("/readyz"); status != http.StatusOK || !strings.Contains(body, "\ndatabase: failing open since 20") {
			t.Errorf("/readyz: %d\n%s", status, body)
		}
		_, err := db.Exec(`ROLLBACK`)
		return err
	})
	daemon.counts("greyglass_failing_open 0", "greyglass_store_failing 0", "greyglass_store_failed_answers_total 1")
}

// TestWatchedWhere: the address must be free, and no other machine's business.
func TestWatchedWhere(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := newSite(t, nil)
	s.run("serve", "--set", "listen.http="+taken.Addr().String()).fails(t, statusFailed, "cannot listen on inet:"+taken.Addr().String(), "in use")
	s.run("serve", "--set", "listen.http=0.0.0.0:0").fails(t, statusConfig, "listen.http", "listen.http_public = true")
	s.run("serve", "--set", "listen.http=systemd:http").fails(t, statusFailed, "systemd passed no socket of that name")
	if s.names() != "blocked.list exceptions.list greyglass.toml" {
		t.Errorf("left behind: %s", s.names())
	}
	public := s.serve("--set", "listen.http=0.0.0.0:0", "--set", "listen.http_public=true")
	_, port, err := net.SplitHostPort(public.http())
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.Get("http://127.0.0.1:" + port + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusOK {
		t.Errorf("status %d", r.StatusCode)
	}
}
