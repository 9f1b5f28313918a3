package mtatest_test

import (
	"errors"
	"fmt"
	"maps"
	"testing"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/milter/listen"
	"greyglass/milter/mtatest"
)

const (
	mailboxFull = "451 4.2.2 Mailbox full, retry later"
	forGood     = "550 5.7.1 Your email has not been and will not be delivered - it has been blocked"
	notHere     = "550 5.7.1 Not here"
	notNow      = "451 4.3.0 Temporary error, please try again later"
	noAddress   = "the client has no address that can be understood"
)

// rules are those of the table: some of each kind.
func rules(t testing.TB) func(*mtatest.Setup) {
	return func(s *mtatest.Setup) {
		s.Rules.AcceptVerifiedTLS = true
		s.Rules.Blocked = mtatest.Patterns(t, address.Senders, "spam@example.com", "@blocked.example")
		s.Rules.Exceptions = mtatest.Patterns(t, address.Recipients, "postmaster", "abuse@example.org")
		s.Rules.AllowedSenders = []string{"198.51.100.1"}
		s.Rules.AllowedSenderNets = []string{"204.15.20", "2001:db8:5::/48"}
		s.Rules.AllowedDomains = []string{"example.org", "bücher.example"}
		s.Rules.ForeignVerdict, s.Rules.ForeignReply = greylist.Deny, mtatest.ParseReply(t, notHere)
		s.Rules.WhitelistedTriples = [][]string{{"213.38.186.202", "<post@mx1.example.com>", "<me@example.org>"}}
		s.Rules.WhitelistedNonstandardTriples = [][]string{{"listmail.example.org", "62.73.155.19", "<me@example.org>"}}
		s.Policy.Probes = mtatest.Patterns(t, address.Recipients, "double-bounce", "postmaster")
		s.Policy.OnError = greylist.Defer
	}
}

// Every reason that an attempt of an unknown client can be answered with, in the words
// that go over the wire; and what is logged of it. No verdict differs between milter and
// policy, the first time and later: both are brought the same attempts at the same times,
// with equal rules and equal memories.
func TestRecipients(t *testing.T) {
	noLoopback := func(s *mtatest.Setup) { s.Rules.AcceptLoopback = false }
	noTLS := func(s *mtatest.Setup) { s.Rules.AcceptVerifiedTLS = false }
	accepting := func(s *mtatest.Setup) { s.Policy.OnError = greylist.Accept }
	denied := func(s *mtatest.Setup) {
		s.Rules.BlockedVerdict, s.Rules.BlockedReply = greylist.Deny, mtatest.ParseReply(t, forGood)
	}
	foreign := func(v greylist.Verdict, reply string) func(*mtatest.Setup) {
		return func(s *mtatest.Setup) { s.Rules.ForeignVerdict, s.Rules.ForeignReply = v, mtatest.ParseReply(t, reply) }
	}
	unseen := greylist.ReasonNotSeenBefore

	for _, c := range []struct {
		name   string
		with   func(*mtatest.Setup) // instead of the rules above
		a      attempt
		reason greylist.Reason
		reply  string
		logged map[string]string // beside reason and verdict; "": no such key
	}{
		{"unknown", nil, attempt{}, unseen, mtatest.Greylisted, map[string]string{
			"client": "192.0.2.7", "helo": "client.example.net", "sender": "stranger@example.net", "recipient": "me@example.org", "wait": "3600", "queue_id": "", "level": "INFO"}},
		{"queue ID", nil, attempt{client: "192.0.2.8", queueID: "4bXyZ1"}, unseen, mtatest.Greylisted, map[string]string{"queue_id": "4bXyZ1"}},
		{"odd HELO", nil, attempt{helo: "evil\rname\x1b"}, unseen, mtatest.Greylisted, map[string]string{"helo": `evil\x0dname\x1b`}},
		{"no HELO", nil, attempt{helo: "-"}, unseen, mtatest.Greylisted, map[string]string{"helo": ""}},

		{"no address", nil, attempt{client: "local"}, greylist.ReasonLocal, accepted, nil},
		{"no address, loopback turned off", noLoopback, attempt{client: "local"}, greylist.ReasonLocal, accepted, nil},
		{"loopback", nil, attempt{client: "127.0.0.9"}, greylist.ReasonLocal, accepted, map[string]string{"client": "127.0.0.9", "wait": ""}},
		{"IPv6 loopback", nil, attempt{client: "::1"}, greylist.ReasonLocal, accepted, nil},
		{"mapped loopback", nil, attempt{client: "::ffff:127.0.0.2"}, greylist.ReasonLocal, accepted, nil},
		{"loopback turned off", noLoopback, attempt{client: "127.0.0.1"}, unseen, mtatest.Greylisted, nil},
		{"local before blocked", denied, attempt{client: "127.0.0.1", sender: "spam@example.com"}, greylist.ReasonLocal, accepted, nil},

		{"mapped IPv4", nil, attempt{client: "::ffff:192.0.2.9"}, unseen, mtatest.Greylisted, map[string]string{"client": "192.0.2.9"}},
		{"IPv6", nil, attempt{client: "2001:db8:1:2:3:4:5:6"}, unseen, mtatest.Greylisted, nil},
		{"IPv6 in capitals", nil, attempt{client: "2001:DB8:0:0::7"}, unseen, mtatest.Greylisted, map[string]string{"client": "2001:db8::7"}},
		{"link-local with a zone", nil, attempt{client: "fe80::1%eth0"}, unseen, mtatest.Greylisted, map[string]string{"client": "fe80::1"}},
		{"no IPv4 address", nil, attempt{client: "192.0.2.256"}, greylist.ReasonError, notNow, map[string]string{"client": "192.0.2.256", "error": noAddress}},
		{"unknown address", nil, attempt{client: "unknown"}, greylist.ReasonError, notNow, map[string]string{"client": "unknown", "error": noAddress}},
		{"unknown address, accepting", accepting, attempt{client: "unknown"}, greylist.ReasonError, accepted, map[string]string{"client": "unknown", "error": noAddress}},
		{"unknown address of a bounce", nil, attempt{client: "unknown", sender: "-"}, greylist.ReasonError, notNow, nil},
		{"odd address", nil, attempt{client: "192.0.2.7\tevil\x01"}, greylist.ReasonError, notNow, map[string]string{"client": `192.0.2.7\x09evil\x01`, "error": noAddress}},

		{"blocked", nil, attempt{sender: "Spam@Example.com"}, greylist.ReasonBlocked, mailboxFull, nil},
		{"blocked for good", denied, attempt{sender: "spam@example.com"}, greylist.ReasonBlocked, forGood, nil},
		{"blocked before authenticated", denied, attempt{sender: "spam@example.com", user: "bob"}, greylist.ReasonBlocked, forGood, nil},
		{"exception of a local part", denied, attempt{sender: "anyone@blocked.example", recipient: "Postmaster@example.org"}, greylist.ReasonException, accepted, nil},
		{"exception of an address", denied, attempt{sender: "anyone@blocked.example", recipient: "abuse@example.org"}, greylist.ReasonException, accepted, nil},
		{"exception without a blocked sender", denied, attempt{recipient: "postmaster@example.org"}, unseen, mtatest.Greylisted, nil},
		{"subdomain of a blocked one", nil, attempt{sender: "anyone@sub.blocked.example"}, unseen, mtatest.Greylisted, nil},

		{"authenticated", nil, attempt{user: "bob"}, greylist.ReasonAuthenticated, accepted, nil},
		{"verified certificate", nil, attempt{certificate: "client.example.net"}, greylist.ReasonAuthenticated, accepted, nil},
		{"verified certificate, not wanted", noTLS, attempt{certificate: "client.example.net"}, unseen, mtatest.Greylisted, nil},
		{"allowed client", nil, attempt{client: "198.51.100.1"}, greylist.ReasonAllowedClient, accepted, nil},
		{"allowed client, mapped", nil, attempt{client: "::ffff:198.51.100.1"}, greylist.ReasonAllowedClient, accepted, nil},
		{"allowed net", nil, attempt{client: "204.15.20.255"}, greylist.ReasonAllowedClient, accepted, nil},
		{"allowed net, mapped", nil, attempt{client: "::ffff:204.15.20.1"}, greylist.ReasonAllowedClient, accepted, nil},
		{"beside the allowed net", nil, attempt{client: "204.15.200.1"}, unseen, mtatest.Greylisted, nil},
		{"allowed IPv6 net", nil, attempt{client: "2001:db8:5::7"}, greylist.ReasonAllowedClient, accepted, nil},

		{"foreign domain denied", nil, attempt{recipient: "me@example.com"}, greylist.ReasonForeignDomain, notHere, nil},
		{"foreign domain denied, without an enhanced code", foreign(greylist.Deny, "550 100% not here"), attempt{recipient: "me@example.com"}, greylist.ReasonForeignDomain, "550 100% not here", nil},
		{"foreign domain deferred", foreign(greylist.Defer, "451 4.7.1 Not here"), attempt{recipient: "me@example.com"}, greylist.ReasonForeignDomain, "451 4.7.1 Not here", nil},
		{"foreign domain accepted", foreign(greylist.Accept, "451 4.7.1 unused"), attempt{recipient: "me@example.com"}, greylist.ReasonForeignDomain, accepted, nil},
		{"subdomain of one's own", nil, attempt{recipient: "me@sub.example.org"}, greylist.ReasonForeignDomain, notHere, nil},
		{"recipient without a domain", nil, attempt{recipient: "Postmaster"}, unseen, mtatest.Greylisted, map[string]string{"recipient": "postmaster"}},

		{"whitelisted triple", nil, attempt{client: "213.38.186.202", sender: "post@mx1.example.com"}, greylist.ReasonWhitelistedTriple, accepted, nil},
		{"whitelisted triple, spelled otherwise", nil, attempt{client: "213.38.186.202", sender: "Post@MX1.example.com."}, greylist.ReasonWhitelistedTriple, accepted, nil},
		{"whitelisted triple, other sender", nil, attempt{client: "213.38.186.202", sender: "post@mx2.example.com"}, unseen, mtatest.Greylisted, nil},
		{"whitelisted nonstandard", nil, attempt{client: "62.73.155.19", helo: "LISTMAIL.example.org", sender: "bounce-77@example.org"}, greylist.ReasonWhitelistedNonstandard, accepted, nil},
		{"whitelisted nonstandard, other name", nil, attempt{client: "62.73.155.19", helo: "mail.example.org", sender: "bounce-77@example.org"}, unseen, mtatest.Greylisted, nil},

		{"bounce", nil, attempt{sender: "-"}, unseen, mtatest.Greylisted, map[string]string{"sender": "<>", "queue_id": "Q1"}},
		{"bounce with a queue ID", nil, attempt{sender: "-", recipient: "you@example.org", queueID: "4bXyZ2"}, unseen, mtatest.Greylisted, map[string]string{"queue_id": "4bXyZ2"}},
		{"bounce of loopback", nil, attempt{sender: "-", client: "127.0.0.1"}, greylist.ReasonLocal, accepted, nil},
		{"bounce, authenticated", nil, attempt{sender: "-", user: "bob"}, greylist.ReasonAuthenticated, accepted, nil},
		{"probe", nil, attempt{sender: "double-bounce@mx.example.net"}, unseen, mtatest.Greylisted, map[string]string{"queue_id": "Q1"}},
		{"probe of an old MTA", nil, attempt{sender: "Postmaster@example.net"}, unseen, mtatest.Greylisted, map[string]string{"queue_id": "Q1"}},

		{"quoted sender", nil, attempt{sender: `"a b$c"@Sender.test`, policySender: `a b$c@Sender.test`}, unseen, mtatest.Greylisted, map[string]string{"sender": `"a b$c"@sender.test`}},
		{"needlessly quoted", nil, attempt{sender: `"plain"@sender.test`, policySender: `plain@sender.test`}, unseen, mtatest.Greylisted, map[string]string{"sender": "plain@sender.test"}},
		{"quotes in quotes", nil, attempt{sender: `"a\"b\\c"@sender.test`, policySender: `a"b\c@sender.test`}, unseen, mtatest.Greylisted, nil},
		{"an @ in quotes", nil, attempt{sender: `"a@b"@sender.test`, policySender: `a@b@sender.test`}, unseen, mtatest.Greylisted, nil},
		{"a quoted space", nil, attempt{sender: `" "@sender.test`, policySender: ` @sender.test`}, unseen, mtatest.Greylisted, nil},
		{"quoted specials", nil, attempt{sender: `"<a,b>;:()[]"@sender.test`, policySender: `<a,b>;:()[]@sender.test`}, unseen, mtatest.Greylisted, nil},
		{"specials without quotes", nil, attempt{sender: `a=b%c{d}$e'f` + "`g|h@sender.test"}, unseen, mtatest.Greylisted, nil},
		{"dots", nil, attempt{sender: "a..b.@sender.test"}, unseen, mtatest.Greylisted, nil},
		{"source route", nil, attempt{sender: "@relay.test,@other.test:user@sender.test"}, unseen, mtatest.Greylisted, nil},
		{"sender without a domain", nil, attempt{sender: "root"}, unseen, mtatest.Greylisted, nil},
		{"internationalized sender", nil, attempt{sender: "Jürgen@Bücher.example"}, unseen, mtatest.Greylisted, map[string]string{"sender": "jürgen@xn--bcher-kva.example"}},
		{"internationalized recipient", nil, attempt{sender: "JÜRGEN@BÜCHER.example", recipient: "Ärger@Bücher.example"}, unseen, mtatest.Greylisted, map[string]string{"recipient": "ärger@xn--bcher-kva.example"}},
		{"no UTF-8", nil, attempt{sender: "\xff\xfe@sender.test"}, unseen, mtatest.Greylisted, nil},
		{"quoted recipient", nil, attempt{recipient: `"john smith"@Example.org`, policyRecipient: `john smith@Example.org`}, unseen, mtatest.Greylisted, map[string]string{"recipient": `"john smith"@example.org`}},
		{"needless escape", nil, attempt{recipient: `"ab\c"@Example.ORG.`, policyRecipient: `abc@Example.ORG.`}, unseen, mtatest.Greylisted, nil},
		{"longest local part", nil, attempt{sender: "a.sixty-four-octets-long-local-part-as-the-standard-still-allows@sender.test"}, unseen, mtatest.Greylisted, nil},
		{"longer local part", nil, attempt{sender: "SRS0=HHH=TT=a.domain-that-is-rewritten.example=user-of-a-much-longer-local-part-than-allowed@sender.test"}, unseen, mtatest.Greylisted, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := c.a.completed()
			change := func(s *mtatest.Setup) {
				rules(t)(s)
				if c.with != nil {
					c.with(s)
				}
			}
			both := [2]*mtatest.Fixture{byMilter.on(t, change), byPolicy.on(t, change)}
			for visit, after := range []int64{0, 100, 600, 3000, 3600, 3_000_001, 25_001} {
				var replies [2]string
				var lines [2]map[string]string
				for i, e := range byBoth {
					h := both[i]
					h.Clock.Advance(after)
					h.Log.Clear()
					s := e.session(t, h)
					s.mail(a)
					replies[i] = s.rcpt(a.recipient, a.policyRecipient)
					if replies[i] == accepted {
						replies[i] = s.data()
					}
					s.quit()
					logged := h.Log.All("decision")
					if len(logged) != 1 || logged[0]["via"] != e.via || logged[0]["took"] == "" {
						t.Fatalf("visit %d, %s: logged %v", visit, e.via, logged)
					}
					lines[i] = logged[0]
					delete(lines[i], "via")
					delete(lines[i], "took")
					if a.client == "local" { // no address is there to agree on
						delete(lines[i], "client")
					}
				}
				if replies[0] != replies[1] || !maps.Equal(lines[0], lines[1]) {
					t.Errorf("visit %d: %q by milter, %q by policy; logged\n%v\n%v", visit, replies[0], replies[1], lines[0], lines[1])
				}
				if rows := [2]map[greylist.Triplet]greylist.Entry{both[0].Store.Rows(t), both[1].Store.Rows(t)}; !maps.Equal(rows[0], rows[1]) || (len(rows[0]) == 1) != (c.reason == unseen) {
					t.Errorf("visit %d: remembered\n%v\n%v", visit, rows[0], rows[1])
				}
				if visit > 0 && c.reason == unseen {
					continue
				}
				if replies[0] != c.reply || lines[0]["reason"] != string(c.reason) || lines[0]["verdict"] != string(verdictOf(c.reply)) {
					t.Errorf("visit %d: answered %q, want %q; logged %v", visit, replies[0], c.reply, lines[0])
				}
				for key, want := range c.logged {
					if got, there := lines[0][key]; got != want || there && key == "queue_id" && want == "" {
						t.Errorf("visit %d: %s=%q, want %q", visit, key, got, want)
					}
				}
			}
		})
	}
}

// verdictOf returns the verdict that a reply tells of.
func verdictOf(reply string) greylist.Verdict {
	switch {
	case reply == accepted:
		return greylist.Accept
	case reply[0] == '5':
		return greylist.Deny
	}
	return greylist.Defer
}

// The seven reasons of the greylist, as one triplet gets them in its life, over both kinds
// of socket, with one connection for all of it.
func TestReasonsOfGreylist(t *testing.T) {
	for _, e := range byBoth {
		for _, at := range []listen.Address{{Network: "unix", Addr: t.TempDir() + "/" + e.via}, {Network: "tcp4", Addr: "127.0.0.1:0"}} {
			t.Run(e.via+" "+at.Network, func(t *testing.T) {
				h := e.build(t).At(t, at)
				s := e.session(t, h)
				for i, step := range []struct {
					after  int64 // seconds
					reason greylist.Reason
					reply  string
				}{
					{0, greylist.ReasonNotSeenBefore, "451 4.7.1 Greylisted, please try again in 1 hour"},
					{179, greylist.ReasonWayTooSoon, "451 4.7.1 Greylisted, please try again in 1 hour"},
					{180, greylist.ReasonTooSoon, "451 4.7.1 Greylisted, please try again in 57 minutes"},
					{3419, greylist.ReasonTooSoon, "451 4.7.1 Greylisted, please try again in 1 second"},
					{1, greylist.ReasonNowGrey, accepted},
					{3_000_000, greylist.ReasonAlreadyGrey, accepted},
					{3_000_001, greylist.ReasonGreyTooLong, "451 4.7.1 Greylisted, please try again in 1 hour"},
					{25_001, greylist.ReasonTooLate, "451 4.7.1 Greylisted, please try again in 1 hour"},
					{25_000, greylist.ReasonNowGrey, accepted},
					{-1_000_000, greylist.ReasonAlreadyGrey, accepted}, // the clock was set back
				} {
					h.Clock.Advance(step.after)
					s.mail(attempt{sender: "Friend@example.net"}.completed())
					if got := s.rcpt("me@Example.org", "me@Example.org"); got != step.reply {
						t.Errorf("step %d: answer %q, want %q", i, got, step.reply)
					}
					h.Judged(t, step.reason, verdictOf(step.reply))
				}
				if got := fmt.Sprint(h.Remembered(t)); got != "[192.0.2.7 friend@example.net me@example.org]" {
					t.Errorf("remembered %v", got)
				}
			})
		}
	}
}

// A retry from another address of the prefix is one; the log has the address itself.
func TestSamePrefix(t *testing.T) {
	for _, e := range byBoth {
		h := e.on(t)
		for i, client := range []string{"2001:db8:1:2:3:4:5:6", "2001:DB8:1:2::9"} {
			s := e.session(t, h)
			s.mail(attempt{client: client}.completed())
			s.rcpt("me@example.org", "me@example.org")
			s.quit()
			h.Judged(t, []greylist.Reason{greylist.ReasonNotSeenBefore, greylist.ReasonWayTooSoon}[i], greylist.Defer)
		}
		if got := fmt.Sprintf("%v %s", h.Remembered(t), h.Log.Last("decision")["client"]); got != "[2001:db8:1:2::/64 stranger@example.net me@example.org] 2001:db8:1:2::9" {
			t.Errorf("%s: remembered and logged %s", e.via, got)
		}
	}
}

// A store that fails is answered as on_error says, and once it works again the greylist
// answers.
func TestStoreFails(t *testing.T) {
	for _, e := range byBoth {
		for onError, reply := range map[greylist.Verdict]string{greylist.Accept: accepted, greylist.Defer: notNow} {
			t.Run(e.via+" "+string(onError), func(t *testing.T) {
				h := e.on(t, func(s *mtatest.Setup) { s.Policy.OnError = onError })
				s := e.session(t, h)
				s.mail(attempt{}.completed())
				h.Store.Fail(errors.New("disk on fire"))
				if got := s.rcpt("me@example.org", "me@example.org"); got != reply {
					t.Errorf("answer %q, want %q", got, reply)
				}
				h.Judged(t, greylist.ReasonError, onError)
				if line := h.Log.Last("decision"); line["client"] != "192.0.2.7" || line["error"] != "disk on fire" {
					t.Errorf("logged %v", line)
				}
				h.Store.Fail(nil)
				if got := s.rcpt("me@example.org", "me@example.org"); got != mtatest.Greylisted {
					t.Errorf("answer %q", got)
				}
			})
		}
	}
}
