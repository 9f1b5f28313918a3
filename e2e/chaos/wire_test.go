package chaos

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// hangs is how long an answer may take before the daemon counts as hanging,
// which is far beyond its promise, for the sake of busy machines.
const hangs = 30 * time.Second

// wire is a connection to the daemon.
type wire struct {
	net.Conn
	in     *bufio.Reader
	daemon *daemon
	cut    func() bool // whether a proxy of ours cut it
	asked  int         // answers that came
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// send writes, and gives what follows its time.
func (w *wire) send(b []byte) error {
	_ = w.SetDeadline(time.Now().Add(hangs))
	_, err := w.Write(b)
	return err
}

// failed is the answer that never came.
func (w *wire) failed(err error) answer {
	return answer{err: err, line: w.cut != nil, cut: w.cut != nil && w.cut(), fresh: w.asked == 0}
}

// milterConn is an MTA's end of a milter connection, made of bare frames.
type milterConn struct {
	wire
	version  uint32
	protocol uint32 // flags, as negotiated
	out      []byte // commands that wait for no answer
}

// Protocol flags of a negotiation (libmilter's mfdef.h, SMFIP_*).
const (
	noConnectReply = 0x1000
	noHeloReply    = 0x2000
	noMailReply    = 0x4000
)

// negotiate begins a connection as an MTA of a protocol version does.
func (m *milterConn) negotiate(version uint32) error {
	actions, protocol := uint32(0x1ff), uint32(0x1fffff)
	if version == 2 {
		actions, protocol = 0x3f, 0x7f
	}
	m.version = version
	m.command('O', words(version, actions, protocol))
	b, err := m.exchange()
	if err != nil {
		return err
	}
	if len(b) < 13 || b[0] != 'O' {
		return fmt.Errorf("negotiation answered by %q", b)
	}
	m.protocol = binary.BigEndian.Uint32(b[9:])
	m.asked++
	return nil
}

func words(all ...uint32) (b []byte) {
	for _, w := range all {
		b = binary.BigEndian.AppendUint32(b, w)
	}
	return b
}

func cstrings(all ...string) (b []byte) {
	for _, s := range all {
		b = append(append(b, s...), 0)
	}
	return b
}

// command adds a command to what is sent next.
func (m *milterConn) command(c byte, data []byte) {
	m.out = binary.BigEndian.AppendUint32(m.out, uint32(1+len(data)))
	m.out = append(append(m.out, c), data...)
}

// exchange sends what is waiting and reads one frame.
func (m *milterConn) exchange() ([]byte, error) {
	err := m.send(m.out)
	m.out = m.out[:0]
	if err != nil {
		return nil, err
	}
	var header [4]byte
	if _, err := io.ReadFull(m.in, header[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(header[:])
	if n == 0 || n > 1<<16 {
		return nil, fmt.Errorf("an answer of %d octets", n)
	}
	b := make([]byte, n)
	_, err = io.ReadFull(m.in, b)
	return b, err
}

// step is a command whose answer is "continue", unless none was negotiated.
func (m *milterConn) step(noReply uint32, c byte, data []byte) error {
	m.command(c, data)
	if m.protocol&noReply != 0 {
		return nil
	}
	b, err := m.exchange()
	if err == nil && string(b) != "c" {
		err = fmt.Errorf("%c answered by %q", c, b)
	}
	return err
}

// hello begins an SMTP session.
func (m *milterConn) hello(e *envelope) error {
	data := append(cstrings("client.example.net"), 'L', 0, 0)
	data = append(data, cstrings("/var/run/client")...)
	if e.client != "local" {
		data = append(cstrings("client.example.net"), '4', 0x10, 0x00)
		data = append(data, cstrings(e.client)...)
	}
	if err := m.step(noConnectReply, 'C', data); err != nil {
		return err
	}
	return m.step(noHeloReply, 'H', cstrings(e.helo))
}

// mail begins a message.
func (m *milterConn) mail(e *envelope) error {
	macros := []string{"i", "first"}
	if e.authenticated {
		macros = append(macros, "{auth_authen}", "somebody")
	}
	m.command('D', append([]byte{'M'}, cstrings(macros...)...))
	return m.step(noMailReply, 'M', cstrings("<"+e.sender+">", "SIZE=1000"))
}

// ask asks the question of a recipient (R), of DATA (T) or of the message's end (E).
func (m *milterConn) ask(q *question, c byte, data []byte) answer {
	m.command('D', append([]byte{c}, cstrings("i", q.id)...))
	m.command(c, data)
	b, err := m.exchange()
	if err != nil {
		return m.failed(err)
	}
	m.asked++
	switch {
	case string(b) == "c", string(b) == "a" && c == 'E':
		return answer{}
	case b[0] == 'y' && b[len(b)-1] == 0:
		return answer{reply: string(b[1 : len(b)-1])}
	}
	return answer{reply: fmt.Sprintf("unknown: %q", b)}
}

func (m *milterConn) rcpt(q *question) answer {
	return m.ask(q, 'R', cstrings("<"+q.triplets[0].recipient+">"))
}

// data ends the envelope; a version without DATA is judged at the message's end.
func (m *milterConn) data(q *question) answer {
	if m.version == 2 {
		return m.ask(q, 'E', nil)
	}
	return m.ask(q, 'T', nil)
}

// policyConn is a client of the policy protocol.
type policyConn struct{ wire }

// ask asks in a state of the protocol; instance names the message.
func (p *policyConn) ask(q *question, state, instance string) answer {
	e := &q.triplets[0].envelope
	client, user := e.client, ""
	if client == "local" {
		client = ""
	}
	if e.authenticated {
		user = "somebody"
	}
	recipient := e.recipient
	if state != "RCPT" && len(q.triplets) > 1 {
		recipient = ""
	}
	request := fmt.Sprintf("request=smtpd_access_policy\nprotocol_state=%s\nprotocol_name=ESMTP\nclient_address=%s\nhelo_name=%s\n"+
		"sender=%s\nrecipient=%s\nqueue_id=%s\ninstance=%s\nsasl_username=%s\n\n", state, client, e.helo, e.sender, recipient, q.id, instance, user)
	if err := p.send([]byte(request)); err != nil {
		return p.failed(err)
	}
	line, err := p.in.ReadString('\n')
	if err != nil {
		return p.failed(err)
	}
	if end, err := p.in.ReadString('\n'); err != nil || end != "\n" {
		return p.failed(errors.Join(err, fmt.Errorf("%q, then %q", line, end)))
	}
	p.asked++
	switch action := line[:len(line)-1]; {
	case action == "action=DUNNO":
		return answer{}
	case len(action) > 7 && action[:7] == "action=":
		return answer{reply: action[7:]}
	}
	return answer{reply: "unknown: " + line}
}
