package milter

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/d--j/go-milter"
)

const (
	patience   = 10 * time.Second // of tests, for what must happen
	isContinue = "continue"
	isAccept   = "accept"
)

// mta is the MTA's end of a milter connection. It is made of bare frames, so
// that tests can also say what no proper MTA would.
type mta struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader

	// As negotiated.
	version  uint32
	actions  milter.OptAction
	protocol milter.OptProtocol
	macros   map[byte]string // asked for, by stage

	holding bool // commands, until flush
	held    []byte
}

// What an MTA of a protocol version offers (mfdef.h, SMFI_V2_PROT and so on).
func offers(version uint32) (milter.OptAction, milter.OptProtocol) {
	switch {
	case version <= 2:
		return 0x3f, 0x7f
	case version == 3:
		return 0x3f, 0x1ff
	case version <= 5:
		return 0x3f, 0x3ff
	}
	return 0x1ff, 0x1fffff
}

// dialMTA connects, and says nothing yet.
func dialMTA(t testing.TB, to Address) *mta {
	t.Helper()
	conn, err := net.Dial(to.Network, to.Addr)
	if err != nil {
		t.Fatal(err)
	}
	m := &mta{t: t, conn: conn, in: bufio.NewReader(conn)}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return m
}

// newMTA connects and negotiates as an MTA of that protocol version does.
func newMTA(t testing.TB, to Address, version uint32) *mta {
	t.Helper()
	m := dialMTA(t, to)
	m.negotiate(version)
	return m
}

func (m *mta) negotiate(version uint32) {
	m.t.Helper()
	actions, protocol := offers(version)
	m.offer(version, actions, protocol)
}

func (m *mta) offer(version uint32, actions milter.OptAction, protocol milter.OptProtocol) {
	m.t.Helper()
	m.send(cmdNegotiate, negotiation(version, actions, protocol)...)
	answer := m.frame()
	if len(answer) < 13 || answer[0] != cmdNegotiate {
		m.t.Fatalf("negotiation answered by %q", answer)
	}
	m.version = binary.BigEndian.Uint32(answer[1:])
	m.actions = milter.OptAction(binary.BigEndian.Uint32(answer[5:]))
	m.protocol = milter.OptProtocol(binary.BigEndian.Uint32(answer[9:]))
	m.macros = make(map[byte]string)
	for rest := answer[13:]; len(rest) > 0; {
		names, after, ok := strings.Cut(string(rest[4:]), "\x00")
		if !ok {
			m.t.Fatalf("macro list does not end: %q", rest)
		}
		m.macros[rest[3]] = names
		rest = []byte(after)
	}
}

func negotiation(version uint32, actions milter.OptAction, protocol milter.OptProtocol) []byte {
	b := binary.BigEndian.AppendUint32(nil, version)
	b = binary.BigEndian.AppendUint32(b, uint32(actions))
	return binary.BigEndian.AppendUint32(b, uint32(protocol))
}

// write sends octets as they are.
func (m *mta) write(b []byte) {
	m.t.Helper()
	if m.holding {
		m.held = append(m.held, b...)
		return
	}
	if _, err := m.conn.Write(b); err != nil {
		m.t.Fatal(err)
	}
}

// hold keeps the commands that follow until flush, which sends them in one write.
func (m *mta) hold() { m.holding = true }
func (m *mta) flush() {
	m.t.Helper()
	m.holding = false
	m.write(m.held)
	m.held = nil
}

// send sends a command.
func (m *mta) send(command byte, data ...byte) {
	m.t.Helper()
	m.write(appendFrame(nil, command, data))
}

// define sends the macros of the command that comes next.
func (m *mta) define(command byte, macros ...string) {
	m.t.Helper()
	m.send(cmdMacro, append([]byte{command}, cstrings(macros...)...)...)
}

func cstrings(s ...string) []byte {
	var b []byte
	for _, s := range s {
		b = append(append(b, s...), 0)
	}
	return b
}

func connectData(host string, family byte, port uint16, addr string) []byte {
	b := append(cstrings(host), family)
	if family == familyUnknown {
		return b
	}
	b = binary.BigEndian.AppendUint16(b, port)
	return append(b, cstrings(addr)...)
}

// answerUnless reads the answer of a command, unless it was negotiated away.
func (m *mta) answerUnless(flag milter.OptProtocol) {
	m.t.Helper()
	if m.holding || m.protocol&flag != 0 {
		return
	}
	if got := m.reply(); got != isContinue {
		m.t.Errorf("answer %q, want continue", got)
	}
}

func (m *mta) connect(family byte, addr string) {
	m.t.Helper()
	m.send(cmdConnect, connectData("client.example.net", family, 4321, addr)...)
	m.answerUnless(milter.OptNoConnReply)
}

func (m *mta) helo(name string) {
	m.t.Helper()
	m.send(cmdHelo, cstrings(name)...)
	m.answerUnless(milter.OptNoHeloReply)
}

// mail sends MAIL as MTAs do, with the angle brackets.
func (m *mta) mail(sender string) {
	m.t.Helper()
	m.send(cmdMail, cstrings("<"+sender+">", "SIZE=1000")...)
	m.answerUnless(milter.OptNoMailReply)
}

func (m *mta) rcpt(recipient string) string {
	m.t.Helper()
	m.send(cmdRcpt, cstrings("<"+recipient+">")...)
	if m.holding {
		return ""
	}
	return m.reply()
}

// data is the DATA step, which MTAs have from version 4 on.
func (m *mta) data() string { m.t.Helper(); m.send(cmdData); return m.reply() }

// body sends a message, as far as the milter wants it, and its end.
func (m *mta) body() string {
	m.t.Helper()
	step := func(unwanted milter.OptProtocol, command byte, data ...byte) {
		m.t.Helper()
		if m.protocol&unwanted == 0 {
			m.send(command, data...)
			m.answerUnless(0)
		}
	}
	step(milter.OptNoHeaders, cmdHeader, cstrings("Subject", "hello")...)
	step(milter.OptNoEOH, cmdEOH)
	step(milter.OptNoBody, cmdBody, []byte("hello\r\n")...)
	m.send(cmdBodyEnd)
	return m.reply()
}

func (m *mta) abort()  { m.t.Helper(); m.send(cmdAbort) }
func (m *mta) quitNC() { m.t.Helper(); m.send(cmdQuitNC) }

// quit ends the connection, and waits until the other end has.
func (m *mta) quit() { m.t.Helper(); m.send(cmdQuit); m.closed() }

// frame reads a frame: the code and its data.
func (m *mta) frame() []byte {
	m.t.Helper()
	b, err := readFrame(m.in)
	if err != nil {
		m.t.Fatalf("no answer: %v", err)
	}
	return b
}

func readFrame(r io.Reader) ([]byte, error) {
	var header [frameHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(header[:])
	if length == 0 || length > DefaultRequest {
		return nil, fmt.Errorf("answer of %d octets", length)
	}
	b := make([]byte, length)
	_, err := io.ReadFull(r, b)
	return b, err
}

// reply reads an answer: "continue", "accept" or the SMTP reply.
func (m *mta) reply() string {
	m.t.Helper()
	b := m.frame()
	switch {
	case string(b) == "c":
		return isContinue
	case string(b) == "a":
		return isAccept
	case b[0] == 'y' && b[len(b)-1] == 0: // SMFIR_REPLYCODE
		return string(b[1 : len(b)-1])
	}
	m.t.Fatalf("answer %q", b)
	return ""
}

// closed waits until the other end has closed the connection, without a word.
func (m *mta) closed() {
	m.t.Helper()
	switch b, err := m.in.ReadByte(); {
	case err == nil:
		m.t.Errorf("got %q, want the connection closed", b)
	case errors.Is(err, os.ErrDeadlineExceeded):
		m.t.Error("the connection is not closed")
	}
}
