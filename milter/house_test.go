package milter

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/greylist/clock"
	"greyglass/greylist/judge"
	"greyglass/greylist/rules"
)

// house is a server with all that it needs, on a unix socket or, for tests in
// which time is not real, on pipes; tests can look into all of it.
type house struct {
	*Server
	address Address       // if it is on a unix socket
	door    chan net.Conn // if it is not
	judge   *judge.Judge
	memory  *memory
	clock   *testClock
	log     *logbook
	served  chan error // what Serve returned
}

// furniture is what a test may change of a house before it opens.
type furniture struct {
	rules  rules.Config
	policy judge.Policy // but for its rules
	limits Limits
}

func newHouse(t testing.TB, change ...func(*furniture)) *house {
	t.Helper()
	h := buildHouse(t, change)
	h.address = Address{"unix", filepath.Join(t.TempDir(), "milter.sock")}
	l, err := Listen(h.address, SocketOwner{Mode: 0o600})
	if err != nil {
		t.Fatal(err)
	}
	h.open(t, l)
	return h
}

// newPipeHouse makes one for synctest, which knows pipes and no sockets.
func newPipeHouse(t testing.TB, change ...func(*furniture)) *house {
	t.Helper()
	h := buildHouse(t, change)
	h.door = make(chan net.Conn)
	h.open(t, &doorway{conns: h.door, closed: make(chan struct{})})
	return h
}

func (h *house) open(t testing.TB, l net.Listener) {
	go func() { h.served <- h.Serve(l) }()
	t.Cleanup(func() { h.close(t) })
}

func buildHouse(t testing.TB, change []func(*furniture)) *house {
	t.Helper()
	f := &furniture{
		rules: rules.Config{
			AcceptLoopback: true,
			BlockedVerdict: greylist.Defer,
			BlockedReply:   parseReply(t, "451 4.2.2 Mailbox full, retry later"),
			ForeignVerdict: greylist.Defer,
			ForeignReply:   parseReply(t, "451 4.7.1 Not a domain that this server receives mail for"),
		},
		policy: judge.Policy{
			Windows:    greylist.DefaultWindows,
			Identity:   greylist.DefaultIdentity,
			Reply:      parseReply(t, "451 4.7.1 Greylisted, please try again in {wait}"),
			OnError:    greylist.Accept,
			ErrorReply: parseReply(t, "451 4.3.0 Temporary error, please try again later"),
			Timeout:    patience,
		},
		limits: Limits{Connections: 100, Negotiation: patience, Command: patience, Idle: 2 * time.Hour, Recipients: 100},
	}
	for _, change := range change {
		change(f)
	}
	rules, err := f.rules.Compile()
	if err != nil {
		t.Fatal(err)
	}
	f.policy.Rules = rules
	h := &house{
		memory: &memory{entries: make(map[greylist.Triplet]greylist.Entry)},
		clock:  &testClock{unix: 1_800_000_000},
		log:    new(logbook),
		served: make(chan error, 1),
	}
	log := slog.New(h.log)
	h.judge = judge.New(h.memory, &f.policy, log, clock.New(h.clock.now, log))
	h.Server = NewServer(h.judge, NewGate(f.limits, log), log)
	return h
}

// call connects, and says nothing yet.
func (h *house) call(t testing.TB) *mta {
	t.Helper()
	if h.door == nil {
		return dialMTA(t, h.address)
	}
	ours, theirs := net.Pipe()
	t.Cleanup(func() { _ = ours.Close() })
	h.door <- theirs
	return &mta{t: t, conn: ours, in: bufio.NewReader(ours)}
}

// mta connects and negotiates.
func (h *house) mta(t testing.TB) *mta {
	t.Helper()
	m := h.call(t)
	m.negotiate(6)
	return m
}

// doorway is a listener that takes connections from a channel.
type doorway struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (d *doorway) Accept() (net.Conn, error) {
	select {
	case c := <-d.conns:
		return c, nil
	case <-d.closed:
		return nil, net.ErrClosed
	}
}

func (d *doorway) Close() error   { d.once.Do(func() { close(d.closed) }); return nil }
func (d *doorway) Addr() net.Addr { return &net.UnixAddr{Name: "door", Net: "unix"} }

// close shuts the house in good order.
func (h *house) close(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := h.Shutdown(ctx, 0); err != nil {
		t.Error(err)
	}
	select {
	case err := <-h.served:
		if err != nil {
			t.Errorf("Serve returned %v", err)
		}
		h.served <- nil // for who closes it again
	case <-ctx.Done():
		t.Error("Serve does not return")
	}
	if n := h.gate.Connections(); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}

// judged fails the test unless the recipient judged last was given that reason.
func (h *house) judged(t testing.TB, reason greylist.Reason, verdict greylist.Verdict) {
	t.Helper()
	line := h.log.last("decision")
	if line["reason"] != string(reason) || line["verdict"] != string(verdict) {
		t.Errorf("logged %v, want %s and %s", line, reason, verdict)
	}
}

func parseReply(t testing.TB, s string) greylist.Reply {
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

func patterns(t testing.TB, whose address.Whose, lines ...string) address.Patterns {
	t.Helper()
	p, err := address.ParseList(strings.NewReader(strings.Join(lines, "\n")), "list", whose)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// eventually waits until something is so.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not so: %s", what)
		}
	}
}
