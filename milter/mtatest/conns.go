package mtatest

import (
	"bytes"
	"net"
	"time"
)

// Recorded is a peer that sends what it has to send, whatever it hears, and then
// has ended.
type Recorded struct {
	net.Conn
	Sends  *bytes.Reader
	Most   int // octets at a time; zero: all
	Hears  bytes.Buffer
	Closed chan struct{}
}

// NewRecorded makes one.
func NewRecorded(octets []byte) *Recorded {
	return &Recorded{Sends: bytes.NewReader(octets), Closed: make(chan struct{})}
}

func (r *Recorded) Read(p []byte) (int, error) {
	if r.Most > 0 && len(p) > r.Most {
		p = p[:r.Most]
	}
	return r.Sends.Read(p)
}
func (r *Recorded) Write(p []byte) (int, error)      { return r.Hears.Write(p) }
func (r *Recorded) SetReadDeadline(time.Time) error  { return nil }
func (r *Recorded) SetWriteDeadline(time.Time) error { return nil }
func (r *Recorded) RemoteAddr() net.Addr             { return &net.UnixAddr{Name: "recorded", Net: "unix"} }
func (r *Recorded) Close() error                     { close(r.Closed); return nil } // the limiter closes it once

// Endless is a connection on which the same octets come again and again, as
// many at a time as there is room for.
type Endless struct {
	net.Conn
	Octets []byte
	at     int
}

func (*Endless) RemoteAddr() net.Addr { return nil }
func (*Endless) Close() error         { return nil }

func (e *Endless) Read(p []byte) (int, error) {
	n := copy(p, e.Octets[e.at:])
	e.at = (e.at + n) % len(e.Octets)
	return n, nil
}

// Send sends other octets from now on.
func (e *Endless) Send(octets []byte) { e.Octets, e.at = octets, 0 }

func (e *Endless) SetReadDeadline(time.Time) error { return nil }
