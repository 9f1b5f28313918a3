// Package nameserver is a DNS server for tests, on a loopback address, by UDP and
// TCP. It answers from a zone file, and for the names that are given a behaviour
// it is slow, silent or lies. It counts what it is asked.
package nameserver

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// Server is a running name server. Its methods may be called at any time.
type Server struct {
	udp, tcp *dns.Server
	address  string
	pause    atomic.Int64 // see Drip

	mu         sync.Mutex
	records    map[string][]dns.RR // by canonical name
	behaviours map[string]Behaviour
	every      Behaviour
	asked      map[string]int // by "TYPE name"
}

// Behaviour answers a query in place of the server. It returns false to let the
// server answer as it would without.
type Behaviour func(w dns.ResponseWriter, query, answer *dns.Msg) (done bool)

// Start starts a server at a loopback address such as "127.0.0.1:0", with the
// records of a zone file (RFC 1035, section 5). Names are absolute, with or
// without a dot at their end. A name that has no records does not exist, unless
// there are names below it.
func Start(address, zone string) (*Server, error) {
	s := &Server{behaviours: make(map[string]Behaviour), asked: make(map[string]int)}
	if err := s.SetZone(zone); err != nil {
		return nil, err
	}
	if err := s.listen(address); err != nil {
		return nil, err
	}
	for _, server := range []*dns.Server{s.udp, s.tcp} {
		ready := make(chan struct{})
		server.NotifyStartedFunc = func() { close(ready) }
		go func() { _ = server.ActivateAndServe() }()
		<-ready
	}
	return s, nil
}

// listen opens the same port by UDP and TCP.
func (s *Server) listen(address string) error {
	const attempts = 20 // the port that UDP is given may be taken by TCP
	var err error
	for range attempts {
		var packets net.PacketConn
		var connections net.Listener
		if packets, err = net.ListenPacket("udp", address); err != nil {
			return err
		}
		s.address = packets.LocalAddr().String()
		if connections, err = net.Listen("tcp", s.address); err == nil {
			s.udp = &dns.Server{PacketConn: packets, Handler: s}
			s.tcp = &dns.Server{Listener: listener{connections, &s.pause}, Handler: s}
			return nil
		}
		_ = packets.Close()
	}
	return err
}

// Close stops the server.
func (s *Server) Close() {
	_ = s.udp.Shutdown()
	_ = s.tcp.Shutdown()
}

// Address is where the server listens, HOST:PORT.
func (s *Server) Address() string { return s.address }

// SetZone replaces the records.
func (s *Server) SetZone(zone string) error {
	records := make(map[string][]dns.RR)
	parser := dns.NewZoneParser(strings.NewReader(zone), ".", "")
	parser.SetDefaultTTL(300)
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		name := dns.CanonicalName(rr.Header().Name)
		records[name] = append(records[name], rr)
	}
	if err := parser.Err(); err != nil {
		return fmt.Errorf("nameserver: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = records
	return nil
}

// Behave gives a name a behaviour; nil takes it away. The name "*" stands for
// every name that has none of its own.
func (s *Server) Behave(name string, b Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name == "*" {
		s.every = b
		return
	}
	s.behaviours[dns.CanonicalName(name)] = b
}

// Asked returns how many queries there were for a name's records of a type, or,
// if the name is empty, how many in all.
func (s *Server) Asked(name, rrtype string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name != "" {
		return s.asked[rrtype+" "+dns.CanonicalName(name)]
	}
	n := 0
	for _, times := range s.asked {
		n += times
	}
	return n
}

// Drip sends what is sent by TCP an octet at a time, with a pause after each.
func (s *Server) Drip(pause time.Duration) { s.pause.Store(int64(pause)) }

// ServeDNS implements dns.Handler.
func (s *Server) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	answer, behaviour := s.answer(query)
	if behaviour != nil && behaviour(w, query, answer) {
		return
	}
	if w.LocalAddr().Network() == "udp" {
		size := dns.MinMsgSize
		if opt := query.IsEdns0(); opt != nil {
			size = int(opt.UDPSize())
		}
		answer.Truncate(size)
	}
	_ = w.WriteMsg(answer)
}

func (s *Server) answer(query *dns.Msg) (*dns.Msg, Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := new(dns.Msg).SetReply(query)
	answer.RecursionAvailable = true
	if len(query.Question) != 1 {
		answer.Rcode = dns.RcodeFormatError
		return answer, nil
	}
	q := query.Question[0]
	name := dns.CanonicalName(q.Name)
	s.asked[dns.TypeToString[q.Qtype]+" "+name]++
	behaviour := s.behaviours[name]
	if behaviour == nil {
		behaviour = s.every
	}
	for range 8 {
		alias := ""
		for _, rr := range s.find(name) {
			c, isAlias := rr.(*dns.CNAME)
			if isAlias && q.Qtype != dns.TypeCNAME {
				alias = dns.CanonicalName(c.Target)
			}
			if isAlias || rr.Header().Rrtype == q.Qtype {
				answer.Answer = append(answer.Answer, rr)
			}
		}
		if alias == "" {
			break
		}
		name = alias
	}
	if !s.exists(name) && s.find(name) == nil {
		answer.Rcode = dns.RcodeNameError
	}
	return answer, behaviour
}

// find returns the records of a name, or of the wildcard above it (RFC 4592).
func (s *Server) find(name string) []dns.RR {
	if records := s.records[name]; len(records) > 0 || s.exists(name) {
		return records
	}
	for i, end := dns.NextLabel(name, 0); !end; i, end = dns.NextLabel(name, i) {
		var records []dns.RR
		for _, rr := range s.records["*."+name[i:]] {
			rr = dns.Copy(rr)
			rr.Header().Name = name
			records = append(records, rr)
		}
		if records != nil || s.exists(name[i:]) {
			return records
		}
	}
	return nil
}

// exists reports whether the name or one below it has records.
func (s *Server) exists(name string) bool {
	if len(s.records[name]) > 0 {
		return true
	}
	for other := range s.records {
		if dns.IsSubDomain(name, other) {
			return true
		}
	}
	return false
}

// listener hands on connections that drip.
type listener struct {
	net.Listener
	pause *atomic.Int64
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return connection{c, l.pause}, err
}

type connection struct {
	net.Conn
	pause *atomic.Int64
}

func (c connection) Write(b []byte) (int, error) {
	pause := time.Duration(c.pause.Load())
	if pause == 0 {
		return c.Conn.Write(b)
	}
	for i := range b {
		if _, err := c.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
		time.Sleep(pause)
	}
	return len(b), nil
}
