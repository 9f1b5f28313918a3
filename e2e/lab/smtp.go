package lab

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Reply is an SMTP server's answer to one command (RFC 5321, section 4.2).
type Reply struct {
	// Code is the three digits; 0 when there was no answer because the
	// connection broke.
	Code int
	// Text is all that follows the code, enhanced status code included; the
	// lines of a longer reply are joined by "\n". With Code 0 it says what broke.
	Text string
}

// String is the reply as one line: "451 4.7.1 Greylisted".
func (r Reply) String() string { return fmt.Sprintf("%03d %s", r.Code, r.Text) }

// OK reports whether the command succeeded or (3xx) was begun.
func (r Reply) OK() bool { return r.Code >= 200 && r.Code < 400 }

var queueID = regexp.MustCompile(`queued as (\S+)|id=(\S+)|^2\.0\.0 (\S+) Message accepted`)

// QueueID returns the MTA's name for the message that the reply, one to the
// end of DATA, accepts; or "".
func (r Reply) QueueID() string {
	for n, part := range queueID.FindStringSubmatch(r.Text) {
		if n > 0 && part != "" {
			return part
		}
	}
	return ""
}

// Client is one SMTP session, told step by step. No method fails the test:
// a broken connection is a Reply with Code 0, so that it may be used in any
// goroutine.
type Client struct {
	// Greeting is what the server said first.
	Greeting Reply
	// Timeout is how long a reply may take, at first a minute.
	Timeout time.Duration

	conn net.Conn
	in   *bufio.Reader
}

// Dial connects from the address source, such as "203.0.113.7" or
// "2001:db8:7::1" (or "" for the kernel's choice), to target, an instance's
// Addr4 or Addr6, and reads the greeting. It fails t if there is no connection,
// and closes it when the test ends.
func Dial(t testing.TB, source, target string) *Client {
	t.Helper()
	c, err := dial(source, target)
	if err != nil {
		t.Fatalf("lab: %v", err)
	}
	t.Cleanup(c.Close)
	return c
}

func dial(source, target string) (*Client, error) {
	dialer := net.Dialer{Timeout: time.Minute}
	if source != "" {
		ip := net.ParseIP(source)
		if ip == nil {
			return nil, fmt.Errorf("bad source address %q", source)
		}
		dialer.LocalAddr = &net.TCPAddr{IP: ip}
	}
	conn, err := dialer.Dial("tcp", target)
	if err != nil {
		return nil, err
	}
	c := &Client{Timeout: time.Minute, conn: conn, in: bufio.NewReader(conn)}
	c.Greeting = c.read()
	return c, nil
}

// Close ends the connection without a word.
func (c *Client) Close() { c.conn.Close() }

// Cmd sends one line and returns the reply. The line may be any command.
func (c *Client) Cmd(line string) Reply { return c.send(line + "\r\n") }

// Helo greets by HELO.
func (c *Client) Helo(name string) Reply { return c.Cmd("HELO " + name) }

// Ehlo greets by EHLO; the text of the reply lists the server's extensions.
func (c *Client) Ehlo(name string) Reply { return c.Cmd("EHLO " + name) }

// Xclient names another client to Postfix, which then sends its greeting again: send EHLO
// again. The attributes are such as "ADDR=203.0.113.7 NAME=mail.sender.test"
// (Postfix's XCLIENT_README).
func (c *Client) Xclient(attributes string) Reply { return c.Cmd("XCLIENT " + attributes) }

// StartTLS starts TLS, with a client certificate unless that is nil
// (ClientCert, UntrustedCert). The server's certificate must be the lab's. Say
// EHLO again afterwards (RFC 3207, section 4.2).
func (c *Client) StartTLS(cert *tls.Certificate) Reply {
	r := c.Cmd("STARTTLS")
	if r.Code != 220 {
		return r
	}
	roots := x509.NewCertPool()
	roots.AddCert(labCA().cert)
	config := &tls.Config{RootCAs: roots, ServerName: Hostname}
	if cert != nil {
		// Not Certificates: Go would not send one of a CA that the server did not name.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	conn := tls.Client(c.conn, config)
	conn.SetDeadline(time.Now().Add(c.Timeout))
	if err := conn.Handshake(); err != nil {
		return c.broken(err)
	}
	c.conn, c.in = conn, bufio.NewReader(conn)
	return r
}

// AuthPlain logs in by AUTH PLAIN (RFC 4616).
func (c *Client) AuthPlain(user, password string) Reply {
	return c.Cmd("AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+password)))
}

// Mail names the sender, "" for the null sender, and parameters such as
// "SIZE=1000", "BODY=8BITMIME" or "SMTPUTF8".
func (c *Client) Mail(from string, parameters ...string) Reply {
	return c.Cmd(strings.Join(append([]string{"MAIL FROM:<" + from + ">"}, parameters...), " "))
}

// Rcpt names a recipient, and parameters such as "NOTIFY=NEVER".
func (c *Client) Rcpt(to string, parameters ...string) Reply {
	return c.Cmd(strings.Join(append([]string{"RCPT TO:<" + to + ">"}, parameters...), " "))
}

// Data sends a whole message: the command, and, unless that is refused, the
// text. It returns the reply that decided. To see both, use Cmd("DATA") and Body.
func (c *Client) Data(text string) Reply {
	if r := c.Cmd("DATA"); r.Code != 354 {
		return r
	}
	return c.Body(text)
}

// Body sends the text of a message after the reply 354, and the end of data.
// Lines may end in "\n" or "\r\n".
func (c *Client) Body(text string) Reply {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, ".") {
			b.WriteByte('.') // RFC 5321, section 4.5.2
		}
		b.WriteString(strings.TrimSuffix(line, "\n") + "\r\n")
	}
	return c.send(b.String() + ".\r\n")
}

// Rset ends the transaction, not the session.
func (c *Client) Rset() Reply { return c.Cmd("RSET") }

// Quit ends the session.
func (c *Client) Quit() Reply { return c.Cmd("QUIT") }

func (c *Client) send(text string) Reply {
	c.conn.SetDeadline(time.Now().Add(c.Timeout))
	if _, err := c.conn.Write([]byte(text)); err != nil {
		// The server may have said why before it closed, such as 421.
		if r := c.read(); r.Code != 0 {
			return r
		}
		return c.broken(err)
	}
	return c.read()
}

// read reads one reply: lines "250-text" and a last one "250 text".
func (c *Client) read() Reply {
	c.conn.SetReadDeadline(time.Now().Add(c.Timeout))
	var lines []string
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return c.broken(err)
		}
		line = strings.TrimRight(line, "\r\n")
		if len(line) < 3 {
			return c.broken(fmt.Errorf("no SMTP reply: %q", line))
		}
		code, err := strconv.Atoi(line[:3])
		if err != nil {
			return c.broken(fmt.Errorf("no SMTP reply: %q", line))
		}
		more := len(line) > 3 && line[3] == '-'
		lines = append(lines, line[min(4, len(line)):])
		if !more {
			return Reply{code, strings.Join(lines, "\n")}
		}
	}
}

func (c *Client) broken(err error) Reply {
	return Reply{0, "connection broken: " + err.Error()}
}
