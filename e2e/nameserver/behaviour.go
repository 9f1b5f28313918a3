package nameserver

import (
	"time"

	"github.com/miekg/dns"
)

// Slow answers after a time.
func Slow(d time.Duration) Behaviour {
	return func(dns.ResponseWriter, *dns.Msg, *dns.Msg) bool {
		time.Sleep(d)
		return false
	}
}

// Silent does not answer.
func Silent(dns.ResponseWriter, *dns.Msg, *dns.Msg) bool { return true }

// Code answers with an error.
func Code(rcode int) Behaviour {
	return func(_ dns.ResponseWriter, _, answer *dns.Msg) bool {
		answer.Answer, answer.Rcode = nil, rcode
		return false
	}
}

// Refer answers as a server that asks no others: with nothing.
func Refer(_ dns.ResponseWriter, _, answer *dns.Msg) bool {
	answer.Answer, answer.Rcode, answer.RecursionAvailable = nil, dns.RcodeSuccess, false
	return false
}

// OtherNumber answers another query than the one that came.
func OtherNumber(_ dns.ResponseWriter, _, answer *dns.Msg) bool {
	answer.Id++
	return false
}

// OtherQuestion answers another question than the one that was asked.
func OtherQuestion(_ dns.ResponseWriter, _, answer *dns.Msg) bool {
	answer.Question[0].Name = "elsewhere.example."
	return false
}

// ByTCP has the query repeated by TCP, and behaves there as it is told.
func ByTCP(b Behaviour) Behaviour {
	return func(w dns.ResponseWriter, query, answer *dns.Msg) bool {
		if w.LocalAddr().Network() == "udp" {
			answer.Answer, answer.Truncated = nil, true
			return false
		}
		return b != nil && b(w, query, answer)
	}
}

// Raw answers with these octets, after the two of the query's number.
func Raw(octets []byte) Behaviour {
	return func(w dns.ResponseWriter, query, _ *dns.Msg) bool {
		_, _ = w.Write(append([]byte{byte(query.Id >> 8), byte(query.Id)}, octets...))
		return true
	}
}
