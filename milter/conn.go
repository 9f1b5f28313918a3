package milter

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// conn is a connection that the gate let in. It reads into a buffer, and keeps
// the time: a peer must say who it is, must end what it has begun, and must not
// be silent for ever; and when the daemon stops, it is heard out.
type conn struct {
	net.Conn
	gate *Gate
	via  string // the front end: "milter" or "policy"

	traffic *traffic // of the front end

	address netip.Addr // of the peer; invalid for a unix socket

	// Reading, by the session's goroutine alone.
	buf        []byte    // what was read of the connection
	pos, end   int       // buf[pos:end] is not handed on yet
	introduced bool      // a first request was understood
	due        time.Time // when the request that has begun must have ended; zero if none has
	looked     bool      // for the last time, after the last call

	writeUntil time.Time // the write deadline that is set, by the session's goroutine alone

	mu        sync.Mutex
	readUntil time.Time // the read deadline that is set
	lastCall  time.Time // no read goes on beyond this, if set
	closed    bool
}

const (
	readBuffer = 2048

	// An idle connection may live for this much longer, so that its deadline is
	// moved only now and then: moving it costs as much as a fifth of a read.
	slackIdle = time.Minute

	writeTimeout = 20 * time.Second

	// For so long after the last call, what already waits to be read is still
	// taken, so that no command that was received goes without its answer.
	lastWords  = time.Second
	lastGlance = lastWords / 20 // in steps of this
)

// fill reads until n octets are there to hand on.
func (c *conn) fill(n int) error {
	if c.end-c.pos >= n {
		return nil
	}
	if c.pos > 0 {
		c.end = copy(c.buf, c.buf[c.pos:c.end])
		c.pos = 0
	}
	if n > len(c.buf) {
		c.buf = append(make([]byte, 0, max(n, 2*len(c.buf))), c.buf[:c.end]...)
		c.buf = c.buf[:cap(c.buf)]
	} else if c.end == 0 && len(c.buf) > 2*readBuffer {
		c.buf = make([]byte, readBuffer) // one long frame must not cost memory for hours
	}
	for c.end < n {
		if !c.arm() {
			return io.EOF
		}
		m, err := c.Conn.Read(c.buf[c.end:])
		c.end += m
		switch {
		case m > 0 || c.lastLook(err):
			continue
		case err == nil:
			err = io.ErrNoProgress
		}
		return c.readError(err)
	}
	return nil
}

// arm sets the deadline for the next read. It returns false if the connection
// is to end because nothing has begun and the daemon is stopping.
func (c *conn) arm() bool {
	limits := c.gate.Limits()
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	var until time.Time
	if c.introduced && c.end == c.pos {
		slack := min(slackIdle, limits.Idle/2)
		until = c.readUntil
		if left := until.Sub(now); left < limits.Idle || left > limits.Idle+slack {
			until = now.Add(limits.Idle + slack)
		}
	} else {
		if c.due.IsZero() { // one deadline for all of it, however slowly its octets drip
			c.due = now.Add(limits.Command)
			if !c.introduced {
				c.due = now.Add(limits.Negotiation)
			}
		}
		until = c.due
	}
	if !c.lastCall.IsZero() && c.lastCall.Before(until) {
		switch late := now.Sub(c.lastCall); {
		case late < 0:
			until = c.lastCall
		case late >= lastWords && c.end == c.pos && c.looked:
			return false
		default: // what has been sent by now is still read
			c.looked = c.looked || late >= lastWords
			if until.Sub(now) > lastGlance {
				until = now.Add(lastGlance)
			}
		}
	}
	if !until.Equal(c.readUntil) {
		c.readUntil = until
		_ = c.Conn.SetReadDeadline(until) // fails only on a closed connection, as the read will
	}
	return true
}

// lastLook reports, once, whether a read failed only because of the last call.
// One more then finds what had come already when the call cut the wait short.
func (c *conn) lastLook(err error) bool {
	if c.looked || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looked = !c.lastCall.IsZero() && !time.Now().Before(c.lastCall)
	return c.looked
}

// readError says what a failed read means.
func (c *conn) readError(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.mu.Lock()
		stopping := !c.lastCall.IsZero()
		c.mu.Unlock()
		if !stopping {
			c.traffic.timedOut.Add(1)
		}
		switch {
		case stopping:
		case !c.introduced:
			c.gate.log.Warn("connection closed: no request came in time; is this a mail server?", "via", c.via, "peer", c.peer())
		case c.end > c.pos:
			c.gate.log.Warn("connection closed: a request was begun and not ended in time", "via", c.via, "peer", c.peer())
		default:
			c.gate.log.Info("connection closed: idle for too long", "via", c.via, "peer", c.peer())
		}
		return io.EOF
	case errors.Is(err, io.EOF) && c.end > c.pos:
		return io.ErrUnexpectedEOF
	}
	return err
}

// understood notes that a whole request has come.
func (c *conn) understood() {
	c.due = time.Time{}
	if !c.introduced {
		c.introduced = true
		c.gate.introduced(c)
	}
}

// refuse logs why the peer is not to be listened to any longer.
func (c *conn) refuse(err error) error {
	c.traffic.malformed.Add(1)
	c.gate.log.Warn("connection closed: the peer does not speak the protocol as it should", "via", c.via, "peer", c.peer(), "error", err)
	return io.EOF
}

func (c *conn) peer() string {
	if a := c.RemoteAddr(); a != nil && a.String() != "" && a.String() != "@" {
		return a.String()
	}
	return c.LocalAddr().String()
}

// finishBy lets what has been received be answered, and ends the connection at
// the given time, or when the peer has nothing more to say.
func (c *conn) finishBy(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastCall = t
	if c.readUntil.IsZero() || t.Before(c.readUntil) {
		c.readUntil = t
		_ = c.Conn.SetReadDeadline(t)
	}
}

// send writes a whole reply.
func (c *conn) send(reply []byte) error {
	if now := time.Now(); c.writeUntil.Sub(now) < writeTimeout/2 {
		c.writeUntil = now.Add(writeTimeout)
		_ = c.Conn.SetWriteDeadline(c.writeUntil)
	}
	_, err := c.Conn.Write(reply)
	return err
}

// Close ends the connection and leaves the gate. It may be called again.
func (c *conn) Close() error {
	c.mu.Lock()
	closed := c.closed
	c.closed = true
	c.mu.Unlock()
	if closed {
		return nil
	}
	c.gate.left(c)
	return c.Conn.Close()
}
