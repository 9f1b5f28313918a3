package milter

import (
	"errors"
	"testing"

	"greyglass/greylist"
	"greyglass/greylist/address"
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
func (h *house) ask(t testing.TB, k knock) string {
	t.Helper()
	if k.client == "" && k.family == 0 {
		k.client = "192.0.2.7"
	}
	if k.family == 0 {
		k.family = familyInet
	}
	if k.helo == "" {
		k.helo = "client.example.net"
	}
	if k.recipient == "" {
		k.recipient = "me@example.org"
	}
	m := newMTA(t, h.address, 6)
	m.connect(k.family, k.client)
	m.helo(k.helo)
	if k.auth != "" {
		m.define(cmdMail, "{auth_type}", "PLAIN", "{auth_authen}", k.auth)
	}
	m.mail(k.sender)
	answer := m.rcpt(k.recipient)
	m.quit()
	return answer
}

// Rules 0 to 4: every reason that is not the greylist's, in the words that go
// over the wire. Accepted is "continue": after "accept" Postfix would ask about
// no further recipient.
func TestReasonsOfRules(t *testing.T) {
	const greylisted = "451 4.7.1 Greylisted, please try again in 1 hour"
	blocked := func(f *furniture) {
		f.rules.Blocked = patterns(t, address.Senders, "spam@example.com")
		f.rules.Exceptions = patterns(t, address.Recipients, "postmaster")
	}
	denied := func(f *furniture) {
		blocked(f)
		f.rules.BlockedVerdict = greylist.Deny
		f.rules.BlockedReply = parseReply(t, "550 5.7.1 Your email has not been and will not be delivered - it has been blocked")
	}
	foreign := func(v greylist.Verdict, reply string) func(*furniture) {
		return func(f *furniture) {
			f.rules.AllowedDomains = []string{"example.org"}
			f.rules.ForeignVerdict, f.rules.ForeignReply = v, parseReply(t, reply)
		}
	}
	allowed := func(f *furniture) {
		f.rules.AllowedSenders = []string{"198.51.100.1"}
		f.rules.AllowedSenderNets = []string{"204.15.20", "2001:db8:5::/48"}
	}
	whitelisted := func(f *furniture) {
		f.rules.WhitelistedTriples = [][]string{{"213.38.186.202", "<post@mx1.example.com>", "<me@example.org>"}}
		f.rules.WhitelistedNonstandardTriples = [][]string{{"listmail.example.org", "62.73.155.19", "<me@example.org>"}}
	}
	noLoopback := func(f *furniture) { f.rules.AcceptLoopback = false }

	for _, c := range []struct {
		name    string
		house   func(*furniture)
		knock   knock
		reason  greylist.Reason
		verdict greylist.Verdict
		reply   string
	}{
		{"unix socket", nil, knock{family: familyUnix, client: "/run/client"}, greylist.ReasonLocal, greylist.Accept, isContinue},
		{"no network", nil, knock{family: familyUnknown}, greylist.ReasonLocal, greylist.Accept, isContinue},
		{"loopback", nil, knock{client: "127.0.0.9"}, greylist.ReasonLocal, greylist.Accept, isContinue},
		{"IPv6 loopback", nil, knock{family: familyInet6, client: "::1"}, greylist.ReasonLocal, greylist.Accept, isContinue},
		{"loopback turned off", noLoopback, knock{client: "127.0.0.1"}, greylist.ReasonNotSeenBefore, greylist.Defer, greylisted},
		{"unix socket, loopback turned off", noLoopback, knock{family: familyUnix, client: "/run/client"}, greylist.ReasonLocal, greylist.Accept, isContinue},
		{"local before blocked", denied, knock{client: "127.0.0.1", sender: "spam@example.com"}, greylist.ReasonLocal, greylist.Accept, isContinue},

		{"blocked", blocked, knock{sender: "Spam@Example.com"}, greylist.ReasonBlocked, greylist.Defer, "451 4.2.2 Mailbox full, retry later"},
		{"blocked for good", denied, knock{sender: "spam@example.com"}, greylist.ReasonBlocked, greylist.Deny, "550 5.7.1 Your email has not been and will not be delivered - it has been blocked"},
		{"blocked before authenticated", denied, knock{sender: "spam@example.com", auth: "bob"}, greylist.ReasonBlocked, greylist.Deny, "550 5.7.1 Your email has not been and will not be delivered - it has been blocked"},
		{"exception", denied, knock{sender: "spam@example.com", recipient: "postmaster@example.org"}, greylist.ReasonException, greylist.Accept, isContinue},
		{"exception without a blocked sender", denied, knock{sender: "a@example.net", recipient: "postmaster@example.org"}, greylist.ReasonNotSeenBefore, greylist.Defer, greylisted},

		{"authenticated", nil, knock{sender: "a@example.net", auth: "bob"}, greylist.ReasonAuthenticated, greylist.Accept, isContinue},
		{"allowed client", allowed, knock{client: "198.51.100.1"}, greylist.ReasonAllowedClient, greylist.Accept, isContinue},
		{"allowed net", allowed, knock{client: "204.15.20.255"}, greylist.ReasonAllowedClient, greylist.Accept, isContinue},
		{"allowed IPv6 net", allowed, knock{family: familyInet6, client: "2001:db8:5::7"}, greylist.ReasonAllowedClient, greylist.Accept, isContinue},
		{"beside the allowed net", allowed, knock{client: "204.15.200.1", sender: "a@example.net"}, greylist.ReasonNotSeenBefore, greylist.Defer, greylisted},
		{"IPv4 in IPv6", allowed, knock{family: familyInet6, client: "::ffff:198.51.100.1"}, greylist.ReasonAllowedClient, greylist.Accept, isContinue},

		{"foreign domain deferred", foreign(greylist.Defer, "451 4.7.1 Not a domain that this server receives mail for"), knock{recipient: "a@example.com"}, greylist.ReasonForeignDomain, greylist.Defer, "451 4.7.1 Not a domain that this server receives mail for"},
		{"foreign domain denied", foreign(greylist.Deny, "550 5.7.1 Not a domain that this server receives mail for"), knock{recipient: "a@example.com"}, greylist.ReasonForeignDomain, greylist.Deny, "550 5.7.1 Not a domain that this server receives mail for"},
		{"foreign domain accepted", foreign(greylist.Accept, "451 4.7.1 unused"), knock{recipient: "a@example.com"}, greylist.ReasonForeignDomain, greylist.Accept, isContinue},
		{"own domain", foreign(greylist.Deny, "550 5.7.1 Not here"), knock{sender: "a@example.net"}, greylist.ReasonNotSeenBefore, greylist.Defer, greylisted},

		{"whitelisted triple", whitelisted, knock{client: "213.38.186.202", sender: "post@mx1.example.com"}, greylist.ReasonWhitelistedTriple, greylist.Accept, isContinue},
		{"whitelisted triple, other sender", whitelisted, knock{client: "213.38.186.202", sender: "post@mx2.example.com"}, greylist.ReasonNotSeenBefore, greylist.Defer, greylisted},
		{"whitelisted nonstandard", whitelisted, knock{client: "62.73.155.19", helo: "LISTMAIL.example.org", sender: "bounce-77@example.org"}, greylist.ReasonWhitelistedNonstandard, greylist.Accept, isContinue},
		{"whitelisted nonstandard, other name", whitelisted, knock{client: "62.73.155.19", helo: "mail.example.org", sender: "bounce-77@example.org"}, greylist.ReasonNotSeenBefore, greylist.Defer, greylisted},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t, optional(c.house)...)
			if c.knock.sender == "" {
				c.knock.sender = "stranger@example.net"
			}
			if got := h.ask(t, c.knock); got != c.reply {
				t.Errorf("answer %q, want %q", got, c.reply)
			}
			h.judged(t, c.reason, c.verdict)
			if remembered := h.memory.size(); remembered != 0 && c.reason != greylist.ReasonNotSeenBefore {
				t.Errorf("%d triplets are remembered", remembered)
			}
		})
	}
}

func optional(change func(*furniture)) []func(*furniture) {
	if change == nil {
		return nil
	}
	return []func(*furniture){change}
}

// Rule 5: its seven reasons, as one triplet meets them on its way.
func TestReasonsOfGreylist(t *testing.T) {
	h := newHouse(t)
	for i, step := range []struct {
		after  int64 // seconds
		reason greylist.Reason
		reply  string
	}{
		{0, greylist.ReasonNotSeenBefore, "451 4.7.1 Greylisted, please try again in 1 hour"},
		{179, greylist.ReasonWayTooSoon, "451 4.7.1 Greylisted, please try again in 1 hour"},
		{180, greylist.ReasonTooSoon, "451 4.7.1 Greylisted, please try again in 57 minutes"},
		{3419, greylist.ReasonTooSoon, "451 4.7.1 Greylisted, please try again in 1 second"},
		{1, greylist.ReasonNowGrey, isContinue},
		{3_000_000, greylist.ReasonAlreadyGrey, isContinue},
		{3_000_001, greylist.ReasonGreyTooLong, "451 4.7.1 Greylisted, please try again in 1 hour"},
		{25_001, greylist.ReasonTooLate, "451 4.7.1 Greylisted, please try again in 1 hour"},
		{25_000, greylist.ReasonNowGrey, isContinue},
		{-1_000_000, greylist.ReasonAlreadyGrey, isContinue}, // the clock was set back
	} {
		h.clock.advance(step.after)
		got := h.ask(t, knock{sender: "Friend@example.net", recipient: "me@Example.org"})
		if got != step.reply {
			t.Errorf("step %d: answer %q, want %q", i, got, step.reply)
		}
		verdict := greylist.Defer
		if step.reply == isContinue {
			verdict = greylist.Accept
		}
		h.judged(t, step.reason, verdict)
	}
	if got := h.memory.triplets(); len(got) != 1 || got[0] != "192.0.2.7 friend@example.net me@example.org" {
		t.Errorf("remembered %v", got)
	}
}

// What cannot be judged is answered as the policy says, and never by silence.
func TestReasonError(t *testing.T) {
	deferring := func(f *furniture) { f.policy.OnError = greylist.Defer }
	for _, c := range []struct {
		name    string
		change  func(*furniture)
		verdict greylist.Verdict
		reply   string
	}{
		{"accepting", nil, greylist.Accept, isContinue},
		{"deferring", deferring, greylist.Defer, "451 4.3.0 Temporary error, please try again later"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t, optional(c.change)...)
			h.memory.breakDown(errors.New("disk on fire"))
			if got := h.ask(t, knock{sender: "a@example.net"}); got != c.reply {
				t.Errorf("answer %q, want %q", got, c.reply)
			}
			h.judged(t, greylist.ReasonError, c.verdict)
			if line := h.log.last("decision"); line["error"] != "disk on fire" {
				t.Errorf("logged %v", line)
			}

			h.memory.breakDown(nil)
			if got := h.ask(t, knock{client: "what?", sender: "a@example.net"}); got != c.reply {
				t.Errorf("a client without an address is answered %q, want %q", got, c.reply)
			}
			h.judged(t, greylist.ReasonError, c.verdict)
			h.ask(t, knock{sender: "a@example.net"})
			h.judged(t, greylist.ReasonNotSeenBefore, greylist.Defer)
		})
	}
}

// The spellings of a client's address. The protocol library ends the session
// for some of them; here each gets its answer.
func TestClientAddresses(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct {
		family byte
		addr   string
		client string // as it is logged
		reason greylist.Reason
	}{
		{familyInet, "192.0.2.9", "192.0.2.9", greylist.ReasonNotSeenBefore},
		{familyInet, "::ffff:192.0.2.10", "192.0.2.10", greylist.ReasonNotSeenBefore},
		{familyInet, "2001:db8:1::1", "2001:db8:1::1", greylist.ReasonNotSeenBefore}, // the wrong family, but an address
		{familyInet, "[192.0.2.11]", "192.0.2.11", greylist.ReasonNotSeenBefore},
		{familyInet, "192.0.2.256", "192.0.2.256", greylist.ReasonError},
		{familyInet, "", "", greylist.ReasonError},
		{familyInet, "a\x01b\xff", `a\x01b\xff`, greylist.ReasonError},
		{familyInet6, "2001:DB8:2:0::1", "2001:db8:2::1", greylist.ReasonNotSeenBefore},
		{familyInet6, "IPv6:2001:db8:3::1", "2001:db8:3::1", greylist.ReasonNotSeenBefore},
		{familyInet6, "ipv6:2001:db8:4::1", "2001:db8:4::1", greylist.ReasonNotSeenBefore},
		{familyInet6, "[2001:db8:5::1]", "2001:db8:5::1", greylist.ReasonNotSeenBefore},
		{familyInet6, "[IPv6:2001:db8:6::1]", "2001:db8:6::1", greylist.ReasonNotSeenBefore},
		{familyInet6, "IPv6:[2001:db8:7::1]", "2001:db8:7::1", greylist.ReasonNotSeenBefore},
		{familyInet6, "fe80::1%eth0", "fe80::1", greylist.ReasonNotSeenBefore},
		{familyInet6, "::ffff:192.0.2.12", "192.0.2.12", greylist.ReasonNotSeenBefore},
		{familyInet6, "2001:db8::zz", "2001:db8::zz", greylist.ReasonError},
		{'X', "192.0.2.13", `address of family 'X'`, greylist.ReasonError},
		{0, "", `address of family '\x00'`, greylist.ReasonError},
		{familyUnix, "", "unix:", greylist.ReasonLocal},
	} {
		m := newMTA(t, h.address, 6)
		m.connect(c.family, c.addr)
		m.helo("x")
		m.mail("a@example.net")
		want := isContinue
		if c.reason == greylist.ReasonNotSeenBefore {
			want = "451 4.7.1 Greylisted, please try again in 1 hour"
		}
		if got := m.rcpt("me@example.org"); got != want {
			t.Errorf("family %q, address %q: answer %q", c.family, c.addr, got)
		}
		m.quit()
		if line := h.log.last("decision"); line["client"] != c.client || line["reason"] != string(c.reason) {
			t.Errorf("family %q, address %q: logged %v", c.family, c.addr, line)
		}
	}

	for name, data := range map[string][]byte{
		"unix, nothing more":   append(cstrings("host"), familyUnix),
		"unix, half a port":    append(cstrings("host"), familyUnix, 0),
		"IPv4, nothing more":   append(cstrings("host"), familyInet),
		"IPv4 without its end": append(cstrings("host"), "4\x00\x19192.0.2.77"...),
	} {
		m := newMTA(t, h.address, 6)
		m.send(cmdConnect, data...)
		m.helo("x")
		m.mail("a@example.net")
		m.rcpt("me@example.org")
		m.quit()
		want := map[string]string{
			"unix, nothing more": "local", "unix, half a port": "local",
			"IPv4, nothing more": "error", "IPv4 without its end": "not-seen-before",
		}[name]
		if line := h.log.last("decision"); line["reason"] != want {
			t.Errorf("%s: logged %v, want %s", name, line, want)
		}
	}
}
