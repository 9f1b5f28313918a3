package milter

import (
	"bytes"
	"encoding/binary"
	"net"
	"time"

	"greyglass/milter/listen"
)

// replyBuffer is how many octets a reply usually has at most, with its text.
const replyBuffer = 256

// frameListener is a listener as the protocol library sees it.
type frameListener struct{ *listen.Listener }

func (l frameListener) Accept() (net.Conn, error) {
	c, err := l.AcceptConn()
	if err != nil {
		return nil, err
	}
	return &frames{Conn: c, out: make([]byte, 0, replyBuffer)}, nil
}

// frames is a connection as the protocol library sees it. The library trusts its
// peer: an empty frame or an unterminated string makes it panic in its own goroutine,
// which ends the process, and it allocates whatever length a frame claims. So frames
// passes on only whole frames that [checkFrame] accepts. It also turns the library's
// two reads and two writes for each frame into one.
type frames struct {
	*listen.Conn
	ready []byte // the rest of the frame being passed on: aliases the buffer, or a normalized copy
	begun bool   // the library has read
	out   []byte // an incomplete reply
}

// Read returns the bytes of checked frames.
func (f *frames) Read(p []byte) (int, error) {
	if !f.begun {
		f.begun = true
		growStack()
	}
	for f.ready == nil {
		frame, err := f.next()
		if err != nil {
			return 0, err
		}
		f.ready = frame
	}
	n := copy(p, f.ready)
	if f.ready = f.ready[n:]; len(f.ready) == 0 {
		f.ready = nil // do not retain a long frame
	}
	return n, nil
}

// next returns the next checked frame with its header; nil if the library need not see
// it. The error is io.EOF at the regular end of a session.
func (f *frames) next() ([]byte, error) {
	if err := f.Fill(frameHeader); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(f.Buffered())
	limits := f.Limits()
	if most := max(limits.Request, maxHeader); length == 0 || uint64(length) > uint64(most) {
		return nil, f.ProtocolError(badFrame("a length of %d octets, which is not within 1 to %d", length, most))
	}
	if err := f.Fill(frameHeader + 1); err != nil {
		return nil, err
	}
	command := f.Buffered()[frameHeader]
	if !f.Asked() && command != cmdNegotiate {
		return nil, f.ProtocolError(badFrame("%q before the negotiation; is this a milter client?", command))
	}
	if f.Asked() && command == cmdNegotiate {
		return nil, f.ProtocolError(badFrame("a second negotiation"))
	}
	if limit := frameLimit(limits, command); int(length) > limit {
		return nil, f.ProtocolError(badFrame("%d octets for command %q, at most %d are taken", length, command, limit))
	}
	whole := frameHeader + int(length)
	if err := f.Fill(whole); err != nil {
		return nil, err
	}
	data := f.Buffered()[frameHeader+1 : whole]
	if err := checkFrame(command, data); err != nil {
		return nil, f.ProtocolError(err)
	}
	frame := f.Take(whole)
	switch command {
	case cmdMail:
		f.InMessage(true)
	case cmdAbort, cmdBodyEnd, cmdQuitNC:
		f.InMessage(false)
	case cmdMacro:
		return keepMacros(frame), nil
	case cmdHeader: // without its value, which is not used; the library refuses one with a NUL
		name, _, _ := bytes.Cut(data, []byte{0})
		return appendFrame(nil, command, append(name[:len(name):len(name)], 0, 0)), nil
	case cmdConnect:
		if normal := normalizeConnect(data); &normal[0] != &data[0] {
			frame = appendFrame(nil, command, normal)
		}
	}
	return frame, nil
}

// Write sends a frame once it is complete: the library writes header and data apart.
func (f *frames) Write(p []byte) (int, error) {
	f.out = append(f.out, p...)
	if len(f.out) < frameHeader || uint64(len(f.out)) < frameHeader+uint64(binary.BigEndian.Uint32(f.out)) {
		return len(p), nil
	}
	err := f.Send(f.out)
	f.out = f.out[:0]
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// The library's deadlines are ignored: its one second to negotiate is too short on a
// loaded machine, and [listen.Conn] sets deadlines more cheaply.
func (f *frames) SetReadDeadline(time.Time) error  { return nil }
func (f *frames) SetWriteDeadline(time.Time) error { return nil }

// growStack grows the goroutine's stack to what a session needs. Growing it step by
// step, with a copy each time, takes up to a twelfth of a connection's time.
//
//go:noinline
func growStack() {
	var space [9 << 10]byte
	for i := 0; i < len(space); i += 4 << 10 {
		space[i] = 1
	}
	touch(&space)
}

//go:noinline
func touch(*[9 << 10]byte) {}
