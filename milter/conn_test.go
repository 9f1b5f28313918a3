package milter

import (
	"greyglass/milter/mtatest"
	"testing"
	"testing/synctest"
	"time"
)

// In these tests time passes as soon as everybody waits for it.

// A judge who takes long does not cost the command that has begun meanwhile.
func TestSlowJudge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := onPipes(t, func(s *mtatest.Setup) { s.Limits.Command = 10 * time.Second })
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
