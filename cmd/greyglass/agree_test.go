package main

import (
	"cmp"
	"database/sql"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"greyglass/e2e/nameserver"
	"greyglass/greylist"
	"greyglass/greylist/address"
)

// The daemons that explain is compared with. The windows are the defaults, so
// long that no test comes near one of their edges by being slow.
var daemons = map[string]conf{
	"usual": {
		"blocked.senders_file":                  `"blocked"`,
		"blocked.exceptions_file":               `"exceptions"`,
		"rules.allowed_senders":                 `["192.0.2.1", "2001:db8:a::1"]`,
		"rules.allowed_sender_nets":             `["198.51.100", "2001:db8:b::/48"]`,
		"rules.allowed_domains":                 `["example.org", "*.example.com"]`,
		"rules.whitelisted_triples":             `[["203.0.113.32/28", "@lists.example.net", "<bob@example.org>"], ["203.0.113.99", "*", "@example.org"]]`,
		"rules.whitelisted_nonstandard_triples": `[["listmail.example.net", "203.0.113", "<carol@example.org>"]]`,
	},
	"strict": {
		"blocked.senders_file":        `"blocked"`,
		"blocked.action":              `"deny"`,
		"rules.accept_loopback":       "false",
		"rules.allowed_domains":       `["example.org"]`,
		"rules.foreign_domain_action": `"deny"`,
		"greylist.client_prefix_ipv4": "24",
		"greylist.reply":              `"450 Come back in {wait}"`,
		"greylist.probe_senders":      `["@verify.example.net"]`,
	},
	"provider": { // its DNS is agreeZone
		"greylist.client_identity": `"provider"`,
		"greylist.sender_identity": `"normalized"`,
	},
	"lenient": {
		"greylist.mode":               `"observe"`,
		"rules.allowed_domains":       `["example.org"]`,
		"rules.foreign_domain_action": `"accept"`,
	},
}

const agreeZone = `
example.net.              TXT "v=spf1 include:_spf.pool.example ~all"
_spf.pool.example.        TXT "v=spf1 include:_more.pool.example -all"
_more.pool.example.       TXT "v=spf1 ip4:203.0.113.0/28 ip6:2001:db8:7::/48 -all"
all.example.              TXT "v=spf1 +all"
`

const (
	blockedList    = "spam@example.net\n@bad.example\n<>\n@*.worse.example\n"
	exceptionsList = "abuse\nann@example.org\n"

	deferReply    = "451 4.7.1 Greylisted, please try again in "
	blockedReply  = "451 4.2.2 Mailbox full, retry later"
	foreignReply  = "451 4.7.1 Not a domain that this server receives mail for"
	deniedReply   = "550 5.7.1 Your email has not been and will not be delivered - it has been blocked"
	foreignDenied = "550 5.7.1 Not a domain that this server receives mail for"
)

// since is how many seconds ago something was.
type since int64

// agreements are cases, each with all that is remembered before, and what both
// must say.
var agreements = []struct {
	daemon                    string
	client, sender, recipient string
	helo                      string
	known                     string // the client as it is remembered; empty: as above
	waiting, passed           since  // what is remembered; 0: not that
	verdict, reason, reply    string
}{
	// Rule 0.
	{daemon: "usual", client: "local", sender: "x@example.net", recipient: "bob@example.org", verdict: "accept", reason: "local"},
	{daemon: "usual", client: "127.0.0.1", sender: "spam@example.net", recipient: "bob@example.org", verdict: "accept", reason: "local"},
	{daemon: "usual", client: "::1", sender: "x@example.net", recipient: "bob@elsewhere.example", verdict: "accept", reason: "local"},
	{daemon: "usual", client: "::ffff:127.0.0.9", sender: "x@example.net", recipient: "bob@example.org", verdict: "accept", reason: "local"},
	{daemon: "strict", client: "127.0.0.1", sender: "x@example.net", recipient: "bob@example.org", verdict: "defer", reason: "not-seen-before", reply: "450 Come back in 1 hour"},

	// Rule 1.
	{daemon: "usual", client: "203.0.113.7", sender: "SPAM@Example.NET", recipient: "bob@example.org", verdict: "defer", reason: "blocked", reply: blockedReply},
	{daemon: "usual", client: "192.0.2.1", sender: "any@bad.example", recipient: "bob@example.org", verdict: "defer", reason: "blocked", reply: blockedReply},
	{daemon: "usual", client: "203.0.113.7", sender: "<any@much.worse.example>", recipient: "bob@example.org", verdict: "defer", reason: "blocked", reply: blockedReply},
	{daemon: "usual", client: "203.0.113.7", sender: "<>", recipient: "bob@example.org", verdict: "defer", reason: "blocked", reply: blockedReply},
	{daemon: "usual", client: "203.0.113.7", sender: "spam@example.net", recipient: "ABUSE@elsewhere.example", verdict: "accept", reason: "exception"},
	{daemon: "strict", client: "203.0.113.7", sender: "spam@example.net", recipient: "abuse@example.org", verdict: "deny", reason: "blocked", reply: deniedReply},

	// Rule 2.
	{daemon: "usual", client: "192.0.2.1", sender: "x@example.net", recipient: "bob@elsewhere.example", verdict: "accept", reason: "allowed-client"},
	{daemon: "usual", client: "2001:db8:a::1", sender: "x@example.net", recipient: "bob@example.org", verdict: "accept", reason: "allowed-client"},
	{daemon: "usual", client: "198.51.100.255", sender: "x@example.net", recipient: "bob@example.org", verdict: "accept", reason: "allowed-client"},
	{daemon: "usual", client: "2001:db8:b:ffff::1", sender: "x@example.net", recipient: "bob@example.org", verdict: "accept", reason: "allowed-client"},
	{daemon: "usual", client: "2001:db8:a::2", sender: "x@example.net", recipient: "bob@example.org", verdict: "defer", reason: "not-seen-before", reply: deferReply + "1 hour"},

	// Rule 3.
	{daemon: "usual", client: "203.0.113.7", sender: "x@example.net", recipient: "bob@elsewhere.example", verdict: "defer", reason: "foreign-domain", reply: foreignReply},
	{daemon: "usual", client: "203.0.113.7", sender: "x@example.net", recipient: "bob@example.com", verdict: "defer", reason: "foreign-domain", reply: foreignReply},
	{daemon: "usual", client: "203.0.113.7", sender: "x@example.net", recipient: "bob@sub.example.com", verdict: "defer", reason: "not-seen-before", reply: deferReply + "1 hour"},
	{daemon: "usual", client: "203.0.113.7", sender: "x@example.net", recipient: "postmaster", verdict: "defer", reason: "not-seen-before", reply: deferReply + "1 hour"},
	{daemon: "strict", client: "203.0.113.7", sender: "x@example.net", recipient: "bob@elsewhere.example", verdict: "deny", reason: "foreign-domain", reply: foreignDenied},
	{daemon: "lenient", client: "203.0.113.7", sender: "x@example.net", recipient: "bob@elsewhere.example", verdict: "accept", reason: "foreign-domain"},

	// Rule 4.
	{daemon: "usual", client: "203.0.113.47", sender: "x@lists.example.net", recipient: "<bob@example.org>", verdict: "accept", reason: "whitelisted-triple"},
	{daemon: "usual", client: "203.0.113.48", sender: "x@lists.example.net", recipient: "<bob@example.org>", verdict: "defer", reason: "not-seen-before", reply: deferReply + "1 hour"},
	{daemon: "usual", client: "203.0.113.99", sender: "y@example.net", recipient: "any@example.org", verdict: "accept", reason: "whitelisted-triple"},
	{daemon: "usual", client: "203.0.113.8", sender: "x@example.net", recipient: "carol@example.org", helo: "ListMail.example.net", verdict: "accept", reason: "whitelisted-nonstandard"},
	{daemon: "usual", client: "203.0.113.8", sender: "x@example.net", recipient: "carol@example.org", helo: "mail.example.net", verdict: "defer", reason: "not-seen-before", reply: deferReply + "1 hour"},

	// Rule 5.
	{daemon: "usual", client: "203.0.113.7", sender: "new@example.net", recipient: "bob@example.org", verdict: "defer", reason: "not-seen-before", reply: deferReply + "1 hour"},
	{daemon: "usual", client: "203.0.113.7", sender: "new@example.net", recipient: "bob@example.org", waiting: 90, verdict: "defer", reason: "way-too-soon", reply: deferReply + "1 hour"},
	{daemon: "usual", client: "203.0.113.7", sender: "new@example.net", recipient: "bob@example.org", waiting: 630, verdict: "defer", reason: "too-soon", reply: deferReply + "50 minutes"},
	{daemon: "usual", client: "203.0.113.7", sender: "new@example.net", recipient: "bob@example.org", waiting: 5000, verdict: "accept", reason: "now-grey"},
	{daemon: "usual", client: "203.0.113.7", sender: "new@example.net", recipient: "bob@example.org", waiting: 26000, verdict: "defer", reason: "too-late", reply: deferReply + "1 hour"},
	{daemon: "usual", client: "203.0.113.7", sender: "new@example.net", recipient: "bob@example.org", waiting: -1000, verdict: "defer", reason: "way-too-soon", reply: deferReply + "1 hour"},
	{daemon: "usual", client: "203.0.113.7", sender: "old@example.net", recipient: "bob@example.org", passed: 10, verdict: "accept", reason: "already-grey"},
	{daemon: "usual", client: "203.0.113.7", sender: "old@example.net", recipient: "bob@example.org", passed: 2999000, verdict: "accept", reason: "already-grey"},
	{daemon: "usual", client: "203.0.113.7", sender: "old@example.net", recipient: "bob@example.org", passed: 3001000, verdict: "defer", reason: "grey-too-long", reply: deferReply + "1 hour"},
	{daemon: "usual", client: "203.0.113.7", sender: "old@example.net", recipient: "bob@example.org", passed: -1000, verdict: "accept", reason: "already-grey"},
	{daemon: "usual", client: "2001:db8:1:2:3:4:5:6", sender: "old@example.net", recipient: "bob@example.org", passed: 10, verdict: "accept", reason: "already-grey"},
	{daemon: "strict", client: "203.0.113.250", sender: "old@example.net", recipient: "bob@example.org", passed: 10, verdict: "accept", reason: "already-grey"},
	{daemon: "strict", client: "203.0.113.7", sender: "<>", recipient: "bob@example.org", waiting: 5000, verdict: "deny", reason: "blocked", reply: deniedReply},
	{daemon: "lenient", client: "203.0.113.7", sender: "<>", recipient: "bob@example.org", verdict: "accept", reason: "not-seen-before"},
	{daemon: "lenient", client: "203.0.113.7", sender: "", recipient: "bob@example.org", waiting: 5000, verdict: "accept", reason: "now-grey"},
	{daemon: "strict", client: "203.0.113.7", sender: "any@verify.example.net", recipient: "bob@example.org", verdict: "defer", reason: "not-seen-before", reply: "450 Come back in 1 hour"},
	{daemon: "usual", client: "203.0.113.7", sender: "double-bounce@example.net", recipient: "bob@example.org", waiting: 630, verdict: "defer", reason: "too-soon", reply: deferReply + "50 minutes"},

	// Other identities.
	{daemon: "provider", client: "203.0.113.7", sender: "ann+1@example.net", recipient: "bob@example.org", verdict: "defer", reason: "not-seen-before", reply: deferReply + "1 hour"},
	{daemon: "provider", client: "203.0.113.7", sender: "ann+2@example.net", recipient: "bob@example.org", known: "spf:pool.example", waiting: 630, verdict: "defer", reason: "too-soon", reply: deferReply + "50 minutes"},
	{daemon: "provider", client: "2001:db8:7::9", sender: "ann+3@example.net", recipient: "bob@example.org", known: "spf:pool.example", waiting: 5000, verdict: "accept", reason: "now-grey"},
	{daemon: "provider", client: "203.0.113.7", sender: "ann@example.net", recipient: "bob@example.org", known: "spf:pool.example", passed: 10, verdict: "accept", reason: "already-grey"},
	{daemon: "provider", client: "203.0.113.7", sender: "ann@example.net", recipient: "bob@example.org", known: "203.0.113.7", passed: 10, verdict: "accept", reason: "already-grey"},
	{daemon: "provider", client: "203.0.113.7", sender: "ann@example.net", recipient: "bob@example.org", known: "203.0.113.8", passed: 10, verdict: "defer", reason: "not-seen-before", reply: deferReply + "1 hour"},
	{daemon: "provider", client: "203.0.113.99", sender: "ann@example.net", recipient: "bob@example.org", known: "spf:pool.example", passed: 10, verdict: "defer", reason: "not-seen-before", reply: deferReply + "1 hour"},
	{daemon: "provider", client: "203.0.113.7", sender: "ann@all.example", recipient: "bob@example.org", known: "spf:all.example", passed: 10, verdict: "defer", reason: "not-seen-before", reply: deferReply + "1 hour"},
	{daemon: "provider", client: "203.0.113.7", sender: "<>", recipient: "bob@example.org", helo: "example.net", known: "spf:pool.example", waiting: 5000, verdict: "accept", reason: "now-grey"},
}

func TestExplainAgreesWithServe(t *testing.T) {
	t.Parallel()
	for name, settings := range daemons {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "provider" {
				server, err := nameserver.Start("127.0.0.1:0", agreeZone)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(server.Close)
				settings = maps.Clone(settings)
				settings["dns.servers"] = quoted(server.Address())
			}
			s := newSite(t, settings)
			s.write("blocked", blockedList)
			s.write("exceptions", exceptionsList)
			daemon := s.serve()
			for _, c := range agreements {
				if c.daemon != name {
					continue
				}
				s.sql(func(db *sql.DB) error { _, err := db.Exec(`DELETE FROM triplet`); return err })
				s.prepare(name, cmp.Or(c.known, c.client), c.sender, c.recipient, c.waiting, c.passed)
				s.agree(daemon, c.client, c.sender, c.recipient, c.helo, c.verdict, c.reason, c.reply)
			}
		})
	}
}

// prepare makes what a case says remembered.
func (s *site) prepare(daemon, client, sender, recipient string, waiting, passed since) {
	s.t.Helper()
	if waiting == 0 && passed == 0 {
		return
	}
	identity := greylist.DefaultIdentity
	switch daemon {
	case "strict":
		identity.IPv4 = 24
	case "provider":
		identity.Normalized = true
	}
	triplet, err := identity.ParseTriplet(client, sender, recipient)
	if err != nil {
		s.t.Fatal(err)
	}
	now := time.Now().Unix()
	e := greylist.Entry{FirstSeen: now - int64(waiting), LastSeen: now - int64(waiting), Deferred: 1}
	if passed != 0 {
		e.PassedAt = now - int64(passed)
		e.FirstSeen = e.PassedAt - 4000
	}
	s.remember(triplet.Client, triplet.Sender, triplet.Recipient, e)
}

// agree checks that explain and probe say what is wanted, that the daemon logs
// it, and that explain changes nothing.
func (s *site) agree(daemon *process, client, sender, recipient, helo, verdict, reason, reply string) {
	s.t.Helper()
	args := []string{client, sender, recipient}
	if helo != "" {
		args = append(args, "--helo", helo)
	}
	what := strings.Join(args, " ")

	before := s.records()
	explained := fields(s.output(append([]string{"explain"}, args...)...))
	if after := s.records(); !reflect.DeepEqual(before, after) {
		s.t.Errorf("explain %s: was %v, is %v", what, before, after)
	}
	n := len(daemon.find(`"msg":"decision"`))
	probed := fields(s.output(append([]string{"probe"}, args...)...))
	logged := daemon.waitMore(n, `"msg":"decision"`)

	for _, said := range []struct{ who, what, got, want string }{
		{"explain", "verdict", explained["verdict"], verdict},
		{"explain", "reason", explained["reason"], reason},
		{"explain", "reply", explained["reply"], reply},
		{"probe", "verdict", probed["verdict"], verdict},
		{"probe", "reply", probed["reply"], reply},
		{"the log", "verdict", logged.str("verdict"), verdict},
		{"the log", "reason", logged.str("reason"), reason},
		{"the log", "recipient", logged.str("recipient"), address.Fold(recipient)},
	} {
		if said.got != said.want {
			s.t.Errorf("%s: %s says the %s %q, want %q", what, said.who, said.what, said.got, said.want)
		}
	}
}

// fields are the lines "name  value" of what explain and probe print.
func fields(text string) map[string]string {
	all := make(map[string]string)
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, " ")
		all[name] = strings.TrimSpace(value)
	}
	return all
}

// unreadable puts what is no time into the database.
const unreadable = `
	DROP VIEW waiting;
	DROP VIEW passed;
	CREATE TABLE loose (id INTEGER PRIMARY KEY, key UNIQUE, client, sender, recipient, first_seen, last_seen,
		passed_at, deferred, accepted, first_attempt);
	INSERT INTO loose SELECT id, key, client, sender, recipient, 'not a time', last_seen, passed_at, deferred, accepted, NULL
		FROM triplet;
	DROP TABLE triplet;
	ALTER TABLE loose RENAME TO triplet;`

// When the memory fails, explain says what is then answered, and that it failed.
func TestExplainAgreesWithoutMemory(t *testing.T) {
	t.Parallel()
	for onError, reply := range map[string]string{"accept": "", "defer": "451 4.3.0 Down"} {
		s := newSite(t, conf{"store.on_error": fmt.Sprintf("%q", onError), "store.error_reply": `"451 4.3.0 Down"`})
		daemon := s.serve()
		s.remember("203.0.113.7", "a@example.net", "b@example.org", greylist.Entry{FirstSeen: 1, LastSeen: 1})
		s.sql(func(db *sql.DB) error {
			_, err := db.Exec(unreadable)
			return err
		})
		explained := s.run("explain", "203.0.113.7", "a@example.net", "b@example.org")
		explained.fails(t, statusFailed, "not a time")
		probed := fields(s.output("probe", "203.0.113.7", "a@example.net", "b@example.org"))
		logged := daemon.decision("b@example.org")
		said := fields(explained.stdout)
		if said["reason"] != "error" || logged.str("reason") != "error" {
			t.Errorf("explained %q, logged %q", said["reason"], logged.str("reason"))
		}
		for _, got := range []map[string]string{said, probed} {
			if got["verdict"] != onError || got["reply"] != reply {
				t.Errorf("on_error = %q: %v", onError, got)
			}
		}
	}
}
