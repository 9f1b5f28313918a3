package maillog

import (
	"bytes"
	"net/netip"
)

// sendmail reads a line of Sendmail: "QUEUEID: TEXT".
func (q *queue) sendmail(text []byte) {
	id, text, ok := bytes.Cut(text, []byte(": "))
	if !ok || len(id) < 12 || !isPostfixID(id) {
		return
	}
	ok = true
	switch {
	case bytes.HasPrefix(text, []byte("from=")):
		ok = q.sendmailBegin(id, text[len("from="):])
	case bytes.HasPrefix(text, []byte("to=")):
		ok = q.sendmailDelivery(id, text[len("to="):])
	case bytes.HasPrefix(text, []byte("ruleset=check_rcpt, arg1=")):
		ok = q.sendmailRule(id, text[len("ruleset=check_rcpt, arg1="):])
	case bytes.HasPrefix(text, []byte("Milter: ")):
		ok = q.sendmailMilter(id, text[len("Milter: "):])
	case isOneOf(text, "Milter add: header: X-Spam-Flag: YES", "Milter insert (1): header: X-Spam-Flag: YES", "Milter add: header: X-Spam: Yes"):
		q.findOrBegin(id).spam = true
	case bytes.HasPrefix(text, []byte("AUTH=server, ")):
		q.findOrBegin(id).authenticated = true
	case bytes.HasPrefix(text, []byte("done; ")):
		if m := q.find(id); m != nil {
			q.end(m)
		}
	}
	if !ok {
		q.logs.Counts.Unclear++
	}
}

// sendmailBegin reads the begin of a message. It comes after the refusals of recipients.
//
//	<SENDER>, size=N, class=N, nrcpts=N, [msgid=ID, ]… proto=PROTOCOL, daemon=NAME, relay=CLIENT
func (q *queue) sendmailBegin(id, text []byte) bool {
	sender, rest, ok := cutAddress(text)
	if !ok {
		// Of a program of the machine itself: a name without brackets.
		if sender, _, ok = bytes.Cut(text, []byte(", ")); !ok || !isAddress(sender) {
			return false
		}
		rest = text[len(sender):]
	}
	if rest, ok = cut(rest, ", size="); !ok {
		return false
	}
	// Only the message ID, in the middle, is the client's. So what is before and after it
	// counts: relay= at the end, since no host's name can hold a comma.
	i := bytes.LastIndex(rest, []byte(", relay="))
	if i < 0 {
		return false
	}
	fields, relay := rest[:i], rest[i+len(", relay="):]
	var from message
	if !from.readSendmailHost(relay) {
		return false
	}
	if j := bytes.LastIndex(fields, []byte(", proto=")); j >= 0 {
		protocol, _, _ := bytes.Cut(fields[j+len(", proto="):], []byte(", "))
		from.authenticated = isOneOf(protocol, "ESMTPA", "ESMTPSA", "SMTPA", "SMTPSA")
	}
	m := q.findOrBegin(id)
	if m.hasSender {
		m = q.begin(id)
	}
	m.client, m.name, m.local = from.client, from.name, from.local
	m.authenticated = m.authenticated || from.authenticated
	m.sender, m.hasSender = string(sender), true
	if _, after, ok := bytes.Cut(fields, []byte(", msgid=")); ok {
		messageID, _, _ := bytes.Cut(after, []byte(", "))
		q.identify(m, withoutBrackets(messageID))
	}
	for _, r := range m.refused {
		q.refuse(m, r)
	}
	m.refused = nil
	if bytes.Contains(fields, []byte(", nrcpts=0")) {
		q.end(m)
	}
	return true
}

// readSendmailHost reads "[IDENT@]NAME [IP]", or "[IP]", to the end.
func (m *message) readSendmailHost(b []byte) bool {
	if i := bytes.IndexByte(b, '@'); i >= 0 {
		if b = b[i+1:]; string(b) == "localhost" {
			m.local = true
			return true
		}
	}
	name, forged := bytes.CutSuffix(b, []byte(" (may be forged)"))
	b = name
	name = nil
	if len(b) > 0 && b[0] != '[' {
		var ok bool
		if name, b, ok = bytes.Cut(b, space); !ok || !isHostName(name) {
			return false
		}
	}
	ip, rest, ok := cutIP(b)
	if !ok || len(rest) > 0 {
		return false
	}
	m.client = ip
	if !forged {
		m.name = string(name)
	}
	return true
}

// sendmailDelivery reads a delivery, or that recipients were not served because a milter
// refused the message:
//
//	<RECIPIENT>[,<RECIPIENT>…], [ctladdr=<RECIPIENT> (U/G), ]delay=…, xdelay=…, mailer=NAME, pri=N, [relay=HOST [IP], ]dsn=2.0.0, stat=Sent (TEXT)
//	<RECIPIENT>, delay=…, pri=N, stat=…
func (q *queue) sendmailDelivery(id, text []byte) bool {
	var recipients [][]byte
	rest := text
	for {
		recipient, after, ok := cutAddress(rest)
		if !ok || len(recipient) == 0 {
			return false
		}
		recipients = append(recipients, recipient)
		if rest, ok = cut(after, ","); !ok {
			return false
		}
		if after, ok := cut(rest, " "); ok {
			rest = after
			break
		}
	}
	var mailer, relay, aliasOf []byte
	for {
		key, value, after, ok := cutField(rest)
		if !ok {
			return false
		}
		switch string(key) {
		case "mailer":
			mailer = value
		case "relay":
			relay = value
		case "ctladdr":
			if aliasOf, _, ok = cutAddress(value); !ok {
				aliasOf = nil
			}
		case "delay", "xdelay", "pri", "dsn", "ntries", "tls_verify": // without a space
			if bytes.IndexByte(value, ' ') >= 0 {
				return false
			}
		case "stat":
			return q.sendmailStatus(id, recipients, aliasOf, mailer, relay, rest[len("stat="):])
		default:
			return false
		}
		rest = after
	}
}

func (q *queue) sendmailStatus(id []byte, recipients [][]byte, aliasOf, mailer, relay, status []byte) bool {
	m := q.find(id)
	if m == nil {
		return true // it began before the log
	}
	if len(m.refused) == 1 && m.refused[0].recipient == "" { // the message was refused at DATA or later
		r := m.refused[0]
		m.refused = m.refused[1:]
		for _, recipient := range recipients {
			r.recipient = string(recipient)
			m.refuseLater(r)
		}
		return true
	}
	if string(status) != "Sent" && !bytes.HasPrefix(status, []byte("Sent (")) || mailer == nil {
		return true
	}
	to := mailbox
	if isOneOf(mailer, "esmtp", "smtp", "smtp8", "dsmtp", "relay") {
		to = outside
		if server, ok := serverOf(relay); ok {
			to = placeOf(server)
		}
	}
	if string(aliasOf) == m.sender {
		aliasOf = nil // a sender who has an account here
	}
	if aliasOf != nil && !m.local {
		recipients = [][]byte{aliasOf}
	}
	for _, recipient := range recipients {
		q.delivered(m, recipient, to, aliasOf != nil)
	}
	return true
}

// serverOf reads the address of a server: "NAME. [IP]".
func serverOf(relay []byte) (netip.Addr, bool) {
	i := bytes.LastIndexByte(relay, '[')
	if i < 0 {
		return netip.Addr{}, false
	}
	ip, _, ok := cutIP(relay[i:])
	return ip, ok
}

// refuseLater keeps a refusal until the sender is known.
func (m *message) refuseLater(r refusal) {
	if len(m.refused) < maxPending {
		m.refused = append(m.refused, r)
	}
}

// sendmailRule reads a refusal by Sendmail itself:
//
//	<RECIPIENT>, relay=CLIENT, reject=CODE TEXT
func (q *queue) sendmailRule(id, text []byte) bool {
	recipient, rest, ok := cutAddress(text)
	if rest, ok = cutAfter(rest, ok, ", relay="); !ok || len(recipient) == 0 {
		return false
	}
	_, reply, ok := bytes.Cut(rest, []byte(", reject="))
	if ok {
		q.findOrBegin(id).refuseLater(refusal{string(recipient), string(reply), outcomeOf(reply)})
	}
	return true
}

// sendmailMilter reads a milter's refusal of a recipient, or of the message:
//
//	to=<RECIPIENT>, reject=CODE TEXT
//	cmd=data, reject=CODE TEXT
//	data, reject=CODE TEXT
func (q *queue) sendmailMilter(id, text []byte) bool {
	if rest, ok := cut(text, "to="); ok {
		recipient, rest, ok := cutAddress(rest)
		if !ok || len(recipient) == 0 {
			return false
		}
		if reply, ok := cut(rest, ", reject="); ok {
			q.findOrBegin(id).refuseLater(refusal{string(recipient), string(reply), outcomeOf(reply)})
		}
		return true
	}
	for _, stage := range []string{"cmd=data, ", "data, "} {
		if reply, ok := cut(text, stage+"reject="); ok {
			q.findOrBegin(id).refused = []refusal{{"", string(reply), outcomeOf(reply)}}
		}
		if text, ok := cut(text, stage); ok && string(text) == "discard" {
			q.findOrBegin(id).refused = []refusal{{"", "discarded", Spam}}
		}
	}
	return true
}

// outcomeOf tells a temporary refusal by its code.
func outcomeOf(reply []byte) Outcome {
	if len(reply) > 0 && reply[0] == '4' {
		return Deferred
	}
	return Rejected
}
