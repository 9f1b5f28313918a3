package main

import (
	"database/sql"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"greyglass/e2e/lab"
)

// status runs 'greyglass status --json'.
func (s *site) status() (status statusJSON, exit int) {
	s.t.Helper()
	r := s.run("status", "--json")
	if err := json.Unmarshal([]byte(r.stdout), &status); err != nil {
		s.t.Fatalf("%v: %s%s", err, r.stdout, r.stderr)
	}
	return status, r.status
}

// TestStatus: what a daemon says of itself, and the exit status, from its start to its end.
func TestStatus(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	policy := conf{"listen.policy": quoted("unix:" + s.path("policy.sock")), "store.timeout": `"2s"`}
	s.configure(policy)
	s.run("status").fails(t, statusFailed, "the daemon is not running", "systemctl start greyglass")
	if status, exit := s.status(); status.State != "not running" || exit != statusFailed || status.Mode != "enforce" {
		t.Errorf("before it starts: %d %+v", exit, status)
	}
	daemon := s.serve()
	s.ask("203.0.113.7", "ann@example.net", "bob@example.org")
	s.ask("127.0.0.1", "ann@example.net", "bob@example.org")
	eventually(t, "the count of triplets", func() bool {
		status, _ := s.status()
		return status.Database.Triplets != nil && *status.Database.Triplets == 1
	})
	status, exit := s.status()
	if r := status.Recent; exit != statusOK || status.State != "ready" || status.PID != daemon.cmd.Process.Pid || status.Version != version ||
		r == nil || r.Deferred != 1 || r.Accepted != 1 || r.Judged != 2 || r.Median == nil || len(status.Lists) != 2 || *status.Database.Bytes == 0 {
		t.Errorf("status %d: %+v, %+v", exit, status, status.Recent)
	}
	page := s.output("status")
	for _, says := range []string{"greyglass ready " + version + ", up ", "mode      enforce, profile classic\n", ": 1 accepted, 1 deferred, 0 denied\n",
		"database  works: sqlite:" + s.db + "\n", " 1 triplet of at most 20,000,000\n", " KiB on disk\n", "connections: 0 milter, 0 policy\n", "lists     blocked: 0 entries, read ", "All is well.\n"} {
		if !strings.Contains(page, says) {
			t.Errorf("the page does not say %q:\n%s", says, page)
		}
	}

	s.write("blocked.list", "not a pattern\n")
	daemon.wait("cannot read the list")
	s.run("status").fails(t, statusConfig, "the list blocked could not be read again")
	s.write("blocked.list", "")
	daemon.wait("list reloaded")

	s.sql(func(db *sql.DB) error {
		db.SetMaxOpenConns(1)
		if _, err := db.Exec(`BEGIN IMMEDIATE`); err != nil {
			return err
		}
		s.ask("203.0.113.7", "other@example.net", "bob@example.org")
		r := s.run("status")
		r.fails(t, statusDatabase, "the database fails, and unknown triplets are accepted")
		if !strings.Contains(r.stdout, "FAILING OPEN for ") {
			t.Errorf("%s", r.stdout)
		}
		_, err := db.Exec(`ROLLBACK`)
		return err
	})

	daemon.signal(syscall.SIGKILL)
	<-daemon.done
	if status, exit := s.status(); status.State != "not running" || exit != statusFailed || *status.Database.Bytes == 0 {
		t.Errorf("after its end: %d %+v", exit, status)
	}
}

// TestProbesAreNotCounted: what probe and doctor ask is in no statistics, and in the log.
func TestProbesAreNotCounted(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.configure(conf{"listen.policy": quoted("unix:" + s.path("policy.sock")), "greylist.too_soon": "0", "greylist.min_defer_time": `"1s"`})
	daemon := s.serve()
	s.run("doctor")
	eventually(t, "the probe passes", func() bool {
		return strings.HasPrefix(s.output("probe", "203.0.113.7", "ann@example.net", "bob@example.org"), "verdict  accept")
	})
	if asked := daemon.find(`"msg":"decision"`); len(asked) < 4 {
		t.Errorf("%d questions are logged", len(asked))
	}
	for _, d := range daemon.find(`"msg":"decision"`) {
		if d.str("via") != "probe" {
			t.Errorf("logged %v", d)
		}
	}
	if status, _ := s.status(); status.Recent.Judged != 0 {
		t.Errorf("counted: %+v", status.Recent)
	}
	daemon.stop()
	if stats := s.output("stats", "--json"); !strings.Contains(stats, `"judged":0,`) || !strings.Contains(stats, `"strangers":0,"came_back":0`) || !strings.Contains(stats, `"domains":[]`) {
		t.Errorf("counted: %s", stats)
	}
	if stats := s.output("stats", "--json", "--by", "domain"); !strings.Contains(stats, `"groups":[]`) {
		t.Errorf("counted: %s", stats)
	}
}

// TestStatusElsewhere: without a unix socket for policy, the daemon is asked by HTTP; without
// that, it only answers.
func TestStatusElsewhere(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	daemon := s.serve("--set", "listen.http=127.0.0.1:0")
	if status, exit := s.status(); status.State != "answers" || exit != statusOK || status.Recent != nil {
		t.Errorf("%d %+v", exit, status)
	}
	if page := s.output("status"); !strings.Contains(page, "database  not asked: ") || !strings.Contains(page, "More is shown if ") {
		t.Errorf("%s", page)
	}
	r := s.run("status", "--json", "--set", "listen.http="+daemon.http())
	if r.status != statusOK || !strings.Contains(r.stdout, `"state":"ready"`) {
		t.Errorf("%+v", r)
	}
	var times struct {
		Started int64     `json:"started"`
		UTC     time.Time `json:"started_utc"`
	}
	if err := json.Unmarshal([]byte(r.stdout), &times); err != nil || times.UTC.Unix() != times.Started {
		t.Errorf("%v: %+v", err, times)
	}
}

// TestStatusOfAStartingDaemon: a daemon that is starting has counted no connections yet.
func TestStatusOfAStartingDaemon(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.configure(conf{"listen.policy": quoted("unix:" + s.path("policy.sock"))})
	l, err := net.Listen("unix", s.path("policy.sock"))
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
			_, _ = io.Copy(io.Discard, c)
			_, _ = io.WriteString(c, `status={"state":"starting","connections":null}`+"\n\n")
			_ = c.Close()
		}
	}()
	s.run("status").fails(t, statusFailed, "the daemon is starting")
}

// TestStatusWithoutProxy: the daemon is asked itself, whatever proxy stands in the environment.
func TestStatusWithoutProxy(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"state":"starting"}`) }))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	s.environ = append(s.environ, "HTTP_PROXY=http://127.0.0.1:1")
	s.run("status", "--set", "listen.http_public=true", "--set", "listen.http=0.0.0.0:"+port).fails(t, statusFailed, "the daemon is starting")
}

// TestStatusMayNotAsk: who may not open the daemon's sockets is told so.
func TestStatusMayNotAsk(t *testing.T) {
	t.Parallel()
	lab.Need(t, os.Geteuid() == 0, "only root can run a daemon whose sockets another user may not open")
	s := newSite(t, nil)
	s.configure(conf{"listen.policy": quoted("unix:" + s.path("policy.sock"))})
	s.serve()
	s.user = &syscall.Credential{Uid: 65534, Gid: 65534}
	s.run("status").fails(t, statusFailed, "this user may not ask the daemon", "permission denied", "the group of its sockets")
}

// TestStatusByUnixSocketsAlone: others, whom no permission stops, get no answer.
func TestStatusByUnixSocketsAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"listen.policy": quoted("inet:127.0.0.1:0")})
	daemon := s.serve()
	at := daemon.wait(`"msg":"listening"`, `"via":"policy"`).str("bound")
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const want = "action=DUNNO\n\n"
	answer := make([]byte, len(want))
	if _, err = io.WriteString(c, "request=greyglass_status\n\n"); err == nil {
		_, err = io.ReadFull(c, answer)
	}
	if err != nil || string(answer) != want {
		t.Errorf("answer %q, %v", answer, err)
	}
}

// TestWithTimes: each time has its other form beside it, whatever texts say.
func TestWithTimes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"read_at":1700000000,"x":1}`:        `{"read_at":1700000000,"read_at_utc":"2023-11-14T22:13:20Z","x":1}`,
		`{"read_at":null}`:                    `{"read_at":null,"read_at_utc":null}`,
		`{"read_at":{"a": 1}}`:                `{"read_at":{"a": 1}}`,
		`{"a":"\"read_at\":1","read_at":"s"}`: `{"a":"\"read_at\":1","read_at":"s"}`,
		`[{"read_at":0},{"swept":-1}]`:        `[{"read_at":0,"read_at_utc":"1970-01-01T00:00:00Z"},{"swept":-1,"swept_utc":"1969-12-31T23:59:59Z"}]`,
		`{}`:                                  `{}`,
	} {
		if got := string(withTimes([]byte(text))); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
