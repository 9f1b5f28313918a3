package milter

import (
	"bytes"
	"net"
	"testing"
	"time"
)

// recorded is a peer that says what it has to say, whatever it hears, and then
// has ended.
type recorded struct {
	net.Conn
	says   *bytes.Reader
	hears  bytes.Buffer
	closed chan struct{}
}

func (r *recorded) Read(p []byte) (int, error)       { return r.says.Read(p) }
func (r *recorded) Write(p []byte) (int, error)      { return r.hears.Write(p) }
func (r *recorded) SetReadDeadline(time.Time) error  { return nil }
func (r *recorded) SetWriteDeadline(time.Time) error { return nil }
func (r *recorded) RemoteAddr() net.Addr             { return &net.UnixAddr{Name: "recorded", Net: "unix"} }
func (r *recorded) Close() error                     { close(r.closed); return nil } // the gate closes it once

// FuzzFrames: whatever octets come, the session ends when they do, what it says
// is made of frames, and the process lives: a panic of the protocol library
// would be in a goroutine that nobody can guard.
//
// The octets go over the wire as they are or, because few of those would get
// past the first length, each run of them that a length octet begins as a frame
// of its own, behind a negotiation.
func FuzzFrames(f *testing.F) {
	negotiate := frame(cmdNegotiate, string(negotiation(6, 0x1ff, 0x1fffff)))
	var session []byte
	for _, part := range [][]byte{
		frame(cmdMacro, "Cv\x00Postfix 3.7.11\x00"),
		frame(cmdConnect, string(connectData("[192.0.2.7]", familyInet, 25, "192.0.2.7"))),
		frame(cmdHelo, "client.example.net\x00"),
		frame(cmdMacro, "Mi\x00AB12\x00{auth_authen}\x00\x00{verify}\x00OK\x00"),
		frame(cmdMail, "<>\x00SIZE=100\x00"),
		frame(cmdRcpt, "<me@example.org>\x00"),
		frame(cmdData, ""),
		frame(cmdHeader, "Subject\x00hello\x00"),
		frame(cmdEOH, ""),
		frame(cmdBody, "hello"),
		frame(cmdBodyEnd, ""),
		frame(cmdAbort, ""),
		frame(cmdUnknown, "NOOP\x00"),
		frame(cmdQuitNC, ""),
		frame(cmdConnect, string(connectData("x", familyInet6, 25, "IPv6:2001:db8::1"))),
		frame(cmdMail, "<a@example.net>\x00"),
		frame(cmdRcpt, "<me@example.org>\x00"),
		frame(cmdQuit, ""),
	} {
		session = append(session, part...)
	}
	f.Add(false, append(append([]byte{}, negotiate...), session...))
	f.Add(false, append(frame(cmdNegotiate, string(negotiation(2, 0x3f, 0x7f))), session...))
	f.Add(false, claim(0))
	f.Add(false, append(append([]byte{}, negotiate...), claim(0)...))
	f.Add(false, append(append([]byte{}, negotiate...), claim(512<<20)...))
	f.Add(true, []byte("\x05Chost\x04Mabc\x04Rabc\x01T\x01E\x02DM\x01?"))
	for _, unterminated := range []string{"\x05Chost", "\x06Chost\x00", "\x05Hname", "\x04M<a>", "\x04R<a>", "\x01C", "\x01D", "\x00"} {
		f.Add(true, []byte(unterminated))
	}
	f.Add(true, []byte("\x03M<\x00\x03R<\x00\x01T\x03H\x00\x00\x06C\x004\x00\x00\x00\x06C\x006\x00\x00\x00\x03C\x00L\x03C\x00Z"))

	h := newPipeHouse(f)
	f.Fuzz(func(t *testing.T, framed bool, data []byte) {
		octets := data
		if framed {
			octets = bytes.Clone(negotiate)
			for rest := data; len(rest) > 0; {
				n := min(int(rest[0]), len(rest)-1)
				octets = append(append(octets, claim(uint32(n))...), rest[1:1+n]...)
				rest = rest[1+n:]
			}
		}
		peer := &recorded{says: bytes.NewReader(octets), closed: make(chan struct{})}
		h.door <- peer
		select {
		case <-peer.closed:
		case <-time.After(patience):
			t.Fatal("the session does not end")
		}
		for peer.hears.Len() > 0 {
			answer, err := readFrame(&peer.hears)
			if err != nil || !bytes.ContainsRune([]byte("Ocay"), rune(answer[0])) {
				t.Fatalf("answer %q, %v", answer, err)
			}
		}
		if panics := h.log.all("panic"); panics != nil {
			t.Fatal(panics)
		}
		h.log.clear()
		h.memory.clear()
	})
}

// FuzzTameConnect: what the library would drop the connection for becomes what
// it takes, and what it takes stays as it is.
func FuzzTameConnect(f *testing.F) {
	f.Add(connectData("host", familyInet, 25, "192.0.2.7"))
	f.Add(connectData("host", familyInet6, 25, "IPv6:[2001:db8::1]"))
	f.Add(connectData("host", familyUnix, 0, "/run/x"))
	f.Add([]byte("\x00L"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if checkFrame(cmdConnect, data) != nil {
			return
		}
		before := bytes.Clone(data)
		tame := tameConnect(data)
		if !bytes.Equal(before, data) {
			t.Error("the command itself is changed")
		}
		if err := checkFrame(cmdConnect, tame); err != nil {
			t.Errorf("%q becomes %q: %v", data, tame, err)
		}
		if again := tameConnect(tame); !bytes.Equal(again, tame) {
			t.Errorf("%q becomes %q, and that %q", data, tame, again)
		}
	})
}
