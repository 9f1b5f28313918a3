package milter

import (
	"io"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// Each front end's connections are counted apart, by how they end.
func TestTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(Limits{Connections: 10, Negotiation: time.Second, Command: time.Second, Idle: time.Hour}, slog.New(slog.DiscardHandler))
		ends := func(via string, says []byte) {
			t.Helper()
			ours, theirs := net.Pipe()
			defer ours.Close()
			c := &frames{conn: g.enter(theirs, via)}
			go func() { _, _ = ours.Write(says) }()
			if _, err := c.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("%q: %v", says, err)
			}
			_ = c.Close()
		}
		ends("milter", []byte{0, 0, 0, 0})      // an empty frame
		ends("milter", []byte{0, 0, 0, 1, 'Z'}) // before the negotiation
		ends("policy", []byte{0, 0})            // and nothing more
		ours, theirs := net.Pipe()
		defer ours.Close()
		defer g.enter(theirs, "policy").Close()
		for via, want := range map[string]Traffic{
			"milter": {Entered: 2, Malformed: 2},
			"policy": {Open: 1, Entered: 2, TimedOut: 1},
		} {
			if got := g.Traffic()[via]; got != want {
				t.Errorf("%s: counted %+v, want %+v", via, got, want)
			}
		}
	})
}
