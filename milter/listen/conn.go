package listen

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Conn is a connection that the limiter let in. It reads into a buffer and keeps
// the deadlines: a peer must send a first request, must finish what it has
// begun, and must not be idle for ever. When the daemon shuts down, what the
// peer has sent is still read.
type Conn struct {
	net.Conn
	limiter *Limiter
	source  source

	active  atomic.Int64 // when it was admitted, or last sent a request; Unix nanoseconds
	asked   atomic.Bool  // the peer has sent a first request
	message atomic.Bool  // see InMessage

	// Reading, by the session's goroutine alone.
	buf      []byte
	pos, end int       // buf[pos:end] is read and not taken yet
	due      time.Time // when the request that has begun must be whole; zero if none has begun
	drained  bool      // nothing was there to read after the drain began

	writeDeadline time.Time // as set, by the session's goroutine alone

	mu           sync.Mutex
	readDeadline time.Time // as set
	drainAt      time.Time // no read goes on beyond this, if set
	closed       bool
}

const (
	readBuffer = 2048 // octets

	// IdleSlack is how much longer an idle connection may live, so that its deadline is
	// moved only now and then: moving it costs as much as a fifth of a read.
	IdleSlack = time.Minute

	// WriteTimeout is how long a peer may take to read a reply.
	WriteTimeout = 20 * time.Second

	// DrainTime is how long after the beginning of a drain what a peer has sent
	// is still read, so that no command that was received goes unanswered.
	DrainTime = time.Second
	drainStep = DrainTime / 20
)

// Limits returns the limits that hold.
func (c *Conn) Limits() *Limits { return c.limiter.Limits() }

// Buffered returns what is read and not taken yet. The next read overwrites it.
func (c *Conn) Buffered() []byte { return c.buf[c.pos:c.end] }

// Take returns the next n octets, which are buffered, and counts as a whole request.
func (c *Conn) Take(n int) []byte {
	taken := c.buf[c.pos : c.pos+n]
	c.pos += n
	c.due = time.Time{}
	c.active.Store(time.Now().UnixNano())
	if !c.asked.Load() {
		c.asked.Store(true)
	}
	return taken
}

// Asked reports whether the peer has sent a first request.
func (c *Conn) Asked() bool { return c.asked.Load() }

// InMessage notes whether the connection is in a message: what it was told of the
// message's recipients would be lost with it.
func (c *Conn) InMessage(in bool) {
	if c.message.Load() != in {
		c.message.Store(in)
	}
}

// precedence says which connections give way first at a limit; of equal ones, that
// which has been idle longest.
type precedence int

const (
	busy        precedence = iota // does not give way
	longIdle                      // is in a message, and idle for longer than clients take for a command
	idle                          // has no message
	withoutWord                   // has sent no request
)

// longIdleAfter is how long a client may take for a command, and some more (RFC
// 5321, section 4.5.3.2: 5 minutes). After DATA it may take longer, but by then the
// message is judged.
const longIdleAfter = 10 * time.Minute

func (c *Conn) precedence(now time.Time) precedence {
	switch {
	case !c.asked.Load():
		return withoutWord
	case !c.message.Load():
		return idle
	case now.UnixNano()-c.active.Load() > int64(longIdleAfter):
		return longIdle
	}
	return busy
}

// Fill reads until n octets are buffered. Its error is io.EOF where the
// connection ends in good order, or was closed with a line in the log.
func (c *Conn) Fill(n int) error {
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
		c.buf = make([]byte, readBuffer) // one long request must not cost memory for hours
	}
	for c.end < n {
		if !c.setReadDeadline() {
			return io.EOF
		}
		m, err := c.Conn.Read(c.buf[c.end:])
		c.end += m
		switch {
		case m > 0 || c.readAgain(err):
			continue
		case err == nil:
			err = io.ErrNoProgress
		}
		return c.readError(err)
	}
	return nil
}

// setReadDeadline sets the deadline of the next read. It returns false if the
// daemon shuts down and the connection, on which nothing has begun, is to end.
func (c *Conn) setReadDeadline() bool {
	limits := c.Limits()
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	var until time.Time
	if c.asked.Load() && c.end == c.pos {
		slack := min(IdleSlack, limits.Idle/2)
		until = c.readDeadline
		if left := until.Sub(now); left < limits.Idle || left > limits.Idle+slack {
			until = now.Add(limits.Idle + slack)
		}
	} else {
		if c.due.IsZero() { // one deadline for the whole request, however slowly its octets drip
			c.due = now.Add(limits.Command)
			if !c.asked.Load() {
				c.due = now.Add(limits.Negotiation)
			}
		}
		until = c.due
	}
	if !c.drainAt.IsZero() && c.drainAt.Before(until) {
		switch since := now.Sub(c.drainAt); {
		case since < 0:
			until = c.drainAt
		case since >= DrainTime && c.end == c.pos && c.drained:
			return false
		default: // what has been sent by now is still read
			c.drained = c.drained || since >= DrainTime
			if until.Sub(now) > drainStep {
				until = now.Add(drainStep)
			}
		}
	}
	if !until.Equal(c.readDeadline) {
		c.readDeadline = until
		_ = c.Conn.SetReadDeadline(until) // fails only on a closed connection, as the read will
	}
	return true
}

// readAgain reports, once, whether a read failed only because a drain began. One
// more read finds what had come by then.
func (c *Conn) readAgain(err error) bool {
	if c.drained || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drained = !c.drainAt.IsZero() && !time.Now().Before(c.drainAt)
	return c.drained
}

// readError says what a failed read means.
func (c *Conn) readError(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.mu.Lock()
		draining := !c.drainAt.IsZero()
		c.mu.Unlock()
		if !draining {
			c.limiter.counters.timedOut.Add(1)
			c.limiter.log.timeout(c)
		}
		return io.EOF
	case errors.Is(err, io.EOF) && c.end > c.pos:
		return io.ErrUnexpectedEOF
	}
	return err
}

// ProtocolError logs why the peer is not served any longer, and returns io.EOF.
func (c *Conn) ProtocolError(err error) error {
	c.limiter.counters.malformed.Add(1)
	c.limiter.log.protocolError(c, err)
	return io.EOF
}

// Peer names the other end, or where it has no name the socket that it came by.
func (c *Conn) Peer() string {
	if a := c.RemoteAddr(); a != nil && a.String() != "" && a.String() != "@" {
		return a.String()
	}
	return c.LocalAddr().String()
}

// drain lets what has been received be answered, and ends the connection at the
// given time, or when the peer has nothing more to send.
func (c *Conn) drain(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drainAt = at
	if c.readDeadline.IsZero() || at.Before(c.readDeadline) {
		c.readDeadline = at
		_ = c.Conn.SetReadDeadline(at)
	}
}

// Send writes a whole reply.
func (c *Conn) Send(reply []byte) error {
	if now := time.Now(); c.writeDeadline.Sub(now) < WriteTimeout/2 {
		c.writeDeadline = now.Add(WriteTimeout)
		_ = c.Conn.SetWriteDeadline(c.writeDeadline)
	}
	_, err := c.Conn.Write(reply)
	return err
}

// Close ends the connection and frees its place. It may be called again.
func (c *Conn) Close() error {
	c.mu.Lock()
	closed := c.closed
	c.closed = true
	c.mu.Unlock()
	if closed {
		return nil
	}
	c.limiter.leave(c)
	return c.Conn.Close()
}
