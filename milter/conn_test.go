package milter

import (
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// In these tests time passes as soon as everybody waits for it.

// drip writes an octet a second until the connection is closed, and returns
// how long that took.
func (m *mta) drip(octets []byte) time.Duration {
	m.t.Helper()
	began := time.Now()
	for _, o := range octets {
		if _, err := m.conn.Write([]byte{o}); err != nil {
			return time.Since(began)
		}
		time.Sleep(time.Second)
	}
	m.t.Error("the connection is not closed")
	return 0
}

func limits(negotiation, command, idle time.Duration) func(*furniture) {
	return func(f *furniture) {
		f.limits.Negotiation, f.limits.Command, f.limits.Idle = negotiation, command, idle
	}
}

// within fails the test unless a time has passed that is at least the least, and no second more.
func within(t *testing.T, passed, least time.Duration) {
	t.Helper()
	if passed < least || passed > least+time.Second {
		t.Errorf("it took %v, want %v", passed, least)
	}
}

func TestNegotiationInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newPipeHouse(t, limits(5*time.Second, time.Minute, time.Hour))
		began := time.Now()
		h.call(t).closed() // who says nothing
		within(t, time.Since(began), 5*time.Second)
		if h.log.last("no request came in time") == nil {
			t.Errorf("logged %v", h.log.lines)
		}
		within(t, h.call(t).drip(frame(cmdNegotiate, strings.Repeat("x", 100))), 5*time.Second)
	})
}

// A command that has begun must end in its time, however slowly it drips.
func TestCommandInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newPipeHouse(t, limits(time.Hour, 10*time.Second, time.Hour))
		m := h.mta(t).greet()
		time.Sleep(59 * time.Minute)
		within(t, m.drip(frame(cmdMail, "<"+strings.Repeat("a", 100)+">\x00")), 10*time.Second)
		if h.log.last("a request was begun and not ended in time") == nil {
			t.Errorf("logged %v", h.log.lines)
		}
	})
}

// Each command has its time for itself, also if no read ends between two.
func TestEachCommandHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newPipeHouse(t, limits(time.Hour, 10*time.Second, time.Hour))
		m := h.mta(t).greet()
		m.mail("a@example.net")
		rcpt := frame(cmdRcpt, "<me@example.org>\x00")
		half := len(rcpt) / 2
		m.write(rcpt[:half])
		for range 5 {
			time.Sleep(8 * time.Second)
			m.write(append(append([]byte{}, rcpt[half:]...), rcpt[:half]...)) // the end of one, and the next begins
			m.reply()
		}
		began := time.Now()
		m.closed()
		within(t, time.Since(began), 10*time.Second)
	})
}

// A judge who takes long does not cost the command that has begun meanwhile.
func TestSlowJudge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newPipeHouse(t, limits(time.Hour, 10*time.Second, time.Hour))
		arrived, release := h.memory.hold()
		m := h.mta(t).greet()
		m.mail("a@example.net")
		rcpt := frame(cmdRcpt, "<me@example.org>\x00")
		m.write(rcpt[:3])
		time.Sleep(time.Second)
		m.write(append(append([]byte{}, rcpt[3:]...), rcpt[:7]...))
		<-arrived
		time.Sleep(20 * time.Second)
		close(release)
		m.reply() // the policy's timeout has passed, so it is an error's
		m.write(rcpt[7:])
		m.reply()
		m.quit()
	})
}

// A connection may be idle for as long as the limit says, never less, and is
// closed soon after.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const idle = 7210 * time.Second
		h := newPipeHouse(t, limits(time.Second, time.Second, idle))
		m := h.mta(t).greet()
		for range 20 {
			for _, pause := range []time.Duration{0, time.Second, slackIdle / 2, slackIdle, slackIdle + time.Second, idle / 2, idle} {
				time.Sleep(pause)
				m.mail("a@example.net")
				m.rcpt("me@example.org")
				m.abort()
			}
		}
		began := time.Now()
		m.closed()
		if passed := time.Since(began); passed < idle || passed > idle+slackIdle {
			t.Errorf("closed after %v, want %v to %v", passed, idle, idle+slackIdle)
		}
		if h.log.last("idle for too long") == nil {
			t.Errorf("logged %v", h.log.lines)
		}
	})
}

// A peer that does not read its answers does not hold the session for ever.
func TestAnswersNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newPipeHouse(t)
		m := h.mta(t).greet()
		m.mail("a@example.net")
		m.hold()
		m.rcpt("me@example.org")
		m.flush()
		began := time.Now()
		synctest.Wait()
		for h.gate.Connections() > 0 {
			time.Sleep(time.Second)
		}
		if passed := time.Since(began); passed > writeTimeout+time.Second {
			t.Errorf("it took %v", passed)
		}
	})
}

// One long frame does not cost memory for as long as the connection lives.
func TestLongFrameIsForgotten(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	g := NewGate(Limits{Connections: 1, Negotiation: patience, Command: patience, Idle: patience}, slog.New(new(logbook)))
	c := &frames{conn: g.enter(theirs, "milter")}
	defer c.Close()
	go func() {
		b := frame(cmdNegotiate, string(negotiation(6, 0, 0)))
		b = append(b, frame(cmdBody, strings.Repeat("b", DefaultRequest-1))...)
		_, _ = ours.Write(b)
		_, _ = ours.Write(frame(cmdAbort, ""))
	}()
	p := make([]byte, DefaultRequest)
	for read := 0; read < frameHeader+1+12+frameHeader+DefaultRequest; {
		n, err := c.Read(p)
		if err != nil {
			t.Fatal(err)
		}
		read += n
	}
	if c.ready != nil {
		t.Error("a frame that was handed on is kept")
	}
	if err := c.fill(frameHeader); err != nil {
		t.Fatal(err)
	}
	if len(c.buf) > readBuffer {
		t.Errorf("the buffer is still of %d octets", len(c.buf))
	}
}

// An answer goes out in one write, though the library writes it in two.
func TestOneWriteAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newPipeHouse(t)
		m := h.mta(t).greet()
		m.mail("a@example.net")
		m.send(cmdRcpt, cstrings("<me@example.org>")...)
		p := make([]byte, 1000)
		n, err := m.conn.Read(p) // a pipe's read returns what one write wrote
		if want := frame('y', greylisted+"\x00"); err != nil || string(p[:n]) != string(want) {
			t.Errorf("read %q, %v; want %q", p[:n], err, want)
		}
		m.quit()
	})
}
