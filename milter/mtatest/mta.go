package mtatest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"greyglass/milter/listen"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/d--j/go-milter"
)

// Timeout bounds how long tests wait for what must happen.
const Timeout = 10 * time.Second

// Greylisted is the reply to an unknown triplet.
const Greylisted = "451 4.7.1 Greylisted, please try again in 1 hour"

// Answers that are no SMTP reply.
const (
	Continue = "continue"
	Accept   = "accept"
)

// MTA is the MTA's end of a milter connection. It is made of bare frames, so
// that tests can also say what no proper MTA would.
type MTA struct {
	t    testing.TB
	Conn net.Conn
	in   *bufio.Reader

	// As negotiated.
	Version  uint32
	Actions  milter.OptAction
	Protocol milter.OptProtocol
	Macros   map[byte]string // asked for, by stage

	Fields  []string // names of header fields of the messages, beside Subject
	AtEnd   []string // macros of the messages' ends
	Changes []string // of header fields, by the milter: "insert 0 NAME: VALUE", "delete 1 NAME"

	holding bool // commands, until flush
	held    []byte
}

// Offers is what an MTA of a protocol version offers (mfdef.h, SMFI_V2_PROT and so on).
func Offers(version uint32) (milter.OptAction, milter.OptProtocol) {
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

// On is an MTA on a connection, on which nothing is said yet.
func On(t testing.TB, conn net.Conn) *MTA {
	t.Cleanup(func() { _ = conn.Close() })
	return &MTA{t: t, Conn: conn, in: bufio.NewReader(conn)}
}

// Frame is a frame: its length in four octets, the command, its data (Sendmail's
// include/libmilter/mfdef.h, which has the letters of the commands, too).
func Frame(command byte, data string) []byte {
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(1+len(data))), command), data...)
}

func (m *MTA) Negotiate(version uint32) {
	m.t.Helper()
	actions, protocol := Offers(version)
	m.Offer(version, actions, protocol)
}

func (m *MTA) Offer(version uint32, actions milter.OptAction, protocol milter.OptProtocol) {
	m.t.Helper()
	m.Send('O', Negotiation(version, actions, protocol)...)
	answer := m.Frame()
	if len(answer) < 13 || answer[0] != 'O' {
		m.t.Fatalf("negotiation answered by %q", answer)
	}
	m.Version = binary.BigEndian.Uint32(answer[1:])
	m.Actions = milter.OptAction(binary.BigEndian.Uint32(answer[5:]))
	m.Protocol = milter.OptProtocol(binary.BigEndian.Uint32(answer[9:]))
	m.Macros = make(map[byte]string)
	for rest := answer[13:]; len(rest) > 0; {
		names, after, ok := strings.Cut(string(rest[4:]), "\x00")
		if !ok {
			m.t.Fatalf("macro list does not end: %q", rest)
		}
		m.Macros[rest[3]] = names
		rest = []byte(after)
	}
}

// Negotiation is the data of a negotiation.
func Negotiation(version uint32, actions milter.OptAction, protocol milter.OptProtocol) []byte {
	b := binary.BigEndian.AppendUint32(nil, version)
	b = binary.BigEndian.AppendUint32(b, uint32(actions))
	return binary.BigEndian.AppendUint32(b, uint32(protocol))
}

// Write sends octets as they are.
func (m *MTA) Write(b []byte) {
	m.t.Helper()
	if m.holding {
		m.held = append(m.held, b...)
		return
	}
	if _, err := m.Conn.Write(b); err != nil {
		m.t.Fatal(err)
	}
}

// Hold keeps the commands that follow until flush, which sends them in one write.
func (m *MTA) Hold() { m.holding = true }
func (m *MTA) Flush() {
	m.t.Helper()
	m.holding = false
	m.Write(m.held)
	m.held = nil
}

// Send sends a command.
func (m *MTA) Send(command byte, data ...byte) {
	m.t.Helper()
	m.Write(Frame(command, string(data)))
}

// Define sends the macros of the command that comes next.
func (m *MTA) Define(command byte, macros ...string) {
	m.t.Helper()
	m.Send('D', append([]byte{command}, Strings(macros...)...)...)
}

// Strings are strings as they stand in a frame, each with its end.
func Strings(s ...string) []byte {
	var b []byte
	for _, s := range s {
		b = append(append(b, s...), 0)
	}
	return b
}

// ConnectData is the data of a connect command.
func ConnectData(host string, family byte, port uint16, addr string) []byte {
	b := append(Strings(host), family)
	if family == 'U' {
		return b
	}
	b = binary.BigEndian.AppendUint16(b, port)
	return append(b, Strings(addr)...)
}

// AnswerUnless reads the answer of a command, unless it was negotiated away.
func (m *MTA) AnswerUnless(flag milter.OptProtocol) {
	m.t.Helper()
	if m.holding || m.Protocol&flag != 0 {
		return
	}
	if got := m.Reply(); got != Continue {
		m.t.Errorf("answer %q, want continue", got)
	}
}

func (m *MTA) Connect(family byte, addr string) {
	m.t.Helper()
	m.Send('C', ConnectData("client.example.net", family, 4321, addr)...)
	m.AnswerUnless(milter.OptNoConnReply)
}

func (m *MTA) Helo(name string) {
	m.t.Helper()
	m.Send('H', Strings(name)...)
	m.AnswerUnless(milter.OptNoHeloReply)
}

// Mail sends MAIL as MTAs do, with the angle brackets.
func (m *MTA) Mail(sender string) {
	m.t.Helper()
	m.Send('M', Strings("<"+sender+">", "SIZE=1000")...)
	m.AnswerUnless(milter.OptNoMailReply)
}

func (m *MTA) Rcpt(recipient string) string {
	m.t.Helper()
	m.Send('R', Strings("<"+recipient+">")...)
	if m.holding {
		return ""
	}
	return m.Reply()
}

// Data is the DATA step, which MTAs have from version 4 on.
func (m *MTA) Data() string { m.t.Helper(); m.Send('T'); return m.Reply() }

// Body sends a message, as far as the milter wants it, and its end.
func (m *MTA) Body() string {
	m.t.Helper()
	step := func(unwanted milter.OptProtocol, command byte, data ...byte) {
		m.t.Helper()
		if m.Protocol&unwanted == 0 {
			m.Send(command, data...)
			if command != 'L' {
				m.AnswerUnless(0)
			} else {
				m.AnswerUnless(milter.OptNoHeaderReply)
			}
		}
	}
	for _, field := range append([]string{"Subject"}, m.Fields...) {
		step(milter.OptNoHeaders, 'L', Strings(field, "hello")...)
	}
	step(milter.OptNoEOH, 'N')
	step(milter.OptNoBody, 'B', []byte("hello\r\n")...)
	if m.AtEnd != nil {
		m.Define('E', m.AtEnd...)
	}
	m.Send('E')
	return m.Reply()
}

func (m *MTA) Abort()  { m.t.Helper(); m.Send('A') }
func (m *MTA) QuitNC() { m.t.Helper(); m.Send('K') }

// Quit ends the connection, and waits until the other end has.
func (m *MTA) Quit() { m.t.Helper(); m.Send('Q'); m.Closed() }

// Frame reads a frame: the code and its data.
func (m *MTA) Frame() []byte {
	m.t.Helper()
	b, err := ReadFrame(m.in)
	if err != nil {
		m.t.Fatalf("no answer: %v", err)
	}
	return b
}

// ReadFrame reads a frame: the code and its data.
func ReadFrame(r io.Reader) ([]byte, error) {
	var header [4]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(header[:])
	if length == 0 || length > listen.DefaultRequest {
		return nil, fmt.Errorf("answer of %d octets", length)
	}
	b := make([]byte, length)
	_, err := io.ReadFull(r, b)
	return b, err
}

// Reply reads an answer: "continue", "accept" or the SMTP reply.
func (m *MTA) Reply() string {
	m.t.Helper()
	b := m.Frame()
	for ; b[0] == 'i' || b[0] == 'm'; b = m.Frame() { // SMFIR_INSHEADER, SMFIR_CHGHEADER
		m.Changes = append(m.Changes, change(b))
	}
	switch {
	case string(b) == "c":
		return Continue
	case string(b) == "a":
		return Accept
	case b[0] == 'y' && b[len(b)-1] == 0: // SMFIR_REPLYCODE
		return string(b[1 : len(b)-1])
	}
	m.t.Fatalf("answer %q", b)
	return ""
}

// change is a change of a header field in words.
func change(b []byte) string {
	index := binary.BigEndian.Uint32(b[1:])
	name, value, _ := strings.Cut(strings.TrimSuffix(string(b[5:]), "\x00"), "\x00")
	if value == "" {
		return fmt.Sprintf("delete %d %s", index, name)
	}
	return fmt.Sprintf("insert %d %s: %s", index, name, value)
}

// Closed waits until the other end has closed the connection, without a word.
func (m *MTA) Closed() {
	m.t.Helper()
	switch b, err := m.in.ReadByte(); {
	case err == nil:
		m.t.Errorf("got %q, want the connection closed", b)
	case errors.Is(err, os.ErrDeadlineExceeded):
		m.t.Error("the connection is not closed")
	}
}

// Greet begins an SMTP session of a client that is unknown.
func (m *MTA) Greet() *MTA {
	m.t.Helper()
	m.Connect('4', "192.0.2.7")
	m.Helo("client.example.net")
	return m
}

// Drip writes an octet a second until the connection is closed, and returns how
// long that took.
func Drip(t testing.TB, conn net.Conn, octets []byte) time.Duration {
	t.Helper()
	began := time.Now()
	for i := range octets {
		if _, err := conn.Write(octets[i : i+1]); err != nil {
			return time.Since(began)
		}
		time.Sleep(time.Second)
	}
	t.Error("the connection is not closed")
	return 0
}
