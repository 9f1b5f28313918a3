package mtatest_test

import (
	"crypto/rand"
	"maps"
	"testing"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/milter/mtatest"
)

// envelope is an attempt as two MTAs would tell of it, one by each front end.
// What is empty is that of a plain stranger.
type envelope struct {
	client, helo      string
	sender, recipient string // as the SMTP client wrote them, and so by milter

	// By policy where that differs: Postfix takes local parts out of their quotes.
	policySender, policyRecipient string

	user        string // who authenticated
	certificate string // subject of a verified one
	queueID     string
}

func (e envelope) byMilter(t *testing.T, h *mtatest.Fixture) string {
	t.Helper()
	family := byte('4')
	for _, c := range e.client {
		if c == ':' {
			family = '6'
		}
	}
	m := h.MTA(t)
	m.Define('C', "v", "Postfix 3.7.11")
	if e.client == "local" {
		m.Connect('L', "")
	} else {
		m.Connect(family, e.client)
	}
	m.Define('H', "{cert_subject}", e.certificate)
	m.Helo(e.helo)
	m.Define('M', "{auth_authen}", e.user)
	m.Mail(e.sender)
	if e.queueID != "" {
		m.Define('R', "i", e.queueID)
	}
	answer := m.Rcpt(e.recipient)
	if answer == mtatest.Continue {
		answer = m.Data()
	}
	m.Quit()
	if answer == mtatest.Continue {
		return mtatest.Dunno
	}
	return answer
}

func (e envelope) byPolicy(t *testing.T, h *mtatest.Fixture) string {
	t.Helper()
	if e.client == "local" {
		e.client = ""
	}
	if e.policySender == "" {
		e.policySender = e.sender
	}
	if e.policyRecipient == "" {
		e.policyRecipient = e.recipient
	}
	attributes := []string{
		"client_address=" + e.client, "helo_name=" + e.helo,
		"sender=" + e.policySender, "recipient=" + e.policyRecipient,
		"instance=" + rand.Text(), "sasl_username=" + e.user, "ccert_subject=" + e.certificate, "queue_id=" + e.queueID,
	}
	client := h.Policy(t)
	answer := client.Ask(attributes...)
	if answer == mtatest.Dunno {
		answer = client.Ask(append(attributes, "protocol_state=DATA")...)
	}
	_ = client.Conn.Close()
	return answer
}

// No verdict differs between milter and policy: both front ends are brought the
// same attempts at the same times, with equal rules and equal memories.
func TestMilterAndPolicyAgree(t *testing.T) {
	const stranger = "192.0.2.7"
	rules := func(s *mtatest.Setup) {
		s.Rules.AcceptVerifiedTLS = true
		s.Rules.Blocked = mtatest.Patterns(t, address.Senders, "spam@example.com", "@blocked.example")
		s.Rules.Exceptions = mtatest.Patterns(t, address.Recipients, "postmaster", "abuse@example.org")
		s.Rules.AllowedSenders = []string{"198.51.100.1"}
		s.Rules.AllowedSenderNets = []string{"204.15.20", "2001:db8:5::/48"}
		s.Rules.AllowedDomains = []string{"example.org", "bücher.example"}
		s.Rules.ForeignVerdict, s.Rules.ForeignReply = greylist.Deny, mtatest.ParseReply(t, "550 5.7.1 Not here")
		s.Rules.WhitelistedTriples = [][]string{{"213.38.186.202", "<post@mx1.example.com>", "<me@example.org>"}}
		s.Rules.WhitelistedNonstandardTriples = [][]string{{"listmail.example.org", "62.73.155.19", "<me@example.org>"}}
		s.Policy.Probes = mtatest.Patterns(t, address.Recipients, "double-bounce", "postmaster")
		s.Policy.OnError = greylist.Defer
	}
	milter, policy := newMilter(t, rules), newPolicy(t, rules)
	for _, e := range []envelope{
		{},
		{client: "192.0.2.8", queueID: "4bXyZ1"},
		{client: "local"},
		{client: "127.0.0.1"},
		{client: "::1"},
		{client: "::ffff:127.0.0.2"},
		{client: "::ffff:192.0.2.9"},
		{client: "2001:db8:1:2:3:4:5:6"},
		{client: "2001:DB8:1:2::9"}, // of the same /64
		{client: "fe80::1%eth0"},
		{client: "192.0.2.256"},
		{client: "unknown"},
		{client: "unknown", sender: "-"}, // and the null sender

		{sender: "Spam@Example.com"},
		{sender: "anybody@blocked.example", recipient: "Postmaster@example.org"},
		{sender: "anybody@blocked.example", recipient: "abuse@example.org"},
		{sender: "anybody@sub.blocked.example"},
		{sender: "spam@example.com", user: "bob"},
		{user: "bob"},
		{certificate: "client.example.net"},
		{client: "198.51.100.1"},
		{client: "204.15.20.255"},
		{client: "::ffff:204.15.20.1"},
		{client: "204.15.200.1"},
		{client: "2001:db8:5::7"},
		{recipient: "me@example.com"},
		{recipient: "me@sub.example.org"},
		{recipient: "Postmaster"},
		{client: "213.38.186.202", sender: "post@mx1.example.com"},
		{client: "213.38.186.202", sender: "Post@MX1.example.com."},
		{client: "62.73.155.19", helo: "LISTMAIL.example.org", sender: "bounce-77@example.org"},
		{client: "62.73.155.19", helo: "mail.example.org", sender: "bounce-77@example.org"},
		{helo: "-"},

		{sender: "-"},
		{sender: "-", recipient: "you@example.org", queueID: "4bXyZ2"},
		{sender: "-", client: "127.0.0.1"},
		{sender: "-", user: "bob"},
		{sender: "double-bounce@mx.example.net"},
		{sender: "Postmaster@example.net"},

		{sender: `"a b$c"@sender.test`, policySender: `a b$c@sender.test`},
		{sender: `"plain"@sender.test`, policySender: `plain@sender.test`},
		{sender: `"a\"b\\c"@sender.test`, policySender: `a"b\c@sender.test`},
		{sender: `"a@b"@sender.test`, policySender: `a@b@sender.test`},
		{sender: `" "@sender.test`, policySender: ` @sender.test`},
		{sender: `"<a,b>;:()[]"@sender.test`, policySender: `<a,b>;:()[]@sender.test`},
		{sender: `a=b%c{d}$e'f` + "`g|h@sender.test"},
		{sender: "a..b.@sender.test"},
		{sender: "@relay.test,@other.test:user@sender.test"},
		{sender: "nobody"},
		{sender: "jürgen@bücher.example"},
		{sender: "JÜRGEN@BÜCHER.example", recipient: "Ärger@Bücher.example"},
		{sender: "\xff\xfe@sender.test"},
		{recipient: `"john smith"@example.org`, policyRecipient: `john smith@example.org`},
		{recipient: `"ab\c"@Example.ORG.`, policyRecipient: `abc@Example.ORG.`},
		{sender: "a.sixty-four-octets-long-local-part-as-the-standard-still-allows@sender.test"},
		{sender: "SRS0=HHH=TT=a.domain-that-is-rewritten.example=user-of-a-much-longer-local-part-than-allowed@sender.test"},
	} {
		e = e.completed(stranger)
		for visit, after := range []int64{0, 100, 600, 3000, 3600, 3_000_001, 25_001} {
			for _, h := range []*mtatest.Fixture{milter, policy} {
				h.Clock.Advance(after)
				h.Log.Clear()
			}
			byMilter, byPolicy := e.byMilter(t, milter), e.byPolicy(t, policy)
			if byMilter != byPolicy {
				t.Errorf("%+v, visit %d: %q by milter, %q by policy", e, visit, byMilter, byPolicy)
			}
			lines := [2][]map[string]string{milter.Log.All("decision"), policy.Log.All("decision")}
			if len(lines[0]) != 1 || len(lines[1]) != 1 {
				t.Fatalf("%+v, visit %d: logged %v", e, visit, lines)
			}
			for i, via := range []string{"milter", "policy"} {
				line := lines[i][0]
				if line["via"] != via {
					t.Errorf("%+v, visit %d: logged %v", e, visit, line)
				}
				if e.client == "local" { // no address is there to agree on
					delete(line, "client")
				}
				delete(line, "via")
				delete(line, "took")
			}
			if !maps.Equal(lines[0][0], lines[1][0]) {
				t.Errorf("%+v, visit %d: logged\n%v\n%v", e, visit, lines[0][0], lines[1][0])
			}
			if by := [2]map[greylist.Triplet]greylist.Entry{milter.Store.Rows(t), policy.Store.Rows(t)}; !maps.Equal(by[0], by[1]) {
				t.Errorf("%+v, visit %d: remembered\n%v\n%v", e, visit, by[0], by[1])
			}
		}
	}
	if n := len(milter.Remembered(t)); n < 25 {
		t.Errorf("only %d triplets are remembered", n)
	}
}

// completed fills in what is empty; "-" means that it is.
func (e envelope) completed(client string) envelope {
	for _, field := range []struct {
		value *string
		plain string
	}{
		{&e.client, client}, {&e.helo, "client.example.net"}, {&e.sender, "stranger@example.net"}, {&e.recipient, "me@example.org"},
	} {
		switch *field.value {
		case "":
			*field.value = field.plain
		case "-":
			*field.value = ""
		}
	}
	return e
}
