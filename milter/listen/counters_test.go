package listen

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// Each front end's connections are counted apart, by how they end.
func TestCounters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(Limits{Connections: 10, Negotiation: time.Second, Command: time.Second, Idle: time.Hour})
		for range 2 {
			ours, theirs := net.Pipe()
			defer ours.Close()
			c := l.admit(theirs, "milter")
			_ = c.ProtocolError(errors.New("an empty frame"))
			_ = c.Close()
		}
		ours, theirs := net.Pipe()
		defer ours.Close()
		silent := l.admit(theirs, "policy")
		if err := silent.Fill(1); err != io.EOF {
			t.Errorf("error %v", err)
		}
		_ = silent.Close()
		ours, theirs = net.Pipe()
		defer ours.Close()
		defer l.admit(theirs, "policy").Close()
		for via, want := range map[string]Counters{
			"milter": {Admitted: 2, Malformed: 2},
			"policy": {Open: 1, Admitted: 2, TimedOut: 1},
		} {
			if got := l.Counters()[via]; got != want {
				t.Errorf("%s: counted %+v, want %+v", via, got, want)
			}
		}
	})
}
