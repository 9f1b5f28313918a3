package milter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// claim is the header of a frame that says to be so long.
func claim(length uint32) []byte { return binary.BigEndian.AppendUint32(nil, length) }

func frame(command byte, data string) []byte { return appendFrame(nil, command, []byte(data)) }

// What no MTA sends, and would end the process if the protocol library saw it,
// ends its own connection at once and no other.
func TestMalformedFrames(t *testing.T) {
	hurry := func(f *furniture) { f.limits.Negotiation, f.limits.Command = time.Hour, time.Hour }
	h := newHouse(t, hurry)
	bystander := newMTA(t, h.address, 6).greet()
	bystander.mail("a@example.net")

	negotiate := frame(cmdNegotiate, string(negotiation(6, 0x1ff, 0x1fffff)))
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
		{"body beyond a chunk", false, append(claim(DefaultRequest+1), cmdBody), "a length of 65537 octets"},
		{"long CONNECT", false, append(claim(16<<10+1), cmdConnect), `for command 'C'`},
		{"long RCPT", false, append(claim(16<<10+1), cmdRcpt), `for command 'R'`},
		{"long ABORT", false, append(claim(1<<10+1), cmdAbort), `for command 'A'`},
		{"long unknown command", false, append(claim(1<<10+1), '?'), `for command '?'`},
		{"CONNECT, empty", false, frame(cmdConnect, ""), "host name of a connection does not end"},
		{"CONNECT, host without end", false, frame(cmdConnect, "host"), "host name of a connection does not end"},
		{"CONNECT without family", false, frame(cmdConnect, "host\x00"), "without an address family"},
		{"HELO, empty", false, frame(cmdHelo, ""), "does not end"},
		{"HELO without end", false, frame(cmdHelo, "name"), "does not end"},
		{"MAIL, empty", false, frame(cmdMail, ""), "does not end"},
		{"MAIL without end", false, frame(cmdMail, "<a@example.net>"), "does not end"},
		{"RCPT, empty", false, frame(cmdRcpt, ""), "does not end"},
		{"RCPT without end", false, frame(cmdRcpt, "<me@example.org>"), "does not end"},
		{"macros for nothing", false, frame(cmdMacro, ""), "macros for no command"},
		{"header of one string", false, frame(cmdHeader, "Subject\x00"), ""},
		{"header of nothing", false, frame(cmdHeader, ""), ""},
		{"unknown command", false, frame('?', "what"), "command '?' is unknown"},
		{"command of octet zero", false, frame(0, ""), `command '\x00' is unknown`},
		{"second negotiation", false, negotiate, "a second negotiation"},
		{"second negotiation, short", false, frame(cmdNegotiate, "\x00\x00\x00\x06"), "a second negotiation"},
	} {
		if c.before {
			t.Run("before negotiation/"+c.name, func(t *testing.T) {
				m := dialMTA(t, h.address)
				m.write(c.bytes)
				m.closed()
				h.refused(t, c.says)
			})
		}
		t.Run(c.name, func(t *testing.T) {
			m := newMTA(t, h.address, 6)
			m.write(c.bytes)
			m.closed()
			h.refused(t, c.says)
		})
		if got := bystander.rcpt("me@example.org"); !strings.HasPrefix(got, "451 ") {
			t.Fatalf("after %s: another session is answered %q", c.name, got)
		}
	}

	for name, first := range map[string][]byte{
		"short negotiation": frame(cmdNegotiate, "\x00\x00\x00\x06"),
		"long negotiation":  frame(cmdNegotiate, strings.Repeat("\x00\x00\x00\x06", 300)),
		"MAIL first":        frame(cmdMail, "<>\x00"),
		"QUIT first":        frame(cmdQuit, ""),
		"macros first":      frame(cmdMacro, "C"),
	} {
		t.Run(name, func(t *testing.T) {
			m := dialMTA(t, h.address)
			m.write(first)
			m.closed()
			if strings.HasSuffix(name, "first") {
				h.refused(t, "before the negotiation")
			}
		})
	}
	bystander.quit()
}

// refused fails the test unless the last warning, if one is due, says so.
func (h *house) refused(t *testing.T, says string) {
	t.Helper()
	line := h.log.last("does not speak the protocol")
	if says != "" && (!strings.Contains(line["error"], says) || line["peer"] != h.address.Addr) {
		t.Errorf("logged %v, want %q", line, says)
	}
}

// A frame that is cut off ends the session, wherever that is.
func TestTruncatedFrames(t *testing.T) {
	h := newHouse(t)
	bystander := newMTA(t, h.address, 6).greet()
	session := frame(cmdNegotiate, string(negotiation(6, 0x1ff, 0x1fffff)))
	session = append(session, frame(cmdConnect, string(connectData("host", familyInet, 25, "192.0.2.7")))...)
	session = append(session, frame(cmdMail, "<a@example.net>\x00")...)
	for n := range session {
		m := dialMTA(t, h.address)
		m.write(session[:n])
		_ = m.conn.Close()
	}
	eventually(t, "only the bystander is left", func() bool { return h.gate.Connections() == 1 })
	bystander.mail("a@example.net")
	if got := bystander.rcpt("me@example.org"); got != greylisted {
		t.Errorf("answer %q", got)
	}
	bystander.quit()
}

// A claimed length costs no memory until its octets come.
func TestClaimsTakeNoMemory(t *testing.T) {
	h := newHouse(t)
	allocated := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.TotalAlloc
	}
	before := allocated()
	const peers = 20
	for range peers {
		m := newMTA(t, h.address, 6)
		m.write(claim(512 << 20))
		m.closed()
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
		if limit := defaultLimits.frameLimit(byte(command)); limit < 1 || limit > DefaultRequest {
			t.Errorf("command %q: limit %d", command, limit)
		}
	}
}

// A command of the longest length that is taken gets its answer.
func TestLongestFrames(t *testing.T) {
	h := newHouse(t)
	m := newMTA(t, h.address, 2)
	macro := "C" + strings.Repeat("{x}\x00y\x00", 1+DefaultRequest/6)
	m.send(cmdMacro, []byte(macro[:DefaultRequest-1])...)
	m.greet()
	for _, length := range []int{100, readBuffer, 2*readBuffer - 10, 16<<10 - 2} {
		sender := strings.Repeat("a", length-len("<@b>\x00SIZE=1000\x00")) + "@b"
		m.mail(sender)
		if got := m.rcpt(fmt.Sprintf("me%d@example.org", length)); got != greylisted {
			t.Errorf("length %d: answer %q", length, got)
		}
		m.abort()
	}
	m.send(cmdBody, []byte(strings.Repeat("b", DefaultRequest-1))...)
	m.answerUnless(0)
	m.quit()
}
