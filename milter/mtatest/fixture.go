package mtatest

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/greylist/clock"
	"greyglass/greylist/judge"
	"greyglass/greylist/rules"
	"greyglass/milter/listen"
	"greyglass/sqlstore/storetest/faulty"
)

// Server is a front end.
type Server interface {
	Serve(net.Listener) error
	Shutdown(ctx context.Context, grace time.Duration) error
}

// Fixture is a server with all that it needs, on a socket or, for tests in which
// time is not real, on pipes.
type Fixture struct {
	Server  Server
	Judge   *judge.Judge
	Limiter *listen.Limiter
	Store   *faulty.Store
	Clock   *Clock
	Log     *Log
	Address listen.Address // unless it is on pipes
	Served  chan error     // what Serve returned

	pipes chan net.Conn
}

// Setup is what a test may change of a fixture before its server starts.
type Setup struct {
	Rules  rules.Config
	Policy judge.Policy // but for its rules
	Limits listen.Limits
}

// Limits are wide enough for every test that is not about one.
var Limits = listen.Limits{
	Connections: 1000, PerAddress: 1000, Negotiation: Timeout, Command: Timeout, Idle: 2 * time.Hour, Recipients: 100,
	Line: listen.DefaultLine, Request: listen.DefaultRequest, Attributes: listen.DefaultAttributes,
}

// New makes a fixture, whose server listens nowhere yet.
func New(t testing.TB, via string, server func(*Fixture) Server, changes ...func(*Setup)) *Fixture {
	t.Helper()
	s := &Setup{
		Rules: rules.Config{
			AcceptLoopback: true,
			BlockedVerdict: greylist.Defer,
			BlockedReply:   ParseReply(t, "451 4.2.2 Mailbox full, retry later"),
			ForeignVerdict: greylist.Defer,
			ForeignReply:   ParseReply(t, "451 4.7.1 Not a domain that this server receives mail for"),
		},
		Policy: judge.Policy{
			Windows:    greylist.DefaultWindows,
			Identity:   greylist.DefaultIdentity,
			Reply:      ParseReply(t, "451 4.7.1 Greylisted, please try again in {wait}"),
			OnError:    greylist.Accept,
			ErrorReply: ParseReply(t, "451 4.3.0 Temporary error, please try again later"),
			Timeout:    Timeout,
		},
		Limits: Limits,
	}
	for _, change := range changes {
		if change != nil {
			change(s)
		}
	}
	rules, err := s.Rules.Compile()
	if err != nil {
		t.Fatal(err)
	}
	s.Policy.Rules = rules
	f := &Fixture{
		Store:  faulty.New(),
		Clock:  &Clock{unix: 1_800_000_000},
		Log:    new(Log),
		Served: make(chan error, 1),
	}
	log := slog.New(f.Log)
	f.Judge = judge.New(f.Store, &s.Policy, log, clock.New(f.Clock.Now, log))
	f.Limiter = listen.NewLimiter(via, s.Limits, log)
	f.Server = server(f)
	return f
}

// OnSocket serves a unix socket.
func (f *Fixture) OnSocket(t testing.TB) *Fixture {
	t.Helper()
	return f.At(t, listen.Address{Network: "unix", Addr: filepath.Join(t.TempDir(), "s")})
}

// At serves an address.
func (f *Fixture) At(t testing.TB, a listen.Address) *Fixture {
	t.Helper()
	l, err := listen.Listen(a, listen.SocketOwner{Mode: 0o600})
	if err != nil {
		t.Fatal(err)
	}
	f.Address = listen.Address{Network: a.Network, Addr: l.Addr().String()}
	return f.On(t, l)
}

// OnPipes serves pipes, which synctest knows.
func (f *Fixture) OnPipes(t testing.TB) *Fixture {
	return f.On(t, NewPipes())
}

// On serves a listener, until the test ends.
func (f *Fixture) On(t testing.TB, l net.Listener) *Fixture {
	if p, ok := l.(interface{ channel() chan net.Conn }); ok {
		f.pipes = p.channel()
	}
	go func() { f.Served <- f.Server.Serve(l) }()
	t.Cleanup(func() { f.Close(t) })
	return f
}

// Dial connects.
func (f *Fixture) Dial(t testing.TB) net.Conn {
	t.Helper()
	if f.pipes == nil {
		return Dial(t, f.Address)
	}
	ours, theirs := net.Pipe()
	f.pipes <- theirs
	return ours
}

// Dial connects to an address.
func Dial(t testing.TB, to listen.Address) net.Conn {
	t.Helper()
	conn, err := net.Dial(to.Network, to.Addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(Timeout))
	return conn
}

// MTA connects and negotiates.
func (f *Fixture) MTA(t testing.TB) *MTA {
	t.Helper()
	return f.OldMTA(t, 6)
}

// OldMTA connects and negotiates as an MTA of that protocol version does.
func (f *Fixture) OldMTA(t testing.TB, version uint32) *MTA {
	t.Helper()
	m := On(t, f.Dial(t))
	m.Negotiate(version)
	return m
}

// Policy connects.
func (f *Fixture) Policy(t testing.TB) *PolicyClient {
	t.Helper()
	return PolicyOn(t, f.Dial(t))
}

// Ask asks by policy, on a connection of its own.
func (f *Fixture) Ask(t testing.TB, attributes ...string) string {
	t.Helper()
	c := f.Policy(t)
	answer := c.Ask(attributes...)
	_ = c.Conn.Close()
	return answer
}

// Pipes is a listener that takes connections from a channel.
type Pipes struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

// NewPipes makes one.
func NewPipes() *Pipes { return &Pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *Pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *Pipes) channel() chan net.Conn { return p.conns }

func (p *Pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *Pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }

// Shutdown shuts the server down in the background.
func (f *Fixture) Shutdown(ctx context.Context, grace time.Duration) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f.Server.Shutdown(ctx, grace) }()
	return done
}

// Close shuts the server down. It may be called again.
func (f *Fixture) Close(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	if err := f.Server.Shutdown(ctx, 0); err != nil {
		t.Error(err)
	}
	f.End(t)
}

// End fails the test unless the server, which was shut down, has ended.
func (f *Fixture) End(t testing.TB) {
	t.Helper()
	select {
	case err := <-f.Served:
		if err != nil {
			t.Errorf("Serve returned %v", err)
		}
		f.Served <- nil // for the next call
	case <-time.After(Timeout):
		t.Error("Serve does not return")
	}
	if n := f.Limiter.Connections(); n != 0 {
		t.Errorf("%d connections remain", n)
	}
}

// Judged fails the test unless the recipient judged last was given that reason.
func (f *Fixture) Judged(t testing.TB, reason greylist.Reason, verdict greylist.Verdict) {
	t.Helper()
	line := f.Log.Last("decision")
	if line["reason"] != string(reason) || line["verdict"] != string(verdict) {
		t.Errorf("logged %v, want %s and %s", line, reason, verdict)
	}
}

// Remembered returns the triplets that are remembered, in order.
func (f *Fixture) Remembered(t testing.TB) []string {
	t.Helper()
	var all []string
	for tr := range f.Store.Rows(t) {
		all = append(all, tr.String())
	}
	slices.Sort(all)
	return all
}

// ParseReply is a reply.
func ParseReply(t testing.TB, s string) greylist.Reply {
	t.Helper()
	verdict := greylist.Defer
	if s[0] == '5' {
		verdict = greylist.Deny
	}
	r, err := greylist.ParseReply(s, verdict)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Patterns is a list.
func Patterns(t testing.TB, whose address.Whose, lines ...string) address.Patterns {
	t.Helper()
	p, err := address.ParseList(strings.NewReader(strings.Join(lines, "\n")), "list", whose)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Eventually waits until something is so.
func Eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Timeout); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not so: %s", what)
		}
	}
}

// Take hands a connection to the server, which is on pipes.
func (f *Fixture) Take(c net.Conn) { f.pipes <- c }
