package config

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/clock"
	"greyglass/greylist/judge"
	"greyglass/sqlstore/memstore"
)

// TestPolicy asks a policy that differs from the default in every part.
func TestPolicy(t *testing.T) {
	blocked := write(t, "spam@example.net\n")
	exceptions := filepath.Join(t.TempDir(), "exceptions.list")
	if err := os.WriteFile(exceptions, []byte("john\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	l := mustLoad(t, Source{
		File: write(t, `
[store]
on_error = "defer"
error_reply = "451 4.3.0 Not now"
timeout = "250ms"

[greylist]
too_soon = "10s"
min_defer_time = "20s"
max_defer_time = "30s"
max_grey = "40s"
client_prefix_ipv4 = 24
client_prefix_ipv6 = 48
client_identity = "provider"
sender_identity = "normalized"
reply = "450 Wait for {wait}"
probe_senders = ["#probe", "@verify.example.net", "<checker@example.net>"]

[rules]
accept_loopback = false
allowed_senders = ["198.51.100.7"]
allowed_sender_nets = ["203.0.113"]
allowed_domains = ["example.org"]
foreign_domain_action = "deny"
foreign_deny_reply = "550 5.7.1 Not ours"
whitelisted_triples = [["192.0.2", "friend@example.net", "*"]]
whitelisted_nonstandard_triples = [["list.example.net", "192.0.2.0/24", "me@example.org"]]

[blocked]
action = "deny"
deny_reply = "554 5.7.1 Blocked"
`),
		Set: []string{"blocked.senders_file=" + blocked, "blocked.exceptions_file=" + exceptions},
	})
	p := l.Policy
	wantEqual(t, "windows", p.Windows, greylist.Windows{TooSoon: 10, MinDeferTime: 20, MaxDeferTime: 30, MaxGrey: 40})
	wantEqual(t, "identity", p.Identity, greylist.Identity{IPv4: 24, IPv6: 48, Provider: true, Normalized: true})
	wantEqual(t, "on error", p.OnError, greylist.Defer)
	wantEqual(t, "error reply", p.ErrorReply.String(), "451 4.3.0 Not now")
	wantEqual(t, "timeout", p.Timeout, 250*time.Millisecond)

	judge := judge.New(memstore.New(), p, slog.New(slog.DiscardHandler),
		clock.New(func() time.Time { return time.Unix(1e9, 0) }, slog.New(slog.DiscardHandler)))
	for _, c := range []struct {
		client, helo, sender, recipient string
		reason                          greylist.Reason
		reply                           string
		atData                          bool
	}{
		{client: "127.0.0.1", sender: "a@example.net", recipient: "me@example.org", reason: "not-seen-before", reply: "450 Wait for 20 seconds"},
		{client: "192.0.2.7", sender: "spam@example.net", recipient: "me@example.org", reason: "blocked", reply: "554 5.7.1 Blocked"},
		{client: "192.0.2.7", sender: "spam@example.net", recipient: "john@example.org", reason: "exception"},
		{client: "198.51.100.7", sender: "a@example.net", recipient: "me@example.com", reason: "allowed-client"},
		{client: "203.0.113.9", sender: "a@example.net", recipient: "me@example.com", reason: "allowed-client"},
		{client: "192.0.2.7", sender: "a@example.net", recipient: "me@example.com", reason: "foreign-domain", reply: "550 5.7.1 Not ours"},
		{client: "192.0.2.7", sender: "friend@example.net", recipient: "me@example.org", reason: "whitelisted-triple"},
		{client: "192.0.2.7", helo: "list.example.net", sender: "a@example.net", recipient: "me@example.org", reason: "whitelisted-nonstandard"},
		{client: "192.0.2.7", sender: "#probe@example.net", recipient: "me@example.org", atData: true},
		{client: "192.0.2.7", sender: "any@verify.example.net", recipient: "me@example.org", atData: true},
		{client: "192.0.2.7", sender: "checker@example.net", recipient: "me@example.org", atData: true},
		{client: "192.0.2.7", sender: "postmaster@example.net", recipient: "me@example.org", reason: "not-seen-before", reply: "450 Wait for 20 seconds"},
	} {
		answer, pending := judge.Recipient(t.Context(), nil, greylist.Attempt{
			Client: greylist.ParseClient(c.client), Helo: c.helo, Sender: c.sender, Recipient: c.recipient,
		})
		if (pending != nil) != c.atData || answer.Reason != c.reason {
			t.Errorf("%+v: got reason %q, pending %v", c, answer.Reason, pending)
		}
		if c.reply != "" && answer.Reply.String() != c.reply {
			t.Errorf("%+v: got reply %q", c, answer.Reply)
		}
	}
}

func TestObserve(t *testing.T) {
	wantEqual(t, "enforce", mustLoad(t, Source{}).Policy.Observe, false)
	wantEqual(t, "observe", mustLoad(t, Source{Set: []string{"greylist.mode=observe"}}).Policy.Observe, true)
}

// TestPolicyUnchecked makes a policy of a configuration that Load never saw.
func TestPolicyUnchecked(t *testing.T) {
	for name, spoil := range map[string]func(*Config){
		"reply":  func(c *Config) { c.Greylist.Reply = "421 no" },
		"rules":  func(c *Config) { c.Rules.AllowedSenders = []string{"x"} },
		"probes": func(c *Config) { c.Greylist.ProbeSenders = []string{"<>"} },
	} {
		c := *mustLoad(t, Source{}).Config
		spoil(&c)
		if p, err := c.Policy(Lists{}, nil); err == nil || p != nil {
			t.Errorf("%s: got %v, %v", name, p, err)
		}
	}
}
