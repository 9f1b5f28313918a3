package listen

import (
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func newLimiter(limits Limits) *Limiter {
	if limits.PerAddress == 0 {
		limits.PerAddress = limits.Connections
	}
	return NewLimiter("milter", limits, slog.New(slog.DiscardHandler))
}

// script is a connection that reads what a test tells it to, call by call.
type script struct {
	net.Conn
	reads []func(p []byte) (int, error)
}

func (*script) RemoteAddr() net.Addr { return nil }

func (s *script) Read(p []byte) (int, error) {
	next := s.reads[0]
	s.reads = s.reads[1:]
	return next(p)
}

func (s *script) SetReadDeadline(time.Time) error { return nil }

// A read that a drain cuts short fails even if octets have just come: so there is
// one more read.
func TestDrainReadsOnceMore(t *testing.T) {
	l := newLimiter(Limits{Connections: 1, Negotiation: time.Hour, Command: time.Hour, Idle: time.Hour})
	peer := new(script)
	c := l.Admit(peer)
	peer.reads = []func([]byte) (int, error){
		func([]byte) (int, error) {
			l.drain(time.Now())
			return 0, os.ErrDeadlineExceeded
		},
		func(p []byte) (int, error) { return copy(p, "hello"), nil },
		func([]byte) (int, error) { return 0, os.ErrDeadlineExceeded },
	}
	if err := c.Fill(5); err != nil || string(c.Take(5)) != "hello" {
		t.Errorf("error %v", err)
	}
	if err := c.Fill(1); err != io.EOF {
		t.Errorf("error %v", err)
	}
}

// A connection that is admitted during a drain gets no more time than the others.
func TestDrainOfNewConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(Limits{Connections: 1, Negotiation: time.Hour, Command: time.Hour, Idle: time.Hour})
		l.drain(time.Now().Add(time.Minute))
		ours, theirs := net.Pipe()
		defer ours.Close()
		c := l.Admit(theirs)
		defer c.Close()
		began := time.Now()
		if err := c.Fill(1); err != io.EOF {
			t.Errorf("error %v", err)
		}
		if passed := time.Since(began); passed < time.Minute || passed > time.Minute+DrainTime {
			t.Errorf("it took %v", passed)
		}
	})
}

// One long request does not cost memory for as long as the connection lives.
func TestLongRequestIsForgotten(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	c := newLimiter(Limits{Connections: 1, Negotiation: time.Hour, Command: time.Hour, Idle: time.Hour}).Admit(theirs)
	defer c.Close()
	go func() {
		_, _ = io.WriteString(ours, strings.Repeat("x", DefaultRequest))
		_, _ = io.WriteString(ours, "hello")
	}()
	if err := c.Fill(DefaultRequest); err != nil {
		t.Fatal(err)
	}
	c.Take(DefaultRequest)
	if err := c.Fill(5); err != nil {
		t.Fatal(err)
	}
	if len(c.buf) > readBuffer {
		t.Errorf("the buffer is still of %d octets", len(c.buf))
	}
}
