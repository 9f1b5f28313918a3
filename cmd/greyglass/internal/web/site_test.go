package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"greyglass/cmd/greyglass/internal/watch"
	"greyglass/e2e/browse"
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
	file := filepath.Join(t.TempDir(), "users")
	write(t, file, browse.Users(t, password, operator, looker))
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

type (
	browser = browse.Browser
	page    = browse.Page
)

func (s *site) browser() *browser { return browse.New(s.t, "http://"+s.at) }

// login is a browser that has logged in.
func (s *site) login(user string) *browser {
	s.t.Helper()
	b := s.browser()
	b.Login(user, password).Says(s.t, http.StatusOK, "Log out")
	return b
}
