package web

import (
	"context"
	"errors"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"greyglass/cmd/greyglass/internal/watch"
	"greyglass/greylist"
	"greyglass/greylist/clock"
	"greyglass/greylist/judge"
	"greyglass/greylist/rules"
	"greyglass/milter/listen"
	"greyglass/sqlstore/memstore"
)

// The users of a site. Only the operator may act.
const (
	operator = "olga"
	looker   = "lars"
	password = "correct horse"
)

// site is a page with a judge and a database in memory, whose clock stands still.
type site struct {
	t      *testing.T
	server *Server
	daemon *Daemon
	judge  *judge.Judge
	store  *memstore.Store
	policy *judge.Policy
	at     string // host:port
	log    *logged

	mu  sync.Mutex
	now time.Time
}

// logged is a log that can be read at any time.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (s *site) clock() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return s.now }

func (s *site) advance(d time.Duration) { s.mu.Lock(); defer s.mu.Unlock(); s.now = s.now.Add(d) }

// usersFile makes a file of the two users.
func usersFile(t *testing.T) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "users")
	write(t, file, operator+":"+string(hash)+"\n"+looker+":"+string(hash)+"\n")
	return file
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// newSite starts a page with users.
func newSite(t *testing.T, change ...func(*Config)) *site {
	t.Helper()
	set, err := rules.Config{AcceptLoopback: true}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, store: memstore.New(), log: new(logged), now: time.Date(2026, 11, 30, 10, 2, 0, 0, time.Local)}
	s.policy = &judge.Policy{Rules: set, Windows: greylist.DefaultWindows, Identity: greylist.DefaultIdentity,
		Reply: greylist.Reply{Code: 451, Enhanced: "4.7.1", Text: "Try again"}, OnError: greylist.Accept, Timeout: time.Second}
	log := slog.New(slog.NewTextHandler(s.log, nil))
	now := clock.New(s.clock, log)
	s.judge = judge.New(s.store, s.policy, log, now)
	recent := NewRecent(500)
	s.judge.Watcher = recent.Note
	s.daemon = &Daemon{Store: s.store, Policy: s.judge.Policy, Now: now.Now, Recent: recent, ConfigFile: "/etc/greyglass/greyglass.toml",
		DNSFails: func() time.Time { return time.Time{} }, State: &watch.Daemon{
			Judge: s.judge, Store: s.store, Files: new(watch.Files), Started: time.Now(),
			Limiters: []*listen.Limiter{listen.NewLimiter("milter", listen.Limits{Connections: 1}, log)},
		}}
	config := Config{Listen: "127.0.0.1:0", UsersFile: usersFile(t), Operators: []string{operator}}
	for _, c := range change {
		c(&config)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.at = l.Addr().String()
	s.server = New(config, log)
	s.server.now = s.clock
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() { done <- s.server.Serve(l) }()
	go func() { s.server.Show(ctx, s.daemon); done <- nil }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(s.server.Close(), <-done, <-done); err != nil {
			t.Error(err)
		}
	})
	for s.server.daemon.Load() == nil {
		time.Sleep(time.Millisecond)
	}
	return s
}

// attempt is mail that asks.
func (s *site) attempt(client, sender, recipient string) judge.Answer {
	answer, _ := s.judge.Recipient(s.t.Context(), nil, greylist.Attempt{
		Client: greylist.ParseClient(client), Sender: sender, Recipient: recipient, QueueID: "4XyZ0k1abc", Via: "milter"})
	return answer
}

// browser is a browser without JavaScript.
type browser struct {
	*site
	client *http.Client
	header http.Header // added to each request
	host   string
}

func (s *site) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &browser{site: s, client: &http.Client{Jar: jar}, header: http.Header{}, host: s.at}
}

// login is a browser that has logged in.
func (s *site) login(user string) *browser {
	s.t.Helper()
	b := s.browser()
	if p := b.post("/login", url.Values{"user": {user}, "password": {password}}); p.status != http.StatusOK || !strings.Contains(p.text, "Log out") {
		s.t.Fatalf("login of %s: %d\n%s", user, p.status, p.text)
	}
	return b
}

// page is an answer.
type page struct {
	status int
	header http.Header
	path   string // where it led to
	html   string
	text   string // without tags
}

var tag = regexp.MustCompile(`(?s)<[^>]*>`)

func (b *browser) do(r *http.Request) page {
	b.t.Helper()
	r.Host = b.host
	for name, values := range b.header {
		r.Header[name] = values
	}
	answer, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	plain := html.UnescapeString(tag.ReplaceAllString(string(text), ""))
	return page{answer.StatusCode, answer.Header, answer.Request.URL.RequestURI(), string(text), strings.Join(strings.Fields(plain), " ")}
}

func (b *browser) request(method, path, body string) *http.Request {
	b.t.Helper()
	r, err := http.NewRequest(method, "http://"+b.at+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *browser) get(path string) page {
	b.t.Helper()
	r := b.request(http.MethodGet, path, "")
	r.Body, r.ContentLength = nil, 0
	return b.do(r)
}

func (b *browser) post(path string, form url.Values) page {
	b.t.Helper()
	r := b.request(http.MethodPost, path, form.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "http://"+b.host)
	return b.do(r)
}

func (b *browser) search(q string) page {
	b.t.Helper()
	return b.get("/search?" + url.Values{"q": {q}}.Encode())
}

var form = regexp.MustCompile(`(?s)<form action="([^"]*)" method="post"[^>]*>(.*?)</form>`)
var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// press sends the first form of a page that goes to a path, with more values.
func (b *browser) press(p page, path string, more ...string) page {
	b.t.Helper()
	for _, f := range form.FindAllStringSubmatch(p.html, -1) {
		if f[1] != path {
			continue
		}
		values := url.Values{}
		for _, h := range hidden.FindAllStringSubmatch(f[2], -1) {
			values.Set(h[1], html.UnescapeString(h[2]))
		}
		for i := 0; i < len(more); i += 2 {
			values.Set(more[i], more[i+1])
		}
		return b.post(path, values)
	}
	b.t.Fatalf("no form for %s in\n%s", path, p.html)
	return page{}
}

// says checks what a page says.
func (p page) says(t *testing.T, status int, texts ...string) {
	t.Helper()
	if p.status != status {
		t.Errorf("status %d, want %d: %s", p.status, status, p.text)
	}
	for _, text := range texts {
		if !strings.Contains(p.text, text) {
			t.Errorf("the page does not say %q: %s", text, p.text)
		}
	}
}

func (p page) lacks(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(p.html, text) {
			t.Errorf("the page says %q: %s", text, p.text)
		}
	}
}
