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

// Conn is a connection that the limiter has admitted. It buffers reads and sets the
// deadlines: for the first request, for the rest of a request, and for idle time. In a
// drain it still reads what the peer has sent.
type Conn struct {
	net.Conn
	limiter *Limiter
	source  source

	active    atomic.Int64 // when the last request came, or the connection; see sinceStart
	asked     atomic.Bool  // the peer has sent a request
	answering atomic.Bool  // the last request, until more is read
	message   atomic.Bool  // see InMessage

	// Used by the session's goroutine only.
	buf      []byte
	pos, end int       // buf[pos:end] is read and not taken yet
	due      time.Time // deadline of a request that has begun; zero if none has
	drained  bool      // nothing was left to read after drainAt

	writeDeadline time.Time // used by the session's goroutine only

	mu           sync.Mutex
	readDeadline time.Time
	drainAt      time.Time // the end of the grace period; zero if there is no drain
	closed       bool
}

const (
	readBuffer = 2048 // octets

	// IdleSlack is how much longer than its limit a connection may be idle. It saves
	// setting the deadline before each read, which costs up to a fifth of a read.
	IdleSlack = time.Minute

	// WriteTimeout is how long a peer may take to read a reply.
	WriteTimeout = 20 * time.Second

	// DrainTime is how long requests that a peer has sent are still read after the
	// grace period, so that each is answered.
	DrainTime = time.Second
	drainStep = DrainTime / 20
)

// Limits returns the current limits.
func (c *Conn) Limits() *Limits { return c.limiter.Limits() }

// Buffered returns the octets that are read and not taken. The next read overwrites
// them.
func (c *Conn) Buffered() []byte { return c.buf[c.pos:c.end] }

// Take takes n buffered octets, a whole request.
func (c *Conn) Take(n int) []byte {
	taken := c.buf[c.pos : c.pos+n]
	c.pos += n
	c.due = time.Time{}
	c.active.Store(sinceStart())
	c.answering.Store(true)
	if !c.asked.Load() {
		c.asked.Store(true)
	}
	return taken
}

// Asked reports whether the peer has sent a request.
func (c *Conn) Asked() bool { return c.asked.Load() }

// InMessage sets whether the connection is in a message, whose deferred recipients
// would be lost with it.
func (c *Conn) InMessage(in bool) {
	if c.message.Load() != in {
		c.message.Store(in)
	}
}

// precedence says which connections are closed first at a limit; of equal ones, the
// one that has been idle longest.
type precedence int

const (
	busy      precedence = iota // is not closed: it is in a message, or its request is being judged
	longIdle                    // is in a message, and idle for longer than clients take for a command
	idle                        // is in no message
	noRequest                   // has sent no request
)

// longIdleAfter is longer than the 5 minutes that a client may take for a command (RFC
// 5321, section 4.5.3.2). After DATA it may take longer, but then the message is judged
// already.
const longIdleAfter = 10 * time.Minute

var start = time.Now()

// sinceStart is the time since the start of the program, by the monotonic clock.
func sinceStart() int64 { return int64(time.Since(start)) }

func (c *Conn) precedence(now int64) precedence {
	switch {
	case c.answering.Load():
		return busy
	case !c.asked.Load():
		return noRequest
	case !c.message.Load():
		return idle
	case now-c.active.Load() > int64(longIdleAfter):
		return longIdle
	}
	return busy
}

// Fill reads until n octets are buffered. The error is io.EOF at the regular end of
// the connection, and after an end that is logged.
func (c *Conn) Fill(n int) error {
	if c.end-c.pos >= n {
		return nil
	}
	c.answering.Store(false)
	if c.pos > 0 {
		c.end = copy(c.buf, c.buf[c.pos:c.end])
		c.pos = 0
	}
	if n > len(c.buf) {
		c.buf = append(make([]byte, 0, max(n, 2*len(c.buf))), c.buf[:c.end]...)
		c.buf = c.buf[:cap(c.buf)]
	} else if c.end == 0 && len(c.buf) > 2*readBuffer {
		c.buf = make([]byte, readBuffer) // do not retain the memory of one long request
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

// setReadDeadline sets the deadline of the next read. It returns false if the drain is
// over and no request has begun.
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
		if c.due.IsZero() { // one deadline for the whole request
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
		default: // read what has been sent by now
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

// readAgain reports, once, whether a read failed only because of a drain. One more
// read then gets what the peer had sent by then.
func (c *Conn) readAgain(err error) bool {
	if c.drained || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drained = !c.drainAt.IsZero() && !time.Now().Before(c.drainAt)
	return c.drained
}

// readError logs and translates the error of a read.
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

// ProtocolError logs and counts a protocol error, and returns io.EOF.
func (c *Conn) ProtocolError(err error) error {
	c.limiter.counters.malformed.Add(1)
	c.limiter.log.protocolError(c, err)
	return io.EOF
}

// Peer returns the peer's address or, if it has none, that of the listening socket.
func (c *Conn) Peer() string {
	if a := c.RemoteAddr(); a != nil && a.String() != "" && a.String() != "@" {
		return a.String()
	}
	return c.LocalAddr().String()
}

// drain ends the connection at the given time, or earlier if the peer closes it.
// Requests that were received by then are answered.
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
