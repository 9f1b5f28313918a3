package milter

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"greyglass/greylist"
)

// policyHouse is a house at whose door policy clients are served. Its milter
// server, which is behind the same gate, is served only if a test opens it.
type policyHouse struct {
	*house
	policy *PolicyServer
}

func newPolicyHouse(t testing.TB, change ...func(*furniture)) *policyHouse {
	t.Helper()
	return newPolicyHouseAt(t, Address{"unix", filepath.Join(t.TempDir(), "policy.sock")}, change...)
}

func newPolicyHouseAt(t testing.TB, address Address, change ...func(*furniture)) *policyHouse {
	t.Helper()
	h := buildPolicyHouse(t, change)
	l, err := Listen(address, SocketOwner{Mode: 0o600})
	if err != nil {
		t.Fatal(err)
	}
	h.address = Address{address.Network, l.Addr().String()}
	h.open(t, l)
	return h
}

// newPolicyPipeHouse makes one for synctest.
func newPolicyPipeHouse(t testing.TB, change ...func(*furniture)) *policyHouse {
	t.Helper()
	h := buildPolicyHouse(t, change)
	h.door = make(chan net.Conn)
	h.open(t, &doorway{conns: h.door, closed: make(chan struct{})})
	return h
}

func buildPolicyHouse(t testing.TB, change []func(*furniture)) *policyHouse {
	t.Helper()
	h := buildHouse(t, change)
	p := NewPolicyServer(h.judge, h.gate, slog.New(h.log))
	p.messages.now = h.clock.now
	return &policyHouse{house: h, policy: p}
}

func (h *policyHouse) open(t testing.TB, l net.Listener) {
	go func() { h.served <- h.policy.Serve(l) }()
	t.Cleanup(func() { h.close(t) })
}

// close shuts the house in good order. It may be called again.
func (h *policyHouse) close(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := h.policy.Shutdown(ctx, 0); err != nil {
		t.Error(err)
	}
	h.end(t)
}

// end fails the test unless the server, which was shut down, has ended.
func (h *policyHouse) end(t testing.TB) {
	t.Helper()
	select {
	case err := <-h.served:
		if err != nil {
			t.Errorf("Serve returned %v", err)
		}
		h.served <- nil // for who asks again
	case <-time.After(patience):
		t.Error("Serve does not return")
	}
	if n := h.gate.Connections(); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}

// policyClient is the MTA's end of a policy connection. It writes whatever a
// test tells it to.
type policyClient struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

// dial connects, and says nothing yet.
func (h *policyHouse) dial(t testing.TB) *policyClient {
	t.Helper()
	if h.door == nil {
		return dialPolicy(t, h.address)
	}
	ours, theirs := net.Pipe()
	t.Cleanup(func() { _ = ours.Close() })
	h.door <- theirs
	return &policyClient{t: t, conn: ours, in: bufio.NewReader(ours)}
}

func dialPolicy(t testing.TB, to Address) *policyClient {
	t.Helper()
	conn, err := net.Dial(to.Network, to.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return &policyClient{t: t, conn: conn, in: bufio.NewReader(conn)}
}

func (c *policyClient) write(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, s); err != nil {
		c.t.Fatal(err)
	}
}

// answer reads an answer, and returns its action.
func (c *policyClient) answer() string {
	c.t.Helper()
	line, err := c.in.ReadString('\n')
	if err != nil {
		c.t.Fatalf("no answer: %v", err)
	}
	empty, err := c.in.ReadString('\n')
	action, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "action=")
	if err != nil || empty != "\n" || !ok {
		c.t.Fatalf("answer %q %q, %v", line, empty, err)
	}
	return action
}

// ask asks as Postfix does.
func (c *policyClient) ask(attributes ...string) string {
	c.t.Helper()
	c.write(postfixRequest(attributes...))
	return c.answer()
}

// halfClose says that the client has no more to say.
func (c *policyClient) halfClose() {
	c.t.Helper()
	if err := c.conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		c.t.Fatal(err)
	}
}

// closed waits until the other end has closed the connection, without a word.
func (c *policyClient) closed() {
	c.t.Helper()
	rest, err := io.ReadAll(c.in)
	if len(rest) > 0 {
		c.t.Errorf("got %q, want the connection closed", rest)
	}
	if t, ok := err.(net.Error); ok && t.Timeout() {
		c.t.Error("the connection is not closed")
	}
}

// ask asks about one recipient on a connection of its own.
func (h *policyHouse) ask(t testing.TB, attributes ...string) string {
	t.Helper()
	c := h.dial(t)
	answer := c.ask(attributes...)
	_ = c.conn.Close()
	return answer
}

// postfixAttributes are those of Postfix 3.7, in its order, for a stranger's RCPT.
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

// postfixRequest is a request as Postfix makes it, with some attributes ("name=value")
// in place of its own; "-name" leaves one out.
func postfixRequest(attributes ...string) string {
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

// rows are what is remembered, times and all.
func (m *memory) rows() map[greylist.Triplet]greylist.Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.entries)
}
