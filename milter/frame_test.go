package milter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"greyglass/milter/listen"
	"greyglass/milter/mtatest"
	"runtime"
	"strings"
	"testing"
	"time"
)

// claim is the header of a frame that says to be so long.
func claim(length uint32) []byte { return binary.BigEndian.AppendUint32(nil, length) }

// What no MTA sends, and would end the process if the protocol library saw it,
// ends its own connection at once and no other.
func TestMalformedFrames(t *testing.T) {
	hurry := func(s *mtatest.Setup) { s.Limits.Negotiation, s.Limits.Command = time.Hour, time.Hour }
	h := newFixture(t, hurry)
	bystander := h.MTA(t).Greet()
	bystander.Mail("a@example.net")

	negotiate := mtatest.Frame(cmdNegotiate, string(mtatest.Negotiation(6, 0x1ff, 0x1fffff)))
	for _, c := range []struct {
		name   string
		before bool // also before the negotiation
		bytes  []byte
		says   string // in the log; empty if the library finds it
	}{
		{"length zero", true, claim(0), "a length of 0 octets"},
		{"length of 512 MB", true, claim(512 << 20), "a length of 536870912 octets"},
		{"length of 4 GB", true, claim(1<<32 - 1), "a length of 4294967295 octets"},
		{"HTTP", true, []byte("GET / HTTP/1.1\r\n\r\n"), "a length of 1195725856 octets"},
		{"body beyond a chunk", false, append(claim(listen.DefaultRequest+1), cmdBody), "65537 octets for command 'B'"},
		{"long CONNECT", false, append(claim(16<<10+1), cmdConnect), `for command 'C'`},
		{"long header field", false, append(claim(maxHeader+1), cmdHeader), fmt.Sprintf("a length of %d octets", maxHeader+1)},
		{"long RCPT", false, append(claim(16<<10+1), cmdRcpt), `for command 'R'`},
		{"long ABORT", false, append(claim(1<<10+1), cmdAbort), `for command 'A'`},
		{"long unknown command", false, append(claim(1<<10+1), '?'), `for command '?'`},
		{"CONNECT, empty", false, mtatest.Frame(cmdConnect, ""), "host name of a connection does not end"},
		{"CONNECT, host without end", false, mtatest.Frame(cmdConnect, "host"), "host name of a connection does not end"},
		{"CONNECT without family", false, mtatest.Frame(cmdConnect, "host\x00"), "without an address family"},
		{"HELO, empty", false, mtatest.Frame(cmdHelo, ""), "does not end"},
		{"HELO without end", false, mtatest.Frame(cmdHelo, "name"), "does not end"},
		{"MAIL, empty", false, mtatest.Frame(cmdMail, ""), "does not end"},
		{"MAIL without end", false, mtatest.Frame(cmdMail, "<a@example.net>"), "does not end"},
		{"RCPT, empty", false, mtatest.Frame(cmdRcpt, ""), "does not end"},
		{"RCPT without end", false, mtatest.Frame(cmdRcpt, "<me@example.org>"), "does not end"},
		{"macros for nothing", false, mtatest.Frame(cmdMacro, ""), "macros for no command"},
		{"header of one string", false, mtatest.Frame(cmdHeader, "Subject\x00"), "header field without a value"},
		{"header of nothing", false, mtatest.Frame(cmdHeader, ""), "header field without a value"},
		{"unknown command", false, mtatest.Frame('?', "what"), "command '?' is unknown"},
		{"command of octet zero", false, mtatest.Frame(0, ""), `command '\x00' is unknown`},
		{"second negotiation", false, negotiate, "a second negotiation"},
		{"second negotiation, short", false, mtatest.Frame(cmdNegotiate, "\x00\x00\x00\x06"), "a second negotiation"},
	} {
		if c.before {
			t.Run("before negotiation/"+c.name, func(t *testing.T) {
				m := mtatest.On(t, h.Dial(t))
				m.Write(c.bytes)
				m.Closed()
				refused(t, h, c.says)
			})
		}
		t.Run(c.name, func(t *testing.T) {
			m := h.MTA(t)
			m.Write(c.bytes)
			m.Closed()
			refused(t, h, c.says)
		})
		if got := bystander.Rcpt("me@example.org"); !strings.HasPrefix(got, "451 ") {
			t.Fatalf("after %s: another session is answered %q", c.name, got)
		}
	}

	for name, first := range map[string][]byte{
		"short negotiation": mtatest.Frame(cmdNegotiate, "\x00\x00\x00\x06"),
		"long negotiation":  mtatest.Frame(cmdNegotiate, strings.Repeat("\x00\x00\x00\x06", 300)),
		"MAIL first":        mtatest.Frame(cmdMail, "<>\x00"),
		"QUIT first":        mtatest.Frame(cmdQuit, ""),
		"macros first":      mtatest.Frame(cmdMacro, "C"),
	} {
		t.Run(name, func(t *testing.T) {
			m := mtatest.On(t, h.Dial(t))
			m.Write(first)
			m.Closed()
			if strings.HasSuffix(name, "first") {
				refused(t, h, "before the negotiation")
			}
		})
	}
	bystander.Quit()
}

// refused fails the test unless the last warning, if one is due, says so.
func refused(t *testing.T, h *mtatest.Fixture, says string) {
	t.Helper()
	line := h.Log.Last("protocol error")
	if says != "" && (!strings.Contains(line["error"], says) || line["peer"] != h.Address.Addr) {
		t.Errorf("logged %v, want %q", line, says)
	}
}

// A frame that is cut off ends the session, wherever that is.
func TestTruncatedFrames(t *testing.T) {
	h := newFixture(t)
	bystander := h.MTA(t).Greet()
	session := mtatest.Frame(cmdNegotiate, string(mtatest.Negotiation(6, 0x1ff, 0x1fffff)))
	session = append(session, mtatest.Frame(cmdConnect, string(mtatest.ConnectData("host", familyInet, 25, "192.0.2.7")))...)
	session = append(session, mtatest.Frame(cmdMail, "<a@example.net>\x00")...)
	for n := range session {
		m := mtatest.On(t, h.Dial(t))
		m.Write(session[:n])
		_ = m.Conn.Close()
	}
	mtatest.Eventually(t, "only the bystander is left", func() bool { return h.Limiter.Connections() == 1 })
	bystander.Mail("a@example.net")
	if got := bystander.Rcpt("me@example.org"); got != mtatest.Greylisted {
		t.Errorf("answer %q", got)
	}
	bystander.Quit()
}

// A claimed length costs no memory until its octets come.
func TestClaimsTakeNoMemory(t *testing.T) {
	h := newFixture(t)
	allocated := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.TotalAlloc
	}
	before := allocated()
	const peers = 20
	for range peers {
		m := h.MTA(t)
		m.Write(claim(512 << 20))
		m.Closed()
	}
	if taken := (allocated() - before) / peers; taken > 256<<10 {
		t.Errorf("%d octets are taken for each claim of 512 MB", taken)
	}
}

func TestCheckFrame(t *testing.T) {
	for _, c := range []struct {
		command byte
		data    string
		ok      bool
	}{
		{cmdNegotiate, strings.Repeat("x", 12), true},
		{cmdNegotiate, strings.Repeat("x", 11), false},
		{cmdMacro, "C", true},
		{cmdMacro, "Cj\x00odd\x00{x}", true}, // the library pads it
		{cmdConnect, "\x00U", true},
		{cmdConnect, "host\x00?", true}, // judged as an odd address
		{cmdHelo, "\x00", true},
		{cmdMail, "\x00", true},
		{cmdMail, "<>\x00SIZE=1", true}, // arguments need no end
		{cmdRcpt, "<a>\x00", true},
		{cmdHeader, "Subject\x00\x00", true},
		{cmdHeader, "Subject\x00", false},
		{cmdAbort, "", true},
		{cmdUnknown, "", true},
		{cmdBody, "", true},
		{'?', "", false},
		{0, "", false},
	} {
		err := checkFrame(c.command, []byte(c.data))
		if (err == nil) != c.ok || err != nil && !errors.Is(err, errFrame) {
			t.Errorf("%q %q: %v", c.command, c.data, err)
		}
	}
	for command := range rune(256) {
		if limit := frameLimit(&mtatest.Limits, byte(command)); limit < 1 || limit > maxHeader {
			t.Errorf("command %q: limit %d", command, limit)
		}
	}
}

// A command of the longest length that is taken gets its answer.
func TestLongestFrames(t *testing.T) {
	h := newFixture(t)
	m := h.OldMTA(t, 2)
	macro := "C" + strings.Repeat("{x}\x00y\x00", 1+listen.DefaultRequest/6)
	m.Send(cmdMacro, []byte(macro[:listen.DefaultRequest-1])...)
	m.Greet()
	for _, length := range []int{100, 2048, 4096 - 10, 16<<10 - 2} {
		sender := strings.Repeat("a", length-len("<@b>\x00SIZE=1000\x00")) + "@b"
		m.Mail(sender)
		if got := m.Rcpt(fmt.Sprintf("me%d@example.org", length)); got != mtatest.Greylisted {
			t.Errorf("length %d: answer %q", length, got)
		}
		m.Abort()
	}
	m.Send(cmdBody, []byte(strings.Repeat("b", listen.DefaultRequest-1))...)
	m.AnswerUnless(0)
	m.Quit()
}
