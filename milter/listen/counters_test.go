package listen

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// Connections are counted by how they end.
func TestCounters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(Limits{Connections: 10, Negotiation: time.Second, Command: time.Second, Idle: time.Hour})
		admit := func() *Conn {
			ours, theirs := net.Pipe()
			t.Cleanup(func() { _ = ours.Close() })
			return l.Admit(theirs)
		}
		for range 2 {
			c := admit()
			_ = c.ProtocolError(errors.New("an empty frame"))
			_ = c.Close()
		}
		silent := admit()
		if err := silent.Fill(1); err != io.EOF {
			t.Errorf("error %v", err)
		}
		_ = silent.Close()
		defer admit().Close()
		if got, want := l.Counters(), (Counters{Open: 1, Admitted: 4, Malformed: 2, TimedOut: 1}); got != want {
			t.Errorf("counted %+v, want %+v", got, want)
		}
	})
}
