package rules

import (
	"greyglass/greylist"
	"testing"
)

// TestWhitelistedTriples is the first half of rule 4.
func TestWhitelistedTriples(t *testing.T) {
	rules := mustCompile(t, Config{WhitelistedTriples: [][]string{
		{"213.38.186.202", "<post@mx1.example.com>", "<me@example.org>"},
		{"213.38.186", "*", "jane@example.org"},
		{"204.15.20", "@example.com", "*"},
		{"204.15.20.7", "@other.example", "*"}, // narrower, but the sender decides
		{"198.51.100.0/24", "<>", "john"},
		{"2001:db8:1::/48", "@*.example.com", "@example.org"},
		{"0.0.0.0/0", "boss@example.com", "me@example.org"},
	}})
	for _, c := range []struct {
		client, sender, recipient string
		want                      string // the entry; empty if none matches
	}{
		{"213.38.186.202", "post@mx1.example.com", "me@example.org", "[213.38.186.202/32, post@mx1.example.com, me@example.org]"},
		{"::ffff:213.38.186.202", "<POST@mx1.example.com>", "<ME@example.org>", "[213.38.186.202/32, post@mx1.example.com, me@example.org]"},
		{"213.38.186.203", "post@mx1.example.com", "me@example.org", ""},
		{"213.38.186.202", "other@mx1.example.com", "me@example.org", ""},
		{"213.38.186.202", "post@mx1.example.com", "you@example.org", ""},
		{"213.38.186.202", "anyone@example.net", "jane@example.org", "[213.38.186.0/24, *, jane@example.org]"},
		{"213.38.186.1", "<>", "jane@example.org", "[213.38.186.0/24, *, jane@example.org]"},
		{"204.15.20.1", "x@example.com", "anyone@example.net", "[204.15.20.0/24, @example.com, *]"},
		{"204.15.20.7", "x@example.com", "anyone@example.net", "[204.15.20.0/24, @example.com, *]"},
		{"204.15.20.7", "x@other.example", "anyone@example.net", "[204.15.20.7/32, @other.example, *]"},
		{"204.15.200.1", "x@example.com", "anyone@example.net", ""},
		{"204.15.20.1", "x@mx.example.com", "anyone@example.net", ""},
		{"198.51.100.9", "", "john@example.org", "[198.51.100.0/24, <>, john]"},
		{"198.51.100.9", "x@example.com", "john@example.org", ""},
		{"2001:db8:1:2::3", "x@mx.example.com", "me@example.org", "[2001:db8:1::/48, @*.example.com, @example.org]"},
		{"2001:db8:2::3", "x@mx.example.com", "me@example.org", ""},
		{"203.0.113.9", "boss@example.com", "me@example.org", "[0.0.0.0/0, boss@example.com, me@example.org]"},
		{"2001:db8::9", "boss@example.com", "me@example.org", ""}, // 0.0.0.0/0 is all of IPv4
		{"unknown", "boss@example.com", "me@example.org", ""},
	} {
		want := "greylist"
		if c.want != "" {
			want = "accept whitelisted-triple: " + c.want + " is whitelisted"
		}
		if got := ask(t, rules, greylist.Attempt{Client: greylist.ParseClient(c.client), Sender: c.sender, Recipient: c.recipient}); got != want {
			t.Errorf("%s %s %s:\n got %s\nwant %s", c.client, c.sender, c.recipient, got, want)
		}
	}
}

// TestWhitelistedNonstandardTriples is the second half of rule 4.
func TestWhitelistedNonstandardTriples(t *testing.T) {
	rules := mustCompile(t, Config{WhitelistedNonstandardTriples: [][]string{
		{"ListMail.example.org", "62.73.155.19", "<me@example.org>"},
		{"listmail.example.org", "62.73.155", "john"},
		{"[192.0.2.7]", "192.0.2.7", "*"},
		{"mx.example.com.", "2001:db8::/32", "@example.org"},
	}})
	for _, c := range []struct {
		helo, client, recipient string
		want                    string
	}{
		{"listmail.example.org", "62.73.155.19", "me@example.org", "[listmail.example.org, 62.73.155.19/32, me@example.org]"},
		{"LISTMAIL.EXAMPLE.ORG", "62.73.155.19", "<ME@example.org>", "[listmail.example.org, 62.73.155.19/32, me@example.org]"},
		{"listmail.example.org.", "::ffff:62.73.155.19", "me@example.org", "[listmail.example.org, 62.73.155.19/32, me@example.org]"},
		{"listmail.example.org", "62.73.155.19", "john@example.org", "[listmail.example.org, 62.73.155.0/24, john]"},
		{"listmail.example.org", "62.73.155.20", "me@example.org", ""},
		{"listmail.example.org", "62.73.155.19", "you@example.org", ""},
		{"mail.example.org", "62.73.155.19", "me@example.org", ""},
		{"x.listmail.example.org", "62.73.155.19", "me@example.org", ""},
		{"", "62.73.155.19", "me@example.org", ""},
		{"[192.0.2.7]", "192.0.2.7", "anyone@example.net", "[[192.0.2.7], 192.0.2.7/32, *]"},
		{"192.0.2.7", "192.0.2.7", "anyone@example.net", ""},
		{"mx.example.com", "2001:db8::25", "me@example.org", "[mx.example.com, 2001:db8::/32, @example.org]"},
		{"mx.example.com", "unknown", "me@example.org", ""},
	} {
		want := "greylist"
		if c.want != "" {
			want = "accept whitelisted-nonstandard: " + c.want + " is whitelisted"
		}
		for _, sender := range []string{"", "anyone@example.com"} {
			got := ask(t, rules, greylist.Attempt{Helo: c.helo, Client: greylist.ParseClient(c.client), Sender: sender, Recipient: c.recipient})
			if got != want {
				t.Errorf("%s %s %s:\n got %s\nwant %s", c.helo, c.client, c.recipient, got, want)
			}
		}
	}
}
