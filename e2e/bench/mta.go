package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// mta is an MTA's end of the milter protocol, of so little work that the filter
// is what is measured. It sends what Postfix does, and waits where Postfix
// does: for the answers that were negotiated, and writes what needs none
// together with what comes next.
type mta struct {
	socket  string
	conn    net.Conn
	out     []byte // written with the next command that is answered
	in      []byte // the last answer lies in it
	dialect *dialect
}

// dialect is what a filter has negotiated.
type dialect struct {
	answer   string // that said so
	protocol uint32 // SMFIP_* flags
	macros   map[byte][]byte
}

// Flags of the negotiation (libmilter's mfdef.h, SMFIP_*).
const (
	noBody         = 0x10
	noHeaders      = 0x20
	noEOH          = 0x40
	noData         = 0x200
	noConnectReply = 0x1000
	noHeloReply    = 0x2000
	noMailReply    = 0x4000
	noRcptReply    = 0x8000
	noDataReply    = 0x10000
)

// offer is what Postfix offers: version 6, all that it can change, and all steps.
var offer = frame('O', words(6, 0x1ff, 0x1fffff))

// stages are the commands that macros go with, by their number in a negotiation
// (mfapi.h, SMFIM_*), and what Postfix sends with each unless it is asked for
// others (postconf(5), milter_*_macros).
var stages = []struct {
	command byte
	macros  string
}{
	{'C', "j {daemon_name} {daemon_addr} v _"},
	{'H', "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}"},
	{'M', "i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}"},
	{'R', "i {rcpt_addr} {rcpt_host} {rcpt_mailer}"},
	{'T', "i"},
	{'E', "i"},
	{'N', "i"},
}

// values are those of the macros that a plain session has.
var values = map[string]string{
	"j": "mail.example.org", "{daemon_name}": "smtpd", "{daemon_addr}": "192.0.2.1", "v": "Postfix 3.7.11",
	"_": "mail7.example.net [192.0.2.9]", "i": "4Zabcd1234z9XyZ", "{mail_addr}": "sender@example.net",
	"{mail_host}": "example.net", "{mail_mailer}": "smtp", "{rcpt_addr}": "recipient@example.org",
	"{rcpt_host}": "example.org", "{rcpt_mailer}": "local",
}

func words(all ...uint32) (b []byte) {
	for _, w := range all {
		b = binary.BigEndian.AppendUint32(b, w)
	}
	return b
}

func frame(command byte, data []byte) []byte { return appendFrame(nil, command, string(data)) }

func appendFrame(b []byte, command byte, data ...string) []byte {
	length := 1
	for _, d := range data {
		length += len(d)
	}
	b = append(binary.BigEndian.AppendUint32(b, uint32(length)), command)
	for _, d := range data {
		b = append(b, d...)
	}
	return b
}

// connect opens a connection and negotiates.
func (m *mta) connect() (err error) {
	if m.conn, err = net.Dial("unix", m.socket); err != nil {
		return err
	}
	m.out = append(m.out[:0], offer...)
	answer, err := m.exchange()
	if err != nil {
		return err
	}
	if m.dialect == nil || m.dialect.answer != string(answer) {
		m.dialect, err = newDialect(answer)
	}
	return err
}

func newDialect(answer []byte) (*dialect, error) {
	if len(answer) < 13 || answer[0] != 'O' {
		return nil, fmt.Errorf("the negotiation was answered by %q", answer)
	}
	d := &dialect{answer: string(answer), protocol: binary.BigEndian.Uint32(answer[9:]), macros: make(map[byte][]byte)}
	names := make(map[byte]string)
	for _, s := range stages {
		names[s.command] = s.macros
	}
	for rest := answer[13:]; len(rest) > 4; {
		stage := binary.BigEndian.Uint32(rest)
		list, after, _ := strings.Cut(string(rest[4:]), "\x00")
		if int(stage) < len(stages) {
			names[stages[stage].command] = list
		}
		rest = []byte(after)
	}
	for command, list := range names {
		data := []byte{command}
		for name := range strings.FieldsSeq(strings.ReplaceAll(list, ",", " ")) {
			if value, ok := values[name]; ok {
				data = append(data, name+"\x00"+value+"\x00"...)
			}
		}
		if len(data) > 1 {
			d.macros[command] = frame('D', data)
		}
	}
	return d, nil
}

// command sends a command with its macros, and reads its answer unless it has none.
func (m *mta) command(noReply uint32, command byte, data ...string) (answer []byte, err error) {
	m.out = append(m.out, m.dialect.macros[command]...)
	m.out = appendFrame(m.out, command, data...)
	if noReply != 0 && m.dialect.protocol&noReply != 0 {
		return nil, nil
	}
	return m.exchange()
}

// step is a command after which the message must go on.
func (m *mta) step(noReply uint32, command byte, data ...string) error {
	answer, err := m.command(noReply, command, data...)
	if err == nil && answer != nil && string(answer) != "c" {
		err = fmt.Errorf("%c was answered by %q", command, answer)
	}
	return err
}

// exchange writes what is to be sent and reads one frame.
func (m *mta) exchange() ([]byte, error) {
	if err := m.flush(); err != nil {
		return nil, err
	}
	if m.in == nil {
		m.in = make([]byte, 4096)
	}
	for have := 0; ; {
		n, err := m.conn.Read(m.in[have:])
		if err != nil {
			return nil, err
		}
		if have += n; have < 4 {
			continue
		}
		whole := 4 + int(binary.BigEndian.Uint32(m.in))
		switch {
		case whole > len(m.in) || whole == 4:
			return nil, fmt.Errorf("an answer of %d octets", whole-4)
		case have > whole:
			return nil, errors.New("two answers to one command")
		case have == whole:
			return m.in[4:whole], nil
		}
	}
}

func (m *mta) flush() error {
	_, err := m.conn.Write(m.out)
	m.out = m.out[:0]
	return err
}

// attempt is one message up to its only recipient, and its outcome.
func (m *mta) attempt(t triplet) (accepted bool, took time.Duration, err error) {
	if err := errors.Join(
		m.step(noConnectReply, 'C', nameOf(t.client), "\x004\x30\x39", t.client, "\x00"),
		m.step(noHeloReply, 'H', "mail7.example.net\x00"),
		m.step(noMailReply, 'M', "<", t.sender, ">\x00SIZE=4711\x00"),
	); err != nil {
		return false, 0, err
	}
	began := time.Now()
	answer, err := m.command(noRcptReply, 'R', "<", t.recipient, ">\x00")
	took = time.Since(began)
	switch {
	case err != nil:
		return false, took, err
	case string(answer) == "c":
		return true, took, nil
	case len(answer) > 5 && string(answer[:5]) == "y451 ":
		return false, took, nil
	}
	return false, took, fmt.Errorf("RCPT was answered by %q", answer)
}

// body sends the message itself, as far as the filter wants to see it.
func (m *mta) body() error {
	d := m.dialect
	var errs []error
	if d.protocol&noData == 0 {
		errs = append(errs, m.step(noDataReply, 'T'))
	}
	if d.protocol&noHeaders == 0 || d.protocol&noEOH == 0 || d.protocol&noBody == 0 {
		errs = append(errs, errors.New("the filter asks for headers or a body, which are not sent here"))
	}
	answer, err := m.command(0, 'E')
	if err == nil && !slices.Contains([]string{"a", "c"}, string(answer)) {
		err = fmt.Errorf("the end of the message was answered by %q", answer)
	}
	return errors.Join(append(errs, err)...)
}

// abort ends the message. With reuse the connection stays for another session
// (SMFIC_QUIT_NC), and what is said goes with what comes next.
func (m *mta) abort(reuse bool) error {
	m.out = appendFrame(m.out, 'A')
	if reuse {
		m.out = appendFrame(m.out, 'K')
		return nil
	}
	return m.quit()
}

func (m *mta) quit() error {
	m.out = appendFrame(m.out, 'Q')
	err := m.flush()
	return errors.Join(err, m.conn.Close())
}
