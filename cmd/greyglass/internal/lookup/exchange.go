package lookup

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	udpSize = 1232 // octets, to avoid fragmentation (DNS flag day 2020)

	// maxMessage is the longest answer that is read, in octets.
	maxMessage = 16 << 10

	// maxStray is how many datagrams are skipped that do not answer the query.
	maxStray = 100
)

// tries returns how often a query is sent, to one server after the other.
func tries(servers int) int { return max(3, 2*servers) }

// exchange asks the servers until one of them answers or the context ends. It takes the
// first answer, also from a server that was slow while the next was asked. It does not
// ask a server again that has answered with a failure.
func (r *Resolver) exchange(ctx context.Context, q question) (*dns.Msg, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		server  string
		message *dns.Msg
		err     error
	}
	next := r.inOrder()
	servers, sent, pending := len(next), 0, 0
	results := make(chan result, tries(servers))
	ask := func() {
		if sent == cap(results) || len(next) == 0 {
			return
		}
		server := next[0]
		next = append(next[1:], server)
		sent++
		pending++
		go func() {
			m, err := r.exchangeWith(ctx, server, q)
			results <- result{server, m, err}
		}()
	}
	ask()
	again := time.NewTicker(r.timeout / time.Duration(cap(results)+1))
	defer again.Stop()
	failure := errors.New("timed out")
	for {
		select {
		case <-again.C:
			ask()
		case done := <-results:
			pending--
			if done.err == nil {
				r.last.Store(&done.server)
				return done.message, nil
			}
			if ctx.Err() != nil {
				return nil, failure
			}
			failure = fmt.Errorf("%s: %w", done.server, done.err)
			if errors.As(done.err, new(failedAnswer)) {
				next = slices.DeleteFunc(next, func(s string) bool { return s == done.server })
			}
			if sent < servers {
				ask()
			}
			if pending == 0 && (sent == cap(results) || len(next) == 0) {
				return nil, failure
			}
		case <-ctx.Done():
			return nil, failure
		}
	}
}

// inOrder returns a copy of the servers, first the one that has answered last.
func (r *Resolver) inOrder() []string {
	servers := slices.Clone(r.servers())
	if last := r.last.Load(); last != nil {
		if i := slices.Index(servers, *last); i > 0 {
			return slices.Concat(servers[i:], servers[:i])
		}
	}
	return servers
}

// failedAnswer is the response code of a server that cannot answer.
type failedAnswer int

func (code failedAnswer) Error() string {
	if name, ok := dns.RcodeToString[int(code)]; ok {
		return "the server answers " + name
	}
	return fmt.Sprintf("the server answers with code %d", int(code))
}

// exchangeWith asks one server by UDP, and by TCP if the answer is truncated.
func (r *Resolver) exchangeWith(ctx context.Context, server string, q question) (*dns.Msg, error) {
	query := new(dns.Msg).SetQuestion(presented(q.name), q.qtype)
	query.SetEdns0(udpSize, false)
	m, err := r.send(ctx, "udp", server, query)
	if err == nil && m.Truncated {
		m, err = r.send(ctx, "tcp", server, query)
	}
	switch {
	case err != nil:
		return nil, err
	case m.Truncated:
		return nil, errors.New("the answer is truncated also by TCP")
	case m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError:
		return nil, failedAnswer(m.Rcode)
	}
	return m, nil
}

// send sends a query to a server, from a new port (RFC 5452, section 9.2), and returns
// the answer.
func send(ctx context.Context, network, server string, query *dns.Msg) (*dns.Msg, error) {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, network, server)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })()
	if err := (&dns.Conn{Conn: c}).WriteMsg(query); err != nil {
		return nil, err
	}
	if network == "tcp" {
		packet, err := readTCP(c)
		if err != nil {
			return nil, err
		}
		return parse(packet, query)
	}
	packet := make([]byte, udpSize+1)
	for range maxStray {
		n, err := c.Read(packet)
		if err != nil {
			return nil, err
		}
		m, err := parse(packet[:n], query)
		if !errors.Is(err, errStray) {
			return m, err
		}
	}
	return nil, errStray
}

// readTCP reads a message after its length (RFC 1035, section 4.2.2).
func readTCP(c net.Conn) ([]byte, error) {
	var length uint16
	if err := binary.Read(c, binary.BigEndian, &length); err != nil {
		return nil, err
	}
	if length > maxMessage {
		return nil, fmt.Errorf("an answer of %d octets", length)
	}
	packet := make([]byte, length)
	_, err := io.ReadFull(c, packet)
	return packet, err
}

// errStray is the error for a message that does not answer the query.
var errStray = errors.New("answers to other questions")

// parse reads the answer to a query. It must have the query's ID and question, or it may
// be forged (RFC 5452, section 9.1).
func parse(packet []byte, query *dns.Msg) (*dns.Msg, error) {
	if len(packet) < 2 || binary.BigEndian.Uint16(packet) != query.Id {
		return nil, errStray
	}
	m := new(dns.Msg)
	// A truncated message may end within a record, after its question.
	if err := m.Unpack(packet); err != nil && !(m.Truncated && len(m.Question) == 1) {
		return nil, fmt.Errorf("not a DNS message: %w", err)
	}
	asked := query.Question[0]
	if !m.Response || m.Opcode != dns.OpcodeQuery || len(m.Question) != 1 || m.Question[0].Qtype != asked.Qtype ||
		m.Question[0].Qclass != asked.Qclass || !strings.EqualFold(m.Question[0].Name, asked.Name) {
		return nil, errStray
	}
	return m, nil
}
