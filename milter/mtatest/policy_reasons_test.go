package mtatest_test

import (
	"errors"
	"testing"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/milter/listen"
	"greyglass/milter/mtatest"
)

// Rules 0 to 4 by policy: every reason that is not the greylist's, in the words
// that go over the wire. Accepted is DUNNO: the MTA's other restrictions decide.
func TestPolicyReasonsOfRules(t *testing.T) {
	const (
		mailbox = "451 4.2.2 Mailbox full, retry later"
		never   = "550 5.7.1 Your email has not been and will not be delivered - it has been blocked"
	)
	blocked := func(s *mtatest.Setup) {
		s.Rules.Blocked = mtatest.Patterns(t, address.Senders, "spam@example.com")
		s.Rules.Exceptions = mtatest.Patterns(t, address.Recipients, "postmaster")
	}
	denied := func(s *mtatest.Setup) {
		blocked(s)
		s.Rules.BlockedVerdict, s.Rules.BlockedReply = greylist.Deny, mtatest.ParseReply(t, never)
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
	verifiedTLS := func(s *mtatest.Setup) { s.Rules.AcceptVerifiedTLS = true }

	for _, c := range []struct {
		name       string
		house      func(*mtatest.Setup)
		attributes []string
		reason     greylist.Reason
		verdict    greylist.Verdict
		action     string
	}{
		{"client without an address", nil, []string{"client_address="}, greylist.ReasonLocal, greylist.Accept, mtatest.Dunno},
		{"client without an address, loopback turned off", noLoopback, []string{"client_address="}, greylist.ReasonLocal, greylist.Accept, mtatest.Dunno},
		{"loopback", nil, []string{"client_address=127.0.0.9"}, greylist.ReasonLocal, greylist.Accept, mtatest.Dunno},
		{"IPv6 loopback", nil, []string{"client_address=::1"}, greylist.ReasonLocal, greylist.Accept, mtatest.Dunno},
		{"mapped loopback", nil, []string{"client_address=::ffff:127.0.0.1"}, greylist.ReasonLocal, greylist.Accept, mtatest.Dunno},
		{"loopback turned off", noLoopback, []string{"client_address=127.0.0.1"}, greylist.ReasonNotSeenBefore, greylist.Defer, mtatest.Greylisted},
		{"local before blocked", denied, []string{"client_address=127.0.0.1", "sender=spam@example.com"}, greylist.ReasonLocal, greylist.Accept, mtatest.Dunno},

		{"blocked", blocked, []string{"sender=Spam@Example.com"}, greylist.ReasonBlocked, greylist.Defer, mailbox},
		{"blocked, in brackets", blocked, []string{"sender=<spam@example.com>"}, greylist.ReasonBlocked, greylist.Defer, mailbox},
		{"blocked for good", denied, []string{"sender=spam@example.com"}, greylist.ReasonBlocked, greylist.Deny, never},
		{"blocked before authenticated", denied, []string{"sender=spam@example.com", "sasl_username=bob"}, greylist.ReasonBlocked, greylist.Deny, never},
		{"exception", denied, []string{"sender=spam@example.com", "recipient=Postmaster@example.org"}, greylist.ReasonException, greylist.Accept, mtatest.Dunno},
		{"exception without a blocked sender", denied, []string{"recipient=postmaster@example.org"}, greylist.ReasonNotSeenBefore, greylist.Defer, mtatest.Greylisted},

		{"authenticated", nil, []string{"sasl_method=PLAIN", "sasl_username=bob"}, greylist.ReasonAuthenticated, greylist.Accept, mtatest.Dunno},
		{"a method without a user", nil, []string{"sasl_method=PLAIN", "sasl_sender=bob"}, greylist.ReasonNotSeenBefore, greylist.Defer, mtatest.Greylisted},
		{"verified certificate", verifiedTLS, []string{"ccert_subject=client", "ccert_issuer=Lab+20CA", "ccert_fingerprint=AA:BB"}, greylist.ReasonAuthenticated, greylist.Accept, mtatest.Dunno},
		{"verified certificate, not wanted", nil, []string{"ccert_subject=client", "ccert_issuer=Lab+20CA", "ccert_fingerprint=AA:BB"}, greylist.ReasonNotSeenBefore, greylist.Defer, mtatest.Greylisted},
		{"certificate of an unknown CA", verifiedTLS, []string{"ccert_fingerprint=AA:BB", "ccert_pubkey_fingerprint=CC:DD", "encryption_protocol=TLSv1.3"}, greylist.ReasonNotSeenBefore, greylist.Defer, mtatest.Greylisted},

		{"allowed client", allowed, []string{"client_address=198.51.100.1"}, greylist.ReasonAllowedClient, greylist.Accept, mtatest.Dunno},
		{"allowed net", allowed, []string{"client_address=204.15.20.255"}, greylist.ReasonAllowedClient, greylist.Accept, mtatest.Dunno},
		{"allowed IPv6 net", allowed, []string{"client_address=2001:db8:5::7"}, greylist.ReasonAllowedClient, greylist.Accept, mtatest.Dunno},
		{"beside the allowed net", allowed, []string{"client_address=204.15.200.1"}, greylist.ReasonNotSeenBefore, greylist.Defer, mtatest.Greylisted},
		{"IPv4 in IPv6", allowed, []string{"client_address=::ffff:198.51.100.1"}, greylist.ReasonAllowedClient, greylist.Accept, mtatest.Dunno},

		{"foreign domain deferred", foreign(greylist.Defer, "451 4.7.1 Not here"), []string{"recipient=a@example.com"}, greylist.ReasonForeignDomain, greylist.Defer, "451 4.7.1 Not here"},
		{"foreign domain denied", foreign(greylist.Deny, "550 5.7.1 Not here"), []string{"recipient=a@example.com"}, greylist.ReasonForeignDomain, greylist.Deny, "550 5.7.1 Not here"},
		{"foreign domain denied, without an enhanced code", foreign(greylist.Deny, "550 100% not here"), []string{"recipient=a@example.com"}, greylist.ReasonForeignDomain, greylist.Deny, "550 100% not here"},
		{"foreign domain accepted", foreign(greylist.Accept, "451 4.7.1 unused"), []string{"recipient=a@example.com"}, greylist.ReasonForeignDomain, greylist.Accept, mtatest.Dunno},
		{"own domain", foreign(greylist.Deny, "550 5.7.1 Not here"), nil, greylist.ReasonNotSeenBefore, greylist.Defer, mtatest.Greylisted},

		{"whitelisted triple", whitelisted, []string{"client_address=213.38.186.202", "sender=post@mx1.example.com"}, greylist.ReasonWhitelistedTriple, greylist.Accept, mtatest.Dunno},
		{"whitelisted triple, other sender", whitelisted, []string{"client_address=213.38.186.202", "sender=post@mx2.example.com"}, greylist.ReasonNotSeenBefore, greylist.Defer, mtatest.Greylisted},
		{"whitelisted nonstandard", whitelisted, []string{"client_address=62.73.155.19", "helo_name=LISTMAIL.example.org", "sender=bounce-77@example.org"}, greylist.ReasonWhitelistedNonstandard, greylist.Accept, mtatest.Dunno},
		{"whitelisted nonstandard, other name", whitelisted, []string{"client_address=62.73.155.19", "sender=bounce-77@example.org"}, greylist.ReasonNotSeenBefore, greylist.Defer, mtatest.Greylisted},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newPolicy(t, c.house)
			if got := h.Ask(t, c.attributes...); got != c.action {
				t.Errorf("action %q, want %q", got, c.action)
			}
			h.Judged(t, c.reason, c.verdict)
			if remembered := len(h.Remembered(t)); remembered != 0 && c.reason != greylist.ReasonNotSeenBefore {
				t.Errorf("%d triplets are remembered", remembered)
			}
		})
	}
}

// Rule 5 by policy: its seven reasons, as one triplet meets them on its way,
// over both kinds of socket.
func TestPolicyReasonsOfGreylist(t *testing.T) {
	for name, h := range map[string]*mtatest.Fixture{
		"unix": newPolicy(t),
		"inet": buildPolicy(t).At(t, listen.Address{Network: "tcp4", Addr: "127.0.0.1:0"}),
	} {
		t.Run(name, func(t *testing.T) {
			kept := h.Policy(t)
			for i, step := range []struct {
				after  int64 // seconds
				reason greylist.Reason
				action string
			}{
				{0, greylist.ReasonNotSeenBefore, "451 4.7.1 Greylisted, please try again in 1 hour"},
				{179, greylist.ReasonWayTooSoon, "451 4.7.1 Greylisted, please try again in 1 hour"},
				{180, greylist.ReasonTooSoon, "451 4.7.1 Greylisted, please try again in 57 minutes"},
				{3419, greylist.ReasonTooSoon, "451 4.7.1 Greylisted, please try again in 1 second"},
				{1, greylist.ReasonNowGrey, mtatest.Dunno},
				{3_000_000, greylist.ReasonAlreadyGrey, mtatest.Dunno},
				{3_000_001, greylist.ReasonGreyTooLong, "451 4.7.1 Greylisted, please try again in 1 hour"},
				{25_001, greylist.ReasonTooLate, "451 4.7.1 Greylisted, please try again in 1 hour"},
				{25_000, greylist.ReasonNowGrey, mtatest.Dunno},
			} {
				h.Clock.Advance(step.after)
				attempt := []string{"sender=Friend@example.net", "recipient=me@Example.org"}
				if got := kept.Ask(attempt...); got != step.action {
					t.Errorf("step %d: action %q, want %q", i, got, step.action)
				}
				verdict := greylist.Defer
				if step.action == mtatest.Dunno {
					verdict = greylist.Accept
				}
				h.Judged(t, step.reason, verdict)
			}
			if got := h.Remembered(t); len(got) != 1 || got[0] != "192.0.2.7 friend@example.net me@example.org" {
				t.Errorf("remembered %v", got)
			}
		})
	}
}

// What cannot be judged by policy is answered as on_error says.
func TestPolicyReasonError(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(*mtatest.Setup)
		verdict greylist.Verdict
		action  string
	}{
		{"accepting", nil, greylist.Accept, mtatest.Dunno},
		{"deferring", func(s *mtatest.Setup) { s.Policy.OnError = greylist.Defer }, greylist.Defer, "451 4.3.0 Temporary error, please try again later"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newPolicy(t, c.change)
			client := h.Policy(t)
			failed := func(what, client, because string) {
				t.Helper()
				h.Judged(t, greylist.ReasonError, c.verdict)
				if line := h.Log.Last("decision"); line["client"] != client || line["error"] != because {
					t.Errorf("%s: logged %v", what, line)
				}
			}
			for _, absent := range []struct{ attribute, client string }{
				{"-client_address", ""},
				{"client_address=unknown", "unknown"},
				{"client_address=192.0.2.256", "192.0.2.256"},
				{"client_address=192.0.2.7\tevil\x01", `192.0.2.7\x09evil\x01`},
			} {
				if got := client.Ask(absent.attribute); got != c.action {
					t.Errorf("%s: action %q, want %q", absent.attribute, got, c.action)
				}
				failed(absent.attribute, absent.client, "greylist: the client has no address that can be understood")
			}

			h.Store.Fail(errors.New("disk on fire"))
			if got := client.Ask(); got != c.action {
				t.Errorf("action %q, want %q", got, c.action)
			}
			failed("broken memory", "192.0.2.7", "disk on fire")
			h.Store.Fail(nil)
			if got := client.Ask(); got != mtatest.Greylisted {
				t.Errorf("action %q, want %q", got, mtatest.Greylisted)
			}
		})
	}
}

// The log line of a recipient by policy has the same keys as by the milter.
func TestPolicyEnvelopeAsLogged(t *testing.T) {
	h := newPolicy(t)
	h.Ask(t, "client_address=2001:DB8:0:0::7", "helo_name=evil\rname\x1b", "sender=a b$c@Sender.test",
		"recipient=Jürgen@Bücher.example", "queue_id=4bXyZ1")
	line := h.Log.Last("decision")
	for key, want := range map[string]string{
		"verdict": "defer", "reason": "not-seen-before", "client": "2001:db8::7", "helo": `evil\x0dname\x1b`,
		"sender": `"a b$c"@sender.test`, "recipient": "jürgen@xn--bcher-kva.example",
		"wait": "3600", "queue_id": "4bXyZ1", "via": "policy", "level": "INFO",
	} {
		if line[key] != want {
			t.Errorf("%s=%q, want %q", key, line[key], want)
		}
	}
	if line["took"] == "" {
		t.Errorf("logged %v", line)
	}
	h.Ask(t, "-queue_id", "-helo_name")
	if id, there := h.Log.Last("decision")["queue_id"]; there {
		t.Errorf("queue_id=%q", id)
	}
	if n := len(h.Log.All("decision")); n != 2 {
		t.Errorf("%d decisions are logged, want one a recipient", n)
	}
}
