package mtatest_test

import (
	"errors"
	"testing"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/milter/mtatest"
)

// knock is one recipient, as an MTA tells of it.
type knock struct {
	family            byte   // zero: by the address
	client            string // empty: 192.0.2.7
	helo              string
	sender, recipient string
	auth              string // {auth_authen}
}

// ask brings a knock to the house as the only one of its connection.
func askMilter(t testing.TB, h *mtatest.Fixture, k knock) string {
	t.Helper()
	if k.client == "" && k.family == 0 {
		k.client = "192.0.2.7"
	}
	if k.family == 0 {
		k.family = '4'
	}
	if k.helo == "" {
		k.helo = "client.example.net"
	}
	if k.recipient == "" {
		k.recipient = "me@example.org"
	}
	m := h.MTA(t)
	m.Connect(k.family, k.client)
	m.Helo(k.helo)
	if k.auth != "" {
		m.Define('M', "{auth_type}", "PLAIN", "{auth_authen}", k.auth)
	}
	m.Mail(k.sender)
	answer := m.Rcpt(k.recipient)
	m.Quit()
	return answer
}

// Rules 0 to 4: every reason that is not the greylist's, in the words that go
// over the wire. Accepted is "continue": after "accept" Postfix would ask about
// no further recipient.
func TestReasonsOfRules(t *testing.T) {
	blocked := func(s *mtatest.Setup) {
		s.Rules.Blocked = mtatest.Patterns(t, address.Senders, "spam@example.com")
		s.Rules.Exceptions = mtatest.Patterns(t, address.Recipients, "postmaster")
	}
	denied := func(s *mtatest.Setup) {
		blocked(s)
		s.Rules.BlockedVerdict = greylist.Deny
		s.Rules.BlockedReply = mtatest.ParseReply(t, "550 5.7.1 Your email has not been and will not be delivered - it has been blocked")
	}
	foreign := func(v greylist.Verdict, reply string) func(*mtatest.Setup) {
		return func(s *mtatest.Setup) {
			s.Rules.AllowedDomains = []string{"example.org"}
			s.Rules.ForeignVerdict, s.Rules.ForeignReply = v, mtatest.ParseReply(t, reply)
		}
	}
	allowed := func(s *mtatest.Setup) {
		s.Rules.AllowedSenders = []string{"198.51.100.1"}
		s.Rules.AllowedSenderNets = []string{"204.15.20", "2001:db8:5::/48"}
	}
	whitelisted := func(s *mtatest.Setup) {
		s.Rules.WhitelistedTriples = [][]string{{"213.38.186.202", "<post@mx1.example.com>", "<me@example.org>"}}
		s.Rules.WhitelistedNonstandardTriples = [][]string{{"listmail.example.org", "62.73.155.19", "<me@example.org>"}}
	}
	noLoopback := func(s *mtatest.Setup) { s.Rules.AcceptLoopback = false }

	for _, c := range []struct {
		name    string
		house   func(*mtatest.Setup)
		knock   knock
		reason  greylist.Reason
		verdict greylist.Verdict
		reply   string
	}{
		{"unix socket", nil, knock{family: 'L', client: "/run/client"}, greylist.ReasonLocal, greylist.Accept, mtatest.Continue},
		{"no network", nil, knock{family: 'U'}, greylist.ReasonLocal, greylist.Accept, mtatest.Continue},
		{"loopback", nil, knock{client: "127.0.0.9"}, greylist.ReasonLocal, greylist.Accept, mtatest.Continue},
		{"IPv6 loopback", nil, knock{family: '6', client: "::1"}, greylist.ReasonLocal, greylist.Accept, mtatest.Continue},
		{"loopback turned off", noLoopback, knock{client: "127.0.0.1"}, greylist.ReasonNotSeenBefore, greylist.Defer, mtatest.Greylisted},
		{"unix socket, loopback turned off", noLoopback, knock{family: 'L', client: "/run/client"}, greylist.ReasonLocal, greylist.Accept, mtatest.Continue},
		{"local before blocked", denied, knock{client: "127.0.0.1", sender: "spam@example.com"}, greylist.ReasonLocal, greylist.Accept, mtatest.Continue},

		{"blocked", blocked, knock{sender: "Spam@Example.com"}, greylist.ReasonBlocked, greylist.Defer, "451 4.2.2 Mailbox full, retry later"},
		{"blocked for good", denied, knock{sender: "spam@example.com"}, greylist.ReasonBlocked, greylist.Deny, "550 5.7.1 Your email has not been and will not be delivered - it has been blocked"},
		{"blocked before authenticated", denied, knock{sender: "spam@example.com", auth: "bob"}, greylist.ReasonBlocked, greylist.Deny, "550 5.7.1 Your email has not been and will not be delivered - it has been blocked"},
		{"exception", denied, knock{sender: "spam@example.com", recipient: "postmaster@example.org"}, greylist.ReasonException, greylist.Accept, mtatest.Continue},
		{"exception without a blocked sender", denied, knock{sender: "a@example.net", recipient: "postmaster@example.org"}, greylist.ReasonNotSeenBefore, greylist.Defer, mtatest.Greylisted},

		{"authenticated", nil, knock{sender: "a@example.net", auth: "bob"}, greylist.ReasonAuthenticated, greylist.Accept, mtatest.Continue},
		{"allowed client", allowed, knock{client: "198.51.100.1"}, greylist.ReasonAllowedClient, greylist.Accept, mtatest.Continue},
		{"allowed net", allowed, knock{client: "204.15.20.255"}, greylist.ReasonAllowedClient, greylist.Accept, mtatest.Continue},
		{"allowed IPv6 net", allowed, knock{family: '6', client: "2001:db8:5::7"}, greylist.ReasonAllowedClient, greylist.Accept, mtatest.Continue},
		{"beside the allowed net", allowed, knock{client: "204.15.200.1", sender: "a@example.net"}, greylist.ReasonNotSeenBefore, greylist.Defer, mtatest.Greylisted},
		{"IPv4 in IPv6", allowed, knock{family: '6', client: "::ffff:198.51.100.1"}, greylist.ReasonAllowedClient, greylist.Accept, mtatest.Continue},

		{"foreign domain deferred", foreign(greylist.Defer, "451 4.7.1 Not a domain that this server receives mail for"), knock{recipient: "a@example.com"}, greylist.ReasonForeignDomain, greylist.Defer, "451 4.7.1 Not a domain that this server receives mail for"},
		{"foreign domain denied", foreign(greylist.Deny, "550 5.7.1 Not a domain that this server receives mail for"), knock{recipient: "a@example.com"}, greylist.ReasonForeignDomain, greylist.Deny, "550 5.7.1 Not a domain that this server receives mail for"},
		{"foreign domain accepted", foreign(greylist.Accept, "451 4.7.1 unused"), knock{recipient: "a@example.com"}, greylist.ReasonForeignDomain, greylist.Accept, mtatest.Continue},
		{"own domain", foreign(greylist.Deny, "550 5.7.1 Not here"), knock{sender: "a@example.net"}, greylist.ReasonNotSeenBefore, greylist.Defer, mtatest.Greylisted},

		{"whitelisted triple", whitelisted, knock{client: "213.38.186.202", sender: "post@mx1.example.com"}, greylist.ReasonWhitelistedTriple, greylist.Accept, mtatest.Continue},
		{"whitelisted triple, other sender", whitelisted, knock{client: "213.38.186.202", sender: "post@mx2.example.com"}, greylist.ReasonNotSeenBefore, greylist.Defer, mtatest.Greylisted},
		{"whitelisted nonstandard", whitelisted, knock{client: "62.73.155.19", helo: "LISTMAIL.example.org", sender: "bounce-77@example.org"}, greylist.ReasonWhitelistedNonstandard, greylist.Accept, mtatest.Continue},
		{"whitelisted nonstandard, other name", whitelisted, knock{client: "62.73.155.19", helo: "mail.example.org", sender: "bounce-77@example.org"}, greylist.ReasonNotSeenBefore, greylist.Defer, mtatest.Greylisted},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newMilter(t, c.house)
			if c.knock.sender == "" {
				c.knock.sender = "stranger@example.net"
			}
			if got := askMilter(t, h, c.knock); got != c.reply {
				t.Errorf("answer %q, want %q", got, c.reply)
			}
			h.Judged(t, c.reason, c.verdict)
			if remembered := len(h.Remembered(t)); remembered != 0 && c.reason != greylist.ReasonNotSeenBefore {
				t.Errorf("%d triplets are remembered", remembered)
			}
		})
	}
}

// Rule 5: its seven reasons, as one triplet meets them on its way.
func TestReasonsOfGreylist(t *testing.T) {
	h := newMilter(t)
	for i, step := range []struct {
		after  int64 // seconds
		reason greylist.Reason
		reply  string
	}{
		{0, greylist.ReasonNotSeenBefore, "451 4.7.1 Greylisted, please try again in 1 hour"},
		{179, greylist.ReasonWayTooSoon, "451 4.7.1 Greylisted, please try again in 1 hour"},
		{180, greylist.ReasonTooSoon, "451 4.7.1 Greylisted, please try again in 57 minutes"},
		{3419, greylist.ReasonTooSoon, "451 4.7.1 Greylisted, please try again in 1 second"},
		{1, greylist.ReasonNowGrey, mtatest.Continue},
		{3_000_000, greylist.ReasonAlreadyGrey, mtatest.Continue},
		{3_000_001, greylist.ReasonGreyTooLong, "451 4.7.1 Greylisted, please try again in 1 hour"},
		{25_001, greylist.ReasonTooLate, "451 4.7.1 Greylisted, please try again in 1 hour"},
		{25_000, greylist.ReasonNowGrey, mtatest.Continue},
		{-1_000_000, greylist.ReasonAlreadyGrey, mtatest.Continue}, // the clock was set back
	} {
		h.Clock.Advance(step.after)
		got := askMilter(t, h, knock{sender: "Friend@example.net", recipient: "me@Example.org"})
		if got != step.reply {
			t.Errorf("step %d: answer %q, want %q", i, got, step.reply)
		}
		verdict := greylist.Defer
		if step.reply == mtatest.Continue {
			verdict = greylist.Accept
		}
		h.Judged(t, step.reason, verdict)
	}
	if got := h.Remembered(t); len(got) != 1 || got[0] != "192.0.2.7 friend@example.net me@example.org" {
		t.Errorf("remembered %v", got)
	}
}

// What cannot be judged is answered as the policy says, and never by silence.
func TestReasonError(t *testing.T) {
	deferring := func(s *mtatest.Setup) { s.Policy.OnError = greylist.Defer }
	for _, c := range []struct {
		name    string
		change  func(*mtatest.Setup)
		verdict greylist.Verdict
		reply   string
	}{
		{"accepting", nil, greylist.Accept, mtatest.Continue},
		{"deferring", deferring, greylist.Defer, "451 4.3.0 Temporary error, please try again later"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newMilter(t, c.change)
			h.Store.Fail(errors.New("disk on fire"))
			if got := askMilter(t, h, knock{sender: "a@example.net"}); got != c.reply {
				t.Errorf("answer %q, want %q", got, c.reply)
			}
			h.Judged(t, greylist.ReasonError, c.verdict)
			if line := h.Log.Last("decision"); line["error"] != "disk on fire" {
				t.Errorf("logged %v", line)
			}

			h.Store.Fail(nil)
			if got := askMilter(t, h, knock{client: "what?", sender: "a@example.net"}); got != c.reply {
				t.Errorf("a client without an address is answered %q, want %q", got, c.reply)
			}
			h.Judged(t, greylist.ReasonError, c.verdict)
			askMilter(t, h, knock{sender: "a@example.net"})
			h.Judged(t, greylist.ReasonNotSeenBefore, greylist.Defer)
		})
	}
}

// The spellings of a client's address. The protocol library ends the session
// for some of them; here each gets its answer.
func TestClientAddresses(t *testing.T) {
	h := newMilter(t)
	for _, c := range []struct {
		family byte
		addr   string
		client string // as it is logged
		reason greylist.Reason
	}{
		{'4', "192.0.2.9", "192.0.2.9", greylist.ReasonNotSeenBefore},
		{'4', "::ffff:192.0.2.10", "192.0.2.10", greylist.ReasonNotSeenBefore},
		{'4', "2001:db8:1::1", "2001:db8:1::1", greylist.ReasonNotSeenBefore}, // the wrong family, but an address
		{'4', "[192.0.2.11]", "192.0.2.11", greylist.ReasonNotSeenBefore},
		{'4', "192.0.2.256", "192.0.2.256", greylist.ReasonError},
		{'4', "", "", greylist.ReasonError},
		{'4', "a\x01b\xff", `a\x01b\xff`, greylist.ReasonError},
		{'6', "2001:DB8:2:0::1", "2001:db8:2::1", greylist.ReasonNotSeenBefore},
		{'6', "IPv6:2001:db8:3::1", "2001:db8:3::1", greylist.ReasonNotSeenBefore},
		{'6', "ipv6:2001:db8:4::1", "2001:db8:4::1", greylist.ReasonNotSeenBefore},
		{'6', "[2001:db8:5::1]", "2001:db8:5::1", greylist.ReasonNotSeenBefore},
		{'6', "[IPv6:2001:db8:6::1]", "2001:db8:6::1", greylist.ReasonNotSeenBefore},
		{'6', "IPv6:[2001:db8:7::1]", "2001:db8:7::1", greylist.ReasonNotSeenBefore},
		{'6', "fe80::1%eth0", "fe80::1", greylist.ReasonNotSeenBefore},
		{'6', "::ffff:192.0.2.12", "192.0.2.12", greylist.ReasonNotSeenBefore},
		{'6', "2001:db8::zz", "2001:db8::zz", greylist.ReasonError},
		{'X', "192.0.2.13", `address of family 'X'`, greylist.ReasonError},
		{0, "", `address of family '\x00'`, greylist.ReasonError},
		{'L', "", "unix:", greylist.ReasonLocal},
	} {
		m := h.MTA(t)
		m.Connect(c.family, c.addr)
		m.Helo("x")
		m.Mail("a@example.net")
		want := mtatest.Continue
		if c.reason == greylist.ReasonNotSeenBefore {
			want = "451 4.7.1 Greylisted, please try again in 1 hour"
		}
		if got := m.Rcpt("me@example.org"); got != want {
			t.Errorf("family %q, address %q: answer %q", c.family, c.addr, got)
		}
		m.Quit()
		if line := h.Log.Last("decision"); line["client"] != c.client || line["reason"] != string(c.reason) {
			t.Errorf("family %q, address %q: logged %v", c.family, c.addr, line)
		}
	}

	for name, data := range map[string][]byte{
		"unix, nothing more":   append(mtatest.Strings("host"), 'L'),
		"unix, half a port":    append(mtatest.Strings("host"), 'L', 0),
		"IPv4, nothing more":   append(mtatest.Strings("host"), '4'),
		"IPv4 without its end": append(mtatest.Strings("host"), "4\x00\x19192.0.2.77"...),
	} {
		m := h.MTA(t)
		m.Send('C', data...)
		m.Helo("x")
		m.Mail("a@example.net")
		m.Rcpt("me@example.org")
		m.Quit()
		want := map[string]string{
			"unix, nothing more": "local", "unix, half a port": "local",
			"IPv4, nothing more": "error", "IPv4 without its end": "not-seen-before",
		}[name]
		if line := h.Log.Last("decision"); line["reason"] != want {
			t.Errorf("%s: logged %v, want %s", name, line, want)
		}
	}
}
