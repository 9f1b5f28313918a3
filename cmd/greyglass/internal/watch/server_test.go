package watch

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"greyglass/greylist"
	"greyglass/greylist/clock"
	"greyglass/greylist/judge"
	"greyglass/greylist/rules"
	"greyglass/milter/listen"
	"greyglass/sqlstore/storetest"
	"greyglass/sqlstore/storetest/faulty"
)

var discard = slog.New(slog.DiscardHandler)

func newDaemon(store *faulty.Store, onError greylist.Verdict) *Daemon {
	rules, err := rules.Config{}.Compile()
	if err != nil {
		panic(err)
	}
	policy := &judge.Policy{Rules: rules, Windows: greylist.DefaultWindows, Identity: greylist.DefaultIdentity,
		OnError: onError, Timeout: time.Second}
	d := &Daemon{
		Judge:     judge.New(store, policy, discard, clock.New(time.Now, discard)),
		Limiters:  []*listen.Limiter{listen.NewLimiter("milter", listen.Limits{Connections: 1}, discard)},
		Store:     store,
		Rows:      new(Rows),
		Files:     new(Files),
		MaxRows:   func() int64 { return 5000 },
		LogLost:   func() int64 { return 7 },
		Listening: []string{"milter 127.0.0.1:8895"},
	}
	d.Files.Taken(Configuration, 0, time.Time{})
	d.Files.Taken(Blocked, 2, time.Unix(1_700_000_000, 0))
	return d
}

func (d *Daemon) attempt() {
	d.Judge.Recipient(context.Background(), nil, greylist.Attempt{
		Client: greylist.ParseClient("192.0.2.7"), Sender: "a@example.net", Recipient: "b@example.org", Via: "milter"})
}

// start starts a server at an address of this machine, which is returned.
func start(t *testing.T, address string) (*Server, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(address, "1.2.3", discard)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), <-done); err != nil {
			t.Error(err)
		}
	})
	return s, l.Addr().String()
}

// ask sends the octets of a request and returns the status and the body.
func ask(t *testing.T, at, request string) (status int, header http.Header, body string) {
	t.Helper()
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, strings.ReplaceAll(request, "\n", "\r\n")); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	r, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, r.Header, string(text)
}

func get(t *testing.T, at, path string) (status int, body string) {
	t.Helper()
	status, _, body = ask(t, at, "GET "+path+" HTTP/1.1\nHost: localhost\n\n")
	return status, body
}

// TestOnlyWhatItMust: what may be asked, by what method and under which name.
func TestOnlyWhatItMust(t *testing.T) {
	s, at := start(t, "watch.example.org:8896")
	s.Watch(newDaemon(faulty.New(), greylist.Accept))
	for _, c := range []struct {
		request string
		status  int
	}{
		{"GET /healthz HTTP/1.1\nHost: 127.0.0.1\n\n", 200},
		{"GET /healthz HTTP/1.0\nHost: 127.0.0.1\n\n", 200},
		{"HEAD /healthz HTTP/1.1\nHost: 127.0.0.1:8896\n\n", 200},
		{"GET /metrics HTTP/1.1\nHost: [::1]:8896\n\n", 200},
		{"GET /metrics HTTP/1.1\nHost: [::1]\n\n", 200},
		{"GET /readyz HTTP/1.1\nHost: LocalHost\n\n", 200},
		{"GET /readyz HTTP/1.1\nHost: Watch.example.org:1\n\n", 200},
		{"GET /readyz?x=1 HTTP/1.1\nHost: localhost\n\n", 200},

		{"GET / HTTP/1.1\nHost: localhost\n\n", 404},
		{"GET /metrics/ HTTP/1.1\nHost: localhost\n\n", 404},
		{"GET /debug/pprof/ HTTP/1.1\nHost: localhost\n\n", 404},

		{"GET /metrics HTTP/1.1\nHost: rebound.example\n\n", 421},
		{"GET /metrics HTTP/1.1\nHost: localhost.example\n\n", 421},
		{"GET /metrics HTTP/1.1\nHost: 192.0.2.1\n\n", 421},
		{"GET /metrics HTTP/1.1\nHost: 0.0.0.0\n\n", 421},
		{"GET /metrics HTTP/1.1\nHost:\n\n", 421},
		{"GET /metrics HTTP/1.0\n\n", 421},
		{"GET http://rebound.example/metrics HTTP/1.1\nHost: localhost\n\n", 421},
		{"GET /metrics HTTP/1.1\n\n", 400},

		{"POST /metrics HTTP/1.1\nHost: localhost\nContent-Length: 0\n\n", 405},
		{"DELETE /healthz HTTP/1.1\nHost: localhost\n\n", 405},
		{"OPTIONS * HTTP/1.1\nHost: localhost\n\n", 405},
		{"TRACE /healthz HTTP/1.1\nHost: localhost\n\n", 405},
		{"CONNECT localhost:25 HTTP/1.1\nHost: localhost\n\n", 405},

		{"GET /healthz HTTP/1.1\nHost: localhost\nContent-Length: 4\n\nbody", 413},
		{"GET /healthz HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n", 413},
		{"GET /healthz HTTP/1.1\nHost: localhost\nX: " + strings.Repeat("x", 3*maxHeader) + "\n\n", 431},
		{"GET /" + strings.Repeat("x", 3*maxHeader) + " HTTP/1.1\nHost: localhost\n\n", 431},
		{"EHLO mx.example.org\n\n", 400},
	} {
		status, header, body := ask(t, at, c.request)
		if status != c.status {
			t.Errorf("%.60q: %d %.80q, want %d", c.request, status, body, c.status)
		}
		if status == 405 && header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%.60q: Allow: %q", c.request, header.Get("Allow"))
		}
	}
}

// TestReady: what is said of the daemon from its beginning to its end.
func TestReady(t *testing.T) {
	s, at := start(t, "127.0.0.1:8896")
	says := func(status int, want ...string) {
		t.Helper()
		if status, body := get(t, at, "/healthz"); status != 200 || body != "ok\n" {
			t.Errorf("/healthz: %d %q", status, body)
		}
		got, body := get(t, at, "/readyz")
		if got != status {
			t.Errorf("/readyz: %d %q, want %d", got, body, status)
		}
		for _, line := range want {
			if !strings.Contains("\n"+body, "\n"+line) {
				t.Errorf("/readyz has no line %q:\n%s", line, body)
			}
		}
	}
	says(503, "not ready: starting\n")
	if status, body := get(t, at, "/metrics"); status != 200 || !strings.Contains(body, `greyglass_build_info{`) || strings.Contains(body, "decisions") {
		t.Errorf("while it starts: %d\n%s", status, body)
	}

	m := faulty.New()
	d := newDaemon(m, greylist.Accept)
	s.Watch(d)
	says(200, "ready\n", "listening: milter 127.0.0.1:8895\n", "configuration: read 20", "list blocked: 2 entries, read 20", "database: works\n")
	m.Fail(errors.New("disk full"))
	d.attempt()
	d.Files.Failed(Blocked)
	says(200, "ready\n", "database: failing open since 20", "list blocked: 2 entries, read ")
	if _, body := get(t, at, "/readyz"); !strings.Contains(body, "; the last reading failed, see the log\n") {
		t.Errorf("nothing of the list that cannot be read:\n%s", body)
	}
	s.Stopping()
	says(503, "not ready: stopping\n")

	deferring := newDaemon(m, greylist.Defer)
	other, at2 := start(t, "127.0.0.1:8896")
	other.Watch(deferring)
	deferring.attempt()
	if status, body := get(t, at2, "/readyz"); status != 200 || !strings.Contains(body, "database: failing since ") {
		t.Errorf("%d %s", status, body)
	}
	deferring.Listening = nil
	if status, body := get(t, at2, "/readyz"); status != 503 || !strings.Contains(body, "no listeners configured") {
		t.Errorf("%d %s", status, body)
	}
}

// TestMetrics: what is counted is what is served, in the form that Prometheus wants.
func TestMetrics(t *testing.T) {
	s, at := start(t, "127.0.0.1:8896")
	m := faulty.New()
	d := newDaemon(m, greylist.Accept)
	s.Watch(d)
	d.attempt()
	d.attempt()
	m.Fail(errors.New("disk full"))
	d.attempt()
	d.Files.Failed(Blocked)
	_, body := get(t, at, "/metrics")
	for _, want := range []string{
		`greyglass_decisions_total{reason="not-seen-before",verdict="defer",via="milter"} 1`,
		`greyglass_decisions_total{reason="way-too-soon",verdict="defer",via="milter"} 1`,
		`greyglass_decisions_total{reason="error",verdict="accept",via="milter"} 1`,
		`greyglass_answer_seconds_count 3`,
		`greyglass_answer_seconds_bucket{le="+Inf"} 3`,
		`greyglass_answer_seconds_bucket{le="30"} 3`,
		`greyglass_delay_seconds_count 0`,
		`greyglass_delay_seconds_bucket{le="3600"} 0`,
		`greyglass_store_max_triplets 5000`,
		`greyglass_log_lines_dropped_total 7`,
		`greyglass_store_failing 1`,
		`greyglass_failing_open 1`,
		`greyglass_store_failed_answers_total 1`,
		`greyglass_file_reads_total{file="blocked",result="failed"} 1`,
		`greyglass_file_stale{file="blocked"} 1`,
		`greyglass_file_stale{file="configuration"} 0`,
		`greyglass_list_entries{file="blocked"} 2`,
		`greyglass_file_modified_timestamp_seconds{file="blocked"} 1.7e+09`,
	} {
		if !strings.Contains(body, "\n"+want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(body, "store_triplets{") {
		t.Error("there is a count of triplets before the first one")
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

// TestRows: counting is slow where there is much, and never done twice at once.
func TestRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := faulty.New()
		for n, e := range []greylist.Entry{{}, {}, {}, {PassedAt: 1}, {PassedAt: 1}, {PassedAt: 1}, {PassedAt: 1}} {
			m.Put(t, storetest.Numbered(int64(n)), e)
		}
		slow := &counting{Store: m}
		slow.takes.Store(int64(10 * time.Second))
		rows := new(Rows)
		if _, at := rows.Last(); !at.IsZero() {
			t.Error("counted before it began")
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		began := time.Now()
		go rows.Run(ctx, slow)
		time.Sleep(11 * time.Second)
		if is, at := rows.Last(); is.Waiting != 3 || is.Passed != 4 || !at.Equal(began) {
			t.Errorf("%+v at %s", is, at)
		}
		m.Fail(errors.New("disk")) // the last count stands
		time.Sleep(100 * time.Minute)
		if is, at := rows.Last(); is.Waiting != 3 || !at.Equal(began) {
			t.Errorf("%+v at %s", is, at)
		}
		if n := slow.asked.Load(); n > 7 {
			t.Errorf("counted %d times in 100 minutes, at 10 s each", n)
		}
		m.Fail(nil)
		slow.takes.Store(0)
		before := slow.asked.Load()
		time.Sleep(60 * time.Minute)
		if n := slow.asked.Load() - before; n < 40 || n > 61 {
			t.Errorf("counted %d times in an hour where it costs nothing", n)
		}
	})
}

type counting struct {
	*faulty.Store
	takes atomic.Int64 // nanoseconds
	asked atomic.Int64
}

func (c *counting) Stats(ctx context.Context) (greylist.Stats, error) {
	c.asked.Add(1)
	time.Sleep(time.Duration(c.takes.Load()))
	return c.Store.Stats(ctx)
}

// pipes is a listener whose connections need no network.
type pipes struct {
	come   chan net.Conn
	closed chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.come:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p pipes) Close() error   { close(p.closed); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// TestTimes: a slow or silent client is disconnected.
func TestTimes(t *testing.T) {
	for _, c := range []struct {
		name string
		says string
	}{
		{"nothing is said", ""},
		{"half a request", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"},
		{"silence after a request", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := NewServer("127.0.0.1:8896", "1.2.3", discard)
				listener := pipes{make(chan net.Conn), make(chan struct{})}
				ended := make(chan struct{})
				go func() { defer close(ended); _ = s.Serve(listener) }()
				ours, theirs := net.Pipe()
				listener.come <- theirs
				go func() { _, _ = io.WriteString(ours, c.says) }()
				began := time.Now()
				_, _ = io.Copy(io.Discard, ours)
				if took := time.Since(began); took > readTimeout+time.Second {
					t.Errorf("closed after %s", took)
				}
				_ = s.Close()
				<-ended
			})
		})
	}
}

// TestCrowd: further clients are refused at the limit, and when they
// have gone others are let in.
func TestCrowd(t *testing.T) {
	_, at := start(t, "127.0.0.1:8896")
	var crowd []net.Conn
	for range maxConnections {
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		crowd = append(crowd, c)
	}
	late, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	_ = late.SetReadDeadline(time.Now().Add(time.Minute))
	if n, err := late.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d octets, %v", n, err)
	}
	for _, c := range append(crowd, late) {
		_ = c.Close()
	}
	for began := time.Now(); ; {
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		_, _ = io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		answer, _ := io.ReadAll(c)
		_ = c.Close()
		if strings.HasSuffix(string(answer), "ok\n") {
			return
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("no client is admitted any more: %q", answer)
		}
	}
}

func TestCheckListener(t *testing.T) {
	for _, c := range []struct {
		address string
		ok      bool
	}{
		{"127.0.0.1:0", true}, {"127.1.2.3:0", true}, {"0.0.0.0:0", false},
	} {
		l, err := net.Listen("tcp4", c.address)
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckListener(l, false); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.address, err)
		}
		if err := CheckListener(l, true); err != nil {
			t.Errorf("%s, allowed: %v", c.address, err)
		}
		_ = l.Close()
	}
	unix, err := net.Listen("unix", t.TempDir()+"/http.sock")
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	if err := CheckListener(unix, false); err != nil {
		t.Error(err)
	}
}
