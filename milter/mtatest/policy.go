package mtatest

import (
	"bufio"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
)

// Dunno is the action that lets the MTA's other restrictions decide.
const Dunno = "DUNNO"

// PolicyClient is the MTA's end of a policy connection. It writes whatever a
// test tells it to.
type PolicyClient struct {
	t    testing.TB
	Conn net.Conn
	In   *bufio.Reader
}

// PolicyOn is a client on a connection, on which nothing is said yet.
func PolicyOn(t testing.TB, conn net.Conn) *PolicyClient {
	t.Cleanup(func() { _ = conn.Close() })
	return &PolicyClient{t: t, Conn: conn, In: bufio.NewReader(conn)}
}

func (c *PolicyClient) Write(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, s); err != nil {
		c.t.Fatal(err)
	}
}

// Answer reads an answer, and returns its action.
func (c *PolicyClient) Answer() string {
	c.t.Helper()
	line, err := c.In.ReadString('\n')
	if err != nil {
		c.t.Fatalf("no answer: %v", err)
	}
	empty, err := c.In.ReadString('\n')
	action, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "action=")
	if err != nil || empty != "\n" || !ok {
		c.t.Fatalf("answer %q %q, %v", line, empty, err)
	}
	return action
}

// Ask asks as Postfix does.
func (c *PolicyClient) Ask(attributes ...string) string {
	c.t.Helper()
	c.Write(PostfixRequest(attributes...))
	return c.Answer()
}

// HalfClose says that the client has no more to say.
func (c *PolicyClient) HalfClose() {
	c.t.Helper()
	if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		c.t.Fatal(err)
	}
}

// Closed waits until the other end has closed the connection, without a word.
func (c *PolicyClient) Closed() {
	c.t.Helper()
	rest, err := io.ReadAll(c.In)
	if len(rest) > 0 {
		c.t.Errorf("got %q, want the connection closed", rest)
	}
	if t, ok := err.(net.Error); ok && t.Timeout() {
		c.t.Error("the connection is not closed")
	}
}

// postfixAttributes are those of Postfix 3.7, in its order, for the RCPT of an unknown triplet.
var postfixAttributes = []string{
	"request=smtpd_access_policy", "protocol_state=RCPT", "protocol_name=ESMTP",
	"client_address=192.0.2.7", "client_name=client.example.net", "client_port=4321",
	"reverse_client_name=client.example.net", "server_address=198.51.100.25", "server_port=25",
	"helo_name=client.example.net", "sender=stranger@example.net", "recipient=me@example.org",
	"recipient_count=0", "queue_id=", "instance=1f3.65a1b2c3.4d5e6.0", "size=1000", "etrn_domain=", "stress=",
	"sasl_method=", "sasl_username=", "sasl_sender=", "ccert_subject=", "ccert_issuer=",
	"ccert_fingerprint=", "ccert_pubkey_fingerprint=", "encryption_protocol=", "encryption_cipher=",
	"encryption_keysize=0", "policy_context=",
}

// PostfixRequest is a request as Postfix makes it, with some attributes ("name=value")
// in place of its own; "-name" leaves one out.
func PostfixRequest(attributes ...string) string {
	all := slices.Clone(postfixAttributes)
	for _, a := range attributes {
		without, leave := strings.CutPrefix(a, "-")
		name, _, _ := strings.Cut(without, "=")
		i := slices.IndexFunc(all, func(of string) bool { return strings.HasPrefix(of, name+"=") })
		switch {
		case i < 0:
			all = append(all, a)
		case leave:
			all = slices.Delete(all, i, i+1)
		default:
			all[i] = a
		}
	}
	return strings.Join(all, "\n") + "\n\n"
}

// Bounce is a request about a message of the null sender, by its instance.
func Bounce(state, instance, recipient string, more ...string) []string {
	return append([]string{"protocol_state=" + state, "sender=", "instance=" + instance, "recipient=" + recipient}, more...)
}
