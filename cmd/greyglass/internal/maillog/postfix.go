package maillog

import (
	"bytes"
	"net/netip"
	"slices"
)

var noQueue = []byte("NOQUEUE")

// postfix reads a line of a service of Postfix: "QUEUEID: TEXT".
func (q *queue) postfix(service string, text []byte) {
	if service == "" {
		return
	}
	id, text, ok := bytes.Cut(text, []byte(": "))
	if !ok || !isPostfixID(id) {
		return
	}
	ok = true
	switch service {
	case "smtpd":
		ok = q.smtpd(id, text)
	case "postscreen":
		ok = q.postfixRefusal(id, text)
	case "pickup":
		if _, is := cut(text, "uid="); is {
			q.begin(id).local = true
		}
	case "cleanup":
		ok = q.cleanup(id, text)
	case "qmgr":
		ok = q.qmgr(id, text)
	default:
		ok = q.postfixDelivery(service, id, text)
	}
	if !ok {
		q.logs.Counts.Unclear++
	}
}

// isPostfixID reports whether a word is a queue ID, short (hexadecimal) or long (of
// letters and digits), or NOQUEUE.
func isPostfixID(b []byte) bool {
	if len(b) < 5 || len(b) > 32 {
		return false
	}
	for _, c := range b {
		if !('0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z') {
			return false
		}
	}
	return true
}

// smtpd reads the begin of a message, or a refusal:
//
//	client=NAME[IP][, sasl_method=…, sasl_username=…][, orig_queue_id=ID][, orig_client=NAME[IP]]
func (q *queue) smtpd(id, text []byte) bool {
	rest, ok := cut(text, "client=")
	if !ok {
		return q.postfixRefusal(id, text)
	}
	if string(id) == "NOQUEUE" {
		return true // a proxy; the message comes again
	}
	name, ip, rest, ok := cutName(rest)
	if bytes.HasPrefix(rest, []byte(", sasl_sender=")) {
		rest = nil // what the client says in AUTH= of MAIL FROM; what follows is not read
	}
	authenticated := bytes.HasPrefix(rest, []byte(", sasl_method=")) || bytes.HasPrefix(rest, []byte(", sasl_username="))
	if !ok || len(rest) > 0 && !authenticated && !bytes.HasPrefix(rest, []byte(", orig_")) {
		return false
	}
	m := q.begin(id)
	m.client, m.name, m.authenticated = ip, string(name), authenticated
	if authenticated || !near(ip) {
		return true
	}
	// A filter gives a message back. It may name the message, the client, or both.
	if after, ok := cut(rest, ", orig_queue_id="); ok {
		word, after, _ := bytes.Cut(after, []byte(", "))
		rest = append([]byte(", "), after...)
		if m.before = q.find(word); m.before != nil {
			return true
		}
	}
	if after, ok := cut(rest, ", orig_client="); ok {
		if name, ip, after, ok := cutName(after); ok && len(after) == 0 {
			m.client, m.name = ip, string(name)
		}
	}
	return true
}

// cleanup reads the message ID, or what a milter did at the end of the message.
func (q *queue) cleanup(id, text []byte) bool {
	if messageID, ok := cut(text, "message-id="); ok {
		if m := q.find(id); m != nil {
			q.identify(m, withoutBrackets(messageID))
		}
		return true
	}
	return q.postfixRefusal(id, text)
}

func withoutBrackets(b []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimPrefix(b, []byte("<")), []byte(">"))
}

// qmgr reads the sender, or the end:
//
//	from=<SENDER>, size=N, nrcpt=N (queue active)
//	removed
func (q *queue) qmgr(id, text []byte) bool {
	m := q.find(id)
	if m == nil {
		return true
	}
	if string(text) == "removed" {
		q.end(m)
		return true
	}
	rest, ok := cut(text, "from=")
	if !ok {
		return true
	}
	sender, rest, ok := cutAddress(rest)
	if rest, ok = cutAfter(rest, ok, ", size="); !ok {
		return false
	}
	size, rest, _ := bytes.Cut(rest, []byte(", "))
	count, rest, _ := bytes.Cut(rest, space)
	count, ok = cut(count, "nrcpt=")
	if !ok || !isNumber(size) || !isNumber(count) || string(rest) != "(queue active)" {
		return bytes.HasPrefix(rest, []byte("status=")) // it has expired
	}
	if !m.hasSender {
		m.sender, m.hasSender = string(sender), true
	}
	return true
}

// cutAfter is cut, if what came before it was read.
func cutAfter(b []byte, ok bool, prefix string) ([]byte, bool) {
	if !ok {
		return b, false
	}
	return cut(b, prefix)
}

// postfixDelivery reads a delivery (log_adhoc.c):
//
//	to=<RECIPIENT>[, orig_to=<RECIPIENT>], relay=HOST[IP]:PORT, …, status=sent (TEXT)
func (q *queue) postfixDelivery(service string, id, text []byte) bool {
	rest, ok := cut(text, "to=")
	if !ok {
		return true
	}
	recipient, rest, ok := cutAddress(rest)
	if !ok || len(recipient) == 0 {
		return false
	}
	original, alias := cut(rest, ", orig_to=")
	if alias {
		if recipient, rest, ok = cutAddress(original); !ok || len(recipient) == 0 {
			return false
		}
	}
	if rest, ok = cut(rest, ", relay="); !ok || bytes.Contains(rest, []byte(">, relay=")) {
		return false // the address might end later
	}
	relay, rest, _ := bytes.Cut(rest, []byte(", "))
	for {
		key, value, after, ok := cutField(rest)
		if !ok {
			return false
		}
		if string(key) == "status" {
			rest = rest[len("status="):]
			break
		}
		if !isOneOf(key, "conn_use", "delay", "delays", "tls", "dsn") || bytes.IndexByte(value, ' ') >= 0 {
			return false
		}
		rest = after
	}
	if rest, ok = cut(rest, "sent ("); !ok {
		return true
	}
	m := q.find(id)
	if m == nil {
		return true // it began before the log
	}
	to := mailbox
	switch service {
	case "discard":
		to = discarded
	case "smtp":
		to = outside
	}
	if service == "smtp" || service == "lmtp" {
		if _, server, _, ok := cutName(relay); ok && near(server) {
			if service == "smtp" {
				to = placeOf(server)
			}
			if q.filtered(m, server, rest) {
				return true
			}
		}
	}
	q.delivered(m, recipient, to, alias)
	return true
}

func isOneOf(b []byte, words ...string) bool { return slices.Contains(words, string(b)) }

// filtered reports whether a delivery was to a filter, which gave the message back. The
// text is the filter's reply.
func (q *queue) filtered(m *message, server netip.Addr, text []byte) bool {
	text = bytes.TrimSuffix(text, []byte(")"))
	if bytes.Contains(text, []byte(" Ok, discarded, id=")) || bytes.Contains(text, []byte(" Ok, quarantined, id=")) { // by amavis
		m.spam = true
		return false
	}
	i := bytes.LastIndex(text, []byte("queued as "))
	if i < 0 {
		return false
	}
	id := text[i+len("queued as "):]
	if !isPostfixID(id) {
		return false
	}
	again := q.find(id)
	if again == nil || again == m || again.before != m && (again.before != nil || again.client != server) {
		return false
	}
	again.before = m
	return true
}

// postfixRefusal reads a refusal by smtpd, a milter or postscreen:
//
//	reject: RCPT from NAME[IP]: CODE TEXT; from=<SENDER> to=<RECIPIENT> proto=ESMTP helo=<NAME>
//	milter-reject: END-OF-MESSAGE from NAME[IP]: TEXT; from=<SENDER> to=<RECIPIENT> proto=ESMTP helo=<NAME>
//	reject: RCPT from [IP]:PORT: CODE TEXT; from=<SENDER>, to=<RECIPIENT>, proto=ESMTP, helo=<NAME>
func (q *queue) postfixRefusal(id, text []byte) bool {
	action, rest, ok := bytes.Cut(text, []byte(": "))
	if !ok || !isOneOf(action, "reject", "milter-reject", "milter-discard") {
		return true
	}
	stage, rest, ok := bytes.Cut(rest, []byte(" from "))
	if !ok || len(stage) > 20 {
		return true
	}
	var m message
	name, ip, rest, ok := cutName(rest)
	if rest, ok = cutAfter(rest, ok, ": "); !ok {
		return false
	}
	m.client, m.name = ip, string(name)
	// The first "; from=" must begin what is Postfix's, which nothing of the client
	// before it, nor within it, can then look like.
	reply, rest, ok := bytes.Cut(rest, []byte("; from="))
	if !ok {
		q.logs.Counts.Unnamed++ // refused before MAIL
		return true
	}
	sender, rest, ok := cutAddress(rest)
	if !ok {
		return false
	}
	rest = bytes.TrimPrefix(rest, []byte(","))
	after, ok := cut(rest, " to=")
	if !ok {
		if !bytes.HasPrefix(rest, []byte(" proto=")) {
			return false
		}
		q.logs.Counts.Unnamed++
		return true
	}
	recipient, rest, ok := cutAddress(after)
	rest = bytes.TrimPrefix(rest, []byte(","))
	if rest, ok = cutAfter(rest, ok, " proto="); !ok || len(recipient) == 0 {
		return false
	}
	_, rest, _ = bytes.Cut(rest, space)
	if rest, ok = cut(rest, "helo=<"); ok {
		// Postfix writes "?" for spaces, brackets and quotes in it.
		end := bytes.IndexByte(rest, '>')
		if end < 0 || end != len(rest)-1 || bytes.ContainsAny(rest[:end], " <") {
			return false
		}
		m.helo = string(rest[:end])
	} else if len(rest) > 0 {
		return false
	}
	m.sender, m.hasSender = string(sender), true
	if m.client.IsLoopback() {
		return true // a filter's
	}
	if string(id) != string(noQueue) {
		m.id = string(id)
	}
	if open := q.find(id); open != nil {
		m.authenticated = open.authenticated
		if bytes.HasPrefix(stage, []byte("END-OF-")) {
			q.end(open)
		}
	}
	outcome := outcomeOf(reply)
	if string(action) == "milter-discard" {
		outcome = Spam
	}
	q.refuse(&m, refusal{string(recipient), string(reply), outcome})
	return true
}
