package lookup

import (
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// How long answers are cached. The minimum bounds the queries for a domain whose TTL
// is zero.
const (
	minTTL      = 30 * time.Second
	maxTTL      = 3 * time.Hour
	maxNoTTL    = 15 * time.Minute // that there is no such record (RFC 2308, section 5)
	unstatedTTL = time.Minute      // the same, if the answer has no SOA record
	failureTTL  = 5 * time.Second  // a failure (RFC 2308, section 7)
)

// Limits of an answer. More is a failure.
const (
	maxRecords = 200 // in the answer section
	maxAliases = 10  // CNAMEs, one after the other
	maxStrings = 64  // in one TXT record
)

// answer is a server's answer to a question. It must not be changed.
type answer struct {
	texts []string     // SPF records, or host names
	addrs []netip.Addr // of A and AAAA records
	err   error        // a *net.DNSError: not found or temporary; else nil

	ttl     time.Duration
	expires time.Time
}

// size returns about how many octets of memory it takes.
func (a answer) size() int {
	const header = 24
	n := len(a.addrs) * header
	for _, s := range a.texts {
		n += len(s) + header
	}
	return n
}

// readAnswer reads the records that answer the question. It keeps only those TXT records
// that can be SPF records.
func readAnswer(m *dns.Msg, q question) answer {
	failed := func(why string) answer { return answer{err: temporary(q, why), ttl: failureTTL} }
	if len(m.Answer) > maxRecords {
		return failed("the answer has too many records")
	}
	owner, ttl, why := followAliases(m.Answer, q)
	if why != "" {
		return failed(why)
	}
	a := answer{ttl: ttl}
	found := false
	for _, rr := range m.Answer {
		h := rr.Header()
		if h.Rrtype != q.qtype || h.Class != dns.ClassINET || dns.CanonicalName(h.Name) != owner {
			continue
		}
		found = true
		a.ttl = min(a.ttl, seconds(h.Ttl))
		switch rr := rr.(type) {
		case *dns.A:
			if addr, ok := netip.AddrFromSlice(rr.A); ok {
				a.addrs = append(a.addrs, addr.Unmap())
			}
		case *dns.AAAA:
			if addr, ok := netip.AddrFromSlice(rr.AAAA); ok {
				a.addrs = append(a.addrs, addr)
			}
		case *dns.TXT:
			if len(rr.Txt) > maxStrings {
				return failed("a TXT record has too many strings")
			}
			if text := unescape(strings.Join(rr.Txt, "")); isSPF(text) {
				a.texts = append(a.texts, text)
			}
		case *dns.MX:
			a.texts = appendHost(a.texts, rr.Mx)
		case *dns.PTR:
			a.texts = appendHost(a.texts, rr.Ptr)
		}
	}
	switch {
	case found && m.Rcode == dns.RcodeSuccess:
		a.ttl = max(a.ttl, minTTL)
		return a
	case m.Rcode == dns.RcodeNameError, m.RecursionAvailable, m.Authoritative:
		return answer{err: notFound(q.name), ttl: negativeTTL(m, ttl)}
	}
	return failed("the server does not ask others (recursion is not available)")
}

// followAliases follows CNAMEs to the name whose records are the answer, and returns the
// least TTL on the way.
func followAliases(records []dns.RR, q question) (owner string, ttl time.Duration, why string) {
	aliases := make(map[string]*dns.CNAME)
	for _, rr := range records {
		if c, ok := rr.(*dns.CNAME); ok {
			aliases[dns.CanonicalName(c.Hdr.Name)] = c
		}
	}
	owner, ttl = presented(q.name), maxTTL
	for range maxAliases + 1 {
		c, ok := aliases[owner]
		if !ok {
			return owner, ttl, ""
		}
		owner, ttl = dns.CanonicalName(c.Target), min(ttl, seconds(c.Hdr.Ttl))
	}
	return "", 0, "the answer has a loop of aliases, or too many"
}

// negativeTTL returns how long to cache that there is no record (RFC 2308, section 5).
func negativeTTL(m *dns.Msg, ttl time.Duration) time.Duration {
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return max(minTTL, min(maxNoTTL, ttl, seconds(soa.Hdr.Ttl), seconds(soa.Minttl)))
		}
	}
	return max(minTTL, min(ttl, unstatedTTL))
}

func seconds(n uint32) time.Duration { return time.Duration(n) * time.Second }

// appendHost appends a host name, if it is a valid one.
func appendHost(hosts []string, name string) []string {
	if name, ok := canonicalName(name); ok {
		return append(hosts, name)
	}
	return hosts
}

// isSPF reports whether a TXT record is an SPF record (RFC 7208, section 4.5).
func isSPF(text string) bool {
	const version = "v=spf1"
	return len(text) >= len(version) && strings.EqualFold(text[:len(version)], version) &&
		(len(text) == len(version) || text[len(version)] == ' ')
}

// unescape undoes the escapes of the presentation format: \DDD and \X (RFC
// 1035, section 5.1).
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\' || i+1 == len(s):
			b = append(b, s[i])
		case i+3 < len(s) && isDigit(s[i+1]) && isDigit(s[i+2]) && isDigit(s[i+3]):
			b = append(b, (s[i+1]-'0')*100+(s[i+2]-'0')*10+s[i+3]-'0')
			i += 3
		default:
			i++
			b = append(b, s[i])
		}
	}
	return string(b)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
