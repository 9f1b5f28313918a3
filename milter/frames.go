package milter

import (
	"encoding/binary"
	"net"
	"time"

	"greyglass/milter/listen"
)

// frameListener is a listener as the protocol library sees it.
type frameListener struct{ *listen.Listener }

func (l frameListener) Accept() (net.Conn, error) {
	c, err := l.AcceptConn()
	if err != nil {
		return nil, err
	}
	return &frames{Conn: c}, nil
}

// frames is a connection as the protocol library sees it. The library trusts
// its peer: an empty frame or a string without an end panics in a goroutine of
// its own, which ends the process, and a frame's length is allocated as
// claimed. So frames hands on only whole frames that [checkFrame] has passed. On
// the way it makes one read of the library's two, and one write of its two.
type frames struct {
	*listen.Conn
	ready []byte // of the frame being handed on: aliases the buffer, or a normalized copy
	begun bool   // a first frame was asked for
	out   []byte // a reply that is not complete yet
}

// Read hands on the bytes of checked frames.
func (f *frames) Read(p []byte) (int, error) {
	if !f.begun {
		f.begun = true
		growStack()
	}
	if len(f.ready) == 0 {
		for f.ready == nil { // until a frame comes that the library is to see
			frame, err := f.next()
			if err != nil {
				return 0, err
			}
			f.ready = frame
		}
	}
	n := copy(p, f.ready)
	if f.ready = f.ready[n:]; len(f.ready) == 0 {
		f.ready = nil // even empty it would keep a long frame's memory
	}
	return n, nil
}

// next returns the next frame, header and all, once it has come as a whole
// and was checked; nil if the library need not see it. The error is io.EOF where a
// session ends in good order.
func (f *frames) next() ([]byte, error) {
	if err := f.Fill(frameHeader); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(f.Buffered())
	limits := f.Limits()
	if length == 0 || uint64(length) > uint64(limits.Request) {
		return nil, f.ProtocolError(badFrame("a length of %d octets, which is not within 1 to %d", length, limits.Request))
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
	case cmdConnect:
		if normal := normalizeConnect(data); &normal[0] != &data[0] {
			frame = appendFrame(nil, command, normal)
		}
	}
	return frame, nil
}

// Write sends a frame once it is complete: the library writes its header and
// its data apart, and a peer that waits would get them in two packets.
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

// The library's deadlines are not wanted: one second to negotiate is too little
// on a loaded machine, and one for each frame costs more than it gives.
func (f *frames) SetReadDeadline(time.Time) error  { return nil }
func (f *frames) SetWriteDeadline(time.Time) error { return nil }

// growStack gives the goroutine, which is a session's, at once the stack that it
// is going to need: growing it by and by, each time with more on it that must be
// moved, takes as much as a twelfth of a connection's time.
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
