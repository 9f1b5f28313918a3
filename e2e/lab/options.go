package lab

import (
	"fmt"
	"regexp"
	"time"
)

// Options say what an instance does beyond taking mail for Domain from
// anybody, and for any domain from those who log in or are in RelayFrom. Mail for other domains is
// swallowed, never sent, unless RelayTo says where to. The zero value is an MTA without filters.
//
// Addresses of milters and policy servers are "inet:HOST:PORT" (an IPv6 host in
// brackets) or "unix:/path".
type Options struct {
	// Milters are asked in this order. Postfix and Sendmail.
	Milters []string
	// MilterDefault is what the MTA does when a milter fails: accept (as when
	// empty), tempfail or reject. It does not reach a Snippet's milters under
	// Sendmail, which has it in the milter's own line.
	MilterDefault string
	// Policy is asked at RCPT; PolicyData at DATA and at end of message. Postfix
	// only: Exim asks by its ACLs, see Snippet.
	Policy, PolicyData string
	// Timeout is how long the MTA waits for a milter or policy server, in whole
	// seconds, three times as long at end of message; 0 means 5 s.
	Timeout time.Duration

	// Auth offers AUTH PLAIN and LOGIN, which take User with Password.
	Auth bool
	// RelayFrom are the networks of the site's own clients, which may send to any
	// domain: "192.0.2.0/24", IPv4 and whole octets. Postfix has them in mynetworks,
	// Sendmail in its access map, Exim in the host list relay_from_hosts.
	RelayFrom []string
	// RelayTo is the server that gets mail for other domains: "198.51.100.99:2525", see
	// [StartSink].
	RelayTo string
	// Hosts are more lines for the instance's /etc/hosts, which gives clients
	// their names. Exim does not confirm such names, so that it knows none.
	Hosts string
	// NameServer is the address of a DNS server, at port 53, that the instance asks for
	// names that are not in Hosts; empty: it asks none.
	NameServer string

	// Snippet is a configuration that users paste: it goes to the end of
	// Postfix's main.cf, where later lines win; to where the milters stand in
	// Sendmail's .mc; into Exim's RCPT ACL, after the check against relaying.
	Snippet string
	// Extra is more configuration: main.cf lines before the Snippet, .mc lines
	// after it, lines of Exim's main section.
	Extra string
	// EximFirst goes into Exim's RCPT ACL before the check against relaying.
	EximFirst string
	// EximPredata and EximData go into Exim's ACLs at the DATA command and at end of
	// message; EximACLs are whole ACLs with names of their own.
	EximPredata, EximData, EximACLs string
}

var addressSyntax = regexp.MustCompile(`^(inet:.+:[0-9]+|unix:/.+)$`)

// check returns an error for what mta cannot do.
func (o Options) check(mta MTA) error {
	for _, a := range append([]string{o.Policy, o.PolicyData}, o.Milters...) {
		if a != "" && !addressSyntax.MatchString(a) {
			return fmt.Errorf("lab: bad address %q: want inet:HOST:PORT or unix:/path", a)
		}
	}
	switch o.MilterDefault {
	case "", "accept", "tempfail", "reject":
	default:
		return fmt.Errorf("lab: bad MilterDefault %q", o.MilterDefault)
	}
	if mta == Exim && len(o.Milters) > 0 {
		return fmt.Errorf("lab: Exim has no milters")
	}
	if mta != Postfix && o.Policy+o.PolicyData != "" {
		return fmt.Errorf("lab: %s asks no policy server by itself", mta)
	}
	if mta != Exim && o.EximFirst+o.EximPredata+o.EximData+o.EximACLs != "" {
		return fmt.Errorf("lab: %s has no ACLs", mta)
	}
	return nil
}

// timeoutSeconds is Timeout as MTAs write it.
func (o Options) timeoutSeconds() int {
	if o.Timeout <= 0 {
		return 5
	}
	return max(1, int(o.Timeout/time.Second))
}

func (o Options) milterDefault() string {
	if o.MilterDefault == "" {
		return "accept"
	}
	return o.MilterDefault
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// commentUnless is what stands before a line of a template that counts only if on.
func commentUnless(on bool, comment string) string {
	if on {
		return ""
	}
	return comment
}
