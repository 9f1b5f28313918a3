package chaos

import (
	"fmt"
	"strings"
)

// settings are a configuration that the daemon is given, and what is to be known of it.
type settings struct {
	name      string // stands in every reply, so that each answer shows whose it is
	windows   windows
	onError   string // accept or defer
	observe   bool
	whenBlock string // defer or deny
	foreign   string // defer, deny or accept
}

var allSettings = []*settings{
	{name: "plain", windows: windows{1, 3, 9, 20}, onError: "defer", whenBlock: "defer", foreign: "defer"},
	{name: "kind", windows: windows{1, 3, 9, 20}, onError: "accept", whenBlock: "defer", foreign: "deny"},
	{name: "other", windows: windows{2, 4, 12, 600}, onError: "defer", whenBlock: "deny", foreign: "accept"},
	{name: "watch", windows: windows{1, 3, 9, 20}, onError: "accept", observe: true, whenBlock: "deny", foreign: "defer"},
	{name: "swift", windows: windows{3, 2, 6, 10}, onError: "accept", whenBlock: "deny", foreign: "deny"},
}

// store.timeout of the daemon, which bounds every answer.
const storeTimeout = 2 // seconds

// toml is the configuration's file. broken adds a line that makes it useless.
func (s *settings) toml(p *places, broken bool) string {
	mode := "enforce"
	if s.observe {
		mode = "observe"
	}
	more := ""
	if broken {
		more = "too_soon = \"a while\"\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "[listen]\nmilter = [%q, \"inet:%s\"]\npolicy = [%q, \"inet:%s\"]\n", "unix:"+p.milterUnix, p.milterInet, "unix:"+p.policyUnix, p.policyInet)
	fmt.Fprintf(&b, "[store]\nurl = %q\non_error = %q\nerror_reply = %q\ntimeout = \"%ds\"\n", "sqlite:"+p.database, s.onError, s.errorReply(), storeTimeout)
	w := s.windows
	fmt.Fprintf(&b, "[greylist]\nmode = %q\nmin_defer_time = %d\nmax_defer_time = %d\nmax_grey = %d\nreply = %q\n", mode, w.minDefer, w.maxDefer, w.maxGrey, s.greyReply("{wait}"))
	if !broken {
		fmt.Fprintf(&b, "too_soon = %d\n", w.tooSoon)
	}
	b.WriteString(more)
	fmt.Fprintf(&b, "[rules]\naccept_loopback = false\nallowed_sender_nets = [\"192.0.2.0/25\"]\n")
	fmt.Fprintf(&b, "allowed_domains = [%q]\nforeign_domain_action = %q\nforeign_defer_reply = %q\nforeign_deny_reply = %q\n", ourDomain, s.foreign, s.foreignReply("defer"), s.foreignReply("deny"))
	fmt.Fprintf(&b, "whitelisted_triples = [[\"198.51.100\", \"@%s\", \"*\"]]\nwhitelisted_nonstandard_triples = [[%q, \"198.51.100.0/24\", \"*\"]]\n", whiteDomain, whiteHelo)
	fmt.Fprintf(&b, "[blocked]\nsenders_file = %q\nexceptions_file = %q\naction = %q\ndefer_reply = %q\ndeny_reply = %q\n", p.blocked, p.exceptions, s.whenBlock, s.blockedReply("defer"), s.blockedReply("deny"))
	fmt.Fprintf(&b, "[limits]\nnegotiate_timeout = \"3s\"\ncommand_timeout = \"6s\"\n")
	fmt.Fprintf(&b, "[log]\nformat = \"json\"\n")
	return b.String()
}

func (s *settings) errorReply() string { return "451 4.3.0 " + s.name + " has an error" }
func (s *settings) greyReply(wait string) string {
	return "451 4.7.1 " + s.name + " says wait " + wait
}

func (s *settings) blockedReply(action string) string {
	if action == "deny" {
		return "550 5.7.1 " + s.name + " denies the blocked"
	}
	return "451 4.2.2 " + s.name + " defers the blocked"
}

func (s *settings) foreignReply(action string) string {
	if action == "deny" {
		return "550 5.7.1 " + s.name + " denies the foreign"
	}
	return "451 4.7.1 " + s.name + " defers the foreign"
}

// reply is what an MTA is told; empty for "go on".
func (s *settings) reply(a said) string {
	if a.verdict == "accept" {
		return ""
	}
	switch a.reason {
	case "error":
		return s.errorReply()
	case "blocked":
		return s.blockedReply(a.verdict)
	case "foreign-domain":
		return s.foreignReply(a.verdict)
	}
	if a.wait <= 1 {
		return s.greyReply("1 second")
	}
	return s.greyReply(fmt.Sprintf("%d seconds", a.wait)) // no window of ours has a minute to wait
}

// lists are the contents of the list files.
type lists struct {
	blocked    map[string]bool // sender domains
	exceptions map[string]bool // local parts of recipients
}

func newLists() *lists { return &lists{map[string]bool{}, map[string]bool{}} }

// text is the file of a list.
func text(list map[string]bool, form string) string {
	var b strings.Builder
	b.WriteString("# made by the chaos test\n")
	for entry := range list {
		fmt.Fprintf(&b, form+"\n", entry)
	}
	return b.String()
}

func (l *lists) blockedText() string    { return text(l.blocked, "@%s") }
func (l *lists) exceptionsText() string { return text(l.exceptions, "%s") }

// regime is what is in force.
type regime struct {
	*settings
	*lists
}
