package milter

import (
	"greyglass/milter/listen"
	"greyglass/milter/mtatest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// In these tests time passes as soon as everybody waits for it.

func limits(negotiation, command, idle time.Duration) func(*mtatest.Setup) {
	return func(s *mtatest.Setup) {
		s.Limits.Negotiation, s.Limits.Command, s.Limits.Idle = negotiation, command, idle
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
		h := onPipes(t, limits(5*time.Second, time.Minute, time.Hour))
		began := time.Now()
		mtatest.On(t, h.Dial(t)).Closed() // who says nothing
		within(t, time.Since(began), 5*time.Second)
		if h.Log.Last("no request came in time") == nil {
			t.Errorf("logged %v", h.Log.All(""))
		}
		within(t, mtatest.Drip(t, h.Dial(t), mtatest.Frame(cmdNegotiate, strings.Repeat("x", 100))), 5*time.Second)
	})
}

// A command that has begun must end in its time, however slowly it drips.
func TestCommandInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := onPipes(t, limits(time.Hour, 10*time.Second, time.Hour))
		m := h.MTA(t).Greet()
		time.Sleep(59 * time.Minute)
		within(t, mtatest.Drip(t, m.Conn, mtatest.Frame(cmdMail, "<"+strings.Repeat("a", 100)+">\x00")), 10*time.Second)
		if h.Log.Last("timeout within a request") == nil {
			t.Errorf("logged %v", h.Log.All(""))
		}
	})
}

// Each command has its time for itself, also if no read ends between two.
func TestEachCommandHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := onPipes(t, limits(time.Hour, 10*time.Second, time.Hour))
		m := h.MTA(t).Greet()
		m.Mail("a@example.net")
		rcpt := mtatest.Frame(cmdRcpt, "<me@example.org>\x00")
		half := len(rcpt) / 2
		m.Write(rcpt[:half])
		for range 5 {
			time.Sleep(8 * time.Second)
			m.Write(append(append([]byte{}, rcpt[half:]...), rcpt[:half]...)) // the end of one, and the next begins
			m.Reply()
		}
		began := time.Now()
		m.Closed()
		within(t, time.Since(began), 10*time.Second)
	})
}

// A judge who takes long does not cost the command that has begun meanwhile.
func TestSlowJudge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := onPipes(t, limits(time.Hour, 10*time.Second, time.Hour))
		arrived, release := h.Store.Hold()
		m := h.MTA(t).Greet()
		m.Mail("a@example.net")
		rcpt := mtatest.Frame(cmdRcpt, "<me@example.org>\x00")
		m.Write(rcpt[:3])
		time.Sleep(time.Second)
		m.Write(append(append([]byte{}, rcpt[3:]...), rcpt[:7]...))
		<-arrived
		time.Sleep(20 * time.Second)
		close(release)
		m.Reply() // the policy's timeout has passed, so it is an error's
		m.Write(rcpt[7:])
		m.Reply()
		m.Quit()
	})
}

// A connection may be idle for as long as the limit says, never less, and is
// closed soon after.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const idle = 7210 * time.Second
		h := onPipes(t, limits(time.Second, time.Second, idle))
		m := h.MTA(t).Greet()
		for range 20 {
			for _, pause := range []time.Duration{0, time.Second, listen.IdleSlack / 2, listen.IdleSlack, listen.IdleSlack + time.Second, idle / 2, idle} {
				time.Sleep(pause)
				m.Mail("a@example.net")
				m.Rcpt("me@example.org")
				m.Abort()
			}
		}
		began := time.Now()
		m.Closed()
		if passed := time.Since(began); passed < idle || passed > idle+listen.IdleSlack {
			t.Errorf("closed after %v, want %v to %v", passed, idle, idle+listen.IdleSlack)
		}
		if h.Log.Last("idle for too long") == nil {
			t.Errorf("logged %v", h.Log.All(""))
		}
	})
}

// A peer that does not read its answers does not hold the session for ever.
func TestAnswersNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := onPipes(t)
		m := h.MTA(t).Greet()
		m.Mail("a@example.net")
		m.Hold()
		m.Rcpt("me@example.org")
		m.Flush()
		began := time.Now()
		synctest.Wait()
		for h.Limiter.Connections() > 0 {
			time.Sleep(time.Second)
		}
		if passed := time.Since(began); passed > listen.WriteTimeout+time.Second {
			t.Errorf("it took %v", passed)
		}
	})
}

// An answer goes out in one write, though the library writes it in two.
func TestOneWriteAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := onPipes(t)
		m := h.MTA(t).Greet()
		m.Mail("a@example.net")
		m.Send(cmdRcpt, mtatest.Strings("<me@example.org>")...)
		p := make([]byte, 1000)
		n, err := m.Conn.Read(p) // a pipe's read returns what one write wrote
		if want := mtatest.Frame('y', mtatest.Greylisted+"\x00"); err != nil || string(p[:n]) != string(want) {
			t.Errorf("read %q, %v; want %q", p[:n], err, want)
		}
		m.Quit()
	})
}
