package chaos

import "strings"

// The names that rules are about. The client's address says the rest: those in
// 192.0.2.0/25 are allowed, those in 198.51.100.0/24 may be whitelisted.
const (
	ourDomain     = "example.org"
	foreignDomain = "elsewhere.example"
	whiteDomain   = "white.example"
	whiteHelo     = "lists.example.net"
)

// envelope is what a recipient of a message is asked about with.
type envelope struct {
	client        string // an address, or "local"
	helo          string
	sender        string // empty for a bounce
	recipient     string
	authenticated bool
}

// rule returns what rules 0 to 4 answer, and whether they do.
func (r regime) rule(e *envelope) (said, bool) {
	_, senderDomain, _ := strings.Cut(e.sender, "@")
	local, domain, _ := strings.Cut(e.recipient, "@")
	switch {
	case e.client == "local":
		return said{verdict: "accept", reason: "local"}, true
	case e.sender != "" && r.blocked[senderDomain] && r.exceptions[local]:
		return said{verdict: "accept", reason: "exception"}, true
	case e.sender != "" && r.blocked[senderDomain]:
		return said{verdict: r.whenBlock, reason: "blocked"}, true
	case e.authenticated:
		return said{verdict: "accept", reason: "authenticated"}, true
	case strings.HasPrefix(e.client, "192.0.2."):
		return said{verdict: "accept", reason: "allowed-client"}, true
	case domain != ourDomain:
		return said{verdict: r.foreign, reason: "foreign-domain"}, true
	case strings.HasPrefix(e.client, "198.51.100.") && senderDomain == whiteDomain:
		return said{verdict: "accept", reason: "whitelisted-triple"}, true
	case strings.HasPrefix(e.client, "198.51.100.") && e.helo == whiteHelo:
		return said{verdict: "accept", reason: "whitelisted-nonstandard"}, true
	}
	return said{}, false
}

// probe reports whether rule 5 is asked at DATA.
func (e *envelope) probe() bool {
	return e.sender == "" || strings.HasPrefix(e.sender, "double-bounce@")
}
