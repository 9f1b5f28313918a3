package milter

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// conn is an accepted connection as the protocol library sees it. The library
// trusts its peer: an empty frame or a string without an end panics in a
// goroutine of its own, which ends the process, and a frame's length is
// allocated as claimed. So conn hands on only whole frames that [checkFrame]
// has passed. On the way it makes one read of the library's two, one write
// of its two, and keeps the time instead of it.
type conn struct {
	net.Conn
	gate *Gate

	// Reading, by the session's goroutine alone.
	buf        []byte // what was read of the connection
	pos, end   int    // buf[pos:end] is not handed on yet
	ready      []byte // of the frame being handed on: aliases buf, or a tamed copy
	negotiated bool
	due        time.Time // when the frame that has begun must have ended; zero if none has
	looked     bool      // for the last time, after the last call

	// Writing, by the session's goroutine alone.
	out        []byte    // a reply that is not complete yet
	writeUntil time.Time // the write deadline that is set

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

// Read hands on the bytes of checked frames.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.ready) == 0 {
		frame, err := c.nextFrame()
		if err != nil {
			return 0, err
		}
		c.ready = frame
	}
	n := copy(p, c.ready)
	if c.ready = c.ready[n:]; len(c.ready) == 0 {
		c.ready = nil // even empty it would keep a long frame's memory
	}
	return n, nil
}

// nextFrame returns the next frame, header and all, once it has come as a whole
// and was checked. The error is io.EOF where a session ends in good order.
func (c *conn) nextFrame() ([]byte, error) {
	if err := c.fill(frameHeader); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(c.buf[c.pos:])
	if length == 0 || length > maxFrame {
		return nil, c.refuse(badFrame("a length of %d octets, which is not within 1 to %d", length, maxFrame))
	}
	if err := c.fill(frameHeader + 1); err != nil {
		return nil, err
	}
	command := c.buf[c.pos+frameHeader]
	if !c.negotiated && command != cmdNegotiate {
		return nil, c.refuse(badFrame("%q before the negotiation; is this a milter client?", command))
	}
	if c.negotiated && command == cmdNegotiate {
		return nil, c.refuse(badFrame("a second negotiation"))
	}
	if length > frameLimit(command) {
		return nil, c.refuse(badFrame("%d octets for command %q, at most %d are taken", length, command, frameLimit(command)))
	}
	whole := frameHeader + int(length)
	if err := c.fill(whole); err != nil {
		return nil, err
	}
	frame := c.buf[c.pos : c.pos+whole]
	c.pos += whole
	c.due = time.Time{}
	data := frame[frameHeader+1:]
	if err := checkFrame(command, data); err != nil {
		return nil, c.refuse(err)
	}
	if command == cmdConnect {
		if tame := tameConnect(data); &tame[0] != &data[0] {
			frame = appendFrame(nil, command, tame)
		}
	}
	if !c.negotiated {
		c.negotiated = true
		c.gate.negotiated(c)
	}
	return frame, nil
}

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
		c.buf = append(make([]byte, 0, n), c.buf[:c.end]...)[:n]
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
	limits := &c.gate.limits
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	var until time.Time
	if c.negotiated && c.end == c.pos {
		slack := min(slackIdle, limits.Idle/2)
		until = c.readUntil
		if left := until.Sub(now); left < limits.Idle || left > limits.Idle+slack {
			until = now.Add(limits.Idle + slack)
		}
	} else {
		if c.due.IsZero() { // one deadline for all of it, however slowly its octets drip
			c.due = now.Add(limits.Command)
			if !c.negotiated {
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
		switch {
		case stopping:
		case !c.negotiated:
			c.gate.log.Warn("milter connection closed: it did not negotiate in time; is this a milter client?", "peer", c.peer())
		case c.end > c.pos:
			c.gate.log.Warn("milter connection closed: a command was begun and not ended in time", "peer", c.peer())
		default:
			c.gate.log.Info("milter connection closed: idle for too long", "peer", c.peer())
		}
		return io.EOF
	case errors.Is(err, io.EOF) && c.end > c.pos:
		return io.ErrUnexpectedEOF
	}
	return err
}

func (c *conn) refuse(err error) error {
	c.gate.log.Warn("milter connection closed: the peer does not speak the milter protocol as it should", "peer", c.peer(), "error", err)
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

// Write sends a frame once it is complete: the library writes its header and
// its data apart, and a peer that waits would get them in two packets.
func (c *conn) Write(p []byte) (int, error) {
	c.out = append(c.out, p...)
	if len(c.out) < frameHeader || uint64(len(c.out)) < frameHeader+uint64(binary.BigEndian.Uint32(c.out)) {
		return len(p), nil
	}
	if now := time.Now(); c.writeUntil.Sub(now) < writeTimeout/2 {
		c.writeUntil = now.Add(writeTimeout)
		_ = c.Conn.SetWriteDeadline(c.writeUntil)
	}
	_, err := c.Conn.Write(c.out)
	c.out = c.out[:0]
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// The library's deadlines are not wanted: one second to negotiate is too little
// on a loaded machine, and one for each frame costs more than it gives.
func (c *conn) SetReadDeadline(time.Time) error  { return nil }
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

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
