package milter

import (
	"bytes"
	"greyglass/milter/mtatest"
	"testing"
	"time"
)

// FuzzFrames: whatever octets come, the session ends when they do, what it says
// is made of frames, and the process lives: a panic of the protocol library
// would be in a goroutine of the library.
//
// The octets go over the wire as they are or, because few of those would get
// past the first length, each run of them that a length octet begins as a frame
// of its own, behind a negotiation.
func FuzzFrames(f *testing.F) {
	negotiate := mtatest.Frame(cmdNegotiate, string(mtatest.Negotiation(6, 0x1ff, 0x1fffff)))
	var session []byte
	for _, part := range [][]byte{
		mtatest.Frame(cmdMacro, "Cv\x00Postfix 3.7.11\x00"),
		mtatest.Frame(cmdConnect, string(mtatest.ConnectData("[192.0.2.7]", familyInet, 25, "192.0.2.7"))),
		mtatest.Frame(cmdHelo, "client.example.net\x00"),
		mtatest.Frame(cmdMacro, "Mi\x00AB12\x00{auth_authen}\x00\x00{verify}\x00OK\x00"),
		mtatest.Frame(cmdMail, "<>\x00SIZE=100\x00"),
		mtatest.Frame(cmdRcpt, "<me@example.org>\x00"),
		mtatest.Frame(cmdData, ""),
		mtatest.Frame(cmdHeader, "Subject\x00hello\x00"),
		mtatest.Frame(cmdEOH, ""),
		mtatest.Frame(cmdBody, "hello"),
		mtatest.Frame(cmdBodyEnd, ""),
		mtatest.Frame(cmdAbort, ""),
		mtatest.Frame(cmdUnknown, "NOOP\x00"),
		mtatest.Frame(cmdQuitNC, ""),
		mtatest.Frame(cmdConnect, string(mtatest.ConnectData("x", familyInet6, 25, "IPv6:2001:db8::1"))),
		mtatest.Frame(cmdMail, "<a@example.net>\x00"),
		mtatest.Frame(cmdRcpt, "<me@example.org>\x00"),
		mtatest.Frame(cmdQuit, ""),
	} {
		session = append(session, part...)
	}
	f.Add(false, append(append([]byte{}, negotiate...), session...))
	f.Add(false, append(mtatest.Frame(cmdNegotiate, string(mtatest.Negotiation(2, 0x3f, 0x7f))), session...))
	f.Add(false, claim(0))
	f.Add(false, append(append([]byte{}, negotiate...), claim(0)...))
	f.Add(false, append(append([]byte{}, negotiate...), claim(512<<20)...))
	f.Add(true, []byte("\x05Chost\x04Mabc\x04Rabc\x01T\x01E\x02DM\x01?"))
	for _, unterminated := range []string{"\x05Chost", "\x06Chost\x00", "\x05Hname", "\x04M<a>", "\x04R<a>", "\x01C", "\x01D", "\x00"} {
		f.Add(true, []byte(unterminated))
	}
	f.Add(true, []byte("\x03M<\x00\x03R<\x00\x01T\x03H\x00\x00\x06C\x004\x00\x00\x00\x06C\x006\x00\x00\x00\x03C\x00L\x03C\x00Z"))

	h := onPipes(f)
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
		peer := mtatest.NewRecorded(octets)
		h.Take(peer)
		select {
		case <-peer.Closed:
		case <-time.After(mtatest.Timeout):
			t.Fatal("the session does not end")
		}
		for peer.Hears.Len() > 0 {
			answer, err := mtatest.ReadFrame(&peer.Hears)
			if err != nil || !bytes.ContainsRune([]byte("Ocay"), rune(answer[0])) {
				t.Fatalf("answer %q, %v", answer, err)
			}
		}
		if panics := h.Log.All("panic"); panics != nil {
			t.Fatal(panics)
		}
		h.Log.Clear()
		h.Store.Clear(t)
	})
}

// FuzzNormalizeConnect: what the library would drop the connection for becomes what
// it takes, and what it takes stays as it is.
func FuzzNormalizeConnect(f *testing.F) {
	f.Add(mtatest.ConnectData("host", familyInet, 25, "192.0.2.7"))
	f.Add(mtatest.ConnectData("host", familyInet6, 25, "IPv6:[2001:db8::1]"))
	f.Add(mtatest.ConnectData("host", familyUnix, 0, "/run/x"))
	f.Add([]byte("\x00L"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if checkFrame(cmdConnect, data) != nil {
			return
		}
		before := bytes.Clone(data)
		normal := normalizeConnect(data)
		if !bytes.Equal(before, data) {
			t.Error("the command itself is changed")
		}
		if err := checkFrame(cmdConnect, normal); err != nil {
			t.Errorf("%q becomes %q: %v", data, normal, err)
		}
		if again := normalizeConnect(normal); !bytes.Equal(again, normal) {
			t.Errorf("%q becomes %q, and that %q", data, normal, again)
		}
	})
}
